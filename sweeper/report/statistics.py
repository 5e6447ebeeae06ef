"""What can honestly be said about a handful of trials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Interval(NamedTuple):
    """A mean and its uncertainty: the true mean lies in `mean ± half_width` with 95% confidence.

    `half_width` is NaN for fewer than two values, which say nothing about their spread.
    """

    mean: float
    half_width: float


def mean_interval(values: np.ndarray | Sequence[float], confidence: float = 0.95) -> Interval:
    """Returns the mean of independent values with Student's t confidence interval (two-sided).

    Args:
        values: Shape `(n,)`; for none, the mean is NaN.
        confidence: In (0, 1).
    """
    n = len(values)
    if n == 0:
        return Interval(float('nan'), float('nan'))
    mean = float(np.mean(values))
    if n == 1 or not np.isfinite(mean):
        return Interval(mean, float('nan'))
    from scipy.special import stdtrit  # slow to import

    standard_error = float(np.std(values, ddof=1)) / n**0.5
    return Interval(mean, float(stdtrit(n - 1, 0.5 + confidence / 2)) * standard_error)
