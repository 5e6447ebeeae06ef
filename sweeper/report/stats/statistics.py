"""What can honestly be said about a handful of trials, and about the differences between architectures.

Trials of the same index share the order of the data, in all architectures (common random numbers), so
architectures are compared by paired differences.

Sources: Efron 1987, Better bootstrap confidence intervals; Holm 1979, A simple sequentially rejective
multiple test procedure; Mann and Whitney 1947 (the probability of superiority), recommended for comparing
learning procedures by Bouthillier et al. 2021, Accounting for variance in machine learning benchmarks;
Nadeau and Bengio 2003, Inference for the generalization error (section 5: the corrected resampled t-test).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

ENOUGH_FOR_BOOTSTRAP = 40
STUDENT, BCA, RESAMPLED = 'Student t', 'BCa bootstrap', 'corrected resampled t'
_RESAMPLES = 5000
_SAME = 1e-12
"""By how much, of their size, numbers differ that are the same but for rounding."""
_SMALL, _LARGE, _VERY_LARGE = 1e-3, 1e4, 1e7
_MOST_TRIALS = 1000


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
        method: How the ends were found: `STUDENT`, `BCA`, `RESAMPLED`, or '' where they are NaN.
        size: Of the largest of the numbers beside which it is shown.
    """

    mean: float
    low: float = math.nan
    high: float = math.nan
    method: str = ''
    size: float = 0.0

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
            return number(self.mean, max(self.size, abs(self.mean)))
        size = max(self.size, *map(abs, (self.mean, self.low, self.high)))
        return f'{number(self.mean, size)} ({number(self.low, size)} to {number(self.high, size)})'


def mean_interval(
    values: np.ndarray | Sequence[float], confidence: float = 0.95, val_to_train: float = 0.0
) -> Interval:
    """Returns the mean of independent values with its confidence interval (two-sided).

    Student's t for a few values, since a bootstrap of few covers too rarely; the bias-corrected and
    accelerated bootstrap from `ENOUGH_FOR_BOOTSTRAP` on. Values of resamples are not independent: of these it
    is always Student's t, corrected (Nadeau and Bengio 2003).

    Args:
        values: Shape `(n,)`.
        confidence: In (0, 1).
        val_to_train: Of resamples, validation samples per training sample; else 0.
    """
    array = np.asarray(values, dtype=float)
    n = len(array)
    if n == 0:
        return Interval(math.nan)
    mean = float(np.mean(array))
    if n == 1 or not np.isfinite(mean) or np.ptp(array) == 0:
        return Interval(mean)
    if n >= ENOUGH_FOR_BOOTSTRAP and not val_to_train:
        return _bootstrap_interval(array, mean, confidence)
    return student_interval(array, confidence, val_to_train)


def student_interval(
    values: np.ndarray | Sequence[float], confidence: float = 0.95, val_to_train: float = 0.0
) -> Interval:
    """Returns what `mean_interval` does for a few values, of however many."""
    column = np.asarray(values, dtype=float)[:, None]
    mean, low, high = (float(limit[0]) for limit in student_band(column, confidence, val_to_train))
    method = RESAMPLED if val_to_train else STUDENT
    return Interval(mean, low, high, '' if math.isnan(low) else method)


def _bootstrap_interval(array: np.ndarray, mean: float, confidence: float) -> Interval:
    from scipy import stats  # slow to import

    result = stats.bootstrap(
        (array,), np.mean, confidence_level=confidence, n_resamples=_RESAMPLES, method='BCa',
        rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    return Interval(mean, float(result.low), float(result.high), BCA)


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
    variance = _variance_of_mean(squares / freedom, n, val_to_train)
    half = stdtrit(freedom, 0.5 + confidence / 2) * np.sqrt(variance)
    half = np.where(can_tell, half, np.nan)
    return mean, mean - half, mean + half


def _variance_of_mean(variance: np.ndarray, n: np.ndarray, val_to_train: float) -> np.ndarray:
    """The variance of means of `n` values each; of resamples, with Nadeau and Bengio's correction.

    Their training sets overlap, so that scores are correlated, by about the share of validation samples: the
    factor 1 / n becomes 1 / n + (validation samples) / (training samples).
    """
    of_mean: np.ndarray = variance / np.maximum(n, 1)
    return of_mean + variance * val_to_train if val_to_train else of_mean


class AgainstOthers(NamedTuple):
    """One architecture against each, itself included: a row of `Pairwise`, shape `(architectures,)` each."""

    difference: np.ndarray
    p: np.ndarray
    p_adjusted: np.ndarray


@dataclass(frozen=True)
class Pairwise:
    """Every architecture against every other; all arrays have shape `(architectures, architectures)`.

    All three are NaN for a pair that cannot be compared.

    Attributes:
        difference: Mean over common trials of the row's score minus the column's; NaN without any.
        p: Of a paired t-test, two-sided; of the sign test where all differences are the same, of whose
            spread nothing is known then; 1 with fewer than two common trials. Of resamples, the corrected
            resampled t-test (Nadeau and Bengio 2003), and 1 where all differences are the same.
        p_adjusted: The same after Holm's correction for all pairs: of all differences that are called real
            because it is below 0.05, none is false in 95% of all sweeps.
    """

    difference: np.ndarray
    p: np.ndarray
    p_adjusted: np.ndarray

    correction = 'Holm'

    @property
    def is_compared(self) -> np.ndarray:
        """Which architectures are compared, shape `(architectures,)`."""
        compared: np.ndarray = np.isfinite(np.diagonal(self.p))
        return compared

    def row(self, index: int) -> AgainstOthers:
        """Returns what there is of one architecture."""
        return AgainstOthers(self.difference[index], self.p[index], self.p_adjusted[index])


class ManyPairs:
    """What `Pairwise` is, for so many architectures that all pairs do not fit into memory.

    Bonferroni's correction takes the place of Holm's, for which all p-values are sorted: no p-value is lower,
    so that the rate of false differences holds, too.

    Args:
        scores: As for `compare_some`.
        is_compared: Which to compare.
        val_to_train: As for `compare_all`.
    """

    correction = 'Bonferroni'

    def __init__(self, scores: np.ndarray, is_compared: np.ndarray, val_to_train: float = 0.0) -> None:
        self._scores, self.is_compared, self._val_to_train = scores, is_compared, val_to_train

    def row(self, index: int) -> AgainstOthers:
        """Returns what there is of one architecture, in time and memory linear in their number."""
        difference, p = _paired(self._scores[index], self._scores, self._val_to_train)
        difference[index], p[index] = 0, 1
        is_pair = self.is_compared & self.is_compared[index]
        difference[~is_pair] = p[~is_pair] = np.nan
        count = int(self.is_compared.sum())
        pairs = max(count * (count - 1) // 2, 1)
        return AgainstOthers(difference, p, np.minimum(p * pairs, 1))


def compare_all(scores: np.ndarray, val_to_train: float = 0.0) -> Pairwise:
    """Compares all architectures by their common trials.

    Args:
        scores: Shape `(architectures, trials)`; NaN for a trial that is missing.
        val_to_train: Of resamples, validation samples per training sample; else 0.
    """
    count = len(scores)
    difference, p = np.full((count, count), np.nan), np.ones((count, count))
    np.fill_diagonal(difference, 0)
    for row in range(count - 1):
        mean, of_row = _paired(scores[row], scores[row + 1 :], val_to_train)
        difference[row, row + 1 :], difference[row + 1 :, row] = mean, -mean
        p[row, row + 1 :], p[row + 1 :, row] = of_row, of_row
    upper = np.triu_indices(count, 1)
    adjusted = np.ones_like(p)
    adjusted[upper] = holm(p[upper])
    return Pairwise(difference, p, np.minimum(adjusted, adjusted.T))


def compare_some(scores: np.ndarray, is_comparable: np.ndarray, val_to_train: float = 0.0) -> Pairwise:
    """Compares some architectures by their common trials; what concerns any other is NaN.

    Args:
        scores: As for `compare_all`.
        is_comparable: Which to compare, shape `(architectures,)`.
        val_to_train: As for `compare_all`.
    """
    if is_comparable.all():
        return compare_all(scores, val_to_train)
    some, result = np.ix_(is_comparable, is_comparable), compare_all(scores[is_comparable], val_to_train)
    full = np.full((3, len(scores), len(scores)), np.nan)
    full[0][some], full[1][some], full[2][some] = result.difference, result.p, result.p_adjusted
    return Pairwise(*full)


def _paired(
    scores: np.ndarray, others: np.ndarray, val_to_train: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the mean difference to each of the others, and its p-value."""
    from scipy.special import stdtr

    common = np.isfinite(scores) & np.isfinite(others)
    scores, others = np.where(common, scores, 0), np.where(common, others, 0)
    gaps = scores - others
    same = _SAME * np.maximum(np.abs(scores), np.abs(others)).max(axis=1, initial=0)
    n = common.sum(axis=1)
    mean = np.divide(gaps.sum(axis=1), n, out=np.full(len(n), np.nan), where=n > 0)
    squares = np.where(common, (gaps - mean[:, None]) ** 2, 0).sum(axis=1)
    is_spread = (n > 1) & (squares > same**2)
    freedom = np.where(is_spread, n - 1, 1)
    error = np.sqrt(_variance_of_mean(np.where(is_spread, squares, 1) / freedom, n, val_to_train))
    has_signs = (n > 1) & (np.abs(mean) > same) & (val_to_train == 0)  # which are independent
    of_signs = np.where(has_signs, 2.0 ** (1 - n), 1.0)
    return mean, np.where(is_spread, 2 * stdtr(freedom, -np.abs(mean) / error), of_signs)


def holm(p: np.ndarray) -> np.ndarray:
    """Returns p-values corrected for the number of tests, shape `(tests,)` like those given (Holm 1979)."""
    order = np.argsort(p)
    stepped = np.asarray(p)[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1)
    return adjusted


def tied_for_first(
    scores: np.ndarray, pairwise: Pairwise | ManyPairs, alpha: float = 0.05, sign: int = 1
) -> list[int]:
    """Returns who may be the best: the best mean, and all whom the trials cannot tell from it; best first.

    Args:
        scores: As for `compare_all`; architectures without trials are left out, as are those not compared.
        pairwise: What that returned, or `compare_some`, or `ManyPairs`.
        alpha: How often at most, among sweeps, anyone is told from the best who should not be.
        sign: 1 if higher scores are better, -1 if lower ones are.
    """
    has_trials = np.isfinite(scores).any(axis=1) & pairwise.is_compared
    if not has_trials.any():
        return []
    means = np.full(len(scores), -np.inf)
    means[has_trials] = sign * np.nanmean(scores[has_trials], axis=1)
    ranked = np.argsort(-means, kind='stable')
    best = ranked[0]
    difference, _, p_adjusted = pairwise.row(int(best))
    is_worse = (p_adjusted < alpha) & (sign * difference > 0)  # in common trials
    is_worse |= np.isinf(means) & np.isfinite(means[best])
    return [int(index) for index in ranked if has_trials[index] and not is_worse[index]]


def superiority(scores: np.ndarray | Sequence[float], other: np.ndarray | Sequence[float]) -> float:
    """Returns the probability that a trial of `scores` scores higher than one of `other`; ties count half.

    Mann and Whitney's U as a share of all pairs of trials, of whatever index: so each may be any trial.
    NaN without trials.
    """
    a, b = np.asarray(scores, dtype=float)[:, None], np.asarray(other, dtype=float)[None, :]
    return float(np.mean((a > b) + 0.5 * (a == b))) if a.size and b.size else math.nan


def trials_to_settle(
    scores: np.ndarray | Sequence[float],
    other: np.ndarray | Sequence[float],
    alpha: float = 0.05,
    power: float = 0.8,
    val_to_train: float = 0.0,
) -> int | None:
    """Returns how many common trials would tell two architectures apart, if what was seen so far is true.

    Args:
        scores: Scores, shape `(trials,)`.
        other: Scores of the same trials.
        alpha: Level of the paired t-test; already divided by the number of tests, if there are several.
        power: How probably it is to succeed.
        val_to_train: As for `compare_all`: of resamples, not even very many may be enough.

    Returns:
        At least 2; None if no difference was seen, if nothing is known of its spread, or if more than
        a thousand were needed.
    """
    gaps = np.subtract(scores, other)
    same = _SAME * max(np.abs(scores).max(initial=0), np.abs(other).max(initial=0))
    if len(gaps) < 2 or abs(np.mean(gaps)) <= same or np.ptp(gaps) <= same:
        return None
    from scipy.special import nctdtr, stdtrit  # scipy.stats takes far longer to import

    effect = abs(float(np.mean(gaps))) / float(np.std(gaps, ddof=1))
    n = np.arange(2, _MOST_TRIALS + 1)
    critical = stdtrit(n - 1, 1 - alpha / 2)
    shift = effect / np.sqrt(1 / n + val_to_train) if val_to_train else effect * np.sqrt(n)
    reached = nctdtr(n - 1, shift, critical) <= 1 - power
    return int(n[int(np.argmax(reached))]) if reached.any() else None
