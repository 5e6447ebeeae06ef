"""Racing: trials go to the points that may be the best, until that one is told from the others."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from ..amounts import at_least, checked_margin
from ..events import Event, PointFailed, SweepStarted, TrialsDone
from ..metric import MetricInfo
from ..space import Space
from ..space.forms import as_space
from ..stats.design import Design
from ..stats.race import Race, schedule
from .base import DONE, WAIT, Answer, Proposal, Selector
from .candidates import points_of

_AHEAD = 2
"""How many of the leaders get their next trials before all others have had theirs, so that cores are busy."""


class RacingSweep(Selector):
    """Gives every point a few trials, and more only to those that may be the best.

    At 3, 5, 8, 13, … trials the results are looked at, and points that are worse beyond doubt get no more:
    with one-sided comparisons against all others, corrected for their number and for all looks, so that in
    95% of sweeps the truly best point is never thrown out (`sweeper.stats.race`). It ends when one point is
    left, when all that are left are equivalent within the margin, or when they have `trials` trials. The
    report's verdict is corrected for the same looks.

    Trials that diverged count apart: no point leaves because of one that converges less often.

    Args:
        space: What to try: points, a space, or a mapping from names to ranges.
        points: How many points of a space are drawn; all by default, if they can be listed.
        trials: The most trials of any point.
        first: How many trials every point gets.
        margin: A difference that does not matter, in the unit of the objective: the race ends when all that
            are left differ by less. None: it does not end by that.
        seed: Seeds the drawing of points.

    Attributes:
        race: Who is still in, and what the last look showed; None before the sweep.

    Raises:
        InvalidArgument: An argument is invalid.
    """

    def __init__(
        self,
        space: Iterable[Sequence[Any] | Mapping[str, Any]] | Space | Mapping[str, Any],
        points: int | None = None,
        trials: int = 20,
        *,
        first: int = 3,
        margin: float | None = None,
        seed: int = 0,
    ) -> None:
        at_least(2, 'first', first)
        at_least(first, 'trials', trials)
        at_least(0, 'seed', seed)
        self.whole_space = as_space(space) if isinstance(space, Space | Mapping) else None
        self.points = points_of(self.whole_space or space, points, seed)
        self.margin = None if margin is None else checked_margin(margin)
        self._looks = schedule(first, trials)
        self.planned_looks: int = len(self._looks)
        self.race: Race | None = None
        self._objective: MetricInfo | None = None
        self._numbers = {point: number for number, point in enumerate(self.points)}
        self._proposed = [0] * len(self.points)
        self._scores: list[dict[int, float]] = [{} for _ in self.points]
        self._due: deque[tuple[int, int]] | None = None  # of this round: points, and up to how many trials
        self._missing: set[int] = set()
        self._failed: set[int] = set()

    @property
    def looks_made(self) -> int:  # type: ignore[override]
        """How often it has looked at the results."""
        return self.race.looks_made if self.race is not None else 0

    def ask(self) -> Proposal | Literal[Answer.WAIT, Answer.DONE]:
        race = self._started()
        while not race.is_over and not self._missing:
            if self._due is not None:
                race.look(*self._table())
            self._due = self._begin_round(race)
        if race.is_over:
            return DONE
        while self._due:
            number, target = self._due.popleft()
            if number not in self._failed and (more := target - self._proposed[number]) > 0:
                self._proposed[number] = target
                return Proposal(self.points[number], more)
        return WAIT

    def _begin_round(self, race: Race) -> deque[tuple[int, int]]:
        """Notes whose results are waited for; returns who is due for trials, and for how many in all."""
        if race.is_over:
            return deque()
        target, contenders = race.target, race.contenders
        self._missing = {number for number in contenders if len(self._scores[number]) < target}
        ahead = self._looks[race.looks_made + 1 :][:1] if race.looks_made else []
        return deque(
            [(number, target) for number in contenders]
            + [(number, later) for number in contenders[:_AHEAD] for later in ahead]
        )

    def tell(self, event: Event) -> None:
        match event:
            case SweepStarted(metrics=metrics, val_to_train=ratio):
                design = Design(paired=ratio > 0, val_to_train=ratio, margin=self.margin)
                self.race = Race(len(self.points), self._looks, metrics[0].sign, design)
            case TrialsDone(point, trials, 1.0) if point in self._numbers:
                number = self._numbers[point]
                self._scores[number].update(
                    {index: math.nan if trial.diverged else trial.perf_val for index, trial in trials.items()}
                )
                if number in self._missing and len(self._scores[number]) >= self._started().target:
                    self._missing.remove(number)
            case PointFailed(point) if point in self._numbers:
                number = self._numbers[point]
                self._scores[number] = {}
                self._missing.discard(number)
                self._failed.add(number)
                self._started().leave(number)

    def _started(self) -> Race:
        if self.race is None:  # asked outside of a sweep
            self.race = Race(len(self.points), self._looks, 1, Design(margin=self.margin))
        return self.race

    def _table(self) -> tuple[np.ndarray, np.ndarray]:
        """Scores of all points, shape `(points, trials)`, and how many trials of each diverged."""
        table = np.full((len(self.points), max(self._looks)), np.nan)
        for row, scores in zip(table, self._scores, strict=True):
            kept = {index: value for index, value in scores.items() if index < len(row)}
            row[list(kept)] = list(kept.values())
        table[~np.isfinite(table)] = np.nan
        converged = np.isfinite(table).sum(axis=1)
        return table, np.array([len(scores) for scores in self._scores]) - converged
