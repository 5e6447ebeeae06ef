"""Small networks of every kind, with data for them, for the other benchmarks."""

import itertools
import math
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional


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
    rate = staticmethod(lambda _: 1.0)

    def data(self):
        generator = torch.Generator().manual_seed(0)
        inputs = torch.randn(self.samples, *self.shape, generator=generator)
        return inputs, torch.randint(10, (self.samples,), generator=generator)


class Autoencoder(nn.Module):
    """A variational one, of 64 numbers."""

    def __init__(self, latent=8):
        super().__init__()
        self.encoder, self.decoder = mlp(64, 48, 2 * latent), mlp(latent, 48, 64)

    def forward(self, inputs):
        mean, _ = self.encoder(inputs).chunk(2, 1)
        return self.decoder(mean)


class Towers(nn.Module):
    """Two inputs, through one tower."""

    def __init__(self):
        super().__init__()
        self.tower, self.head = mlp(32, 64, 64), nn.Linear(128, 10)

    def forward(self, left, right):
        return self.head(torch.cat([self.tower(left), self.tower(right)], 1))


def variational(model, batch):
    inputs, _ = batch
    mean, log_variance = model.encoder(inputs).chunk(2, 1)
    outputs = model.decoder(mean + torch.randn_like(mean) * (log_variance / 2).exp())
    divergence = (mean**2 + log_variance.exp() - log_variance - 1).sum(1).mean() / 2
    return functional.mse_loss(outputs, inputs) + 0.01 * divergence


def reconstruction(model, batch):
    return functional.mse_loss(model(batch[0]), batch[0])


def of_two_inputs(model, batch):
    inputs, targets = batch
    return functional.cross_entropy(model(inputs[:, :32], inputs[:, 32:]), targets)


def plain(model, batch):
    inputs, targets = batch
    return functional.cross_entropy(model(inputs), targets)


def adamw_in_groups(model, lr):
    weights = [parameter for name, parameter in model.named_parameters() if 'weight' in name]
    biases = [parameter for name, parameter in model.named_parameters() if 'bias' in name]
    groups = [{'params': weights, 'weight_decay': 0.1}, {'params': biases, 'lr': lr / 2, 'weight_decay': 0.0}]
    return torch.optim.AdamW(groups, lr)


class OwnCase(NamedTuple):
    """A training that says more than a loss.

    Attributes:
        name: For the table.
        build: Makes the network.
        step: Its own step.
        plain_step: What it is compared with.
        optimizer: Makes its optimizer from the model; None for SGD.
        clip_norm: The largest norm of its gradient.
        rate: A factor of the learning rate, by progress.
        batch_size: Samples per step.
        samples: In the training set.
    """

    name: str
    build: object
    step: object
    plain_step: object = plain
    optimizer: object = None
    clip_norm: float | None = None
    rate: object = staticmethod(lambda _: 1.0)
    batch_size: int = 16
    samples: int = 4096

    def data(self):
        return Case('', None, (64,), self.batch_size, self.samples, 0.0).data()


def small():
    return mlp(64, 64, 10)


OWN_CASES = [
    OwnCase('variational autoencoder', Autoencoder, variational, reconstruction),
    OwnCase('two inputs', Towers, of_two_inputs, of_two_inputs),
    OwnCase('clipped gradients', small, plain, clip_norm=1.0),
    OwnCase('AdamW in groups', small, plain, optimizer=adamw_in_groups),
    OwnCase('cosine', small, plain, rate=lambda progress: (1 + math.cos(math.pi * progress)) / 2),
]

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
