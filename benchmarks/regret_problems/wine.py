"""Wine: 142 samples of 13 features, an epoch of which has few steps."""

import torch
from _data import shuffled, standardised
from sklearn.datasets import load_wine
from torch import nn

TRIAL_SAMPLES = 80_000
accuracy_style = 'classification'
loss = nn.CrossEntropyLoss


def model():
    return nn.Sequential(nn.Linear(13, 16), nn.Tanh(), nn.Linear(16, 3))


def dataset():
    features, classes = load_wine(return_X_y=True)
    return shuffled(standardised(features), torch.tensor(classes), 36)
