"""Digits in two halves, for the problems beside this file."""

import torch
from sklearn.datasets import load_digits
from torch.utils.data import TensorDataset


def digits(train_size, wrong=0.0):
    """A training set of so many digits, a share of whose labels are wrong, and the others to validate."""
    images, labels = (torch.tensor(array) for array in load_digits(return_X_y=True))
    draw = torch.Generator().manual_seed(0)
    order = torch.randperm(len(labels), generator=draw)
    images, labels = images[order].float() / 16, labels[order]
    noisy = torch.where(
        torch.rand(len(labels), generator=draw) < wrong,
        torch.randint(10, labels.shape, generator=draw),
        labels,
    )
    train = TensorDataset(images[:train_size], noisy[:train_size])
    return train, TensorDataset(images[train_size:], labels[train_size:])
