"""Digits by five layers of 32: nothing is learned at low rates, and all units die at high ones."""

from itertools import pairwise

from _data import VALIDATION, digits, halves
from torch import nn

TRIAL_SAMPLES = 80_000
accuracy_style = 'classification'
loss = nn.CrossEntropyLoss


def model():
    sizes = (64, 32, 32, 32, 32, 32)
    hidden = [part for a, b in pairwise(sizes) for part in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(32, 10))


def dataset():
    return halves(*digits(), VALIDATION)
