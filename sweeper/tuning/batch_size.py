"""The batch-size sweep, and the choice among batch sizes sampled from its good range."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import TuningFailed
from .curves import combine, find_rise
from .lr_range import LRRange
from .settings import HyperparameterSettings


def limits(settings: HyperparameterSettings, train_size: int) -> tuple[int, int]:
    """Returns the least and largest batch size to consider for `train_size` training samples."""
    largest = max(1, min(settings.batch_end, train_size // 4))
    return min(settings.batch_start, largest), largest


def even(size: int, train_size: int) -> int:
    """Returns the batch size that an epoch of batches of at most `size` really has: they are evened out."""
    return math.ceil(train_size / math.ceil(train_size / size))


def reference(settings: HyperparameterSettings, train_size: int) -> int:
    """Returns the batch size of the first learning-rate range test."""
    return min(settings.batch_size, limits(settings, train_size)[1])


def schedule(
    settings: HyperparameterSettings, train_size: int, lr_range: LRRange
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the batch size and the learning rate of every step, both rising geometrically.

    The learning rate is the upper end of the range that the range test found, scaled along with the batch
    size.
    """
    least, largest = limits(settings, train_size)
    mean = (largest - least) / np.log(largest / least) if largest > least else float(least)
    steps = max(settings.batch_min_steps, round(settings.batch_epochs * train_size / mean))
    sizes = np.rint(np.geomspace(least, largest, steps)).astype(int)
    return sizes, lr_range.end * sizes / lr_range.batch_size


@dataclass(frozen=True)
class GoodSizes:
    """The batch sizes along which performance improved, and the sample drawn from them.

    Attributes:
        sampled: Batch sizes to compare, rising, at least one.
        details: Numbers for `misc.json`.
        arrays: The curve, for `bs_vs_perf.npz`.
    """

    sampled: list[int]
    details: dict[str, Any]
    arrays: dict[str, np.ndarray]


def analyse(
    settings: HyperparameterSettings,
    train_size: int,
    sizes: np.ndarray,
    lrs: np.ndarray,
    losses: np.ndarray,
    perfs: np.ndarray,
) -> GoodSizes:
    """Finds the good range of batch sizes and samples it evenly on a logarithmic scale.

    The range goes from the smallest size to where performance stops to improve.

    Args:
        settings: How wide to smooth and how many sizes to sample.
        train_size: Samples in the training set.
        sizes: Batch size of every step, shape `(steps,)`.
        lrs: Learning rate of every step, shape `(steps,)`.
        losses: Shape `(initialisations, steps)`, infinite from where a run diverged.
        perfs: The same shape; 0 from where a run diverged.
    """
    curve = combine(losses, perfs, settings.smoothing)
    rise = find_rise(curve, max(1, len(sizes) // 20), settings.rise_start, settings.rise_end)
    least, largest = int(sizes[0]), int(sizes[rise.end])
    points = max(1, settings.batch_points)
    spaced = np.rint(np.geomspace(least, largest, points)).astype(int) if points > 1 else [largest]
    details = {
        'initialisations': len(losses),
        'steps': len(sizes),
        'smallest': least,
        'largest': largest,
        'measure': rise.measure,
        'improvement': rise.improvement,
    }
    arrays = {
        'batch_sizes': sizes, 'lrs': lrs, 'losses': losses, 'perfs': perfs,
        'loss': curve.loss, 'perf': curve.perf,
    }  # fmt: skip
    return GoodSizes(sorted({even(int(size), train_size) for size in spaced}), details, arrays)


@dataclass(frozen=True)
class ChosenSize:
    """The batch size that won.

    Attributes:
        batch_size: The choice.
        details: Numbers for `misc.json`.
        flags: `nan_seen` if some of its own runs diverged.
        arrays: Every brief training's result, for `bs_sampled.npz`.
    """

    batch_size: int
    details: dict[str, Any]
    flags: list[str]
    arrays: dict[str, np.ndarray]


def choose(
    settings: HyperparameterSettings, sampled: list[int], losses: np.ndarray, perfs: np.ndarray
) -> ChosenSize:
    """Chooses the batch size by the training performance after an equal number of epochs.

    Of the sizes whose median performance is within `batch_tolerance` of the best, the largest is taken:
    it gives the same for fewer steps. A size at which half of the runs diverged is taken only if none
    did better in that.

    Args:
        settings: The tolerance.
        sampled: The batch sizes, rising.
        losses: Final training losses, shape `(len(sampled), initialisations)`; infinite if diverged.
        perfs: Final training performances, the same shape; 0 if diverged.

    Raises:
        TuningFailed: Every brief training diverged.
    """
    if not np.isfinite(losses).any():
        raise TuningFailed(
            f'every brief training diverged, at batch sizes {", ".join(map(str, sampled))} and learning '
            f'rates that the range test found good'
        )
    diverged = (~np.isfinite(losses)).sum(axis=1)
    stable = diverged <= max(diverged.min(), (losses.shape[1] - 1) // 2)
    typical = np.median(perfs, axis=1)
    good = np.flatnonzero(stable & (typical >= typical[stable].max() - settings.batch_tolerance))
    chosen = int(good[-1])
    details = {
        'sampled': sampled,
        'perf': typical,
        'diverged': diverged,
        'chosen': sampled[chosen],
    }
    flags = [] if np.isfinite(losses[chosen]).all() else ['nan_seen']
    arrays = {'batch_sizes': np.array(sampled), 'losses': losses, 'perfs': perfs}
    return ChosenSize(sampled[chosen], details, flags, arrays)
