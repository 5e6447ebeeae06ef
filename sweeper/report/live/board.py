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
from ..flags import exclusions
from ..measure import Measure
from ..stats.judged import judged, table


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
    """A point's validation performances and losses by trial; NaN where it diverged."""

    point: Point
    values: dict[int, float] = field(default_factory=dict)
    losses: dict[int, float] = field(default_factory=dict)

    @property
    def mean(self) -> float:
        """Of the trials that converged; NaN if none did."""
        converged = [value for value in self.values.values() if not math.isnan(value)]
        return math.fsum(converged) / len(converged) if converged else math.nan


class Board:
    """Ranks points by their mean validation performance; those that are not comparable come last.

    To add trials is O(trials added). The ranking is made when it is asked for, and only if something changed,
    by the function that makes the report's (`stats.judged`).

    Args:
        measure: What performances are.
        design: How they are compared; by default without claims, since there are more to come.
    """

    def __init__(self, measure: Measure | None = None, design: Design | None = None) -> None:
        self.measure = measure or Measure()
        ratio = self.measure.val_to_train
        self._design = design or Design(paired=ratio > 0, val_to_train=ratio, is_interim=True)
        self._scores: dict[Point, _Scores] = {}
        self._excluded: set[Point] = set()
        self._epochs: dict[Point, float] = {}
        self._ranked: list[Leader] | None = None
        self._rows = 0

    def __len__(self) -> int:
        """How many points have trials."""
        return len(self._scores)

    def add(
        self, point: Point, scores: Mapping[int, float], losses: Mapping[int, float] | None = None
    ) -> None:
        """Adds the scores and losses of a point's trials by index; NaN for one that diverged."""
        if not scores:
            return
        row = self._scores.setdefault(point, _Scores(point))
        row.values.update(scores)
        row.losses.update(losses or {})
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
        """Those that are compared, best first; then the others."""
        every = [*self._scores.values()]
        values = [row.values.values() for row in every]
        verdict = judged(
            table([row.values for row in every]),
            self.measure,
            self._design,
            np.array([row.point not in self._excluded for row in every], dtype=bool),
            np.array([sum(map(math.isnan, scores)) for scores in values], dtype=int),
            table([row.losses for row in every]),
        )
        candidates, order = set(verdict.candidates), verdict.order
        leaders = [
            self._leader(every[index], verdict.intervals[index], index in candidates)
            for index in order[:rows]
        ]
        sign, compared = self.measure.sign, set(order)
        others = heapq.nlargest(
            rows - len(leaders),
            (row for index, row in enumerate(every) if index not in compared),
            key=lambda row: -math.inf if math.isnan(row.mean) else sign * row.mean,
        )
        intervals = [self.measure.interval_of(row.values.values()) for row in others]
        return leaders + [
            self._leader(row, interval, False) for row, interval in zip(others, intervals, strict=True)
        ]

    def _leader(self, row: _Scores, interval: Interval, is_candidate: bool) -> Leader:
        is_comparable = row.point not in self._excluded
        epochs = self._epochs.get(row.point)
        return Leader(
            row.point, self.measure.shown(interval), len(row.values), is_candidate, is_comparable, epochs
        )
