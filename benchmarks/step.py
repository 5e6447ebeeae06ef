"""What one training step of a small model costs, part by part, as ratios measured side by side.

    python benchmarks/step.py

Each line compares two ways to do the same in alternation, and prints the median of the ratios.
"""

import statistics
import time

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from sweeper.training.data import ShuffledBatches, as_split
from sweeper.training.loop import Loop, PlainSGD

ROUNDS = 15
CPU = torch.device('cpu')


class Items(Dataset):
    """The same data, read item by item."""

    def __init__(self, inputs, targets):
        self.inputs, self.targets = inputs, targets

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, index):
        return self.inputs[index], self.targets[index]


def seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def compare(name, ours, other):
    """Prints how long `ours` takes in proportion to `other`: median and range over the rounds."""
    ours(), other()
    ratios = sorted(seconds(ours) / seconds(other) for _ in range(ROUNDS))
    print(f'{name:58s} {statistics.median(ratios):6.2f}   ({ratios[0]:.2f} to {ratios[-1]:.2f})')


def main():
    torch.set_num_threads(1)
    inputs, targets = torch.randn(1437, 64), torch.randint(10, (1437,))
    split = as_split(TensorDataset(inputs, targets), CPU)
    criterion = nn.CrossEntropyLoss()

    def fresh_model():
        return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))

    def train(make_optimizer, batches):
        model = fresh_model()
        lrs = [0.1] * len(batches)
        Loop(model, criterion, make_optimizer(model.parameters(), lr=1.0), lrs).run(batches)

    def train_bare(batches):
        model = fresh_model()
        optimizer = PlainSGD(model.parameters(), lr=0.1)
        for batch_inputs, batch_targets in batches:
            optimizer.zero_grad()
            criterion(model(batch_inputs), batch_targets).backward()
            optimizer.step()

    batches = ShuffledBatches(split, 16, seed=0)
    loader = DataLoader(Items(inputs, targets), batch_size=16, shuffle=True)
    print('seconds of ours / seconds of the other, 90 steps of a 64-32-10 perceptron at batch size 16')
    compare(
        'step: plain SGD / torch.optim.SGD',
        lambda: train(PlainSGD, batches),
        lambda: train(torch.optim.SGD, batches),
    )
    compare(
        'loop: the ignite engine / a bare for loop',
        lambda: train(PlainSGD, batches),
        lambda: train_bare(batches),
    )
    compare('batches: by indexing / DataLoader item by item', lambda: list(batches), lambda: list(loader))
    compare(
        'all: ours / torch.optim.SGD and DataLoader',
        lambda: train(PlainSGD, batches),
        lambda: train(torch.optim.SGD, loader),
    )


if __name__ == '__main__':
    main()
