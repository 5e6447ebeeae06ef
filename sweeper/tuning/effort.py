"""How much effort goes into tuning and training every architecture."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal, Self

from ..annotations import valid_in_words, wrong_field
from ..errors import InvalidArgument

BATCH_OBJECTIVES = ('performance', 'throughput')


@dataclass(frozen=True, kw_only=True)
class Effort:
    """The recorded budget that every architecture of a sweep gets, and how it is spent.

    Take a preset with `get_settings('fast')` and change what you like with `.replace(…)`. Invalid values
    raise `InvalidArgument`. docs/tuning.md explains the method.

    Attributes:
        tuning_budget: Most training samples that tuning one architecture takes, in those of one trial; > 0.
            (Every run takes a few steps. Where these are too many, less is compared; if that does not
            suffice, the tuning is flagged `over_budget`.)
        lr_start: Lowest learning rate to consider; > 0.
        lr_end: Highest learning rate to consider; > `lr_start`.
        lr_initialisations: Freshly initialised models behind the learning-rate curve; >= 1, raised to
            `sweep_cores`.
        lr_candidates: Learning rates compared in the first round; >= 2.
        batch_size: Batch size of the range test and the first round; >= 1.
        batch_start: Smallest batch size to consider; >= 1.
        batch_end: Largest batch size to consider; > `batch_start`. (A quarter of the training set, if
            that is less.)
        batch_candidates: Batch sizes compared in the second round; >= 1.
        batch_objective: 'performance': the batch size that trains best. 'throughput': the largest that is
            within `batch_tolerance` of it. A number: this batch size.
        batch_tolerance: See `batch_objective`: a share, in [0, 1], of the way from an untrained model to the
            best.
        rounds: Rounds of the comparison; >= 2. From the third on, learning rates alone are compared in the
            last two.
        smoothing: Width of the learning-rate curve's smoothing window, as a share of it; in (0, 0.5].
        lr_ratio: The highest learning rate of a trial's cycle ÷ the lowest; > 1.
        cycle_epochs: Epochs in one triangular learning-rate cycle of a trial; >= 1.
        trial_samples: Training samples that a trial sees; >= 1. If they are more than those of a cycle, in
            whole cycles (so it may see more), unless `max_cycles` ends it before; if they are fewer, the
            trial is one shorter cycle, which may end within an epoch.
        max_cycles: Most cycles of a trial, for tiny data; >= 1.
        score_on: Training samples that candidates are compared on: 'held-out', some that they are not trained
            on, or 'training', those that they are trained on. (These also where nothing can be held out.)
        length: 'tuned': a trial has as many cycles as tuning found best, at most those above, for every
            architecture its own. 'fixed': as many as that, for all.
    """

    tuning_budget: float = 2.0
    lr_start: float = 1e-5
    lr_end: float = 10.0
    lr_initialisations: int = 3
    lr_candidates: int = 7
    batch_size: int = 16
    batch_start: int = 8
    batch_end: int = 128
    batch_candidates: int = 3
    batch_objective: str | int = 'performance'
    batch_tolerance: float = 0.01
    rounds: int = 4
    smoothing: float = 0.1
    lr_ratio: float = 10.0
    cycle_epochs: int = 10
    trial_samples: int = 120_000
    max_cycles: int = 40
    score_on: Literal['held-out', 'training'] = 'held-out'
    length: Literal['tuned', 'fixed'] = 'tuned'

    def __post_init__(self) -> None:
        if (name := wrong_field(self)) is not None:
            valid = valid_in_words(Effort, name)
            raise InvalidArgument(f'{name}={getattr(self, name)!r} in the settings: {valid}')
        least = {
            'lr_initialisations': 1, 'lr_candidates': 2, 'batch_size': 1, 'batch_start': 1,
            'batch_candidates': 1, 'rounds': 2, 'cycle_epochs': 1,
            'trial_samples': 1, 'max_cycles': 1,
        }  # fmt: skip
        for name, minimum in least.items():
            self._require(name, getattr(self, name) >= minimum, f'at least {minimum}')
        for name in ('tuning_budget', 'lr_start'):
            self._require(name, 0 < getattr(self, name) < math.inf, 'positive and finite')
        self._require('lr_end', self.lr_start < self.lr_end < math.inf, f'above lr_start={self.lr_start}')
        self._require('lr_ratio', 1 < self.lr_ratio < math.inf, 'above 1 and finite')
        self._require('batch_end', self.batch_end > self.batch_start, f'above batch_start={self.batch_start}')
        if isinstance(self.batch_objective, str):
            is_known = self.batch_objective in BATCH_OBJECTIVES
            self._require(
                'batch_objective', is_known, f'{" or ".join(map(repr, BATCH_OBJECTIVES))}, or a batch size'
            )
        else:
            self._require('batch_objective', self.batch_objective >= 1, 'at least 1')
        self._require('batch_tolerance', 0 <= self.batch_tolerance <= 1, 'in [0, 1]')
        self._require('smoothing', 0 < self.smoothing <= 0.5, 'in (0, 0.5]')

    def _require(self, name: str, holds: bool, valid: str) -> None:
        if not holds:
            raise InvalidArgument(f'{name}={getattr(self, name)!r} in the settings: must be {valid}')

    def replace(self, **changes: Any) -> Self:
        """Returns a copy with some fields changed, checked anew."""
        unknown = changes.keys() - {field.name for field in dataclasses.fields(self)}
        if unknown:
            valid = ', '.join(field.name for field in dataclasses.fields(self))
            raise InvalidArgument(f'there is no setting {", ".join(sorted(unknown))}; valid are {valid}')
        return dataclasses.replace(self, **changes)

    def for_sweep_cores(self, sweep_cores: int) -> Self:
        """Returns the settings with at least `sweep_cores` initialisations behind the learning-rate curve."""
        return self.replace(lr_initialisations=max(self.lr_initialisations, sweep_cores))

    def trial_epochs(self, train_size: int) -> float:
        """Returns how many epochs a trial lasts on `train_size` training samples.

        Whole cycles; or, if it is shorter than one, any number, to six digits.
        """
        if self.trial_samples < train_size * self.cycle_epochs:
            return whole_if_it_is(float(f'{self.trial_samples / train_size:.6g}'))
        cycles = math.ceil(self.trial_samples / train_size / self.cycle_epochs)
        return self.cycle_epochs * min(cycles, self.max_cycles)

    def trial_cycle_epochs(self, train_size: int) -> float:
        """Returns how many epochs a cycle of such a trial lasts."""
        return min(self.cycle_epochs, self.trial_epochs(train_size))


def whole_if_it_is(number: float) -> float:
    """Returns a number as an integer if it is one."""
    return int(number) if float(number).is_integer() else number


def are_whole_cycles(epochs: float, cycle_epochs: float) -> bool:
    """Whether a training of so many epochs is a whole number of such cycles, but for rounding."""
    cycles = round(epochs / cycle_epochs)
    return cycles >= 1 and math.isclose(cycles * cycle_epochs, epochs, rel_tol=1e-5)
