"""The metric that a report looks at: its values, its name, and which direction is better."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InvalidArgument
from ..metric import LOSS, PERFORMANCE, MetricInfo
from ..results import TrialResult, convergence_flags
from ..stats.intervals import Interval, mean_interval, number

_PLAIN = ('performance', 'accuracy', 'inv-loss')
"""What is called performance where it is the only metric: those of `accuracy_style`."""


@dataclass(frozen=True)
class Measure:
    """The metric that a report looks at: the objective, or another one.

    Attributes:
        info: What is known of it.
        key: What its scores are called: `perf` of the objective (`perf_val`), else its name.
        name: For a person: `performance` where a problem has but an accuracy style.
        objective: The name of the objective, for a person.
        val_to_train: Validation samples per training sample if trials are resamples, for whose overlap
            intervals and tests are corrected; else 0.
    """

    info: MetricInfo = PERFORMANCE
    key: str = 'perf'
    name: str = 'performance'
    objective: str = 'performance'
    val_to_train: float = 0.0

    @property
    def is_objective(self) -> bool:
        """Whether architectures were tuned by it."""
        return self.key == 'perf'

    @property
    def is_plain(self) -> bool:
        """Whether it is a performance in [0, 1], of which nothing more need be said."""
        return self.is_objective and self.name == 'performance'

    @property
    def sign(self) -> int:
        """1 if higher values are better, else -1."""
        return self.info.sign

    @property
    def title(self) -> str:
        """What the values on validation data are called."""
        return f'validation {self.name}'

    @property
    def direction(self) -> str:
        """What to know of its direction, in brackets; '' where higher is better, as one expects."""
        return '' if self.info.higher else ' (lower is better)'

    @property
    def limits(self) -> tuple[float, float]:
        """The lowest and the highest value that there can be, as far as that is known."""
        best = self.sign * math.inf if self.info.best is None else self.info.best
        worst = 0.0 if self.info.is_share else -self.sign * math.inf
        return min(best, worst), max(best, worst)

    def text(self, value: float) -> str:
        """A value with its name: `auc 0.9830`; the name of a performance goes without saying."""
        return self.number(value) if self.is_plain else f'{self.name} {self.number(value)}'

    def number(self, value: float) -> str:
        """A value, or a difference of two, without its name."""
        return number(value, max(abs(value), float(self.info.is_share)))

    def of(self, trial: TrialResult, split: str = 'val') -> float | None:
        """A trial's value on a split; None if there is none."""
        return trial.score(self.key, split)

    def values(self, trials: Iterable[TrialResult], split: str = 'val') -> list[float]:
        """The values of those trials that have one."""
        values = (self.of(trial, split) for trial in trials)
        return [value for value in values if value is not None]

    def interval(self, values: np.ndarray | Sequence[float]) -> Interval:
        """Returns `mean_interval` of values, cut off at the worst and the best that there can be."""
        return self.shown(mean_interval(values, val_to_train=self.val_to_train).within(*self.limits))

    def interval_of(self, values: Iterable[float]) -> Interval:
        """Returns the interval of those values that are finite; infinitely bad if none of several is."""
        values = [*values]
        converged = [value for value in values if math.isfinite(value)]
        return self.interval(converged) if converged or not values else Interval(-self.sign * math.inf)

    def shown(self, interval: Interval) -> Interval:
        """Returns an interval with as many digits as values of this metric are shown with."""
        return interval._replace(size=float(self.info.is_share))

    def flags(self, flags: Sequence[str], trials: Mapping[int, TrialResult]) -> list[str]:
        """Returns a point's flags; a trial whose value is not finite diverged, too."""
        scores = [*scores_of(trials, self).values()]
        converged = sum(map(math.isfinite, scores))
        more = convergence_flags(converged, len(scores) - converged)
        return list(dict.fromkeys([*flags, *more]))

    def to_dict(self) -> dict[str, Any]:
        """In plain values."""
        return {'name': self.name, 'higher': self.info.higher, 'is_objective': self.is_objective}


def is_diverged(trial: TrialResult, measure: Measure) -> bool:
    """Whether a trial has no score that means anything: it diverged, or is infinitely bad."""
    value = measure.of(trial)
    return trial.diverged or (value is not None and not math.isfinite(value))


def units_of(values: Mapping[int, float], tunings: int = 1) -> list[float]:
    """Returns values of trials, by index, as independent ones: their means over each tuning, if several.

    Values that are not finite are left out of a mean, unless all of them are.
    """
    if tunings < 2:
        return [*values.values()]
    by_tuning: dict[int, list[float]] = {}
    for index, value in values.items():
        by_tuning.setdefault(index % tunings, []).append(value)
    return [sum(some) / len(some) for some in map(_finite_if_any, by_tuning.values())]


def _finite_if_any(values: list[float]) -> list[float]:
    return [value for value in values if math.isfinite(value)] or values


def scores_of(trials: Mapping[int, TrialResult], measure: Measure, split: str = 'val') -> dict[int, float]:
    """Returns the values of trials that have one on a split, by index; NaN of those that diverged."""
    values = {index: measure.of(trial, split) for index, trial in trials.items()}
    return {
        index: math.nan if is_diverged(trials[index], measure) else value
        for index, value in values.items()
        if value is not None
    }


def measures(metrics: Sequence[MetricInfo], val_to_train: float = 0.0) -> list[Measure]:
    """Returns what can be looked at: the objective, the loss, and the other metrics.

    Args:
        metrics: What is known of a problem's metrics, the objective first.
        val_to_train: As of a `Measure`.
    """
    objective, *others = metrics
    is_plain = objective.is_share and objective.name in _PLAIN and not others
    name = 'performance' if is_plain else objective.name
    by_name = {name: Measure(objective, 'perf', name, name, val_to_train)}
    for info in (LOSS, *others):
        by_name.setdefault(info.name, Measure(info, info.name, info.name, name, val_to_train))
    return list(by_name.values())


def measure_of(metrics: Sequence[MetricInfo], name: str | None = None, val_to_train: float = 0.0) -> Measure:
    """Returns the one of a name, by default the objective.

    Raises:
        InvalidArgument: There is no such metric.
    """
    choices = measures(metrics, val_to_train)
    if name is None:
        return choices[0]
    for measure in choices:
        if name in (measure.name, measure.info.name):
            return measure
    valid = f'there is no metric {name}; valid are {", ".join(measure.name for measure in choices)}'
    raise InvalidArgument(valid)
