"""The leader board of a sweep that goes on: who is ahead so far, and whether that means anything yet."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ...points import Point
from ..flags import exclusions
from ..measure import Measure
from ..stats.statistics import Interval, compare_all

_ALPHA = 0.05


@dataclass(frozen=True)
class Leader:
    """A row of the board.

    Attributes:
        point: The point.
        interval: Of its validation performances, as in the report.
        trials: How many there are.
        is_tied: The first, and those that cannot be distinguished from it.
        is_comparable: Whether no flag puts its tuning or training in doubt (`flags.EXCLUSIONS`).
        epochs: Of its trials; None if that is not known.
    """

    point: Point
    interval: Interval
    trials: int
    is_tied: bool
    is_comparable: bool = True
    epochs: float | None = None


@dataclass(eq=False, slots=True)
class _Scores:
    """A point's validation performances, in the order of its trials as far as that is known."""

    point: Point
    values: list[float] = field(default_factory=list)
    total: float = 0.0
    _interval: Interval | None = None

    def add(self, values: Sequence[float]) -> None:
        self.values += values
        self.total += sum(values)
        self._interval = None

    @property
    def mean(self) -> float:
        return self.total / len(self.values)

    def interval(self, measure: Measure) -> Interval:
        if self._interval is None:
            self._interval = measure.interval(self.values)
        return self._interval


class Board:
    """Ranks points by their mean validation performance; those that are not comparable come last.

    To add trials is O(trials added). The ranking is made when it is asked for, and only if something changed:
    intervals and comparisons are of the rows shown. What is distinguished from the first here also is in the
    report of the same trials: every p-value is multiplied by the number of all pairs, where Holm's correction
    multiplies only the smallest by that.

    Args:
        measure: What performances are.
    """

    def __init__(self, measure: Measure | None = None) -> None:
        self.measure = measure or Measure()
        self._scores: dict[Point, _Scores] = {}
        self._excluded: set[Point] = set()
        self._epochs: dict[Point, float] = {}
        self._ranked: list[Leader] | None = None
        self._rows = 0

    def __len__(self) -> int:
        """How many points have trials."""
        return len(self._scores)

    def add(self, point: Point, perfs: Sequence[float]) -> None:
        """Adds trials of a point."""
        if not len(perfs):
            return
        self._scores.setdefault(point, _Scores(point)).add(perfs)
        self._ranked = None

    def tuned(self, point: Point, epochs: float) -> None:
        """Notes how many epochs trials of a point have."""
        self._epochs[point] = epochs

    def flag(self, point: Point, flags: Sequence[str]) -> None:
        """Notes all flags of a point, which may have no trials yet."""
        is_excluded = bool(exclusions(flags))
        if is_excluded != (point in self._excluded):
            (self._excluded.add if is_excluded else self._excluded.remove)(point)
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
        sign = self.measure.sign
        best = heapq.nlargest(
            rows,
            self._scores.values(),
            key=lambda scores: (scores.point not in self._excluded, sign * scores.mean),
        )
        comparable = [row for row in best if row.point not in self._excluded]
        count = len(self) - sum(point in self._scores for point in self._excluded)
        tied = _tied(comparable, count * (count - 1) // 2, self.measure.val_to_train)
        tied += [False] * (len(best) - len(comparable))
        return [
            Leader(
                row.point,
                row.interval(self.measure),
                len(row.values),
                is_tied,
                row.point not in self._excluded,
                self._epochs.get(row.point),
            )
            for row, is_tied in zip(best, tied, strict=True)
        ]


def _tied(best: Sequence[_Scores], pairs: int, val_to_train: float) -> list[bool]:
    if len(best) < 2:
        return [True] * len(best)
    longest = max(len(row.values) for row in best)
    table = np.array([row.values + [math.nan] * (longest - len(row.values)) for row in best])
    p_values = compare_all(table, val_to_train).p[0, 1:]
    return [
        True,
        *(
            bool(p * pairs >= _ALPHA) and math.isfinite(row.mean)
            for p, row in zip(p_values, best[1:], strict=True)
        ),
    ]
