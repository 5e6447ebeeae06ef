"""The same few digits with wrong labels: what the decay of weights is good for."""

import torch
from _data import digits
from torch import nn

from sweeper.m import _

VALUES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
accuracy_style = 'classification'
loss = nn.CrossEntropyLoss


def model(width):
    return nn.Sequential(nn.Linear(64, 8 * width), nn.ReLU(), nn.Linear(8 * width, 10))


def dataset():
    return digits(500, wrong=0.3)


def optimizer(parameters, lr):
    decay = _('decay', 1e-5, range=(1e-5, 1e-1), log=True, role='nuisance')
    return torch.optim.SGD(parameters, lr, weight_decay=decay)
