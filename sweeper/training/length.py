"""How long a training is, in steps, of which its epochs and cycles are parts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice

import torch

from .batches import Batches

CHUNK = 32
"""Steps that are taken in one go."""


class Length:
    """The steps of a training that may end, as its cycles may, within an epoch.

    Args:
        epochs: How many there are to be; rounded to whole steps, at least one.
        cycle_epochs: Epochs of a cycle, of which the training is a whole number.
        per_epoch: Steps of an epoch.

    Attributes:
        steps: How many there are.
        cycles: How many, each of at least one step.
        cycle_ends: The number of steps taken at the end of every cycle, rising; the last is `steps`.
        stops: The same at the end of every cycle and epoch.
    """

    def __init__(self, epochs: float, cycle_epochs: float, per_epoch: int) -> None:
        self.per_epoch, self._epochs = per_epoch, epochs
        self.steps = max(1, round(epochs * per_epoch))
        self.cycles = min(max(1, round(epochs / cycle_epochs)), self.steps)
        self.cycle_ends = [round(cycle * self.steps / self.cycles) for cycle in range(1, self.cycles + 1)]
        self.stops = sorted({*self.cycle_ends, *range(per_epoch, self.steps, per_epoch)})

    @property
    def begun_epochs(self) -> int:
        """How many epochs are begun."""
        return math.ceil(self.steps / self.per_epoch)

    def epochs_after(self, steps: int) -> float:
        """Returns how many epochs so many steps are: a whole number, or a rounded one."""
        if steps == self.steps:
            return self._epochs
        epochs, rest = divmod(steps, self.per_epoch)
        digits = max(3, len(str(self.per_epoch)))
        return epochs + round(rest / self.per_epoch, digits) if rest else epochs


class Chunks:
    """The batches of a training in lists of at most `CHUNK` that end at its stops, and whether each did.

    Args:
        batches: Those of an epoch, as indices.
        stops: See `Length`.
    """

    def __init__(self, batches: Batches, stops: Sequence[int]) -> None:
        self._batches, self._stops = batches, stops
        self._epochs = 0

    def __iter__(self) -> Iterator[tuple[list[torch.Tensor], bool]]:
        """Iterates over the next epoch, or over what there is to be of it."""
        batches, taken = iter(self._batches), self._epochs * len(self._batches)
        self._epochs += 1
        for stop in self._stops:
            while taken < stop:
                chunk = list(islice(batches, min(CHUNK, stop - taken)))
                if not chunk:
                    return
                taken += len(chunk)
                yield chunk, taken == stop
