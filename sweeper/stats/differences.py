"""Differences between architectures: how large, between which limits, and how likely by chance.

Trials that have nothing in common are compared by Welch's t-test, those of the same split by differences
within it, resamples by the corrected resampled t-test (Nadeau and Bengio 2003). From four architectures on
variances are moderated (`variances`). P-values are corrected for all pairs (Holm 1979, A simple sequentially
rejective multiple test procedure).
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np

from .design import Design
from .intervals import share_of_mean
from .looks import ALPHA
from .variances import FEWEST, Prior, common_prior, least_variance, resolution_of

MOST_IN_PAIRS = 1000
"""For how many architectures at most all pairs are looked at: their memory grows with the square."""
_SAME = 1e-12
"""By how much, of their size, numbers differ that are the same but for rounding."""


class Row(NamedTuple):
    """One architecture against each, itself included; arrays of shape `(architectures,)`.

    NaN for those that cannot be compared.

    Attributes:
        difference: Its mean minus the other's.
        low: The lower end of the 95% confidence interval of that; NaN if nothing is known of the spread.
        high: The upper end.
        p: Two-sided.
        p_adjusted: The same, corrected for all pairs and for looking again: of all differences that are
            called real because it is below 0.05, none is false in 95% of sweeps.
    """

    difference: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray
    p_adjusted: np.ndarray


class Differences:
    """Every architecture against every other.

    Args:
        scores: Shape `(architectures, trials)`; NaN for a trial that is missing.
        is_compared: Which to compare, shape `(architectures,)`; all by default.
        design: How.
    """

    def __init__(
        self, scores: np.ndarray, is_compared: np.ndarray | None = None, design: Design | None = None
    ) -> None:
        self.design = design or Design()
        self.scores = np.asarray(scores, dtype=float)
        compared = np.isfinite(self.scores).any(axis=1)
        self.is_compared = compared if is_compared is None else compared & is_compared

    @cached_property
    def pairs(self) -> int:
        """How many comparisons there are."""
        count = int(self.is_compared.sum())
        return count * (count - 1) // 2

    @property
    def correction(self) -> str:
        """Whose correction for many comparisons it is."""
        return 'Holm' if self.has_tables and not self.design.is_interim else 'Bonferroni'

    @property
    def has_tables(self) -> bool:
        """Whether there are so few that all pairs fit into memory."""
        return len(self.scores) <= MOST_IN_PAIRS

    @cached_property
    def tables(self) -> Row:
        """All rows, arrays of shape `(architectures, architectures)`."""
        count = len(self.scores)
        rows = [self._row(index) for index in range(count)]
        difference, low, high, p = np.array(rows).reshape(count, 4, count).swapaxes(0, 1)
        adjusted, upper = np.ones_like(p), np.triu_indices(len(p), 1)
        adjusted[upper] = self._at_this_look(holm(p[upper]))
        adjusted = np.minimum(adjusted, adjusted.T)
        return Row(difference, low, high, p, np.where(np.isnan(p), np.nan, adjusted))

    def row(self, index: int) -> Row:
        """Returns what there is of one architecture: without all the others if trials are still to come."""
        if self.has_tables and not self.design.is_interim:
            return Row(*(table[index] for table in self.tables))
        difference, low, high, p = self._row(index)
        return Row(difference, low, high, p, self._at_this_look(np.minimum(p * max(self.pairs, 1), 1)))

    def uncorrected(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns differences and p-values of one architecture, in time linear in their number."""
        difference, _, _, p = self._row(index)
        return difference, p

    def _at_this_look(self, p: np.ndarray) -> np.ndarray:
        """Corrects p-values for looking again, so that 0.05 is the limit at whichever look."""
        level = self.design.level
        return np.minimum(p * (ALPHA / level), 1) if level else np.where(np.isnan(p), np.nan, 1.0)

    def _row(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        from scipy.special import stdtr, stdtrit  # slow to import

        difference, error, freedom = self.errors_of(index)
        of_order = self._of_order(index, difference)
        is_pair = self.is_compared & self.is_compared[index]
        is_known = np.isfinite(error) & (error > 0) & is_pair
        freedom = np.where(is_known, freedom, 1)
        half = np.where(is_known, stdtrit(freedom, 0.975) * error, np.nan)
        t = np.divide(np.abs(difference), error, out=np.zeros_like(difference), where=is_known)
        p = np.where(is_known, 2 * stdtr(freedom, -t), of_order)
        difference[index], half[index], p[index] = 0, 0, 1
        difference, p = (np.where(is_pair, array, np.nan) for array in (difference, p))
        return difference, difference - half, difference + half, p

    # Standard errors

    def errors_of(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Differences to each, their standard errors and degrees of freedom, shape `(architectures,)`."""
        return self._paired(index) if self.design.paired else self._unpaired(index)

    @property
    def is_moderated(self) -> bool:
        """Whether variances are drawn towards what all have in common."""
        return (self._prior_of_pairs if self.design.paired else self._prior).freedom > 0

    @cached_property
    def _counts(self) -> np.ndarray:
        counts: np.ndarray = np.isfinite(self.scores).sum(axis=1)
        return counts

    @cached_property
    def means(self) -> np.ndarray:
        """Of each architecture's scores, shape `(architectures,)`; NaN without any."""
        sums = np.where(np.isfinite(self.scores), self.scores, 0).sum(axis=1)
        means: np.ndarray = np.divide(
            sums, self._counts, out=np.full(len(sums), np.nan), where=self._counts > 0
        )
        return means

    @cached_property
    def _floor(self) -> float:
        return least_variance(self.design.resolution or resolution_of(self.scores))

    @cached_property
    def _own_variances(self) -> tuple[np.ndarray, np.ndarray]:
        gaps = np.where(np.isfinite(self.scores), self.scores - self.means[:, None], 0)
        return self._estimates((gaps**2).sum(axis=1), self._counts)

    @cached_property
    def _prior(self) -> Prior:
        """What variances of trials have in common; nothing if trials do, for then estimates err alike."""
        if self.design.paired:
            return Prior()
        variance, freedom = self._own_variances
        return common_prior(variance[self.is_compared], freedom[self.is_compared])

    @cached_property
    def variances(self) -> tuple[np.ndarray, np.ndarray]:
        """Of trials of each architecture, moderated, and their degrees of freedom; NaN if not known."""
        return self._prior.posterior(*self._own_variances)

    def _estimates(self, squares: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        freedom = np.maximum(count - 1.0, 0.0)
        variance = np.divide(squares, freedom, out=np.zeros(len(squares)), where=freedom > 0)
        size = np.nanmax(np.abs(self.means), initial=0)
        variance[variance <= (_SAME * size) ** 2] = 0
        return np.maximum(variance, self._floor), freedom

    @cached_property
    def errors(self) -> tuple[np.ndarray, np.ndarray]:
        """Standard errors of the means and their degrees of freedom, shape `(architectures,)` each."""
        variance, freedom = self.variances
        return np.sqrt(variance * share_of_mean(self._counts, self.design.val_to_train)), freedom

    def _unpaired(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        squares = self.errors[0] ** 2
        both = squares + squares[index]
        return self.means[index] - self.means, np.sqrt(both), self._joint_freedom(index, both)

    def _joint_freedom(self, index: int, variance: np.ndarray) -> np.ndarray:
        """The degrees of freedom of variances of differences, after Satterthwaite (1946).

        Each is a sum of estimates: the two of its own, and all by way of what they have in common, which both
        share. So each estimate counts once. For the variances that are not known, moderated ones stand in, so
        that a difference whose own are low by chance has fewer degrees.
        """
        own, common = self._parts
        degrees = np.maximum(self._own_variances[1], 1)
        moderated, _ = self.variances
        is_part = self.is_compared & (self._own_variances[1] > 0)
        parts = np.where(is_part, degrees * moderated, 0) / max(float(degrees[is_part].sum()), 1)
        both = common + common[index]
        squares = both**2 * np.sum(parts**2 / degrees)
        for some in (slice(None), index):
            of_common = both * parts[some]
            squares = squares + ((of_common + own[some]) ** 2 - of_common**2) / degrees[some]
        with np.errstate(invalid='ignore', divide='ignore'):  # where nothing is known of either
            freedom: np.ndarray = variance**2 / squares
        return freedom

    @cached_property
    def _parts(self) -> tuple[np.ndarray, np.ndarray]:
        """Of the variance of each mean: what its own trials give, and how much of the common variance."""
        variance, total = self.variances
        share = share_of_mean(self._counts, self.design.val_to_train)
        of_own = np.divide(self._own_variances[1], total, out=np.zeros(len(total)), where=total > 0)
        return np.where(of_own > 0, share * of_own * variance, 0), share * (1 - of_own) * (total > 0)

    def _of_order(self, index: int, difference: np.ndarray) -> np.ndarray:
        """P-values where nothing varies, which are those of the order: 1 where that says nothing."""
        from scipy.special import binom

        size = _SAME * np.fmax(np.abs(self.means), np.abs(self.means[index]))
        counts, count = self._counts, self._counts[index]
        is_told = (np.abs(difference) > size) & (self.design.val_to_train == 0)
        if self.design.paired:
            common = np.isfinite(self.scores[index] - self.scores).sum(axis=1)
            return np.where(is_told & (common > 1), 2.0 ** (1 - common), 1.0)
        ends = np.fmax.reduce(self.scores, axis=1), np.fmin.reduce(self.scores, axis=1)
        is_constant = ends[0] == ends[1]
        is_told &= is_constant & is_constant[index]
        return np.where(is_told, np.minimum(2 / binom(counts + count, count), 1), 1.0)

    @cached_property
    def _prior_of_pairs(self) -> Prior:
        """What variances of differences have in common: twice those of trials without what trials share."""
        from_mean = (self.scores - self.means[:, None])[self.is_compared]
        count, present = len(from_mean), np.isfinite(from_mean)
        if count < FEWEST:
            return Prior()
        of_trials = np.where(present, from_mean, 0).sum(axis=0) / np.maximum(present.sum(axis=0), 1)
        squares = np.where(present, (from_mean - of_trials) ** 2, 0).sum(axis=1) * count / (count - 1)
        variance, freedom = self._estimates(squares, present.sum(axis=1))
        prior = common_prior(variance, freedom)
        return prior._replace(variance=2 * prior.variance)

    def _gaps(self, gaps: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Means and variances of differences within trials, and their degrees of freedom."""
        common = np.isfinite(gaps)
        count = common.sum(axis=1)
        gaps = np.where(common, gaps, 0)
        mean = np.divide(gaps.sum(axis=1), count, out=np.full(len(count), np.nan), where=count > 0)
        squares = np.where(common, (gaps - mean[:, None]) ** 2, 0).sum(axis=1)
        variance, freedom = self._estimates(squares, count)
        return mean, np.where(variance > 0, np.maximum(variance, 2 * self._floor), 0), freedom

    @property
    def variance_of_pairs(self) -> float:
        """Of differences within trials, in the mean over all architectures; 0 if not known."""
        return self._prior_of_pairs.variance

    def _paired(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        gaps = self.scores[index] - self.scores
        difference, variance, own = self._gaps(gaps)
        variance, freedom = self._prior_of_pairs.posterior(variance, own)
        independent = max(int(self.is_compared.sum()) - 1, 1)  # of differences: the others follow from them
        freedom = np.minimum(freedom, independent * np.maximum(own, 1))
        count = np.isfinite(gaps).sum(axis=1)
        return difference, np.sqrt(variance * share_of_mean(count, self.design.val_to_train)), freedom


def holm(p: np.ndarray) -> np.ndarray:
    """Returns p-values corrected for the number of tests, shape `(tests,)` like those given.

    NaN for those that are NaN, which are no tests.
    """
    adjusted, known = np.full(len(p), np.nan), np.isfinite(p)
    values = np.asarray(p)[known]
    order = np.argsort(values)
    stepped = values[order] * np.arange(len(values), 0, -1)
    corrected = np.empty(len(values))
    corrected[order] = np.minimum(np.maximum.accumulate(stepped), 1)
    adjusted[known] = corrected
    return adjusted
