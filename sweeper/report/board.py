"""The leader board of a sweep that goes on: who is ahead so far, and whether that means anything yet."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..points import Point
from .statistics import compare_all, student_interval

_ALPHA = 0.05


@dataclass(frozen=True)
class Leader:
    """A row of the board.

    Attributes:
        point: The point.
        mean: Of its validation performances.
        half_width: Half of the 95% interval (Student's t); NaN where the trials say nothing of their spread.
        trials: How many there are.
        is_tied: The first, and who has not been told apart from it.
    """

    point: Point
    mean: float
    half_width: float
    trials: int
    is_tied: bool


@dataclass(eq=False, slots=True)
class _Scores:
    """A point's validation performances, in the order of its trials as far as that is known."""

    point: Point
    values: list[float] = field(default_factory=list)
    total: float = 0.0

    @property
    def mean(self) -> float:
        return self.total / len(self.values)


class Board:
    """Ranks points by their mean validation performance.

    To add trials is O(trials added). The ranking is made when it is asked for, and only if something changed:
    intervals and comparisons are of the rows shown. Who is told apart from the first here also is in the
    report that is made at the end of the same trials: every p-value is multiplied by the number of all
    pairs, where Holm's correction multiplies only the smallest by that.
    """

    def __init__(self) -> None:
        self._scores: dict[Point, _Scores] = {}
        self._ranked: list[Leader] | None = None
        self._rows = 0

    def __len__(self) -> int:
        """How many points have trials."""
        return len(self._scores)

    def add(self, point: Point, perfs: Sequence[float]) -> None:
        """Adds trials of a point."""
        if not len(perfs):
            return
        scores = self._scores.setdefault(point, _Scores(point))
        scores.values += perfs
        scores.total += sum(perfs)
        self._ranked = None

    def remove(self, point: Point) -> None:
        """Leaves a point out, since it failed."""
        if self._scores.pop(point, None) is not None:
            self._ranked = None

    def leaders(self, rows: int) -> list[Leader]:
        """Returns the best, at most so many."""
        if self._ranked is None or rows != self._rows:
            self._ranked, self._rows = self._rank(rows), rows
        return self._ranked

    def _rank(self, rows: int) -> list[Leader]:
        best = heapq.nlargest(rows, self._scores.values(), key=lambda scores: scores.mean)
        tied = _tied(best, len(self) * (len(self) - 1) // 2)
        return [
            Leader(one.point, one.mean, student_interval(one.values).half_width, len(one.values), is_tied)
            for one, is_tied in zip(best, tied, strict=True)
        ]


def _tied(best: Sequence[_Scores], pairs: int) -> list[bool]:
    if len(best) < 2:
        return [True] * len(best)
    longest = max(len(one.values) for one in best)
    table = np.array([one.values + [math.nan] * (longest - len(one.values)) for one in best])
    return [True, *(bool(p * pairs >= _ALPHA) for p in compare_all(table).p[0, 1:])]
