"""Which small recurrent network reads digits row by row? Optuna's TPE suggests the next one.

Only an LSTM has the parameter `forget_bias`, the first bias of its forget gate.

    pip install 'fair-sweeper[optuna]'
    python examples/optuna_search.py
    sweeper run examples/optuna_search.py --preset fastest
    optuna-dashboard out/optuna_search/optuna.log
"""

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import TensorDataset

from sweeper import Categorical, Float, Integer, OptunaSelector, Space, sweep

SPACE = Space(
    {
        'cell': Categorical(['RNN', 'GRU', 'LSTM']),
        'hidden': Integer(4, 48, log=True),
        'forget_bias': Float(0.0, 3.0, step=0.5),
    },
    conditions={'forget_bias': "cell == 'LSTM'"},
)


class LastState(nn.Module):
    """Reads an image row by row, and decides by the last state."""

    def __init__(self, cell, hidden, forget_bias):
        super().__init__()
        self.cell = getattr(nn, cell)(8, hidden, batch_first=True)
        self.out = nn.Linear(hidden, 10)
        if forget_bias is not None:
            nn.init.constant_(self.cell.bias_ih_l0[hidden : 2 * hidden], forget_bias)

    def forward(self, rows):
        states, _ = self.cell(rows)
        return self.out(states[:, -1])


def model(cell, hidden, forget_bias=None):
    return LastState(cell, hidden, forget_bias)


def dataset():
    images, digits = load_digits(return_X_y=True)
    inputs = torch.tensor(images / 16, dtype=torch.float32).reshape(-1, 8, 8)
    targets = torch.tensor(digits)
    train, val = train_test_split(range(len(inputs)), test_size=0.2, random_state=0, stratify=digits)
    return TensorDataset(inputs[train], targets[train]), TensorDataset(inputs[val], targets[val])


loss = nn.CrossEntropyLoss
accuracy_style = 'classification'


def selector(points=12):
    return OptunaSelector(SPACE, points=points, sampler='tpe', in_flight=4)


if __name__ == '__main__':
    results = sweep('__main__', selector(), 2, 'fastest', 'out/optuna_search')
    for result in sorted(results, key=lambda result: -result.perf_val.mean()):
        print(f'{result.perf_val.mean():.4f}', dict(result.params))
