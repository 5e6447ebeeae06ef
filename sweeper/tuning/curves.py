"""What a measured curve says: smoothing, combining initialisations, the range that improves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .constants import CONSTANTS

_NORMAL = 1.4826
"""Standard deviations in a median absolute deviation, of normally distributed values."""


@dataclass(frozen=True)
class CombinedCurve:
    """Curves of several initialisations as one, shape `(steps,)` each.

    Attributes:
        perf: Smoothed performance, median over initialisations.
        loss: Smoothed loss, median over initialisations; infinite where half of them diverged.
        perf_noise: Standard deviation that noise alone gives a value of `perf`.
        loss_noise: The same for `loss`.
        loss_spread: How far a step's loss is off the smoothed one, median over initialisations.
    """

    perf: np.ndarray
    loss: np.ndarray
    perf_noise: float
    loss_noise: float
    loss_spread: np.ndarray


def combine(losses: np.ndarray, perfs: np.ndarray, smoothing: float) -> CombinedCurve:
    """Combines the curves of several initialisations.

    Every curve is smoothed by a moving average; then each step takes the median, which fewer than half
    of the initialisations cannot spoil, whatever they do.

    Args:
        losses: Shape `(initialisations, steps)`; infinite from where a run diverged.
        perfs: The same shape; 0 from where a run diverged.
        smoothing: Width of the moving average, as a share of the steps.
    """
    window = max(3, round(smoothing * losses.shape[1]) | 1)
    finite = np.isfinite(losses)
    alive = _smooth(finite.astype(float), window) > 1 - 0.5 / window
    loss = np.where(alive, _smooth(np.where(finite, losses, 0.0), window), np.inf)
    perf = _smooth(perfs, window)
    # A loss may spike, so its spread is a robust one; a performance may be nearly always the same (one
    # sample in a hundred is right), so its spread is not.
    off = np.abs(np.where(alive, losses, 0.0) - np.where(alive, loss, 0.0))
    loss_spread = np.median(off[alive]) * _NORMAL if alive.any() else 0.0
    perf_spread = np.sqrt(np.mean((perfs[alive] - perf[alive]) ** 2)) if alive.any() else 0.0
    of_median = np.sqrt(np.pi / 2 if len(losses) > 2 else 1.0) / np.sqrt(window * len(losses))
    return CombinedCurve(
        _median(perf), _median(loss), float(perf_spread * of_median), float(loss_spread * of_median),
        np.median(off, axis=0) * _NORMAL,
    )  # fmt: skip


def _smooth(curves: np.ndarray, window: int) -> np.ndarray:
    """Moving average over an odd number of steps, the curves mirrored at their ends."""
    padded = np.pad(curves, ((0, 0), (window // 2, window // 2)), mode='symmetric')
    smoothed: np.ndarray = sliding_window_view(padded, window, axis=1).mean(axis=2)
    return smoothed


def _median(curves: np.ndarray) -> np.ndarray:
    """Median over initialisations; infinite where at least half are (never infinity - infinity)."""
    diverged = 2 * np.isinf(curves).sum(axis=0) >= len(curves)
    finite = np.where(np.isinf(curves), np.finfo(float).max / 4, curves)
    return np.where(diverged, np.inf, np.median(finite, axis=0))


@dataclass(frozen=True)
class Rise:
    """The stretch of a curve along which performance improves; indices into the curve.

    Attributes:
        start: Where a small share of the improvement is made.
        end: Where most of it is made.
        cutoff: Where the runs diverge: first index not looked at, or the curve's length.
        measure: `perf`, or `loss` if performance did not move, or `none` if neither did.
        improvement: How much the measure improved.
    """

    start: int
    end: int
    cutoff: int
    measure: str
    improvement: float

    @property
    def learned(self) -> bool:
        """Whether anything improved, beyond what noise does."""
        return self.measure != 'none'


def find_rise(curve: CombinedCurve, baseline: int, by_loss: bool = False) -> Rise:
    """Finds the stretch in which performance improves, before the cut-off where the runs diverge.

    Like the rise time of a signal: from where a tenth of the whole improvement is made to where four fifths
    are. Performance decides. Where it does not move (accuracy that needs long to leave
    the majority class), the loss decides; where that does not move either, nothing was learned and the
    range is the middle third of what did not diverge.

    Args:
        curve: The combined curve.
        baseline: How many of its first steps show the untrained model; at least 1.
        by_loss: Whether the performance says no more than the loss, on whose unit it depends.
    """
    cutoff = _cutoff(curve, baseline)
    for measure, values, noise in (
        ('perf', curve.perf, curve.perf_noise),
        ('loss', -curve.loss, curve.loss_noise),
    ):
        seen = values[: 0 if by_loss and measure == 'perf' else cutoff]
        if not len(seen):
            continue
        level = float(np.median(seen[:baseline]))
        peak = int(np.argmax(seen))
        improvement = float(seen[peak] - level)
        if improvement > max(CONSTANTS.significant_rise * noise, CONSTANTS.rounding * abs(level)):
            before = seen[: peak + 1]
            start = _last_below(before, level + CONSTANTS.rise_start * improvement)
            end = min(_last_below(before, level + CONSTANTS.rise_end * improvement) + 1, peak)
            return Rise(start, end, cutoff, measure, improvement)
    guess = 2 * cutoff // 3
    return Rise(cutoff // 3, guess, cutoff, 'none', 0.0)


def untrained_deviation(curve: CombinedCurve, baseline: int) -> float:
    """Returns the standard deviation, between batches, of the loss of untrained models."""
    return float(np.median(curve.loss_spread[:baseline]))


def _cutoff(curve: CombinedCurve, baseline: int) -> int:
    """Returns the first index at which the loss is infinite, or far above that of the untrained model.

    Or back at much of it, having been far lower. What is far is told by how much it ever falls, and by how
    much it differs between batches.
    """
    infinite = np.flatnonzero(np.isinf(curve.loss))
    cutoff = int(infinite[0]) if len(infinite) else len(curve.loss)
    if cutoff > baseline:
        level = float(np.median(curve.loss[:baseline]))
        far = max(CONSTANTS.spread * untrained_deviation(curve, baseline), CONSTANTS.rounding * abs(level))
        seen = curve.loss[baseline:cutoff]
        fall = level - np.minimum.accumulate(np.minimum(seen, level))
        is_back = (fall > far) & (seen - level > -(1 - CONSTANTS.back_at) * fall)
        diverged = np.flatnonzero((seen - level > max(far, float(fall.max()))) | is_back)
        cutoff = baseline + int(diverged[0]) if len(diverged) else cutoff
    return cutoff


def _last_below(values: np.ndarray, threshold: float) -> int:
    below = np.flatnonzero(values < threshold)
    return int(below[-1]) if len(below) else 0
