"""The data of several problems: small, and the same in every process."""

import torch
from sklearn.datasets import load_digits
from torch.utils.data import TensorDataset

VALIDATION = 360
SYMBOLS, LENGTH, RULES = 4, 12, 5


def halves(inputs, targets, validation):
    """The first samples for validation, the others for training."""
    return (
        TensorDataset(inputs[validation:], targets[validation:]),
        TensorDataset(inputs[:validation], targets[:validation]),
    )


def shuffled(inputs, targets, validation):
    order = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(0))
    return halves(inputs[order], targets[order], validation)


def digits():
    """scikit-learn's digits: images of shape (n, 1, 8, 8) in [0, 1], and their classes."""
    images, labels = load_digits(return_X_y=True)
    return torch.tensor(images / 16, dtype=torch.float32).view(-1, 1, 8, 8), torch.tensor(labels)


def standardised(values):
    values = torch.as_tensor(values, dtype=torch.float32)
    return (values - values.mean(0)) / values.std(0)


def sequences(samples, seed=0):
    """Sequences of symbols, shape (n, LENGTH), and the rule by which each was made; 4 % of symbols are wrong.

    The rules: ascending; a motif of three, repeated; the first half again; the first half backwards; none.
    """
    draw = torch.Generator().manual_seed(seed)
    free = torch.randint(SYMBOLS, (samples, LENGTH), generator=draw)
    rules = torch.arange(samples) % RULES
    half = free[:, : LENGTH // 2]
    made = torch.stack(
        [
            free.sort(dim=1).values,
            free[:, :3].repeat(1, LENGTH // 3),
            half.repeat(1, 2),
            torch.cat([half, half.flip(1)], dim=1),
            free,
        ]
    )
    chosen = made[rules, torch.arange(samples)]
    noise = torch.randint(SYMBOLS, chosen.shape, generator=draw)
    is_wrong = torch.rand(chosen.shape, generator=draw) < 0.04
    return torch.where(is_wrong, noise, chosen), rules
