"""Streams: an `IterableDataset` that says how many samples an epoch has, as a split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader, IterableDataset

from ..errors import ProblemError
from .data import Batch, InMemorySplit, ItemSplit, Split, as_split
from .residence import resident


class StreamSplit(ItemSplit):
    """A split whose samples are numbered as they come; each epoch, evaluation and run reads it afresh.

    Args:
        dataset: The samples; its length is how many of them are read.
        device: Where batches go.
        loader: Says how items become a batch.
    """

    def __init__(
        self, dataset: IterableDataset[Any], device: torch.device, loader: DataLoader[Any] | None = None
    ) -> None:
        super().__init__(dataset, device, loader)
        self._arguments = dataset, device, loader

    def batch(self, indices: torch.Tensor) -> Batch:
        """Returns what is at `indices`, read from the beginning."""
        places, order = torch.unique(indices, return_inverse=True)
        items = _Reader(self._arguments[0]).take(places)
        return self._moved(self._collate([items[place] for place in order.tolist()]))

    def _read(self, order: Sequence[torch.Tensor]) -> Iterator[Batch]:
        reader = self._reader()
        return (self._collate(reader.take(indices)) for indices in order)

    def _reader(self) -> _Reader:
        return _Reader(self._arguments[0])

    def places(self, indices: torch.Tensor) -> list[int]:
        places: list[int] = (indices % len(self)).tolist()
        return places

    def for_training(self) -> StreamSplit:
        """Returns the split for a run, which goes on reading where it was."""
        return _TrainingStream(*self._arguments)


class _TrainingStream(StreamSplit):
    """A stream that a single run reads: sample `k` of epoch `e` has the index `e * len(stream) + k`."""

    def __init__(
        self, dataset: IterableDataset[Any], device: torch.device, loader: DataLoader[Any] | None = None
    ) -> None:
        super().__init__(dataset, device, loader)
        self._kept = _Reader(dataset)

    def _reader(self) -> _Reader:
        return self._kept

    def batch(self, indices: torch.Tensor) -> Batch:
        """Returns the first samples: steps are recorded by a batch of this size, whichever it is."""
        return super().batch(torch.arange(len(indices)) % len(self))


class _Reader:
    """Reads a stream; starts anew for each epoch, and for what has gone by already."""

    def __init__(self, dataset: IterableDataset[Any]) -> None:
        self._dataset, self._size = dataset, len(dataset)  # type: ignore[arg-type]
        self._items: Iterator[Any] = iter(())
        self._epoch, self._next = -1, 0

    def take(self, indices: torch.Tensor) -> list[Any]:
        """Returns the samples at rising indices of one epoch.

        Raises:
            ProblemError: There are not so many.
        """
        items = []
        for index in indices.tolist():
            epoch, place = divmod(index, self._size)
            if epoch != self._epoch or place < self._next:
                self._items, self._epoch, self._next = iter(self._dataset), epoch, 0
            while self._next <= place:
                try:
                    item = next(self._items)
                except StopIteration:
                    raise ProblemError(
                        f'the stream {type(self._dataset).__name__} ended after {self._next} samples; its '
                        f'__len__ says that an epoch has {self._size}'
                    ) from None
                self._next += 1
            items.append(item)
        return items


def split_of(dataset: Any, device: torch.device) -> Split:
    """Returns a dataset or a loader as a split: a stream, or what `as_split` and `resident` make of it."""
    stream = dataset.dataset if isinstance(dataset, DataLoader) else dataset
    if isinstance(stream, IterableDataset):
        return StreamSplit(stream, device, dataset if isinstance(dataset, DataLoader) else None)
    split = as_split(dataset, torch.device('cpu'))
    return resident(split, device) if isinstance(split, InMemorySplit) else split.on(device)


def spread(split: Split, count: int) -> torch.Tensor:
    """Returns the indices of some samples: spread over a split, or the first of a stream."""
    order = torch.arange(count)
    return order if isinstance(split, StreamSplit) else order * len(split) // count


def check_stream(given: Any, where: str) -> None:
    """Raises `ProblemError` if a stream does not say its length, or if its loader would be ignored.

    Args:
        given: An `IterableDataset`, or a loader of one.
        where: What messages call it.
    """
    stream = given.dataset if isinstance(given, DataLoader) else given
    name = type(stream).__name__
    if not hasattr(stream, '__len__'):
        raise ProblemError(
            f'{where} is a stream without a length ({name}): write `def __len__(self)` in its class, which '
            f'returns how many samples an epoch has'
        )
    if isinstance(given, DataLoader) and given.num_workers:
        raise ProblemError(
            f'{where} is a DataLoader of a stream with num_workers={given.num_workers}, which would be '
            f'ignored: a stream is read by the process that trains. Leave it out'
        )
