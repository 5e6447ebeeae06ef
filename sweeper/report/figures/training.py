"""How the trials of an architecture went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...metric import LOSS
from ...stats.intervals import student_band
from ...store.details import read_throughtime
from ..collect import PointSummary
from ..findings import Findings
from ..measure import Measure, measures
from .numbers import finite, is_wide
from .paper import BLUE, FAINT, VERMILLION, legend_above

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FEW_EPOCHS = 20

_KINDS, _SPLITS = ('perf', 'loss'), ('val', 'train')


@dataclass(frozen=True)
class Course:
    """One measure over the epochs; None where it is not finite.

    Attributes:
        trials: Of each trial, at each of the epochs.
        mean: Over trials that got that far.
        low: Lower end of the mean's 95% interval (Student's t, corrected for resamples), of a performance cut
            off where none can be.
        high: Upper end.
    """

    trials: list[list[float | None]]
    mean: list[float | None]
    low: list[float | None]
    high: list[float | None]


@dataclass(frozen=True)
class Training:
    """How the trials of an architecture went.

    Attributes:
        name: The architecture.
        epochs: At whose ends it was scored: those of the learning-rate cycles.
        courses: By what was measured: `perf_val`, `perf_train`, `loss_val`, `loss_train`, and so on for other
            metrics.
        measure: The metric that is looked at.
        objective: That which is called `perf`.
    """

    name: str
    epochs: list[float]
    courses: dict[str, Course]
    measure: Measure = Measure()  # noqa: RUF009 - it is frozen
    objective: Measure = Measure()  # noqa: RUF009

    @property
    def panels(self) -> list[Measure]:
        """What is drawn: the metric that is looked at, and the loss; the objective beside the loss."""
        loss = Measure(LOSS, 'loss', 'loss', self.objective.name)
        is_there = self.measure.key != 'loss' and f'{self.measure.key}_val' in self.courses
        return [self.measure if is_there else self.objective, loss]


def training(findings: Findings, summary: PointSummary) -> Training:
    """Returns how an architecture's trials went."""
    layout = findings.store.files(summary.params)
    histories = (read_throughtime(layout, index) for index in findings.store.trials(summary.params))
    needed = {'epochs', *(f'{kind}_{split}' for kind in _KINDS for split in _SPLITS)}
    curves = [curve for curve in histories if curve is not None and needed <= curve.keys()]
    longest = max((curve['epochs'] for curve in curves), key=len, default=np.array([], dtype=int))
    ratio = findings.measure.val_to_train
    objective, *others = measures(findings.store.manifest.metrics, ratio)
    courses = {}
    for measure in (objective, Measure(LOSS, 'loss', 'loss'), *others):
        for split in _SPLITS:
            name = f'{measure.key}_{split}'
            if all(name in curve for curve in curves):
                scores = [curve[name] for curve in curves]
                courses[name] = _course(scores, len(longest), measure.limits, ratio)
    epochs = [int(epoch) if float(epoch).is_integer() else float(epoch) for epoch in longest]
    return Training(findings.name(summary), epochs, courses, findings.measure, objective)


def _course(
    curves: list[np.ndarray], length: int, limits: tuple[float, float], val_to_train: float
) -> Course:
    table = np.full((len(curves), length), np.nan)
    for row, curve in zip(table, curves, strict=True):
        row[: len(curve)] = curve
    mean, low, high = student_band(np.where(np.isfinite(table), table, np.nan), val_to_train=val_to_train)
    band = mean, np.clip(low, *limits), np.clip(high, *limits)
    return Course(
        [[*map(finite, row.tolist())] for row in table], *([*map(finite, line.tolist())] for line in band)
    )


def draw_training(data: Training, axes: Sequence[Axes]) -> None:
    """Draws a metric and the loss, each in axes of its own: mean, 95% interval, and every trial faintly."""
    for panel, measure in zip(axes, data.panels, strict=True):
        lines = [
            _draw_course(data, panel, f'{measure.key}_train', VERMILLION, 's', '--'),
            _draw_course(data, panel, f'{measure.key}_val', BLUE, 'o', '-'),
        ]
        panel.set_xlabel('epoch')
        panel.set_ylabel(f'{measure.name}{measure.direction if measure.key != "loss" else ""}')
        panel.grid(axis='y')
        if panel is axes[0]:
            legend_above(panel, lines[::-1], ['validation', 'training'], data.name)
        means = [value for split in _SPLITS for value in data.courses[f'{measure.key}_{split}'].mean]
        if not measure.info.higher and is_wide(means):
            panel.set_yscale('log')


def _draw_course(data: Training, axes: Axes, measure: str, colour: str, marker: str, style: str) -> Any:
    course = data.courses[measure]
    for trial in course.trials if len(course.trials) > 1 else ():
        axes.plot(data.epochs, _with_gaps(trial), color=colour, linewidth=0.6, alpha=FAINT)
    low, high = _with_gaps(course.low), _with_gaps(course.high)
    axes.fill_between(data.epochs, low, high, color=colour, alpha=0.15, linewidth=0)
    shape = marker if len(data.epochs) <= _FEW_EPOCHS else ''
    return axes.plot(data.epochs, _with_gaps(course.mean), style, color=colour, marker=shape, markersize=3)[0]


def _with_gaps(values: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], dtype=float)
