"""Training and validation data as one pool, of which each trial gets a split of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NoReturn

import numpy as np
import torch
from torch.utils.data import ConcatDataset, Dataset, Subset

from ...errors import ProblemError
from ...problem.problem import Problem
from ..data import (
    InMemorySplit,
    ItemSplit,
    Split,
    has_random_items,
    is_pair,
    leaves,
    map_tensors,
    probed,
)
from ..labels import are_classes, groups_of, listed_labels
from ..residence import HostSplit
from ..stream import StreamSplit
from ..workspace import Splits, Workspace
from .resampler import Pool, TrialSplit

_NAMES = ('training', 'validation')


def pool_of(problem: Problem, splits: Splits, resample: str) -> Pool:
    """Returns what is to know of the samples that trials are split of.

    Args:
        problem: Its `groups()` is called, if it has one, right after `dataset()`.
        splits: Its data.
        resample: As `SweepConfig` has it, for messages.

    Raises:
        ProblemError: These data cannot be split anew.
    """

    def refuse(message: str) -> NoReturn:
        raise ProblemError(f'resample={resample!r}: {message}').naming(('resample', resample))

    if problem.load_datasets is None:
        refuse(f'{problem.name!r} has no dataset() to be split')
    both = (splits.train, splits.val)
    for name, split in zip(_NAMES, both, strict=True):
        if isinstance(split, StreamSplit):
            refuse(f'the {name} data is a stream, which cannot be split: return a dataset with __getitem__')
    if not all(isinstance(split, InMemorySplit) for split in both):
        if not all(isinstance(split, ItemSplit) for split in both):
            refuse(
                'of training and validation data, one is held in memory and the other is read item by item: '
                'return DataLoader(data, num_workers=1) for both'
            )
        for name, split in zip(_NAMES, both, strict=True):
            if isinstance(split, ItemSplit) and has_random_items(split.dataset):
                refuse(
                    f'items of the {name} data differ each time they are read, and those that a trial is '
                    f'validated on would, too. Draw at random in step(model, batch), if model.training'
                )
    if (difference := _difference(*both)) is not None:
        refuse(f'training and validation data must have items of one kind; {difference}')
    groups = groups_of(problem, len(splits.train), len(splits.val), refuse)
    return Pool(len(splits.train), len(splits.val), _classes(both), groups)


def _difference(train: Split, val: Split) -> str | None:
    """Says how items of two splits differ, so that they cannot be in one batch; None if they do not."""
    if isinstance(train, InMemorySplit) and isinstance(val, InMemorySplit):
        kinds = [
            [
                f'{tuple(tensor.shape[1:])} {str(tensor.dtype).removeprefix("torch.")}'
                for tensor in leaves(data)
            ]
            for data in (train.data, val.data)
        ]
        return None if kinds[0] == kinds[1] else 'they have {} and {}'.format(*map(' and '.join, kinds))
    assert isinstance(train, ItemSplit) and isinstance(val, ItemSplit)
    items = train.of(ConcatDataset([train.dataset, val.dataset]))
    try:
        items.batch(torch.tensor([0, len(train)]))
    except Exception as error:
        return f'a batch of the first of each raised {type(error).__name__}: {error}'
    return None


def _classes(both: tuple[Split, Split]) -> np.ndarray | None:
    """The class of each sample; None if targets are no class indices."""
    parts = []
    for split in both:
        if isinstance(split, InMemorySplit):
            targets = split.data[1] if is_pair(split.data) else None
            if not isinstance(targets, torch.Tensor) or targets.ndim != 1 or not are_classes(targets):
                return None
            parts.append(targets.cpu().numpy())
        elif isinstance(split, ItemSplit):
            labels = _labels(split.dataset)
            if labels is None:
                return None
            parts.append(labels)
    return np.concatenate(parts)


def _labels(dataset: Dataset[Any]) -> np.ndarray | None:
    """The class of each item of a dataset; None if targets are no class indices.

    They are read off the dataset's `targets` if it has those, as torchvision's do, else all items are read.
    """
    probes = {index: _label(dataset[index]) for index in probed(dataset)}
    if None in probes.values():
        return None
    listed = listed_labels(dataset)
    if listed is not None and all(listed[index] == label for index, label in probes.items()):
        return listed
    labels = []
    for index in range(len(dataset)):  # type: ignore[arg-type]
        if (label := _label(dataset[index])) is None:
            return None
        labels.append(label)
    return np.array(labels)


def _label(item: Any) -> int | None:
    """The class of an item; None if it has none."""
    target = torch.as_tensor(item[1]) if is_pair(item) and _is_number(item[1]) else None
    return int(target) if target is not None and target.ndim == 0 and are_classes(target) else None


def _is_number(value: object) -> bool:
    return isinstance(value, int | np.integer | torch.Tensor | np.ndarray) and not isinstance(value, bool)


def resampled(workspace: Workspace, split: TrialSplit) -> Workspace:
    """Returns a workspace for one trial, with its own training and validation data; test data is as it was.

    In both, samples are in the order of the pool. What is held in memory is copied.
    """
    is_validation = torch.from_numpy(split.is_validation)
    train = _selected(workspace.splits, ~is_validation, workspace.splits.train)
    val = _selected(workspace.splits, is_validation, workspace.splits.val)
    groups = workspace.groups
    if groups is not None:
        groups = np.concatenate([groups[~split.is_validation], groups[split.is_validation]])
    return replace(workspace, splits=Splits(train, val, workspace.splits.test), groups=groups)


def _selected(splits: Splits, is_chosen: torch.Tensor, like: Split) -> Split:
    """Some samples of the pool, read and put into batches as one of its splits."""
    train, val = splits.train, splits.val
    if isinstance(train, InMemorySplit) and isinstance(val, InMemorySplit):
        kind = InMemorySplit if train.is_resident and val.is_resident else HostSplit
        home = train.device if kind is InMemorySplit else torch.device('cpu')
        of_train, of_val = (
            torch.nonzero(part).flatten().to(home)
            for part in (is_chosen[: len(train)], is_chosen[len(train) :])
        )
        others = (tensor.to(home)[of_val] for tensor in leaves(val.data))
        data = map_tensors(train.data, lambda tensor: torch.cat([tensor.to(home)[of_train], next(others)]))
        return kind(data, train.device)
    assert isinstance(train, ItemSplit) and isinstance(val, ItemSplit) and isinstance(like, ItemSplit)
    pool: Dataset[Any] = ConcatDataset([train.dataset, val.dataset])
    return like.of(Subset(pool, torch.nonzero(is_chosen).flatten().tolist()))
