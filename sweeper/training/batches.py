"""The batches of a training: which samples, in which order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, count, islice, repeat
from typing import Protocol

import torch


class Batches(Protocol):
    """The batches of an epoch, as indices into the training data; may differ from epoch to epoch."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[torch.Tensor]: ...


class ShuffledBatches:
    """The training batches of an epoch, as indices, in a new random order at every iteration.

    There are `ceil(samples / batch_size)` batches whose sizes differ by one at most and do not exceed
    `batch_size`: every sample is used once an epoch, and no stray batch of one sample upsets a
    batch normalisation.

    Args:
        samples: How many samples there are.
        batch_size: The most samples of a batch.
        seed: Seeds the order of the samples in each epoch.
        among: The indices of the samples, shape `(samples,)`; from 0 on by default.
        is_stream: Whether the samples come in their own order; they are numbered through all epochs then.
    """

    def __init__(
        self,
        samples: int,
        batch_size: int,
        seed: int,
        among: torch.Tensor | None = None,
        is_stream: bool = False,
    ) -> None:
        self._samples, self._among = samples, among
        self._count = steps_per_epoch(samples, batch_size)
        self._epochs = _epochs(samples, seed, is_stream)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[torch.Tensor]:
        permutation = next(self._epochs)
        if self._among is not None:
            permutation = self._among[permutation]
        return iter(permutation.tensor_split(self._count))


class SizedBatches:
    """Batches of the given sizes, as indices, drawn through one random order of the data after another."""

    def __init__(self, samples: int, sizes: Sequence[int], seed: int, is_stream: bool = False) -> None:
        self._sizes = sizes
        self._epochs = _epochs(samples, seed, is_stream)

    def __len__(self) -> int:
        return len(self._sizes)

    def __iter__(self) -> Iterator[torch.Tensor]:
        left = torch.empty(0, dtype=torch.long)
        for size in self._sizes:
            if len(left) < size:
                left = next(self._epochs)
            yield left[:size]
            left = left[size:]


def _epochs(samples: int, seed: int, is_stream: bool) -> Iterator[torch.Tensor]:
    """The order of the samples in each epoch: a random one, or that of a stream."""
    generator = torch.Generator().manual_seed(seed)
    for epoch in count():
        if is_stream:
            yield torch.arange(epoch * samples, (epoch + 1) * samples)
        else:
            yield torch.randperm(samples, generator=generator)


def steps_per_epoch(samples: int, batch_size: int) -> int:
    """Returns how many batches an epoch has."""
    return -(-samples // batch_size)


class AcrossEpochs:
    """The batches of one epoch after another, up to a number of steps."""

    def __init__(self, batches: ShuffledBatches, steps: int) -> None:
        self._batches, self._steps = batches, steps

    def __len__(self) -> int:
        return self._steps

    def __iter__(self) -> Iterator[torch.Tensor]:
        return islice(chain.from_iterable(repeat(self._batches)), self._steps)
