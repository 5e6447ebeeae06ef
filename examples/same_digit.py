"""Do two images show the same digit? Two towers that share weights, compared by distance or by a network.

Items are dicts of two images and whether they show the same; `step` and `predict` read them.

    python examples/same_digit.py
    sweeper run examples/same_digit.py --grid compare=distance,network --grid hidden=32 --preset fastest
"""

import sys

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn import functional
from torch.utils.data import Dataset

from sweeper import FixedSweep, sweep


class Pairs(Dataset):
    """Every image with one of the same digit, and with one of another."""

    def __init__(self, images, digits, seed):
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(images), generator=generator).tolist()
        self.items = []
        for index in range(len(images)):
            for same in (True, False):
                other = next(k for k in order if k != index and (digits[k] == digits[index]) == same)
                order.append(order.pop(order.index(other)))
                pair = {'left': images[index], 'right': images[other], 'same': torch.tensor([float(same)])}
                self.items.append(pair)

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


class Towers(nn.Module):
    """Says, as a logit, whether two images show the same."""

    def __init__(self, compare, hidden):
        super().__init__()
        self.tower = nn.Sequential(nn.Linear(64, hidden), nn.ReLU(), nn.Linear(hidden, hidden))
        self.compare, self.head = compare, nn.Linear(1 if compare == 'distance' else 2 * hidden, 1)

    def forward(self, left, right):
        left, right = self.tower(left), self.tower(right)
        if self.compare == 'distance':
            return self.head((left - right).pow(2).mean(1, keepdim=True))
        return self.head(torch.cat([(left - right).abs(), left * right], dim=1))


def model(compare, hidden):
    return Towers(compare, hidden)


def dataset():
    images, digits = load_digits(return_X_y=True)
    images = torch.tensor(images / 16, dtype=torch.float32)
    parts = train_test_split(images, digits, test_size=0.25, random_state=0, stratify=digits)
    return Pairs(parts[0], parts[2], seed=0), Pairs(parts[1], parts[3], seed=1)


def step(model, batch):
    return functional.binary_cross_entropy_with_logits(model(batch['left'], batch['right']), batch['same'])


def predict(model, batch):
    return model(batch['left'], batch['right']), batch['same']


accuracy_style = 'multiclass'  # one label, yes or no
threshold = 0.0  # outputs are logits


def selector(trials=3):
    points = [(compare, hidden) for compare in ('distance', 'network') for hidden in (16, 64)]
    return FixedSweep.with_fixed_trials(points, trials)


if __name__ == '__main__':
    folder = sys.argv[1] if len(sys.argv) > 1 else 'out/same_digit'
    for result in sweep('__main__', selector(), 2, 'fastest', folder):
        print(*result.params, result.perf_val.mean().round(4))
