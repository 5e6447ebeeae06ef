"""Digits, read row by row by a recurrent network, to which learning rates matter most; with momentum."""

import torch
from _data import digits
from torch import nn

from sweeper.m import _

VALUES = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98)
accuracy_style = 'classification'
loss = nn.CrossEntropyLoss


class Reader(nn.Module):
    """Reads rows of pixels and answers with the digits' logits."""

    def __init__(self, width):
        super().__init__()
        self.layer, self.head = nn.RNN(8, width, batch_first=True), nn.Linear(width, 10)

    def forward(self, pixels):
        states, _last = self.layer(pixels.unflatten(1, (8, 8)))
        return self.head(states[:, -1])


def model(width):
    return Reader(width)


def dataset():
    return digits(900)


def optimizer(parameters, lr):
    return torch.optim.SGD(parameters, lr, momentum=_('momentum', 0.0, range=(0.0, 0.98), role='nuisance'))
