"""A random search tells roughly where good networks are; a grid around there tells what matters.

Both go into the same folder, so all networks are compared in the end.

    python examples/random_and_grid.py
    sweeper run examples/random_and_grid.py --preset fastest
"""

import torch
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import TensorDataset

from sweeper import Categorical, Float, GridSweep, Integer, RandomSweep, Space, compare, sweep

SPACE = Space(
    {
        'hidden': Integer(1, 64, log=True),
        'dropout': Float(0.0, 0.6, step=0.2),
        'nonlinearity': Categorical(['ReLU', 'Tanh']),
    }
)


def model(hidden, dropout, nonlinearity):
    return nn.Sequential(
        nn.Linear(13, hidden), getattr(nn, nonlinearity)(), nn.Dropout(dropout), nn.Linear(hidden, 3)
    )


def dataset():
    measured, kinds = load_wine(return_X_y=True)
    train, val = train_test_split(range(len(kinds)), test_size=0.4, random_state=0, stratify=kinds)
    scaled = StandardScaler().fit(measured[train]).transform(measured)
    inputs, targets = torch.tensor(scaled, dtype=torch.float32), torch.tensor(kinds)
    return TensorDataset(inputs[train], targets[train]), TensorDataset(inputs[val], targets[val])


loss = nn.CrossEntropyLoss
accuracy_style = 'classification'


def selector(points=10, trials=2):
    return RandomSweep(SPACE, points=points, trials=trials)


if __name__ == '__main__':
    folder = 'out/random_and_grid'
    drawn = sweep('__main__', selector(), 2, 'fastest', folder)
    best = max(drawn, key=lambda result: result.perf_val.mean()).params
    widths = sorted({max(1, best['hidden'] // 2), best['hidden'], min(64, 2 * best['hidden'])})
    around = Space(
        {**SPACE, 'hidden': Categorical(widths), 'nonlinearity': Categorical([best['nonlinearity']])}
    )
    sweep('__main__', GridSweep(around, trials=2), 2, 'fastest', folder)
    print(compare(folder).answer())
