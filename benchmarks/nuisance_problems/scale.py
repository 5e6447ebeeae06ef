"""Digits by a deep MLP whose initial weights are scaled: by the default, it hardly learns."""

from itertools import pairwise

from _data import digits
from torch import nn

from sweeper.m import _

VALUES = (0.1, 0.3, 1.0, 2.0, 4.0, 10.0)
accuracy_style = 'classification'
loss = nn.CrossEntropyLoss


def model(width):
    scale = _('scale', 0.3, range=(0.1, 10.0), log=True, role='nuisance')
    sizes = [64, *[width] * 5]
    layers = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.Tanh()]
        layers[-2].weight.data.mul_(scale)
    return nn.Sequential(*layers, nn.Linear(width, 10))


def dataset():
    return digits(900)
