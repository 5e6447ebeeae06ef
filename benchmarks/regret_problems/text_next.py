"""Which letter comes next? By a perceptron that reads eight."""

from _data import halves
from _generated import CONTEXT, SYMBOLS_OF_TEXT, text
from torch import nn

TRIAL_SAMPLES = 80_000
accuracy_style = 'classification'
loss = nn.CrossEntropyLoss


def model():
    return nn.Sequential(
        nn.Embedding(SYMBOLS_OF_TEXT, 12), nn.Flatten(), nn.Linear(12 * CONTEXT, 64), nn.Tanh(),
        nn.Linear(64, SYMBOLS_OF_TEXT),
    )  # fmt: skip


def dataset():
    return halves(*text(4000), 1000)
