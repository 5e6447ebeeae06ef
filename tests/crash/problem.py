"""The problem that is swept: points in space to be told apart by small perceptrons, in a way of its own."""

import torch
from torch import nn
from torch.utils.data import Subset, TensorDataset

from sweeper import Metric
from sweeper.m import _

_TRAIN, _VAL, _TEST = 480, 120, 80


def model(width, kind):
    if width == 0:
        raise ValueError('a layer needs a width')  # this point fails in every sweep, and in one way
    rate = _('dropout', 0.1, range=(0.0, 0.5), role='nuisance')
    dropout = [nn.Dropout(rate)] if kind == 'ReLU' else []  # with it, there are no lanes
    return nn.Sequential(nn.Linear(12, width), getattr(nn, kind)(), *dropout, nn.Linear(width, 4))


def dataset():
    generator = torch.Generator().manual_seed(7)
    inputs = torch.randn(_TRAIN + _VAL + _TEST, 12, generator=generator)
    noise = 0.3 * torch.randn(len(inputs), 4, generator=generator)
    classes = (torch.tanh(inputs @ torch.randn(12, 4, generator=generator)) + noise).argmax(1)
    data = TensorDataset(inputs, classes)
    return (
        Subset(data, range(_TRAIN)),
        Subset(data, range(_TRAIN, _TRAIN + _VAL)),
        Subset(data, range(_TRAIN + _VAL, len(inputs))),
    )


def step(model, batch):
    inputs, classes = batch
    return nn.functional.cross_entropy(model(inputs), classes, label_smoothing=0.05)


def optimizer(parameters, lr):
    return torch.optim.SGD(parameters, lr, momentum=0.5)


metrics = {'balanced': Metric('balanced_accuracy'), 'nll': 'loss'}
schedule = 'cosine'
clip_norm = 5.0
