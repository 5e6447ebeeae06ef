"""The verdict on trials: the one function behind the report, its formats and the live board."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ...stats.design import Design
from ...stats.verdict import Verdict, verdict
from ..measure import Measure

_COUNTED = ('accuracy', 'classification', 'multiclass', 'performance')
"""Metrics that count validation samples."""
_WHOLE = 1e-3
"""How far a number of samples is from a whole one at most, by rounding."""


def judged(
    scores: np.ndarray,
    measure: Measure,
    design: Design,
    is_compared: np.ndarray,
    diverged: np.ndarray | None = None,
    losses: np.ndarray | None = None,
) -> Verdict:
    """Compares architectures.

    Args:
        scores: Values of the measure, shape `(architectures, trials)`; NaN for a trial that is missing or
            diverged.
        measure: What they are.
        design: How they are compared, as far as the sweep's folder says.
        is_compared: Which architectures are comparable, shape `(architectures,)`.
        diverged: How many trials of each diverged, shape `(architectures,)`; None for none.
        losses: Validation losses like scores; None if they are not known.
    """
    resolution = _resolution(scores, measure, design)
    design = replace(design, limits=measure.limits, resolution=resolution)
    return verdict(
        scores, sign=measure.sign, design=design, diverged=diverged, losses=losses, is_compared=is_compared
    )


def table(rows: Sequence[Mapping[int, float]]) -> np.ndarray:
    """Returns scores by index of the trial, shape `(architectures, trials)`; NaN where there is none."""
    scores = np.full((len(rows), max((max(row, default=-1) + 1 for row in rows), default=0)), np.nan)
    for values, row in zip(scores, rows, strict=True):
        values[list(row)] = list(row.values())
    return scores


def _resolution(scores: np.ndarray, measure: Measure, design: Design) -> float:
    """The least difference of scores that are shares of validation samples; 0 if they are not."""
    if not design.resolution or measure.info.name not in _COUNTED:
        return 0.0
    samples = scores[np.isfinite(scores)] / design.resolution
    return design.resolution if np.all(np.abs(samples - np.round(samples)) < _WHOLE) else 0.0
