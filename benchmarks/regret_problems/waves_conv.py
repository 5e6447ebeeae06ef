"""Which template is in this noisy curve? By convolutions."""

from _data import halves
from _generated import SHAPES_OF_WAVES, waves
from torch import nn

TRIAL_SAMPLES = 80_000
accuracy_style = 'classification'
loss = nn.CrossEntropyLoss


def model():
    return nn.Sequential(
        nn.Unflatten(1, (1, -1)), nn.Conv1d(1, 16, 5, 2, 2), nn.ReLU(), nn.Conv1d(16, 16, 5, 2, 2), nn.ReLU(),
        nn.Flatten(), nn.Linear(160, SHAPES_OF_WAVES),
    )  # fmt: skip


def dataset():
    return halves(*waves(1600), 600)
