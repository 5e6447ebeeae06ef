"""A selector of one's own: find the smallest perceptron that reads digits as well as larger ones.

It doubles the hidden size until that no longer helps, then spends its remaining trials where they count:
on the two best sizes. It shows all that a selector may do: wait for results (`None`), ask for a point
again (more trials of it), and ask for no trials (tune only, so that tuning runs ahead).

    python examples/custom_selector.py
    sweeper run examples/custom_selector.py --preset fastest
"""

import sys
from collections import defaultdict

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import TensorDataset

from sweeper import ParamSelector, sweep


def model(hidden):
    return nn.Sequential(nn.Linear(64, hidden), nn.ReLU(), nn.Linear(hidden, 10))


def dataset():
    images, digits = load_digits(return_X_y=True)
    inputs = torch.tensor(images / 16, dtype=torch.float32)
    targets = torch.tensor(digits)
    train, val = train_test_split(range(len(inputs)), test_size=0.2, random_state=0, stratify=digits)
    return TensorDataset(inputs[train], targets[train]), TensorDataset(inputs[val], targets[val])


loss = nn.CrossEntropyLoss
accuracy_style = 'classification'


class DoubleUntilEnough(ParamSelector):
    """Doubles the only parameter while the mean validation performance grows by `worthwhile`.

    Args:
        first: The parameter's first value.
        last: It does not grow beyond this.
        worthwhile: The least gain for which to go on.
        trials: Trials of every size; the two best get as many again.
    """

    def __init__(self, first=2, last=128, worthwhile=0.01, trials=2):
        self.last, self.worthwhile, self.trials = last, worthwhile, trials
        self.perfs = defaultdict(list)
        self.sizes = []
        self.to_propose = []
        self.deciding = False
        self._grow_to(first)

    def _grow_to(self, size):
        self.sizes.append(size)
        self.to_propose.append(((size,), self.trials))
        if 2 * size <= self.last:
            self.to_propose.append(((2 * size,), 0))  # tune the next size meanwhile

    def has_more_trials(self):
        return not self.deciding or bool(self.to_propose)

    def get_next_trials(self):
        return self.to_propose.pop(0) if self.to_propose else None

    def on_trials_completed(self, values, perfs_train, losses_train, perfs_val, losses_val):
        (size,) = values
        self.perfs[size].extend(perfs_val)
        if not self.deciding and len(self.perfs[self.sizes[-1]]) >= self.trials:
            self._decide()

    def on_point_failed(self, values, error):
        self.deciding = True

    def _decide(self):
        means = {size: np.mean(self.perfs[size]) for size in self.sizes}
        *before, size = self.sizes
        is_worthwhile = not before or means[size] - means[before[-1]] >= self.worthwhile
        if is_worthwhile and 2 * size <= self.last:
            self._grow_to(2 * size)
        else:
            self.deciding = True
            best = sorted(means, key=means.get)[-2:]
            self.to_propose += [((size,), self.trials) for size in best]


def selector():
    return DoubleUntilEnough()


if __name__ == '__main__':
    folder = sys.argv[1] if len(sys.argv) > 1 else 'out/custom_selector'
    for result in sweep('__main__', selector(), 2, 'fastest', folder):
        print(*result.params, len(result.perf_val), 'trials', result.perf_val.round(4))
