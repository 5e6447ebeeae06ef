"""Digits by three layers of sigmoids: saturating, so that only few, high rates train it at all."""

from _data import VALIDATION, digits, halves
from torch import nn

TRIAL_SAMPLES = 80_000
accuracy_style = 'classification'
loss = nn.CrossEntropyLoss


def model():
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 32), nn.Sigmoid(), nn.Linear(32, 32), nn.Sigmoid(),
        nn.Linear(32, 32), nn.Sigmoid(), nn.Linear(32, 10),
    )  # fmt: skip


def dataset():
    return halves(*digits(), VALIDATION)
