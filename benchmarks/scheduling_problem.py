"""The problem of `scheduling.py`: digits perceptrons; a worker notes when its runs begin and end."""

import os
import time

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import TensorDataset, random_split

from sweeper import work

NOTES = os.environ.get('SWEEPER_BENCHMARK')


def model(width):
    return nn.Sequential(
        nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10)
    )


def dataset():
    images, digits = load_digits(return_X_y=True)
    everything = TensorDataset(torch.tensor(images / 16, dtype=torch.float32), torch.tensor(digits))
    return random_split(everything, [0.8, 0.2])


loss = nn.CrossEntropyLoss
accuracy_style = 'classification'


def _timed(function):
    def run(*args, **options):
        start = time.monotonic()
        try:
            return function(*args, **options)
        finally:
            with open(NOTES, 'a') as file:
                file.write(f'{start},{time.monotonic()}\n')

    return run


if NOTES:
    work.FUNCTIONS.update({name: _timed(function) for name, function in work.FUNCTIONS.items()})
