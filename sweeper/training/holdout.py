"""Training samples that are held out: models are scored on them, and trained on the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from ..errors import ProblemError
from .data import Batch, InMemorySplit, ItemSplit, NoData, Split, SplitPart, is_pair, leaves, map_tensors
from .labels import are_classes, listed_labels
from .stream import StreamSplit
from .workspace import Workspace

_KEPT_BYTES = 2**28
"""As much of what is held out of a dataset that is read item by item is kept in memory while a run lasts."""


class Holdout(NamedTuple):
    """The training data in two parts.

    Attributes:
        trained: The indices of the samples to train on, rising; None for all of them.
        scored: The samples to score on: those that are held out, or all if none are.
        fitted: As many of those that are trained on, spread over them; None if none are held out.
    """

    trained: torch.Tensor | None
    scored: Split
    fitted: Split | None = None


def can_hold_out(train: Split, groups: np.ndarray | None) -> bool:
    """Whether some of the training data can be held out: not of a stream, nor where all is one group.

    Args:
        train: The training data.
        groups: The number of the group of each training sample, if groups are kept together.
    """
    if isinstance(train, StreamSplit | NoData) or len(train) < 2:
        return False
    return groups is None or len(np.unique(groups)) > 1


def hold_out(workspace: Workspace, seed: int, count: int, part: int = 0) -> Holdout:
    """Holds some of the training samples out, always the same ones of the same data with the same seed.

    Where targets are classes, each has its share of them. Where the problem has `groups()`, whole groups are
    held out, of about so many samples; classes do not count then.

    Args:
        workspace: The problem and its data.
        seed: Draws them.
        count: How many, less than there are; 0 for none. Nothing is held out where there is no data.
        part: Which so many: parts of the same seed have no sample in common, as long as there are enough
            (whole groups may).

    Raises:
        ProblemError: Nothing of these data can be held out.
    """
    train = workspace.splits.train
    if not count or isinstance(train, NoData):
        return Holdout(None, train)
    groups = None if workspace.groups is None else workspace.groups[: len(train)]
    if isinstance(train, StreamSplit):
        raise ProblemError(
            'the training data is a stream, of which nothing can be held out, as nuisance parameters and '
            "stop='held-out' need it: return a dataset with __getitem__"
        )
    if groups is not None and not can_hold_out(train, groups):
        raise ProblemError(
            'all training samples are of one group, by groups(), and groups are held out as a whole: '
            "nuisance parameters and stop='held-out' need two at least"
        )
    generator = torch.Generator().manual_seed(seed)
    if groups is not None:
        is_held_out = torch.from_numpy(_drawn_groups(groups, count, generator, part))
    else:
        is_held_out = torch.zeros(len(train), dtype=torch.bool)
        is_held_out[_drawn(_classes_of(train), len(train), count, generator, part)] = True
    trained, held_out = (torch.nonzero(part).flatten() for part in (~is_held_out, is_held_out))
    size = min(len(held_out), len(trained))
    fitted = trained[torch.arange(size) * len(trained) // max(size, 1)]
    kind = ReadOnce if isinstance(train, ItemSplit) else SplitPart
    return Holdout(trained, kind(train, held_out), SplitPart(train, fitted))


class ReadOnce(SplitPart):
    """Some samples of a split, whose items are read only once if they fit into `_KEPT_BYTES`."""

    def __init__(self, split: Split, indices: torch.Tensor) -> None:
        super().__init__(split, indices)
        self._order: list[torch.Tensor] = []
        self._kept: list[Batch] = []

    def batches(self, order: Sequence[torch.Tensor]) -> Iterator[Batch]:
        is_same = len(order) == len(self._order) and all(map(torch.equal, order, self._order))
        return self._copies() if is_same else self._read(order)

    def _copies(self) -> Iterator[Batch]:
        for batch in self._kept:
            yield map_tensors(batch, torch.clone)  # which a model may change

    def _read(self, order: Sequence[torch.Tensor]) -> Iterator[Batch]:
        kept: list[Batch] = []
        room = _KEPT_BYTES
        for batch in super().batches(order):
            room -= sum(tensor.nbytes for tensor in leaves(batch))
            if room >= 0:
                kept.append(map_tensors(batch, torch.clone))
            yield batch
        if room >= 0:
            self._order, self._kept = list(order), kept


def _drawn(
    classes: np.ndarray | None, size: int, count: int, generator: torch.Generator, part: int
) -> torch.Tensor:
    """Draws samples, of each class its share, but for rounding; every sample is as likely as any other.

    Samples of a class are put at equal distances along [0, 1), in a random order and from a random place on:
    drawn are those that come first (systematic sampling), or, of a later part, next.
    """
    order = torch.randperm(size, generator=generator)
    if classes is None:
        return order.roll(-part * count)[:count]
    codes, sizes = np.unique(classes, return_inverse=True, return_counts=True)[1:]
    shuffled = codes.reshape(-1)[order.numpy()]
    by_class = np.argsort(shuffled, kind='stable')
    rank = np.empty(size)
    rank[by_class] = np.arange(size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    start = torch.rand(len(sizes), generator=generator).numpy()
    place = (rank + start[shuffled]) / sizes[shuffled]
    in_order = np.roll(np.argsort(place, kind='stable'), -part * count)
    return order[torch.from_numpy(in_order[:count])]


def _drawn_groups(groups: np.ndarray, count: int, generator: torch.Generator, part: int) -> np.ndarray:
    """Says of each sample whether it is drawn: whole groups, of about so many samples, but not all."""
    names, codes, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    drawn_order = torch.randperm(len(names), generator=generator)
    order = drawn_order.roll(-(part * count * len(names) // len(codes))).tolist()
    drawn: list[int] = []
    left = count
    for group in order:
        if sizes[group] < 2 * left and len(drawn) < len(names) - 1:  # it brings the number nearer
            drawn.append(group)
            left -= sizes[group]
    is_drawn: np.ndarray = np.isin(codes.reshape(-1), drawn or [min(order, key=lambda group: sizes[group])])
    return is_drawn


def _classes_of(train: Split) -> np.ndarray | None:
    """The class of each sample, or whether a binary target is 1; None if targets are no classes.

    Items that are read one by one are not read for that: their dataset has a list of its `targets`, or not.
    """
    if isinstance(train, InMemorySplit):
        targets = train.data[1] if is_pair(train.data) else None
        if not isinstance(targets, torch.Tensor) or targets.numel() != len(train):
            return None
        targets = targets.reshape(-1)
        is_binary = not targets.is_complex() and bool(((targets == 0) | (targets == 1)).all())
        return targets.cpu().numpy() if are_classes(targets) or is_binary else None
    return listed_labels(train.dataset) if isinstance(train, ItemSplit) else None
