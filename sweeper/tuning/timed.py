"""Settings whose trials last for a given time: how many samples that is, is measured once, at the start."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..metric import PERFORMANCE, MetricInfo
from .base import NO_PARAMETERS
from .effort import Effort
from .settings import HyperparameterSettings

if TYPE_CHECKING:
    from ..space import Domain
    from .base import Tuner


@dataclass
class TimedSettings:
    """A tuning method whose settings are known only when the first architecture has been timed.

    Attributes:
        settings: The settings; `trial_samples` is replaced before anything is tuned.
    """

    settings: HyperparameterSettings

    @property
    def tuning_budget(self) -> float:
        return self.settings.tuning_budget

    @property
    def lr_initialisations(self) -> int:
        return self.settings.lr_initialisations

    def tune(
        self,
        train_size: int,
        seed: int,
        nuisance: Mapping[str, Domain] = NO_PARAMETERS,
        objective: MetricInfo = PERFORMANCE,
        can_hold_out: bool = True,
    ) -> Tuner:
        """Tunes with the settings as they are by now."""
        return self.settings.tune(train_size, seed, nuisance, objective, can_hold_out)


def samples_in(seconds: float, sample: float, scoring: float, settings: Effort, train_size: int) -> int:
    """Returns how many samples a trial may have to last so long, scoring at the end of its cycles included.

    Whole cycles, as many as fit in; or, of a shorter trial, a number of two digits.

    Args:
        seconds: How long a trial is to take.
        sample: Seconds that training on a sample takes.
        scoring: Seconds that scoring takes; at most half of the time is taken off for it.
        settings: How long cycles are, and how many there may be.
        train_size: Samples in the training set.
    """
    cycle = settings.cycle_epochs * train_size
    cycles = math.floor(seconds / (cycle * sample + scoring))
    if cycles >= 1:
        return cycle * min(cycles, settings.max_cycles)
    samples = max(seconds - scoring, seconds / 2) / sample
    return min(max(1, int(float(f'{samples:.2g}'))), cycle)
