"""How long trials are if their time is given: measured once, when a sweep begins, and then on record."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ..errors import FolderError, ProblemError
from ..executors.base import Executor, Task, run_all
from ..points import Point, label
from ..seeding import run_seed
from ..store.layout import SweepLayout, holds_sweep
from ..store.manifest import Manifest, read_manifest
from ..store.store import Store
from ..tuning.base import TuningMethod
from ..tuning.candidates import batch_sizes
from ..tuning.settings import HyperparameterSettings
from ..tuning.timed import TimedSettings, samples_in

if TYPE_CHECKING:
    from ..training.speed import Speed


class TrialTime:
    """The length of a sweep's trials, if the user gave their time.

    Args:
        method: How architectures are tuned.
        manifest: That of the sweep.

    Attributes:
        method: The same; its settings change when it has been measured.
        manifest: With the length, if that is on record.
    """

    def __init__(self, method: TuningMethod, manifest: Manifest) -> None:
        self.method, self.manifest = method, manifest

    @classmethod
    def of(cls, method: TuningMethod, manifest: Manifest, folder: Path) -> Self:
        """Returns that of a sweep; a folder that was begun with the same time keeps its length."""
        minutes = manifest.minutes_per_trial
        if minutes is None or not isinstance(method, HyperparameterSettings):
            return cls(method, manifest)
        try:
            recorded = read_manifest(SweepLayout(folder)) if holds_sweep(folder) else None
        except FolderError:  # which is told, or dealt with, when the folder is opened
            recorded = None
        if recorded is not None and recorded.minutes_per_trial == minutes:
            samples = recorded.settings.get('trial_samples', method.trial_samples)
            method = method.replace(trial_samples=samples)
            manifest = _with_samples(manifest, samples)
        return cls(TimedSettings(method), manifest)

    def measure(self, executor: Executor, points: Sequence[Point], store: Store) -> str | None:
        """Times the first of some points that can be trained; notes how many samples trials have.

        Args:
            executor: Started, with nothing to do.
            points: At least one.
            store: The sweep's, without points.

        Returns:
            What the time came to, as a sentence; None if none was given.

        Raises:
            ProblemError: None of the points can be trained.
        """
        minutes = self.manifest.minutes_per_trial
        if not isinstance(self.method, TimedSettings) or minutes is None:
            return None
        settings, train_size = self.method.settings, self.manifest.train_size
        smallest = batch_sizes(settings, train_size)[0]  # of the most steps
        speed = measured_speed(executor, points, self.manifest.seed, smallest)
        samples = samples_in(60 * minutes, speed.sample, speed.scoring, settings, train_size)
        self.method.settings = settings.replace(trial_samples=samples)
        store.records.manifest = _with_samples(store.records.manifest, samples)
        epochs = self.method.settings.trial_epochs(train_size)
        unit = 'minute' if minutes == 1 else 'minutes'
        most = settings.cycle_epochs * settings.max_cycles
        limit = f', the most that max_cycles={settings.max_cycles} allows' if epochs == most else ''
        return f'{minutes:g} {unit} per trial = {samples:,} samples = {epochs:.3g} epochs{limit}'


def measured_speed(executor: Executor, points: Sequence[Point], seed: int, batch_size: int) -> Speed:
    """Returns how fast the first of some points trains that can be trained, with all cores busy.

    Raises:
        ProblemError: None can be.
    """
    arguments = {'seed': run_seed(seed, 'speed', 0), 'batch_size': batch_size}
    for point in points:
        tasks = [Task(f'speed {core}', 'measure_speed', point, arguments) for core in range(executor.cores)]
        outcomes = run_all(executor, tasks)
        speeds: list[Speed] = [outcome.value for outcome in outcomes if outcome.error is None]
        if speeds:
            return max(speeds, key=lambda speed: speed.sample)
        outcome = outcomes[0]
    assert outcome.error is not None
    raise ProblemError(
        f'how long trials take could not be measured: ({label(points[-1])}) failed, '
        f'{outcome.error.kind}: {outcome.error.message}'
    )


def _with_samples(manifest: Manifest, samples: int) -> Manifest:
    return dataclasses.replace(manifest, settings={**manifest.settings, 'trial_samples': samples})
