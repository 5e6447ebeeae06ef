"""The learning-rate range test (Smith 2017, Cyclical Learning Rates, section 3.3)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import TuningFailed
from ..training.schedule import geometric
from .constants import CONSTANTS
from .curves import combine, find_rise, untrained_deviation
from .effort import Effort


@dataclass(frozen=True)
class LRRange:
    """What a range test says, at its batch size.

    Attributes:
        low: The lowest learning rate worth a closer look.
        high: The highest.
        cutoff: Where the loss has risen far, or the highest learning rate of the test.
        baseline_loss: The loss of untrained models.
        loss_deviation: Its standard deviation between batches.
        lowest_loss: The lowest that the test saw, smoothed.
        least_deviation: As `loss_deviation`, where it is least in the test.
        details: Numbers for `misc.json`.
        flags: `nan_seen` if a model was dead from the start.
        arrays: The curve, for `lr_vs_perf.npz`; in single precision, as it is there to be looked at and is
            most of what a folder holds without weights.
    """

    low: float
    high: float
    cutoff: float
    baseline_loss: float
    loss_deviation: float
    lowest_loss: float
    least_deviation: float
    details: dict[str, Any]
    flags: list[str]
    arrays: dict[str, np.ndarray]


def schedule(settings: Effort, samples: float, batch_size: int) -> np.ndarray:
    """Returns the learning rate of every step: a warm-up at a tiny one, then geometrically rising.

    Args:
        settings: The learning rates, and how many models share the samples.
        samples: The whole budget of tuning; the test takes about a tenth.
        batch_size: Of every step.
    """
    affordable = math.floor(CONSTANTS.range_test_share * samples / settings.lr_initialisations / batch_size)
    steps = min(
        max(affordable - CONSTANTS.warmup_steps, CONSTANTS.fewest_range_steps), CONSTANTS.most_range_steps
    )
    rising = geometric(settings.lr_start, settings.lr_end, steps)
    return np.concatenate(
        [np.full(CONSTANTS.warmup_steps, settings.lr_start / CONSTANTS.warmup_below), rising]
    )


def analyse(
    settings: Effort,
    lrs: np.ndarray,
    batch_size: int,
    losses: np.ndarray,
    perfs: np.ndarray,
    by_loss: bool = False,
) -> LRRange:
    """Reads the curves of several initialisations.

    Args:
        settings: How wide to smooth.
        lrs: Learning rate of every step, shape `(steps,)`, the warm-up included.
        batch_size: The batch size of every step.
        losses: Shape `(initialisations, steps)`, infinite from where a run diverged.
        perfs: The same shape; 0 from where a run diverged.
        by_loss: Whether performances say no more than losses, on whose unit they depend.

    Raises:
        TuningFailed: No initialisation had a finite loss even at the lowest learning rates.
    """
    dead = ~np.isfinite(losses[:, : CONSTANTS.warmup_steps + 1]).all(axis=1)
    if dead.all():
        raise TuningFailed(
            f'the loss is NaN or infinite from the start, at a learning rate of {lrs[0]:g}, '
            f'in all {len(losses)} initialisations'
        )
    alive = ~dead
    curve = combine(losses[alive], perfs[alive], settings.smoothing)
    baseline = CONSTANTS.warmup_steps + max(1, len(lrs) // 20)
    rise = find_rise(curve, baseline, by_loss)
    cutoff = float(lrs[min(rise.cutoff, len(lrs) - 1)])
    first, last = (float(lrs[max(index, CONSTANTS.warmup_steps)]) for index in (rise.start, rise.end))
    lowest = int(np.argmin(curve.loss[: max(1, rise.cutoff)]))
    of_lowest = float(lrs[max(lowest, CONSTANTS.warmup_steps)])
    high = min(cutoff, CONSTANTS.above_lowest_loss * of_lowest) if rise.learned else cutoff
    low = (
        min(high / CONSTANTS.span, last / CONSTANTS.above_lowest_loss)
        if rise.learned
        else high / CONSTANTS.blind_span
    )
    high = min(max(high, CONSTANTS.least_span * settings.lr_start), settings.lr_end)
    low = max(min(low, high / CONSTANTS.least_span), settings.lr_start)
    flags = ['nan_seen'] * bool(dead.any())
    details = {
        'batch_size': batch_size,
        'initialisations': len(losses),
        'initialisations_dead': int(dead.sum()),
        'steps': len(lrs),
        'improves_from': first,
        'improves_to': last,
        'lowest_loss': of_lowest,
        'cutoff': cutoff if rise.cutoff < len(lrs) else None,
        'measure': rise.measure,
        'improvement': rise.improvement,
    }
    curves = {'lrs': lrs, 'losses': losses, 'perfs': perfs, 'loss': curve.loss, 'perf': curve.perf}
    with np.errstate(over='ignore'):  # what single precision does not hold has diverged
        arrays = {name: values.astype(np.float32) for name, values in curves.items()}
    arrays['batch_size'] = np.array(batch_size)
    return LRRange(
        low=low,
        high=high,
        cutoff=cutoff,
        baseline_loss=float(np.median(losses[alive][:, : CONSTANTS.warmup_steps + 1])),
        loss_deviation=untrained_deviation(curve, baseline),
        lowest_loss=float(curve.loss[lowest]),
        least_deviation=float(np.quantile(curve.loss_spread[: max(1, rise.cutoff)], CONSTANTS.least)),
        details=details,
        flags=flags,
        arrays=arrays,
    )
