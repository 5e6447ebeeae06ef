"""The noise of architectures' means, as far as their trials tell it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np

from ...stats.design import Design
from ...stats.variances import least_variance, resolution_of


@dataclass(frozen=True)
class Noise:
    """How far means over trials are from the true ones; both arrays have shape `(architectures,)`.

    Attributes:
        variances: Of each mean; NaN for all if no architecture has two trials.
        freedom: Degrees of freedom of each variance; 0 for one that is an average of the others'.
    """

    variances: np.ndarray
    freedom: np.ndarray

    @property
    def total(self) -> float:
        """The sum of all variances; 0 if nothing is known of them."""
        return float(np.nansum(self.variances))

    def at(self, indices: Sequence[int] | np.ndarray) -> Noise:
        """Returns that of some architectures, or in another order."""
        return Noise(self.variances[indices], self.freedom[indices])

    def p_value(self, squares: float, freedom: int, projector: Sequence[np.ndarray]) -> float:
        """Returns how probably noise alone makes a component of a grid as large as it is; NaN if unknown.

        The ANOVA-type statistic (Brunner, Dette and Munk 1997, Box-type approximations in nonparametric
        factorial designs): an F test without the assumption that all variances are equal.

        Args:
            squares: The component's sum of squares.
            freedom: The rank of its projector.
            projector: Squared entries of the projector, one factor per axis of the grid, whose architectures
                are in the order of a flattened table.
        """
        if not np.isfinite(self.variances).all():
            return nan
        count, total = len(self.variances), self.total
        if total == 0 or squares == 0:
            return 0.0 if squares > 0 else 1.0
        from scipy.special import fdtrc  # slow to import

        scale = freedom / count  # the projector's entries along the diagonal
        table = spread = self.variances.reshape([len(factor) for factor in projector])
        for axis, factor in enumerate(projector):
            spread = np.moveaxis(np.tensordot(factor, spread, (1, axis)), 0, axis)
        known = self.freedom > 0
        squared = np.where(known, _fourth_power(self.variances, self.freedom), self.variances**2)
        excess = scale**2 * float((self.variances**2 - squared).sum())
        numerator = (scale * total) ** 2 / (float((table * spread).sum()) - excess)
        denominator = self.variances[known].sum() ** 2 / (squared / np.maximum(self.freedom, 1))[known].sum()
        return float(
            fdtrc(
                min(max(1.0, numerator), freedom),
                min(denominator, self.freedom.sum()),
                squares / (scale * total),
            )
        )


def _fourth_power(variances: np.ndarray, freedom: np.ndarray) -> np.ndarray:
    """Squares of true variances.

    Those of estimates are too large, for normal scores by the factor 1 + 2 / freedom, with which the test is
    conservative for two or three trials (false claims of 0.5 to 2%). Half of the correction keeps it below 5%
    with variances that differ a hundredfold, too (`benchmarks/verdict_effects.py`).
    """
    squares: np.ndarray = variances**2 * (freedom + 1) / (freedom + 2)
    return squares


def noise_of_means(scores: np.ndarray, design: Design) -> Noise:
    """Returns the noise of the means of architectures, by how much their trials differ.

    Args:
        scores: Shape `(architectures, trials)`; NaN for a trial that is missing.
        design: How scores are compared. If trials are paired, what is common to all architectures in one is
            no noise of their differences, and is left out; of resamples, noise is corrected for their
            overlap (Nadeau and Bengio 2003); scores that are rounded have a least variance.
    """
    known = np.isfinite(scores)
    n = known.sum(axis=1)
    gaps = scores - np.nanmean(scores, axis=1, keepdims=True)
    lost = 0.0  # degrees of freedom of each architecture, to what all have in common
    if design.paired and len(scores) > 1:
        together = known.sum(axis=0) > 1
        gaps = np.where(together, gaps - _mean(gaps, known), gaps)
        lost = 1 / len(scores)
    squares = np.where(known, gaps**2, 0).sum(axis=1)
    several = n > 1
    if not several.any():
        return Noise(np.full(len(n), nan), np.zeros(len(n)))
    freedom = np.where(several, n - 1, 0) * (1 - lost)
    average = squares[several].sum() / freedom.sum()
    variance = np.where(several, squares / np.maximum(freedom, 0.5), average)
    variance = np.maximum(variance, least_variance(design.resolution or resolution_of(scores)))
    return Noise(variance * (1 / np.maximum(n, 1) + design.val_to_train), freedom)


def _mean(gaps: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Over architectures, for each trial."""
    mean: np.ndarray = np.where(known, gaps, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return mean
