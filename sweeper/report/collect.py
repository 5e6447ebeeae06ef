"""What a report says of each point, as plain values; how it looks is decided elsewhere."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from ..points import Point, value_to_text
from ..results import ModelCost, PointError, TrialResult, Tuned
from ..stats.intervals import Interval, mean_interval
from ..stats.shares import Share, share
from ..store.records import Records
from ..text import one_line
from .flags import exclusions
from .measure import Measure, is_diverged, measure_of, scores_of, units_of

ABSENT = '\u2013'
"""Shown where an architecture has no value of a parameter."""


@dataclass(frozen=True)
class PointSummary:
    """One point of a sweep. Performances are values of the measure that is looked at.

    Attributes:
        params: The point.
        cells: Its parameters as text, one per parameter column.
        lr_range: Lowest and highest learning rate, or None while it is not tuned.
        batch_size: Or None while it is not tuned.
        perfs: Validation performance of each trial that is done; NaN of those that diverged.
        perf_val: Mean validation performance of those that converged, with its interval.
        loss_val: Mean validation loss of these, with its interval.
        perf_test: Test performance, or None without a test split.
        best: Means over trials of the best performance on validation data at the end of a cycle, and of its
            epoch; None if that is not known.
        seconds: Mean seconds of a trial; NaN without trials.
        epochs: Of a trial, as tuned; 0 while it is not tuned.
        flags: What is suspicious about it.
        cost: What it takes, apart from time; None while it is not tuned, or if nobody counted.
        error: Why it failed, or None.
        nuisance: What was tuned beside learning rate and batch size, by name; empty while it is not tuned.
        unread: Parameters that nobody asked for while it was tuned.
        command: The number, from 1 on, of the command that added it; None if that is not known.
        seconds_per_epoch: Mean over the epochs that were trained; None without trials.
        tunings: What each of its tunings came to, if there are several, of which `lr_range`, `batch_size`,
            `epochs` and `nuisance` are those of the first; else empty.
        behind: By how much it is behind the best, in the unit of performances, with the 95% interval; 0 of
            the best itself; None if it has no trials, or cannot be compared.
        may_be_best: Whether it is among those that the best is among, with 95% confidence.
    """

    params: Point
    cells: list[str]
    lr_range: tuple[float, float] | None
    batch_size: int | None
    perfs: list[float]
    perf_val: Interval
    loss_val: Interval
    perf_test: Interval | None
    seconds: float
    epochs: float
    flags: list[str]
    cost: ModelCost | None
    error: PointError | None
    nuisance: Mapping[str, Any] = field(default_factory=dict)
    unread: Sequence[str] = ()
    command: int | None = None
    best: tuple[float, float] | None = None
    seconds_per_epoch: float | None = None
    tunings: Sequence[Tuned] = ()
    behind: Interval | None = None
    may_be_best: bool = False

    @property
    def lr_spread(self) -> float | None:
        """The highest learning rate of its tunings divided by the lowest; None if that is not known."""
        rates = [tuned.lr_max for tuned in self.tunings]
        return max(rates) / min(rates) if rates and min(rates) > 0 else None

    @property
    def is_best(self) -> bool:
        """Whether it is the one that the others are compared with."""
        return self.behind is not None and self.behind[:3] == (0, 0, 0)

    @property
    def behind_text(self) -> str:
        """By how much it is behind the best, for a table; '' if that is not known."""
        return ABSENT if self.is_best else '' if self.behind is None else self.behind.text

    @property
    def trials(self) -> int:
        """How many are done, those that diverged included."""
        return len(self.perfs)

    @property
    def converged(self) -> list[float]:
        """Validation performance of each trial that converged."""
        return [perf for perf in self.perfs if math.isfinite(perf)]

    @property
    def convergence(self) -> Share | None:
        """How many of its trials converged; None without trials."""
        return share(len(self.converged), self.trials) if self.trials else None

    @property
    def convergence_text(self) -> str:
        """The same for a person; '' without trials."""
        return '' if self.convergence is None else str(self.convergence)

    @property
    def is_compared(self) -> bool:
        """Whether it has trials, and did not fail."""
        return self.error is None and self.trials > 0

    @property
    def exclusions(self) -> list[str]:
        """The flags that make it not comparable with others; empty if it is."""
        return exclusions(self.flags)

    def compared_by(self, interval: Interval, behind: Interval, may_be_best: bool) -> PointSummary:
        """The same with what the comparison with all others says of it."""
        return replace(self, perf_val=interval, behind=behind, may_be_best=may_be_best)

    @property
    def shown_cells(self) -> list[str]:
        """The cells for a person: a dash for a parameter that this architecture does not have or read."""
        return [cell or ABSENT for cell in self.cells]

    @property
    def shown_flags(self) -> list[str]:
        """The flags, with the parameters that `unread` is about."""
        names = ', '.join(self.unread)
        return [f'{flag} ({names})' if flag == 'unread' and names else flag for flag in self.flags]

    def nuisance_cells(self, names: Sequence[str]) -> list[str]:
        """Values of nuisance parameters as text; empty where it has none."""
        return [value_to_text(self.nuisance[name]) if name in self.nuisance else '' for name in names]


def summarise(store: Records, measure: Measure | None = None) -> list[PointSummary]:
    """Summarises every point: the best by validation performance first.

    Then those that cannot be compared, the unfinished, and the failed.

    Args:
        store: The sweep's folder.
        measure: What performances are; the objective by default.
    """
    measure, numbers = measure, store.command_numbers()
    if measure is None:
        measure = measure_of(store.manifest.metrics, val_to_train=store.manifest.val_to_train)
    summaries = [_summarise_point(store, point, numbers[point], measure) for point in store.points]
    return sorted(summaries, key=partial(_rank, measure.sign))


def named(columns: Sequence[str], cells: Sequence[str], between: str) -> str:
    """Returns a point for a person: the parameters that it has, by name."""
    return one_line(between.join(f'{c}={v}' for c, v in zip(columns, cells, strict=True) if v != ''))


def _rank(sign: int, summary: PointSummary) -> tuple[bool, bool, bool, float]:
    mean = summary.perf_val.mean
    return summary.error is not None, math.isnan(mean), bool(summary.exclusions), -sign * mean


def _summarise_point(store: Records, point: Point, command: int | None, measure: Measure) -> PointSummary:
    tuned, by_index = store.tuned(point), store.trials(point)
    trials = list(by_index.values())
    converged = {index: trial for index, trial in by_index.items() if not is_diverged(trial, measure)}
    perfs, number = scores_of(by_index, measure), store.manifest.tunings
    tests = units_of(scores_of(converged, measure, 'test'), number)
    losses = {index: trial.loss_val for index, trial in (converged or by_index).items()}
    tunings = tuned.tunings if tuned else ()
    return PointSummary(
        params=point,
        cells=store.parameter_cells(point),
        lr_range=(tuned.lr_min, tuned.lr_max) if tuned else None,
        batch_size=tuned.batch_size if tuned else None,
        perfs=[*perfs.values()],
        perf_val=measure.interval_of(units_of(perfs, number)),
        loss_val=mean_interval(units_of(losses, number), val_to_train=measure.val_to_train),
        perf_test=measure.interval(tests) if tests else None,
        seconds=float(np.mean([trial.seconds for trial in trials])) if trials else math.nan,
        epochs=tuned.epochs if tuned else 0,
        flags=measure.flags(store.flags(point), by_index),
        cost=tuned.cost if tuned else None,
        error=store.error(point),
        nuisance=tuned.nuisance if tuned else {},
        unread=sorted({name for tuning in tunings for name in tuning.unread}),
        command=command,
        best=_best([*converged.values()]) if measure.is_objective else None,
        seconds_per_epoch=_seconds_per_epoch(trials),
        tunings=tunings if len(tunings) > 1 else (),
    )


def _seconds_per_epoch(trials: Sequence[TrialResult]) -> float | None:
    """Trials may end before their last epoch: they stop early, or diverge."""
    epochs = sum(trial.epochs for trial in trials)
    return sum(trial.seconds for trial in trials) / epochs if epochs > 0 else None


def have_diverged(summaries: Sequence[PointSummary]) -> bool:
    """Whether trials of any architecture diverged."""
    return any(len(summary.converged) < summary.trials for summary in summaries)


def have_differences(summaries: Sequence[PointSummary]) -> bool:
    """Whether architectures are compared, so that some have a difference to the best."""
    return any(summary.behind is not None and not summary.is_best for summary in summaries)


def have_own_lengths(summaries: Sequence[PointSummary]) -> bool:
    """Whether trials are not equally long for all architectures that are tuned."""
    return len({summary.epochs for summary in summaries if summary.epochs}) > 1


def _best(trials: Sequence[TrialResult]) -> tuple[float, float] | None:
    reached = [(trial.best_val, trial.best_epoch) for trial in trials]
    pairs = [(value, epoch) for value, epoch in reached if value is not None and epoch is not None]
    if not pairs or len(pairs) < len(reached):
        return None
    values, epochs = zip(*pairs, strict=True)
    return float(np.mean(values)), float(np.mean(epochs))
