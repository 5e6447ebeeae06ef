"""Digits, a quarter of the training labels wrong, by one wide layer with dropout."""

from _data import VALIDATION, digits, halves
from _generated import with_wrong_labels
from torch import nn
from torch.utils.data import TensorDataset

TRIAL_SAMPLES = 80_000
accuracy_style = 'classification'
loss = nn.CrossEntropyLoss


def model():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, 10))


def dataset():
    train, val = halves(*digits(), VALIDATION)
    images, labels = train.tensors
    return TensorDataset(images, with_wrong_labels(labels, 0.25, 10)), val
