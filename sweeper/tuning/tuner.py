"""Tuning one architecture: a coroutine that asks for runs and answers with hyperparameters."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from ..seeding import run_seed
from ..store.results import Tuned
from . import batch_size, lr_range
from .lr_range import LRRange
from .settings import HyperparameterSettings

_LOWERINGS = 3
_LOWERED_BY = 4


@dataclass(frozen=True)
class RunRequest:
    """A run that the tuner wants: a function of `work.py` and its arguments, besides the point."""

    function: str
    arguments: Mapping[str, Any]

    def digest(self) -> str:
        """A short text that tells this request from any other."""
        told = [self.function, self.arguments]
        text = json.dumps(told, sort_keys=True, default=lambda array: array.tolist())
        return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Stage:
    """Runs that may go on side by side; their results are sent back together, in this order.

    Attributes:
        name: The name of the curve that they make.
        runs: At least one.
    """

    name: str
    runs: Sequence[RunRequest]


RunResult: TypeAlias = Mapping[str, Any]
Tuner: TypeAlias = Generator[Stage, Sequence[RunResult], Tuned]


def tune(settings: HyperparameterSettings, train_size: int, seed: int) -> Tuner:
    """Tunes one architecture's learning-rate range and batch size.

    Yields stages of runs, receives each stage's results, and returns what the trials shall use. It
    trains nothing itself and knows neither the architecture nor the data but for its size.

    Args:
        settings: The budget, already raised to the sweep's `sweep_cores`.
        train_size: Samples in the training set; at least 1.
        seed: The sweep's seed.

    Raises:
        TuningFailed: The architecture cannot be trained at all.
    """
    tuner = _tune(settings, train_size, seed)
    steps: dict[str, list[str]] = {}
    stage = next(tuner)
    while True:
        results = yield stage
        steps[stage.name] = sorted({str(result['step']) for result in results})
        try:
            stage = tuner.send(results)
        except StopIteration as end:
            tuned: Tuned = end.value
            return dataclasses.replace(tuned, misc={**tuned.misc, 'steps': steps})


def _tune(settings: HyperparameterSettings, train_size: int, seed: int) -> Tuner:
    first = batch_size.reference(settings, train_size)
    found = yield from _range_test('lr_vs_perf', settings, train_size, seed, first)
    good, good_flags = yield from _sweep_batch_sizes(settings, train_size, seed, found)
    curves = {'lr_vs_perf': found.arrays, 'bs_vs_perf': good.arrays}
    misc: dict[str, Any] = {'lr_range': found.details, 'batch_sizes': good.details}
    flags = [*found.flags, *good_flags]

    size = good.sampled[-1]
    if settings.batch_points > 0:
        chosen, found = yield from _compare(settings, seed, found, good.sampled)
        misc['lr_range'] = found.details
        size = chosen.batch_size
        curves['bs_sampled'] = chosen.arrays
        misc['batch_sampled'] = chosen.details
        flags += found.flags + chosen.flags
    if settings.rescan_lr:
        found = yield from _range_test('lr_vs_perf2', settings, train_size, seed, size)
        curves['lr_vs_perf2'] = found.arrays
        misc['lr_range2'] = found.details
        flags = [flag for flag in flags if flag == 'nan_seen'] + found.flags
    lr_start, lr_end = found.at_batch_size(size)
    misc |= {
        'flags': sorted(set(flags)),
        'train_size': train_size,
    }
    return Tuned(
        lr_start=lr_start,
        lr_end=lr_end,
        batch_size=size,
        cycle_size_epochs=settings.cycle_epochs,
        epochs=settings.trial_epochs(train_size),
        misc=misc,
        curves=curves,
    )


def _range_test(
    name: str, settings: HyperparameterSettings, train_size: int, seed: int, size: int
) -> Generator[Stage, Sequence[RunResult], LRRange]:
    lrs = lr_range.schedule(settings, train_size, size)
    sizes = np.full(len(lrs), size)
    losses, perfs = yield from _measure(name, settings.lr_initialisations, seed, lrs, sizes)
    return lr_range.analyse(settings, lrs, size, losses, perfs)


def _sweep_batch_sizes(
    settings: HyperparameterSettings, train_size: int, seed: int, found: LRRange
) -> Generator[Stage, Sequence[RunResult], tuple[batch_size.GoodSizes, list[str]]]:
    sizes, lrs = batch_size.schedule(settings, train_size, found)
    losses, perfs = yield from _measure('bs_vs_perf', settings.batch_initialisations, seed, lrs, sizes)
    good = batch_size.analyse(settings, train_size, sizes, lrs, losses, perfs)
    up_to = int(np.searchsorted(sizes, good.sampled[-1], side='right'))
    return good, [] if np.isfinite(losses[:, :up_to]).all() else ['nan_seen']


def _measure(
    name: str, initialisations: int, seed: int, lrs: np.ndarray, sizes: np.ndarray
) -> Generator[Stage, Sequence[RunResult], tuple[np.ndarray, np.ndarray]]:
    """Measures one curve per initialisation; returns losses and perfs, `(initialisations, steps)`."""
    runs = [
        RunRequest('measure_curve', {'seed': run_seed(seed, name, i), 'lrs': lrs, 'batch_sizes': sizes})
        for i in range(initialisations)
    ]
    results = yield Stage(name, runs)
    return np.stack([r['loss'] for r in results]), np.stack([r['perf'] for r in results])


def _compare(
    settings: HyperparameterSettings, seed: int, found: LRRange, sampled: list[int]
) -> Generator[Stage, Sequence[RunResult], tuple[batch_size.ChosenSize, LRRange]]:
    """Compares batch sizes by brief trainings; while all of these diverge, at lower learning rates."""
    initialisations = settings.batch_point_initialisations
    for attempt in range(_LOWERINGS + 1):
        if attempt:
            found = found.lowered(_LOWERED_BY)
        runs = [
            RunRequest('train_briefly', {'seed': run_seed(seed, 'bs_sampled', i), **plan})
            for plan in (_brief_plan(settings, found, size) for size in sampled)
            for i in range(initialisations)
        ]
        results = yield Stage('bs_sampled', runs)
        losses = np.reshape([r['loss'] for r in results], (len(sampled), initialisations))
        perfs = np.reshape([r['perf'] for r in results], (len(sampled), initialisations))
        if np.isfinite(losses).any():
            break
    return batch_size.choose(settings, sampled, losses, perfs), found


def _brief_plan(settings: HyperparameterSettings, found: LRRange, size: int) -> dict[str, Any]:
    lr_start, lr_end = found.at_batch_size(size)
    epochs = settings.batch_point_epochs
    return {
        'lr_start': lr_start, 'lr_end': lr_end, 'batch_size': size,
        'epochs': epochs, 'cycle_size_epochs': epochs,
    }  # fmt: skip
