"""Hidden size and nonlinearity of a small perceptron, on scikit-learn's handwritten digits.

Run it either way; the second shows the table, the first ends with a figure:

    python examples/digits_mlp.py
    sweeper run examples/digits_mlp.py --preset fastest
"""

import csv
import itertools
import sys
from collections import defaultdict
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import TensorDataset

from sweeper import FixedSweep, mean_interval, sweep

NONLINEARITIES = {'relu': nn.ReLU, 'tanh': nn.Tanh, 'sigmoid': nn.Sigmoid}


def model(hidden, nonlinearity):
    return nn.Sequential(nn.Linear(64, hidden), NONLINEARITIES[nonlinearity](), nn.Linear(hidden, 10))


def dataset():
    images, digits = load_digits(return_X_y=True)
    inputs = torch.tensor(images / 16, dtype=torch.float32)
    targets = torch.tensor(digits)
    train, val = train_test_split(range(len(inputs)), test_size=0.2, random_state=0, stratify=digits)
    return TensorDataset(inputs[train], targets[train]), TensorDataset(inputs[val], targets[val])


loss = nn.CrossEntropyLoss
accuracy_style = 'classification'


def selector(trials=3):
    points = itertools.product([8, 16, 32, 64], ['relu', 'tanh'])
    return FixedSweep.with_fixed_trials(points, trials)


def draw(folder: Path) -> Path:
    """Draws validation accuracy over hidden size, from `points/results.csv`."""
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot as plt

    accuracies = defaultdict(lambda: defaultdict(list))
    with open(folder / 'points' / 'results.csv', newline='') as file:
        for row in csv.DictReader(file):
            accuracies[row['nonlinearity']][int(row['hidden'])].append(float(row['perf_val']))

    figure, axes = plt.subplots(figsize=(7, 4), layout='constrained')
    for nonlinearity, by_hidden in sorted(accuracies.items()):
        sizes = sorted(by_hidden)
        intervals = [mean_interval(by_hidden[size]) for size in sizes]
        half_widths = [one.half_width for one in intervals]
        axes.errorbar(
            sizes, [one.mean for one in intervals], half_widths, marker='o', capsize=4, label=nonlinearity
        )
    axes.set_xscale('log', base=2)
    axes.set_xticks(sizes, map(str, sizes))
    axes.set(xlabel='hidden units', ylabel='validation accuracy')
    axes.set_title('Digits, each architecture at its own learning rate and batch size\n(mean, 95% interval)')
    axes.legend()
    axes.grid(alpha=0.3)
    path = folder / 'accuracy.png'
    figure.savefig(path, dpi=120)
    return path


if __name__ == '__main__':
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else 'out/digits_mlp')
    for result in sweep('__main__', selector(), 4, 'fastest', folder):
        print(*result.params, result.perf_val.mean().round(4))
    print('figure:', draw(folder))
