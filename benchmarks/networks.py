"""Small networks of every kind, with data for them, for the other benchmarks."""

import itertools
from typing import NamedTuple

import torch
from torch import nn


class Recurrent(nn.Module):
    """The last output of a recurrent layer, classified."""

    def __init__(self, layer, inputs, hidden):
        super().__init__()
        self.layer = layer(inputs, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 10)

    def forward(self, sequences):
        return self.head(self.layer(sequences)[0][:, -1])


class Transformer(nn.Module):
    """Encoder layers without dropout, averaged over time and classified."""

    def __init__(self, width=32, layers=3):
        super().__init__()
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers)
        self.head = nn.Linear(width, 10)

    def forward(self, sequences):
        return self.head(self.encoder(sequences).mean(1))


def mlp(*widths):
    layers = [layer for a, b in itertools.pairwise(widths) for layer in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


def cnn(*channels, normalised=False):
    layers = []
    for before, after in itertools.pairwise((1, *channels)):
        layers += [nn.Conv2d(before, after, 3, padding=1), *([nn.BatchNorm2d(after)] if normalised else [])]
        layers += [nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels[-1] * (28 // 2 ** len(channels)) ** 2, 10))


class Case(NamedTuple):
    """A network and how it is trained.

    Attributes:
        name: For the table.
        build: Makes it.
        shape: Of one input.
        batch_size: Samples per step.
        samples: In the training set.
        target: The least ratio to the ordinary way that we promise.
    """

    name: str
    build: object
    shape: tuple[int, ...]
    batch_size: int
    samples: int
    target: float

    def data(self):
        generator = torch.Generator().manual_seed(0)
        inputs = torch.randn(self.samples, *self.shape, generator=generator)
        return inputs, torch.randint(10, (self.samples,), generator=generator)


CASES = [
    Case('MLP 64-64-10', lambda: mlp(64, 64, 10), (64,), 16, 4096, 6.5),
    Case('MLP 64-64-10', lambda: mlp(64, 64, 10), (64,), 32, 4096, 6.0),
    Case('MLP 784-128-10', lambda: mlp(784, 128, 10), (784,), 32, 4096, 2.1),
    Case('RNN 32-128, T=20', lambda: Recurrent(nn.RNN, 32, 128), (20, 32), 32, 1024, 1.6),
    Case('CNN 16-32, 28x28', lambda: cnn(16, 32), (1, 28, 28), 32, 512, 1.7),
    Case('transformer, 3 layers of 32', Transformer, (20, 32), 32, 512, 0.97),
    Case('LSTM 32-128, T=20', lambda: Recurrent(nn.LSTM, 32, 128), (20, 32), 32, 512, 0.97),
    Case('GRU 32-128, T=20', lambda: Recurrent(nn.GRU, 32, 128), (20, 32), 32, 512, 0.97),
    Case('CNN 16-32, BatchNorm', lambda: cnn(16, 32, normalised=True), (1, 28, 28), 32, 512, 0.97),
    Case('MLP 784-2048-2048-10', lambda: mlp(784, 2048, 2048, 10), (784,), 32, 512, 0.97),
]
