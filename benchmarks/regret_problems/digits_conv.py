"""Digits by a small convolutional network with batch normalisation, which forgives high rates."""

from _data import VALIDATION, digits, halves
from torch import nn

TRIAL_SAMPLES = 28_000
accuracy_style = 'classification'
loss = nn.CrossEntropyLoss


def model():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10),
    )  # fmt: skip


def dataset():
    return halves(*digits(), VALIDATION)
