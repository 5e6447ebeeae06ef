"""A convolutional network on scikit-learn's digits whose parameters are declared where they are used.

There is no sweep in it: model() takes no argument, and the command line says what to compare.

sweeper params examples/declared_cnn.py examples/declared_layers.py
sweeper run examples/declared_cnn.py --grid width=4,8 --set depth=1 --preset fastest
sweeper run examples/declared_cnn.py --declared --points 6 --preset fastest
"""

import torch
from declared_layers import block
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import TensorDataset

from sweeper.m import _


def model():
    layers, channels = [], 1
    for _layer in range(_('depth', 2, range=(1, 2))):
        made, channels = block(channels)
        layers += made
    return nn.Sequential(*layers, nn.AdaptiveMaxPool2d(2), nn.Flatten(), nn.Linear(4 * channels, 10))


def optimizer(parameters, lr):
    """Momentum is not compared, but tuned for every architecture, as the learning rate is."""
    momentum = _('momentum', 0.0, range=(0.0, 0.95), role='nuisance')
    return torch.optim.SGD(parameters, lr, momentum=momentum)


def dataset():
    images, digits = load_digits(return_X_y=True)
    inputs = torch.tensor(images / 16, dtype=torch.float32).reshape(-1, 1, 8, 8)
    targets = torch.tensor(digits)
    rest, test = train_test_split(range(len(inputs)), test_size=0.15, random_state=0, stratify=digits)
    train, val = train_test_split(rest, test_size=0.2, random_state=0, stratify=digits[rest])
    return tuple(TensorDataset(inputs[part], targets[part]) for part in (train, val, test))


loss = nn.CrossEntropyLoss
accuracy_style = 'classification'
