"""More data of problems: what generalises is not what fits best, or it is learned late."""

import math

import torch
from sklearn import datasets

LENGTH_OF_WAVES, SHAPES_OF_WAVES = 40, 8
SYMBOLS_OF_TEXT, CONTEXT = 32, 8


def with_wrong_labels(labels, share, classes, seed=0):
    """Labels of which a share is another class, drawn at random."""
    draw = torch.Generator().manual_seed(seed)
    other = (labels + torch.randint(1, classes, labels.shape, generator=draw)) % classes
    return torch.where(torch.rand(len(labels), generator=draw) < share, other, labels)


def waves(samples, seed=0):
    """Noisy curves of shape (n, LENGTH_OF_WAVES), each one of a few templates, shifted, scaled and sheared.

    In the manner of MNIST-1D (Greydanus 2020).
    """
    draw = torch.Generator().manual_seed(seed)
    time = torch.linspace(0, 1, LENGTH_OF_WAVES)
    templates = torch.randn(SHAPES_OF_WAVES, 12, generator=draw)
    classes = torch.arange(samples) % SHAPES_OF_WAVES
    curves = torch.nn.functional.interpolate(
        templates[classes].unsqueeze(1), 24, mode='linear', align_corners=True
    ).squeeze(1)
    made = torch.zeros(samples, LENGTH_OF_WAVES)
    for row, start in enumerate(torch.randint(LENGTH_OF_WAVES - 24, (samples,), generator=draw).tolist()):
        made[row, start : start + 24] = curves[row]
    scale = 0.6 + 0.8 * torch.rand(samples, 1, generator=draw)
    slope = torch.randn(samples, 1, generator=draw)
    noise = torch.randn(samples, LENGTH_OF_WAVES, generator=draw)
    smooth = torch.nn.functional.avg_pool1d(noise.unsqueeze(1), 3, 1, 1).squeeze(1)
    return made * scale + slope * (time - 0.5) + 0.6 * smooth, classes


def clouds(samples, seed=0):
    """Sets of 12 points in the plane, shape (n, 12, 2), and in which of eight directions they are long."""
    draw = torch.Generator().manual_seed(seed)
    directions = torch.arange(samples) % 8
    angles = (directions + torch.rand(samples, generator=draw) - 0.5) * math.pi / 8
    along = torch.randn(samples, 12, 1, generator=draw)
    across = 0.35 * torch.randn(samples, 12, 1, generator=draw)
    axis = torch.stack([angles.cos(), angles.sin()], 1).unsqueeze(1)
    normal = torch.stack([-angles.sin(), angles.cos()], 1).unsqueeze(1)
    centre = torch.randn(samples, 1, 2, generator=draw)
    return along * axis + across * normal + centre, directions


def sums(prime):
    """All pairs of numbers below a prime, shape (prime ** 2, 2), shuffled, and their sums modulo it."""
    pairs = torch.cartesian_prod(torch.arange(prime), torch.arange(prime))
    pairs = pairs[torch.randperm(len(pairs), generator=torch.Generator().manual_seed(0))]
    return pairs, pairs.sum(1) % prime


def text(samples):
    """Pieces of the texts that describe scikit-learn's data, as symbols, and the symbol that follows each."""
    loaders = (datasets.load_diabetes, datasets.load_wine, datasets.load_breast_cancer, datasets.load_iris)
    letters = ''.join(load().DESCR.lower() for load in loaders)
    common = sorted(set(letters), key=lambda letter: (-letters.count(letter), letter))[: SYMBOLS_OF_TEXT - 1]
    codes = torch.tensor([common.index(letter) + 1 if letter in common else 0 for letter in letters])
    starts = torch.randperm(len(codes) - CONTEXT, generator=torch.Generator().manual_seed(0))[:samples]
    return torch.stack([codes[start : start + CONTEXT] for start in starts]), codes[starts + CONTEXT]


def delayed_series(length, seed=0):
    """A standardised series in which growth depends on values long ago (Mackey and Glass 1977)."""
    draw = torch.Generator().manual_seed(seed)
    delay, values = 17, [1.2] * 18
    for _ in range(6 * length):
        old = values[-1 - delay]
        values.append(values[-1] + 0.5 * (0.2 * old / (1 + old**10) - 0.1 * values[-1]))
    series = torch.tensor(values[-6 * length :: 6])
    series = (series - series.mean()) / series.std()
    return series + 0.1 * torch.randn(length, generator=draw)
