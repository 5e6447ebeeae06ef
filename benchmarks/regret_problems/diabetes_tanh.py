"""Diabetes, standardised, by a network that can learn its noise by heart."""

from _data import shuffled, standardised
from sklearn.datasets import load_diabetes
from torch import nn

TRIAL_SAMPLES = 80_000
accuracy_style = 'inv-loss'
loss = nn.MSELoss


def model():
    return nn.Sequential(nn.Linear(10, 64), nn.Tanh(), nn.Linear(64, 1))


def dataset():
    features, progression = load_diabetes(return_X_y=True)
    return shuffled(standardised(features), standardised(progression).view(-1, 1), 92)
