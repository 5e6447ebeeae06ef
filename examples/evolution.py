"""Which networks read digits well for few parameters? Evolution with two objectives.

Perceptrons and convolutional networks have parameters of their own, and wide convolutional layers with large
kernels are forbidden. It prints the Pareto front: no other network is both smaller and better.

    python examples/evolution.py
    sweeper run examples/evolution.py --preset fastest --budget minutes=1
"""

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import TensorDataset

from sweeper import Categorical, EvolutionSweep, Integer, Space, pareto_front, sweep

SPACE = Space(
    {
        'family': Categorical(['perceptron', 'convolutional']),
        'width': Integer(4, 32, log=True),
        'layers': Integer(1, 2),
        'kernel': Categorical([3, 5]),
        'nonlinearity': Categorical(['ReLU', 'Tanh']),
    },
    conditions={'kernel': "family == 'convolutional'"},
    forbidden=['kernel == 5 and width > 16'],
)


def model(family, width, layers, nonlinearity, kernel=None):
    parts, size = [], 64 if family == 'perceptron' else 1
    for _ in range(layers):
        if family == 'perceptron':
            parts.append(nn.Linear(size, width))
        else:
            parts.append(nn.Conv2d(size, width, kernel, padding=kernel // 2))
        parts.append(getattr(nn, nonlinearity)())
        size = width
    if family == 'convolutional':
        parts = [nn.Unflatten(1, (1, 8, 8)), *parts, nn.AdaptiveAvgPool2d(2), nn.Flatten()]
        size *= 4
    return nn.Sequential(*parts, nn.Linear(size, 10))


def dataset():
    images, digits = load_digits(return_X_y=True)
    inputs = torch.tensor(images / 16, dtype=torch.float32)
    targets = torch.tensor(digits)
    train, val = train_test_split(range(len(inputs)), test_size=0.2, random_state=0, stratify=digits)
    return TensorDataset(inputs[train], targets[train]), TensorDataset(inputs[val], targets[val])


loss = nn.CrossEntropyLoss
accuracy_style = 'classification'


def selector(points=12):
    objectives = 'performance,parameters'
    return EvolutionSweep(SPACE, points=points, population=5, objectives=objectives, in_flight=4)


if __name__ == '__main__':
    results = sweep('__main__', selector(), 2, 'fastest', 'out/evolution')
    for result in pareto_front(results, 'parameters,performance'):
        print(
            f'{results.costs[result.params].parameters:6d} parameters: {result.perf_val.mean():.4f}',
            result.params,
        )
