"""How the trials of an architecture went."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ...store.details import read_throughtime
from ..collect import PointSummary
from ..findings import Findings
from ..statistics import student_band

MEASURES = ('perf_val', 'perf_train', 'loss_val', 'loss_train')


@dataclass(frozen=True)
class Course:
    """One measure over the epochs; None where it is not finite.

    Attributes:
        trials: Of each trial, at each of the epochs.
        mean: Over trials that got that far.
        low: Lower end of the mean's 95% interval (Student's t).
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
        courses: By measure: `perf_val`, `perf_train`, `loss_val`, `loss_train`.
    """

    name: str
    epochs: list[int]
    courses: dict[str, Course]


def training(findings: Findings, one: PointSummary) -> Training:
    """Returns how an architecture's trials went."""
    layout = findings.store.files(one.params)
    found = (read_throughtime(layout, index) for index in findings.store.trials(one.params))
    curves = [curve for curve in found if curve is not None and {'epochs', *MEASURES} <= curve.keys()]
    longest = max((curve['epochs'] for curve in curves), key=len, default=np.array([], dtype=int))
    courses = {name: _course([curve[name] for curve in curves], len(longest)) for name in MEASURES}
    return Training(findings.name(one), longest.astype(int).tolist(), courses)


def _course(curves: list[np.ndarray], length: int) -> Course:
    table = np.full((len(curves), length), np.nan)
    for row, curve in zip(table, curves, strict=True):
        row[: len(curve)] = curve
    band = student_band(np.where(np.isfinite(table), table, np.nan))
    return Course([_finite(row.tolist()) for row in table], *(_finite(line.tolist()) for line in band))


def _finite(values: list[float]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values]
