"""How much effort goes into tuning and training every architecture."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from ..errors import InvalidArgument


@dataclass(frozen=True, kw_only=True)
class HyperparameterSettings:
    """The recorded budget that every architecture of a sweep gets, and how it is spent.

    Take a preset with `get_settings('fast')` and change what you like with `.replace(…)`. Invalid values
    raise `InvalidArgument`. An *initialisation* is one freshly initialised model; its run is one curve.

    Attributes:
        lr_start: Lowest learning rate of the range test; > 0.
        lr_end: Highest learning rate of the range test; > `lr_start`.
        lr_initialisations: Models behind the learning-rate curve; >= 1, raised to `sweep_cores`.
        lr_epochs: Length of the range test in epochs; > 0.
        lr_min_steps: Least length of the range test in steps, for small data; >= 20.
        warmup_lr: The tiny learning rate before the range test; > 0, <= `lr_start`.
        warmup_steps: Steps at `warmup_lr`; >= 1.
        batch_size: Batch size of the range test, to which learning rates are scaled; >= 1.
        batch_start: Smallest batch size to consider; >= 1.
        batch_end: Largest batch size to consider; > `batch_start`. (A quarter of the training set, if
            that is less.)
        batch_initialisations: Models behind the batch-size curve; >= 1, raised to `sweep_cores`.
        batch_epochs: Length of the batch-size sweep in epochs; > 0.
        batch_min_steps: Least length of the batch-size sweep in steps, for small data; >= 20.
        batch_points: Batch sizes sampled from the good range; 0 takes the upper end of the good range.
        batch_point_initialisations: Models trained per sampled batch size; >= 1, raised so that
            `sweep_cores` models are trained in all.
        batch_point_epochs: Epochs for which each of these is trained; >= 1.
        batch_tolerance: Of the sampled batch sizes whose performance is this close to the best, the
            largest is taken; in [0, 1].
        rescan_lr: Repeat the learning-rate range test at the chosen batch size.
        smoothing: Width of the curves' smoothing window, as a share of the curve; in (0, 0.5].
        rise_start: The range starts where this share of the improvement is made; in [0, 1).
        rise_end: The range ends where this share of the improvement is made; in (`rise_start`, 1].
        cycle_epochs: Epochs in one triangular learning-rate cycle of a trial; >= 1.
        trial_samples: Training samples that a trial sees at least, in whole cycles, unless `max_cycles`
            ends it before; >= 1.
        max_cycles: Most cycles of a trial, for tiny data; >= 1.
    """

    lr_start: float = 1e-5
    lr_end: float = 10.0
    lr_initialisations: int = 4
    lr_epochs: float = 2.0
    lr_min_steps: int = 300
    warmup_lr: float = 1e-6
    warmup_steps: int = 10
    batch_size: int = 32
    batch_start: int = 8
    batch_end: int = 128
    batch_initialisations: int = 4
    batch_epochs: float = 2.0
    batch_min_steps: int = 100
    batch_points: int = 3
    batch_point_initialisations: int = 2
    batch_point_epochs: int = 8
    batch_tolerance: float = 0.01
    rescan_lr: bool = False
    smoothing: float = 0.1
    rise_start: float = 0.1
    rise_end: float = 0.8
    cycle_epochs: int = 10
    trial_samples: int = 120_000
    max_cycles: int = 40

    def __post_init__(self) -> None:
        _check_types(self)
        least = {
            'lr_initialisations': 1, 'lr_min_steps': 20, 'warmup_steps': 1, 'batch_size': 1,
            'batch_start': 1, 'batch_initialisations': 1, 'batch_min_steps': 20, 'batch_points': 0,
            'batch_point_initialisations': 1, 'batch_point_epochs': 1, 'cycle_epochs': 1,
            'trial_samples': 1, 'max_cycles': 1,
        }  # fmt: skip
        for name, minimum in least.items():
            self._require(name, getattr(self, name) >= minimum, f'at least {minimum}')
        for name in ('lr_start', 'warmup_lr', 'lr_epochs', 'batch_epochs'):
            self._require(name, 0 < getattr(self, name) < float('inf'), 'positive and finite')
        self._require('lr_end', self.lr_start < self.lr_end < float('inf'), f'above lr_start={self.lr_start}')
        self._require('warmup_lr', self.warmup_lr <= self.lr_start, f'at most lr_start={self.lr_start}')
        self._require('batch_end', self.batch_end > self.batch_start, f'above batch_start={self.batch_start}')
        self._require('batch_tolerance', 0 <= self.batch_tolerance <= 1, 'in [0, 1]')
        self._require('smoothing', 0 < self.smoothing <= 0.5, 'in (0, 0.5]')
        self._require('rise_start', 0 <= self.rise_start < 1, 'in [0, 1)')
        self._require('rise_end', self.rise_start < self.rise_end <= 1, f'in ({self.rise_start}, 1]')

    def _require(self, name: str, holds: bool, valid: str) -> None:
        if not holds:
            raise InvalidArgument(f'{name}={getattr(self, name)!r} in the settings: must be {valid}')

    def replace(self, **changes: Any) -> HyperparameterSettings:
        """Returns a copy with some fields changed, checked anew."""
        unknown = changes.keys() - {field.name for field in dataclasses.fields(self)}
        if unknown:
            valid = ', '.join(field.name for field in dataclasses.fields(self))
            raise InvalidArgument(f'there is no setting {", ".join(sorted(unknown))}; valid are {valid}')
        return dataclasses.replace(self, **changes)

    def for_sweep_cores(self, sweep_cores: int) -> HyperparameterSettings:
        """Returns the settings with at least `sweep_cores` initialisations behind every curve."""
        points = max(1, self.batch_points)
        return self.replace(
            lr_initialisations=max(self.lr_initialisations, sweep_cores),
            batch_initialisations=max(self.batch_initialisations, sweep_cores),
            batch_point_initialisations=max(self.batch_point_initialisations, -(-sweep_cores // points)),
        )

    def trial_epochs(self, train_size: int) -> int:
        """Returns how many epochs a trial lasts on `train_size` training samples: whole cycles."""
        cycles = math.ceil(self.trial_samples / train_size / self.cycle_epochs)
        return self.cycle_epochs * min(max(cycles, 1), self.max_cycles)


def _check_types(settings: HyperparameterSettings) -> None:
    valid: dict[str, tuple[type, ...]] = {'int': (int,), 'float': (int, float), 'bool': (bool,)}
    for field in dataclasses.fields(settings):
        value, kind = getattr(settings, field.name), str(field.type)
        if not isinstance(value, valid[kind]) or (kind != 'bool' and isinstance(value, bool)):
            raise InvalidArgument(f'{field.name}={value!r} in the settings: must be a {kind}')


PRESETS: dict[str, HyperparameterSettings] = {
    'fastest': HyperparameterSettings(
        lr_initialisations=2,
        lr_epochs=1.0,
        lr_min_steps=200,
        batch_start=16,
        batch_initialisations=2,
        batch_epochs=1.0,
        batch_min_steps=60,
        batch_points=2,
        batch_point_initialisations=1,
        batch_point_epochs=5,
        trial_samples=80_000,
    ),
    'fast': HyperparameterSettings(),
    'slow': HyperparameterSettings(
        lr_initialisations=8,
        lr_epochs=4.0,
        lr_min_steps=500,
        batch_start=4,
        batch_end=256,
        batch_initialisations=8,
        batch_epochs=4.0,
        batch_min_steps=200,
        batch_points=5,
        batch_point_initialisations=4,
        batch_point_epochs=10,
        rescan_lr=True,
        trial_samples=200_000,
    ),
    'slowest': HyperparameterSettings(
        lr_initialisations=16,
        lr_epochs=8.0,
        lr_min_steps=1000,
        batch_start=2,
        batch_end=512,
        batch_initialisations=16,
        batch_epochs=8.0,
        batch_min_steps=400,
        batch_points=8,
        batch_point_initialisations=8,
        batch_point_epochs=20,
        batch_tolerance=0.005,
        rescan_lr=True,
        trial_samples=400_000,
        max_cycles=80,
    ),
}
"""The presets, by how long they take. `fastest` is for a first look, `slowest` for a publication."""


def get_settings(hparams: str | HyperparameterSettings) -> HyperparameterSettings:
    """Returns the settings of a preset, by name; settings themselves are returned as they are.

    Raises:
        InvalidArgument: There is no preset of that name.
    """
    if isinstance(hparams, HyperparameterSettings):
        return hparams
    if not isinstance(hparams, str) or hparams not in PRESETS:
        raise InvalidArgument(
            f'unknown preset {hparams!r}; valid are {", ".join(PRESETS)}, or a HyperparameterSettings'
        )
    return PRESETS[hparams]


def preset_name(settings: HyperparameterSettings) -> str | None:
    """Returns the name of the preset that `settings` is, or None if it was changed."""
    return next((name for name, preset in PRESETS.items() if preset == settings), None)
