"""Breast cancer, its features as they are: they reach from 0.001 to 4,000."""

import torch
from _data import shuffled
from sklearn.datasets import load_breast_cancer
from torch import nn

TRIAL_SAMPLES = 80_000
LRS = (1e-6, 0.1)
accuracy_style = 'classification'
loss = nn.CrossEntropyLoss


def model():
    return nn.Sequential(nn.Linear(30, 32), nn.ReLU(), nn.Linear(32, 2))


def dataset():
    features, classes = load_breast_cancer(return_X_y=True)
    return shuffled(torch.tensor(features, dtype=torch.float32), torch.tensor(classes), 113)
