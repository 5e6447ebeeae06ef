"""How much of a GPU's memory a run will need, by the peaks of runs that are done."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ...points import point_key
from ..base import Task

MARGIN = 1.1
"""For what a run needs more than another of the same kind, by other nuisance values or in other pieces."""

GUESS = 2.0
"""For a run of an architecture, or of a kind, of which none has been measured yet."""

_Sizes = dict[int | None, int]


class Peaks:
    """Peaks of runs that are done, by kind of run, architecture and batch size.

    Memory grows at most in proportion to the batch size, and need not shrink with it; so each peak bounds
    what larger and smaller batches take.
    """

    def __init__(self) -> None:
        self._peaks: dict[str, dict[str, _Sizes]] = {}

    def record(self, task: Task, peak: int) -> None:
        """Notes the most bytes that a run had reserved; of one that ran out of memory, those that it had."""
        sizes = self._peaks.setdefault(_kind(task), {}).setdefault(point_key(task.point), {})
        size = _batch_size(task)
        sizes[size] = max(peak, sizes.get(size, 0))

    def need(self, task: Task) -> int | None:
        """Returns how many bytes a run is to have; None if nothing is known that tells."""
        size = _batch_size(task)
        for factor, known in self._known(task):
            if bounds := [bound for sizes in known if (bound := _bound(sizes, size)) is not None]:
                return math.ceil(factor * max(bounds))
        return None

    def _known(self, task: Task) -> Iterable[tuple[float, list[_Sizes]]]:
        """What tells of a run, the most telling first, and by how much that is to be raised."""
        of_kind, key = self._peaks.get(_kind(task), {}), point_key(task.point)
        yield MARGIN, [of_kind[key]] if key in of_kind else []
        yield GUESS, [points[key] for points in self._peaks.values() if key in points]
        yield GUESS, list(of_kind.values())
        yield GUESS, [sizes for points in self._peaks.values() for sizes in points.values()]


def _bound(sizes: Mapping[int | None, int], size: int | None) -> int | None:
    """The most that a run of a batch size takes, by the peaks at others; None if these have none."""
    if size is None:
        return max(sizes.values())
    bounds = [math.ceil(peak * max(1.0, size / known)) for known, peak in sizes.items() if known is not None]
    return min(bounds, default=None)


def _kind(task: Task) -> str:
    """What is done; runs side by side are of the kind of each."""
    function = task.arguments.get('function') if task.function == 'in_lanes' else None
    return task.function if function is None else f'{task.function} {function}'


def _batch_size(task: Task) -> int | None:
    """The most samples that are on the way at a time, in all models; None if the task does not tell."""
    arguments: Mapping[str, Any] = task.arguments
    sizes = arguments.get('batch_sizes', arguments.get('batch_size'))
    if sizes is None:
        return None
    return int(np.max(sizes)) * len(arguments.get('seeds', ' '))
