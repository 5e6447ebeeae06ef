"""The leader board of a sweep that goes on: who is ahead so far, and whether that means anything yet."""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ...points import Point
from ...stats.design import Design
from ...stats.intervals import Interval
from ...stats.verdict import verdict
from ..flags import exclusions
from ..measure import Measure


@dataclass(frozen=True)
class Leader:
    """A row of the board.

    Attributes:
        point: The point.
        interval: Of its validation performances, as in the report.
        trials: How many there are.
        is_tied: Whether it may be the best: the first, and those that no other is clearly better than.
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
    """A point's validation performances by trial; NaN where it diverged."""

    point: Point
    values: dict[int, float] = field(default_factory=dict)
    _mean: float | None = None

    def add(self, values: Mapping[int, float]) -> None:
        self.values.update(values)
        self._mean = None

    @property
    def mean(self) -> float:
        """Of the trials that converged; NaN if none did."""
        if self._mean is None:
            converged = [value for value in self.values.values() if not math.isnan(value)]
            self._mean = math.fsum(converged) / len(converged) if converged else math.nan
        return self._mean


class Board:
    """Ranks points by their mean validation performance; those that are not comparable come last.

    To add trials is O(trials added). The ranking is made when it is asked for, and only if something changed,
    by the function that makes the report's (`stats.verdict`), with no claims while trials are still to come.

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

    def add(self, point: Point, scores: Mapping[int, float]) -> None:
        """Adds the scores of a point's trials by index; NaN for one that diverged."""
        if not scores:
            return
        self._scores.setdefault(point, _Scores(point)).add(scores)
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
        """The comparable ones that have scores, best first; then those that have none; then the others."""
        compared = [row for row in self._scores.values() if row.point not in self._excluded]
        comparison = verdict(
            _table([row.values for row in compared]),
            sign=self.measure.sign,
            design=Design(
                paired=self.measure.val_to_train > 0,
                val_to_train=self.measure.val_to_train,
                limits=self.measure.limits,
                is_interim=True,
            ),
            diverged=np.array([sum(map(math.isnan, row.values.values())) for row in compared], dtype=int),
        )
        candidates, ranked = set(comparison.candidates), comparison.order[:rows]
        leaders = [
            self._leader(compared[index], comparison.intervals[index], index in candidates)
            for index in ranked
        ]
        last = [row for index, row in enumerate(compared) if index not in set(comparison.order)]
        last += heapq.nlargest(
            rows,
            (row for row in self._scores.values() if row.point in self._excluded),
            key=lambda row: -math.inf if math.isnan(row.mean) else self.measure.sign * row.mean,
        )
        return [*leaders, *(self._leader(row, Interval(row.mean), False) for row in last)][:rows]

    def _leader(self, row: _Scores, interval: Interval, is_candidate: bool) -> Leader:
        is_comparable = row.point not in self._excluded
        epochs = self._epochs.get(row.point)
        return Leader(
            row.point, self.measure.shown(interval), len(row.values), is_candidate, is_comparable, epochs
        )


def _table(rows: Sequence[Mapping[int, float]]) -> np.ndarray:
    table = np.full((len(rows), max((max(row) + 1 for row in rows), default=0)), np.nan)
    for row, values in zip(table, rows, strict=True):
        row[list(values)] = list(values.values())
    return table
