"""Which of 27 perceptrons reads digits best? Most are trained briefly, the best of them longer.

A third of the architectures trained for a ninth of a trial goes on to a third of it, a third of these to the
end, each from where it stopped. The best three then get more trials, for error bars.

    python examples/halving.py
    sweeper run examples/halving.py --preset fastest
"""

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import TensorDataset

from sweeper import HalvingSweep, compare, sweep


def model(depth, width, nonlinearity):
    layers, inputs = [], 64
    for _ in range(depth):
        layers += [nn.Linear(inputs, width), getattr(nn, nonlinearity)()]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, 10))


def dataset():
    images, digits = load_digits(return_X_y=True)
    inputs = torch.tensor(images / 16, dtype=torch.float32)
    targets = torch.tensor(digits)
    train, val = train_test_split(range(len(inputs)), test_size=0.2, random_state=0, stratify=digits)
    return TensorDataset(inputs[train], targets[train]), TensorDataset(inputs[val], targets[val])


loss = nn.CrossEntropyLoss
accuracy_style = 'classification'


def selector(trials=3):
    space = {'depth': [1, 2, 3], 'width': [4, 16, 64], 'nonlinearity': ['ReLU', 'Tanh', 'ELU']}
    return HalvingSweep(space, trials=trials)


if __name__ == '__main__':
    results = sweep('__main__', selector(), 2, 'fastest', 'out/halving')
    for result in results:
        if len(result.perf_val):
            print(dict(result.params), f'trials: {len(result.perf_val)}, mean: {result.perf_val.mean():.4f}')
    print(compare('out/halving').answer())
