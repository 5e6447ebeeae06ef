"""Means with their confidence intervals.

Sources: Student 1908, The probable error of a mean; Nadeau and Bengio 2003, Inference for the generalization
error (section 5: the corrected resampled t-test).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

STUDENT, MODERATED, RESAMPLED = 'Student t', 'moderated t', 'corrected resampled t'
_SMALL, _LARGE, _VERY_LARGE = 1e-3, 1e4, 1e7


def number(value: float, size: float | None = None) -> str:
    """Returns a score for a person: with four decimals, unless it is very large or small.

    Args:
        value: Infinite for that of a model that diverged.
        size: Of the largest of the numbers beside which it stands; by default of itself.
    """
    if not math.isfinite(value):
        return 'diverged'
    size = abs(value) if size is None else abs(size)
    if size >= _LARGE:
        return f'{value:.1f}' if size < _VERY_LARGE else f'{value:.4e}'
    return f'{value:.4f}' if size >= _SMALL or size == 0 else f'{value:.3e}'


class Interval(NamedTuple):
    """A mean and its uncertainty: with the given confidence, the true mean lies between `low` and `high`.

    Both are NaN where the values say nothing about their spread: fewer than two, or all the same.

    Attributes:
        mean: Of the values; NaN for none.
        low: The lower end.
        high: The upper end.
        method: How the ends were found: `STUDENT`, `MODERATED`, `RESAMPLED`, or '' where they are NaN.
        size: Of the largest of the numbers beside which it is shown.
        equal: How many values there are if all are the same; 0 if they are not, or there is but one.
    """

    mean: float
    low: float = math.nan
    high: float = math.nan
    method: str = ''
    size: float = 0.0
    equal: int = 0

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2

    def within(self, low: float, high: float) -> Interval:
        """Returns the interval without what lies outside `low` to `high`."""
        return self._replace(
            low=float(np.clip(self.low, low, high)), high=float(np.clip(self.high, low, high))
        )

    @property
    def text(self) -> str:
        """For a table: `0.9000 ± 0.0100`, with both ends if these are not equally far from the mean."""
        if math.isnan(self.low):
            return str(self)
        size = max(self.size, abs(self.mean), self.half_width)
        off = 1e-9 * min(1.0, size)
        is_level = math.isclose(self.high - self.mean, self.mean - self.low, rel_tol=1e-6, abs_tol=off)
        return f'{number(self.mean, size)} ± {number(self.half_width, size)}' if is_level else str(self)

    def __str__(self) -> str:
        if math.isnan(self.mean):
            return ''
        if math.isnan(self.low):
            mean = number(self.mean, max(self.size, abs(self.mean)))
            return f'{mean} ({self.equal} equal trials)' if self.equal else mean
        size = max(self.size, *map(abs, (self.mean, self.low, self.high)))
        return f'{number(self.mean, size)} ({number(self.low, size)} to {number(self.high, size)})'


def mean_interval(
    values: np.ndarray | Sequence[float], confidence: float = 0.95, val_to_train: float = 0.0
) -> Interval:
    """Returns the mean of independent values with its confidence interval (two-sided): Student's t.

    Values of resamples are not independent: of these it is corrected (Nadeau and Bengio 2003).

    Args:
        values: Shape `(n,)`.
        confidence: In (0, 1).
        val_to_train: Of resamples, validation samples per training sample; else 0.
    """
    array = np.asarray(values, dtype=float)
    if not len(array):
        return Interval(math.nan)
    if not np.isfinite(array).all():
        return Interval(float(np.mean(array)))
    mean, low, high = (float(limit[0]) for limit in student_band(array[:, None], confidence, val_to_train))
    method = RESAMPLED if val_to_train else STUDENT
    if math.isnan(low):
        return Interval(mean, equal=len(array) if len(array) > 1 else 0)
    return Interval(mean, low, high, method)


def student_band(
    values: np.ndarray, confidence: float = 0.95, val_to_train: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns mean, lower and upper end of Student's interval for many means at once, shape `(places,)` each.

    Args:
        values: Shape `(trials, places)`; NaN for one that is missing.
        confidence: In (0, 1), at each place.
        val_to_train: As for `mean_interval`.
    """
    from scipy.special import stdtrit  # slow to import

    known = np.isfinite(values)
    n = known.sum(axis=0)
    mean = np.divide(np.where(known, values, 0).sum(axis=0), n, out=np.full(n.shape, np.nan), where=n > 0)
    squares = np.where(known, (values - mean) ** 2, 0).sum(axis=0)
    highest = np.max(values, axis=0, initial=-np.inf, where=known)
    spread = highest - np.min(values, axis=0, initial=np.inf, where=known)
    can_tell = (n > 1) & (spread > 0)
    freedom = np.where(can_tell, n - 1, 1)
    variance = squares / freedom * share_of_mean(n, val_to_train)
    half = stdtrit(freedom, 0.5 + confidence / 2) * np.sqrt(variance)
    half = np.where(can_tell, half, np.nan)
    return mean, mean - half, mean + half


def share_of_mean(n: np.ndarray, val_to_train: float = 0.0) -> np.ndarray:
    """The variance of a mean of `n` trials, in variances of a trial: 1 / n; of resamples, corrected.

    Their training sets overlap, so that scores are correlated, by about the share of validation samples: it
    becomes 1 / n + (validation samples) / (training samples), after Nadeau and Bengio.
    """
    share: np.ndarray = 1 / np.maximum(n, 1) + val_to_train
    return share
