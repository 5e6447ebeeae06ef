"""Several labels of a digit at once: is it even, prime, above 4, has it a loop, is it of straight strokes?"""

import torch
from _data import VALIDATION, digits, halves
from torch import nn

TRIAL_SAMPLES = 80_000
LABELS = ((0, 2, 4, 6, 8), (2, 3, 5, 7), (5, 6, 7, 8, 9), (0, 6, 8, 9), (1, 4, 7))
accuracy_style = 'multiclass'
loss = nn.BCEWithLogitsLoss


def model():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, len(LABELS)))


def dataset():
    images, digit = digits()
    labels = torch.stack([torch.isin(digit, torch.tensor(members)) for members in LABELS], dim=1)
    return halves(images, labels.float(), VALIDATION)
