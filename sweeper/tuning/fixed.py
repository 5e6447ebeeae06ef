"""Hyperparameters that are given, not tuned."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..amounts import is_real
from ..errors import InvalidArgument
from .base import NO_PARAMETERS
from .effort import are_whole_cycles
from .settings import HyperparameterSettings

if TYPE_CHECKING:
    from ..space import Domain
    from .base import Tuner


@dataclass(frozen=True, kw_only=True)
class FixedHyperparameters:
    """The same learning rate, batch size and length of training for every architecture, without tuning.

    To reproduce what was published, or to measure what tuning is worth. It is no fair comparison: which
    architecture comes out best depends on whom the learning rate suits. Nuisance parameters have their
    defaults. Invalid values raise `InvalidArgument`.

    Attributes:
        lr: The highest learning rate of a trial's cycles; > 0.
        batch_size: The most samples of a batch; >= 1.
        epochs: Epochs of a trial; > 0, such as 0.5. By default as many as the preset `fast` takes.
        lr_ratio: The highest learning rate of a cycle ÷ the lowest; >= 1. With 1 the rate is constant.
        cycle_epochs: Epochs in one triangular learning-rate cycle; `epochs` is a multiple of it. By default
            all of `epochs`, or those of the preset.
    """

    lr: float
    batch_size: int
    epochs: float | None = None
    lr_ratio: float = 10.0
    cycle_epochs: float | None = None

    tuning_budget = 0.01  # of a trial: next to nothing

    def __post_init__(self) -> None:
        def require(name: str, holds: bool, valid: str) -> None:
            if not holds:
                raise InvalidArgument(f'{name}={getattr(self, name)!r}: must be {valid}').naming(
                    (name, getattr(self, name))
                )

        for name, least in (('lr', 0.0), ('lr_ratio', 1.0)):
            value = getattr(self, name)
            is_number = is_real(value)
            require(name, is_number and max(least, 1e-300) <= value < math.inf, f'a number above {least:g}')
        size = self.batch_size
        is_count = isinstance(size, int) and not isinstance(size, bool) and size >= 1
        require('batch_size', is_count, 'an integer of at least 1')
        for name in ('epochs', 'cycle_epochs'):
            value = getattr(self, name)
            is_number = is_real(value)
            require(name, value is None or (is_number and 0 < value < math.inf), 'a number above 0')
        if self.cycle_epochs is not None:
            is_whole = self.epochs is not None and are_whole_cycles(self.epochs, self.cycle_epochs)
            require('cycle_epochs', is_whole, f'a divisor of epochs={self.epochs}')

    def tune(self, train_size: int, seed: int, nuisance: Mapping[str, Domain] = NO_PARAMETERS) -> Tuner:
        """Trains nothing and returns what was given."""
        from ..results import Tuned  # with numpy, which the command line's help can do without

        yield from ()
        usual = HyperparameterSettings()
        cycle, epochs = self.cycle_epochs or self.epochs, self.epochs
        if epochs is None:
            cycle, epochs = usual.trial_cycle_epochs(train_size), usual.trial_epochs(train_size)
        return Tuned(
            lr_min=self.lr / self.lr_ratio,
            lr_max=self.lr,
            batch_size=self.batch_size,
            cycle_size_epochs=cycle or epochs,
            epochs=epochs,
            report={'why': 'given, not tuned', 'train_size': train_size},
        )
