"""Digits by an MLP: momentum helps little if the learning rate is right, and does harm if it is not."""

import torch
from _data import digits
from torch import nn

from sweeper.m import _

VALUES = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98)
accuracy_style = 'classification'
loss = nn.CrossEntropyLoss


def model(width):
    return nn.Sequential(
        nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10)
    )


def dataset():
    return digits(900)


def optimizer(parameters, lr):
    return torch.optim.SGD(parameters, lr, momentum=_('momentum', 0.0, range=(0.0, 0.98), role='nuisance'))
