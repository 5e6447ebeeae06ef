"""The objective on the scale that the tuner compares on: 0 is an untrained model, 1 the best there is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..metric import MetricInfo
from .base import RunResult
from .constants import CONSTANTS
from .rounds import Round


class Scale:
    """Turns values of the objective into shares, of which higher is better.

    A share that each step measures, such as an accuracy, is left as it is. Of anything else, the way from an
    untrained model, or one that guesses if that is better, to the best value is taken; if no best value is
    known, to the best that was seen.

    Args:
        objective: What is known of it.
        curves: What the range test measured.
    """

    def __init__(self, objective: MetricInfo, curves: Sequence[RunResult]) -> None:
        self._objective = objective
        self.is_share = objective.is_share and not any('untrained' in curve for curve in curves)
        untrained = [] if self.is_share else [_untrained(objective, curve) for curve in curves]
        finite = [value for value in untrained if math.isfinite(value)]
        self._baseline = float(np.median(finite)) if finite else math.nan
        if objective.chance is not None:
            self._baseline = self._better(self._baseline, objective.chance)
        self._noise = float(np.std(finite)) if finite else 0.0
        self._best_seen = self._baseline

    @property
    def span(self) -> float:
        """From the baseline to the best, in the objective's unit: negative if lower is better; never 0."""
        if self.is_share:
            return 1.0
        best = self._best_seen if self._objective.best is None else self._objective.best
        sign = self._objective.sign
        span = sign * (best - self._baseline)
        if self._objective.best is None:  # a model that learns nothing is not always alike
            span = max(span, CONSTANTS.significant_rise * self._noise)
        return sign * span if math.isfinite(span) and span > 0 else float(sign)

    def note(self, values: Sequence[float]) -> None:
        """Takes values that were measured, which may be better than any before."""
        for value in values:
            if math.isfinite(value):
                self._best_seen = self._better(self._best_seen, value)
                if math.isnan(self._baseline):
                    self._baseline = value

    def share(self, value: float) -> float:
        """Where a value is on the scale, in [0, 1]."""
        if self.is_share:
            return value
        if not math.isfinite(value):
            return 0.0
        return min(max((value - self._baseline) / self.span, 0.0), 1.0)

    def applied(self, rounds: Sequence[Round]) -> list[Round]:
        """Rounds with their candidates on the scale as it is now."""
        if self.is_share:
            return [*rounds]
        return [
            replace(done, scored=[score._replace(perf=self.share(score.objective)) for score in done.scored])
            for done in rounds
        ]

    def _better(self, value: float, other: float) -> float:
        if math.isnan(value):
            return other
        return max(value, other) if self._objective.higher else min(value, other)


def _untrained(objective: MetricInfo, curve: RunResult) -> float:
    """The objective of a model before it is trained; where it is its own loss, that is the first."""
    if 'untrained' in curve:
        return float(curve['untrained'])
    return -objective.sign * float(curve['loss'][0])
