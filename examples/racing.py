"""Which of twelve perceptrons reads digits best? A race spends the trials where that is not clear yet.

Every architecture gets three trials; whoever is worse beyond doubt gets no more, and those that may be the
best go on up to twenty. In 95% of such races the truly best one is still in at the end.

    python examples/racing.py
    sweeper run examples/racing.py --preset fastest
"""

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import TensorDataset

from sweeper import RacingSweep, compare, sweep


def model(hidden, nonlinearity):
    return nn.Sequential(nn.Linear(64, hidden), getattr(nn, nonlinearity)(), nn.Linear(hidden, 10))


def dataset():
    images, digits = load_digits(return_X_y=True)
    inputs = torch.tensor(images / 16, dtype=torch.float32)
    targets = torch.tensor(digits)
    train, val = train_test_split(range(len(inputs)), test_size=0.2, random_state=0, stratify=digits)
    return TensorDataset(inputs[train], targets[train]), TensorDataset(inputs[val], targets[val])


loss = nn.CrossEntropyLoss
accuracy_style = 'classification'


def selector(trials=20):
    return RacingSweep(
        [(hidden, kind) for hidden in (2, 3, 4, 8, 16, 32) for kind in ('ReLU', 'Tanh')], trials=trials
    )


if __name__ == '__main__':
    race = selector()
    results = sweep('__main__', race, 2, 'fastest', 'out/race')
    for result in results:
        print(result.params, f'{len(result.perf_val)} trials, {result.perf_val.mean():.4f}')
    print(compare('out/race').answer())
