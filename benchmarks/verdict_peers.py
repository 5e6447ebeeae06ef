"""What others say of the same sweeps: Tukey's and Dunnett's tests, autorank, and almost stochastic order.

Each takes a `Sweep` and returns `Claims`, or None where it cannot say anything.
"""

import contextlib
import functools
import warnings
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.05
BOOTSTRAPS = 300
EPSILON = 0.2  # which its authors recommend


@dataclass(frozen=True)
class Claims:
    """What is said of a sweep.

    Attributes:
        better: Which row is called better than which column, shape (architectures, architectures).
        winner: The one that is called best, or None.
        candidates: Those of which the best is said to be one; None if nothing of the kind is said.
        low, high: The intervals of the differences, row minus column, in the unit of scores; None without.
    """

    better: np.ndarray
    winner: int | None
    candidates: list[int] | None = None
    low: np.ndarray | None = None
    high: np.ndarray | None = None


def claims_of(better, means):
    """The claims of a method that says of every pair whether one is better: the winner beats all others."""
    best = int(np.argmax(means))
    beaten = better[best]
    candidates = [index for index in range(len(means)) if not beaten[index]]
    return Claims(better, best if len(candidates) == 1 else None, candidates)


@functools.cache
def _tukeys_factor(count, freedom):
    """The studentized range that `scipy.stats.tukey_hsd` compares with, which takes it long to find."""
    return stats.studentized_range.ppf(1 - LEVEL, count, freedom) / np.sqrt(2)


def tukey(sweep):
    """All pairs, as `scipy.stats.tukey_hsd` (with Kramer's correction) compares them."""
    means, numbers, error, freedom = _analysis_of_variance(sweep)
    if freedom < 1:
        return None
    gaps = means[:, None] - means[None, :]
    half = _tukeys_factor(len(means), freedom) * np.sqrt(error * (1 / numbers[:, None] + 1 / numbers))
    claims = claims_of(gaps > half, means)
    sign = sweep.world.sign
    low, high = sorted_ends(sign * (gaps - half), sign * (gaps + half))
    return Claims(claims.better, claims.winner, claims.candidates, low, high)


def sorted_ends(one, other):
    """The lower and the upper of two ends."""
    return np.minimum(one, other), np.maximum(one, other)


def _analysis_of_variance(sweep):
    values = sweep.world.sign * sweep.scores
    numbers = np.isfinite(values).sum(1)
    freedom = int(numbers.sum() - len(values))
    means = np.nanmean(values, axis=1)
    error = np.nansum((values - means[:, None]) ** 2) / max(freedom, 1)
    return means, numbers, error, freedom


@functools.cache
def _dunnetts_factor(count, trials, draws=200_000):
    """The one-sided critical value of Dunnett's test with equal numbers of trials."""
    rng, freedom = np.random.default_rng(0), count * (trials - 1)
    control = rng.standard_normal((draws, 1))
    others = rng.standard_normal((draws, count - 1))
    scale = np.sqrt(rng.chisquare(freedom, (draws, 1)) / freedom)
    return float(np.quantile(((control - others) / np.sqrt(2) / scale).max(1), 1 - LEVEL))


def dunnett(sweep):
    """The best mean as the control of all others (`scipy.stats.dunnett`), as if it had been fixed before."""
    means, numbers, error, freedom = _analysis_of_variance(sweep)
    if freedom < 1 or len(set(numbers)) > 1 or len(means) < 3:
        return None
    half = _dunnetts_factor(len(means), int(numbers[0])) * np.sqrt(2 * error / numbers[0])
    best = int(np.argmax(means))
    better = np.zeros((len(means),) * 2, dtype=bool)
    better[best] = means[best] - means > half
    return claims_of(better, means)


def autorank(sweep):
    """The `autorank` package: repeated measures, with the test that it chooses for the data."""
    import pandas as pd
    from autorank import autorank as rank

    values = sweep.world.sign * sweep.scores
    if values.shape[1] < 5 or not np.isfinite(values).all():
        return None
    with warnings.catch_warnings(), contextlib.redirect_stdout(None):  # it prints its table
        warnings.simplefilter('ignore')
        try:
            result = rank(pd.DataFrame(values.T), alpha=LEVEL, verbose=False)
        except (ValueError, ZeroDivisionError, FloatingPointError):
            return None
    count, means = len(values), values.mean(1)
    better = np.zeros((count, count), dtype=bool)
    if result.pvalue < LEVEL:
        table = result.rankdf.loc[range(count)]
        if count == 2:
            better[int(np.argmax(means)), int(np.argmin(means))] = True
        elif result.cd is not None:
            ranks = table['meanrank'].to_numpy()
            better = ranks[None, :] - ranks[:, None] > result.cd
        else:
            low, high = table['ci_lower'].to_numpy(), table['ci_upper'].to_numpy()
            better = low[:, None] > high[None, :]
    return claims_of(better, means)


def stochastic_order(sweep):
    """Almost stochastic order (Dror et al. 2019; Ulmer et al. 2022), with Bonferroni's correction.

    As the `deepsig` package computes it, whose loops take two seconds for a pair: the ratio of the area in
    which the order of quantiles is violated, with its upper limit by the bootstrap.
    """
    values = sweep.world.sign * sweep.scores
    if not np.isfinite(values).all():
        return None
    count, trials = values.shape
    rng = np.random.default_rng(0)
    picks = rng.integers(trials, size=(BOOTSTRAPS, count, trials))
    drawn = np.sort(values[np.arange(count)[None, :, None], picks], axis=-1)
    spread = np.stack([_violation(part).astype(np.float32) for part in drawn]).std(0)
    limit = _violation(np.sort(values, axis=-1)) + spread * stats.norm.ppf(
        1 - LEVEL / max(count * (count - 1), 1)
    )
    return claims_of(np.clip(limit, 0, 1) < EPSILON, values.mean(1))


def _violation(ordered):
    """How far row's quantiles are from being nowhere below column's, in [0, 1]; ordered scores."""
    below = ordered[None, :, :] - ordered[:, None, :]
    total = (below**2).sum(-1)
    violated = (np.maximum(below, 0) ** 2).sum(-1)
    return np.divide(violated, total, out=np.full(total.shape, 0.5), where=total > 0)


PEERS = {'Tukey': tukey, 'Dunnett': dunnett, 'autorank': autorank, 'stochastic order': stochastic_order}
