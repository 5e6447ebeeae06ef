"""Few digits, some labels wrong, by a wide MLP, which learns these by heart unless something is dropped."""

from _data import digits
from torch import nn

from sweeper.m import _

VALUES = (0.0, 0.15, 0.3, 0.45, 0.6, 0.75)
accuracy_style = 'classification'
loss = nn.CrossEntropyLoss


def model(width):
    rate = _('dropout', 0.0, range=(0.0, 0.8), role='nuisance')
    return nn.Sequential(nn.Linear(64, 8 * width), nn.ReLU(), nn.Dropout(rate), nn.Linear(8 * width, 10))


def dataset():
    return digits(500, wrong=0.3)
