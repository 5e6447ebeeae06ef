"""A table of our own: 216 small perceptrons on digits, 8 trials of each, with their courses.

    python benchmarks/digits_table.py FOLDER      # trains them (some minutes of two cores), writes the table

Each architecture is tuned (`fastest`, of trials that have a fixed length of eight epochs, each a cycle) and
then trained 8 times. The table, `digits_table.npz` beside this file, has how many of the 360 validation
samples are classified right at the end of each epoch. `search.py` searches in it.
"""

import itertools
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

TABLE = Path(__file__).with_name('digits_table.npz')
TRIALS, EPOCHS, VALIDATION = 8, 8, 360
CHOICES = {
    'depth': [1, 2, 3],
    'width': [4, 6, 8, 12, 16, 24, 32, 48, 64],
    'activation': ['relu', 'tanh', 'gelu', 'sigmoid'],
    'normalised': [False, True],
}
_ACTIVATIONS = {'relu': nn.ReLU, 'tanh': nn.Tanh, 'gelu': nn.GELU, 'sigmoid': nn.Sigmoid}

accuracy_style = 'classification'
loss = nn.CrossEntropyLoss


def model(depth, width, activation, normalised):
    layers, inputs = [], 64
    for _ in range(depth):
        layers += [nn.Linear(inputs, width)]
        layers += [nn.BatchNorm1d(width)] * normalised
        layers += [_ACTIVATIONS[activation]()]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, 10))


def dataset():
    from sklearn.datasets import load_digits
    from torch.utils.data import TensorDataset

    images, labels = load_digits(return_X_y=True)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    inputs = torch.tensor(images / 16, dtype=torch.float32)[order]
    targets = torch.tensor(labels)[order]
    val, train = slice(None, VALIDATION), slice(VALIDATION, None)
    return TensorDataset(inputs[train], targets[train]), TensorDataset(inputs[val], targets[val])


def main(folder):
    from sweeper import FixedSweep, get_settings, sweep

    samples = 1797 - VALIDATION
    settings = get_settings('fastest').replace(
        trial_samples=EPOCHS * samples, cycle_epochs=1, length='fixed', max_cycles=EPOCHS
    )
    selector = FixedSweep.with_grid(CHOICES, TRIALS)
    results = sweep(__file__, selector, 1, settings, folder, cores=2, step='lanes', progress='plain')
    counts = np.zeros((len(results), TRIALS, EPOCHS), np.uint16)
    order = {tuple(values): index for index, values in enumerate(itertools.product(*CHOICES.values()))}
    for result in results:
        for trial in range(TRIALS):
            path = Path(folder, f'points/{results.ids[result.params]}/trials/{trial}/throughtime.npz')
            accuracies = np.load(path)['perf_val']
            row = order[tuple(result.params[name] for name in CHOICES)]
            counts[row, trial, : len(accuracies)] = np.round(VALIDATION * accuracies)  # 0 once diverged
    np.savez_compressed(TABLE, counts=counts)


if __name__ == '__main__':
    main(sys.argv[1])
