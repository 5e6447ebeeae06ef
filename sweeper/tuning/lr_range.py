"""The learning-rate range test (Smith 2017, Cyclical Learning Rates, section 3.3)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import TuningFailed
from ..training.schedule import geometric
from .curves import combine, find_rise
from .settings import HyperparameterSettings

_EDGE = 0.03
_LEAST_RATIO = 2.0
_BELOW_LOWEST_LOSS = 2.0


@dataclass(frozen=True)
class LRRange:
    """A learning-rate range for a batch size, and what there is to know about its measurement.

    Attributes:
        start: Where performance begins to improve.
        end: Where most of the improvement is made, short of where the runs diverge.
        batch_size: The batch size at which it holds.
        details: Numbers for `misc.json`.
        flags: `lr_at_low_edge`, `lr_at_high_edge`, `nan_seen`, `nothing_learned`.
        arrays: The curve, for `lr_vs_perf.npz`.
    """

    start: float
    end: float
    batch_size: int
    details: dict[str, Any]
    flags: list[str]
    arrays: dict[str, np.ndarray]

    def at_batch_size(self, batch_size: int) -> tuple[float, float]:
        """The range scaled to another batch size: the linear scaling rule (Goyal et al. 2017)."""
        factor = batch_size / self.batch_size
        return self.start * factor, self.end * factor

    def lowered(self, factor: float) -> LRRange:
        """The range at `1 / factor` of its learning rates: trainings in it diverged."""
        return dataclasses.replace(
            self,
            start=self.start / factor,
            end=self.end / factor,
            details=self.details
            | {
                'lr_start': self.start / factor,
                'lr_end': self.end / factor,
                'lowered_by': self.details.get('lowered_by', 1) * factor,
            },
            flags=[*self.flags, 'nan_seen'],
        )


def schedule(settings: HyperparameterSettings, train_size: int, batch_size: int) -> np.ndarray:
    """Returns the learning rate of every step: a warm-up at a tiny one, then geometrically rising."""
    per_epoch = train_size / batch_size
    steps = max(settings.lr_min_steps, round(settings.lr_epochs * per_epoch))
    rising = geometric(settings.lr_start, settings.lr_end, steps)
    return np.concatenate([np.full(settings.warmup_steps, settings.warmup_lr), rising])


def analyse(
    settings: HyperparameterSettings, lrs: np.ndarray, batch_size: int, losses: np.ndarray, perfs: np.ndarray
) -> LRRange:
    """Finds the range from the curves of several initialisations.

    Args:
        settings: How wide to smooth, and which shares of the improvement bound the range.
        lrs: Learning rate of every step, shape `(steps,)`, the warm-up included.
        batch_size: The batch size of every step.
        losses: Shape `(initialisations, steps)`, infinite from where a run diverged.
        perfs: The same shape; 0 from where a run diverged.

    Raises:
        TuningFailed: No initialisation had a finite loss even at the lowest learning rates.
    """
    warmup = settings.warmup_steps
    dead = ~np.isfinite(losses[:, : warmup + 1]).all(axis=1)
    if dead.all():
        raise TuningFailed(
            f'the loss is NaN or infinite from the start, at a learning rate of {lrs[0]:g}, '
            f'in all {len(losses)} initialisations'
        )
    alive = ~dead
    curve = combine(losses[alive], perfs[alive], settings.smoothing)
    baseline = warmup + max(1, len(lrs) // 20)
    rise = find_rise(curve, baseline, settings.rise_start, settings.rise_end)
    end = float(lrs[max(rise.end, warmup)])
    lowest = float(lrs[max(int(np.argmin(curve.loss[: rise.cutoff])), warmup)]) if rise.cutoff else end
    if rise.learned:
        end = max(end, lowest / _BELOW_LOWEST_LOSS)
    start = min(float(lrs[max(rise.start, warmup)]), end / _LEAST_RATIO)
    flags = []
    if not rise.learned:
        flags.append('nothing_learned')
    else:
        edge = (_EDGE + settings.smoothing / 2) * (len(lrs) - warmup)  # smoothing blurs the ends
        if rise.start <= warmup + edge:
            flags.append('lr_at_low_edge')
        if rise.top >= len(lrs) - 1 - edge:
            flags.append('lr_at_high_edge')
    if dead.any() or not np.isfinite(losses[alive][:, : rise.end + 1]).all():
        flags.append('nan_seen')
    details = {
        'batch_size': batch_size,
        'initialisations': len(losses),
        'initialisations_dead': int(dead.sum()),
        'steps': len(lrs) - warmup,
        'lr_start': start,
        'lr_end': end,
        'lr_best': float(lrs[max(rise.peak, warmup)]),
        'lr_lowest_loss': lowest,
        'lr_cutoff': float(lrs[rise.cutoff]) if rise.cutoff < len(lrs) else None,
        'measure': rise.measure,
        'improvement': rise.improvement,
    }
    arrays = {
        'lrs': lrs, 'losses': losses, 'perfs': perfs, 'loss': curve.loss, 'perf': curve.perf,
        'batch_size': np.array(batch_size), 'lr_range': np.array([start, end]),
    }  # fmt: skip
    return LRRange(start, end, batch_size, details, flags, arrays)
