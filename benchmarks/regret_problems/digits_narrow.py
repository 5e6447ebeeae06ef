"""Digits by a perceptron that is too narrow for them: it matters how well it is trained."""

from _data import VALIDATION, digits, halves
from torch import nn

TRIAL_SAMPLES = 80_000
accuracy_style = 'classification'
loss = nn.CrossEntropyLoss


def model():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 10))


def dataset():
    return halves(*digits(), VALIDATION)
