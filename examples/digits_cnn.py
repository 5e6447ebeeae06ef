"""Depth and width of a convolutional network with batch normalisation, on scikit-learn's digits.

python examples/digits_cnn.py
sweeper run examples/digits_cnn.py --grid depth=1,2 --grid width=4,8 --preset fastest
"""

import itertools
import sys

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import TensorDataset

from sweeper import FixedSweep, sweep


def model(depth, width):
    layers, channels = [], 1
    for _ in range(depth):
        layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        channels = width
    return nn.Sequential(*layers, nn.AdaptiveMaxPool2d(2), nn.Flatten(), nn.Linear(4 * width, 10))


def dataset():
    """Train, validation and test: the test scores are recorded, and never shown to a selector."""
    images, digits = load_digits(return_X_y=True)
    inputs = torch.tensor(images / 16, dtype=torch.float32).reshape(-1, 1, 8, 8)
    targets = torch.tensor(digits)
    rest, test = train_test_split(range(len(inputs)), test_size=0.15, random_state=0, stratify=digits)
    train, val = train_test_split(rest, test_size=0.2, random_state=0, stratify=digits[rest])
    return tuple(TensorDataset(inputs[part], targets[part]) for part in (train, val, test))


loss = nn.CrossEntropyLoss
accuracy_style = 'classification'


def selector(trials=3):
    return FixedSweep.with_fixed_trials(itertools.product([1, 2], [4, 8]), trials)


if __name__ == '__main__':
    folder = sys.argv[1] if len(sys.argv) > 1 else 'out/digits_cnn'
    for result in sweep('__main__', selector(), 4, 'fastest', folder):
        print(*result.params, result.perf_val.mean().round(4))
