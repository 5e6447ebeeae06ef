"""Variances of a few values each, moderated: each is drawn towards what all have in common.

Three trials tell little about their variance, and those of six architectures together tell much. After Smyth
2004, Linear models and empirical Bayes methods for assessing differential expression (section 3): a variance
with `d` degrees of freedom is averaged with that of all, which counts as much as `d0` degrees of freedom.
Two things differ, so that false claims stay rare where variances differ much or scores are coarse
(`benchmarks/verdict.py`): what all have in common is the mean variance, not the geometric mean, and `d0` is
at most `MOST_PRIOR_FREEDOM`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

FEWEST = 4
"""Of so many variances at least something is learned for each; of fewer, each stands for itself."""
MOST_PRIOR_FREEDOM = 4.0
_ROUNDING = 1e-12
_COARSENESS = 1 / 12
"""The least variance of scores that are rounded, in squares of what they are rounded to: that of rounding."""


class Prior(NamedTuple):
    """What is known of a variance before it is estimated: `variance`, as surely as with `freedom` degrees."""

    variance: float = 0.0
    freedom: float = 0.0

    def posterior(self, variance: np.ndarray, freedom: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns moderated variances and their degrees of freedom; NaN and 0 of what nothing is known."""
        total = self.freedom + freedom
        known = np.where(freedom > 0, variance, 0) * freedom
        moderated = np.divide(
            self.freedom * self.variance + known, total, out=np.full(total.shape, np.nan), where=total > 0
        )
        return moderated, total


def least_variance(resolution: float) -> float:
    """Returns the least variance of scores that differ by no less than `resolution`."""
    return _COARSENESS * resolution**2


def resolution_of(scores: np.ndarray) -> float:
    """Returns the least difference between scores of one architecture if some of them are equal; else 0.

    Args:
        scores: Shape `(architectures, trials)`; NaN for those that are missing.
    """
    gaps = np.diff(np.sort(scores, axis=1), axis=1)  # NaN come last
    gaps = gaps[np.isfinite(gaps)]
    is_same = gaps <= _ROUNDING * np.max(np.abs(scores), initial=0, where=np.isfinite(scores))
    return float(gaps[~is_same].min()) if is_same.any() and not is_same.all() else 0.0


def common_prior(variance: np.ndarray, freedom: np.ndarray) -> Prior:
    """Returns what the variances of all have in common.

    Args:
        variance: Estimates, shape `(groups,)`.
        freedom: Their degrees of freedom; those with none are left out.
    """
    from scipy.special import digamma, polygamma  # slow to import

    known = (freedom > 0) & (variance > 0)
    if known.sum() < FEWEST:
        return Prior()
    half, logs = freedom[known] / 2, np.log(variance[known])
    logs = logs - digamma(half) + np.log(half)
    by_chance = float(np.mean(polygamma(1, half)))
    excess = float(np.var(logs, ddof=1)) - by_chance
    prior_freedom = min(_freedom_with(excess), MOST_PRIOR_FREEDOM)
    is_known = freedom > 0
    return Prior(float(np.average(variance[is_known], weights=freedom[is_known])), prior_freedom)


def _freedom_with(spread: float) -> float:
    """The degrees of freedom with which logarithms of variances have a variance; infinity for none."""
    from scipy.special import polygamma

    if spread <= polygamma(1, MOST_PRIOR_FREEDOM / 2):
        return MOST_PRIOR_FREEDOM
    half = 1 / np.sqrt(spread) if spread > 1e7 else 0.5 + 1 / spread
    for _ in range(50):  # Newton's method, from Smyth's appendix
        trigamma = polygamma(1, half)
        step = trigamma * (1 - trigamma / spread) / polygamma(2, half)
        half += step
        if abs(step) < 1e-8 * half:
            break
    return float(2 * half)
