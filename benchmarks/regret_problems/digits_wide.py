"""Digits, a fifth of the labels wrong, by one wide layer: many rates are good, few are good enough."""

import torch
from _data import VALIDATION, digits, halves
from torch import nn

TRIAL_SAMPLES = 80_000
WRONG = 0.2
accuracy_style = 'classification'
loss = nn.CrossEntropyLoss


def model():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 10))


def dataset():
    images, labels = digits()
    draw = torch.Generator().manual_seed(0)
    noise = torch.randint(10, labels.shape, generator=draw)
    return halves(
        images, torch.where(torch.rand(len(labels), generator=draw) < WRONG, noise, labels), VALIDATION
    )
