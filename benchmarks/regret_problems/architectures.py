"""Twelve architectures, to be ranked, whose good rates differ: digits shrunk to 4 x 4, by few units."""

from itertools import pairwise

from _data import VALIDATION, digits, halves
from torch import nn

TRIAL_SAMPLES = 28_000
POINTS = (
    (0, 0, 'ReLU'), (1, 3, 'ReLU'), (1, 4, 'Sigmoid'), (1, 6, 'Tanh'), (1, 16, 'ReLU'), (1, 16, 'Sigmoid'),
    (2, 3, 'Tanh'), (2, 8, 'Sigmoid'), (2, 16, 'Tanh'), (4, 4, 'ReLU'), (4, 6, 'Tanh'), (4, 16, 'ReLU'),
)  # fmt: skip
accuracy_style = 'classification'
loss = nn.CrossEntropyLoss


def model(depth, width, activation):
    sizes = (16, *[width] * depth)
    hidden = [
        part
        for before, after in pairwise(sizes)
        for part in (nn.Linear(before, after), getattr(nn, activation)())
    ]
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(sizes[-1], 10))


def dataset():
    images, labels = digits()
    return halves(nn.functional.avg_pool2d(images, 2), labels, VALIDATION)
