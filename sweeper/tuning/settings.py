"""Settings of the tuning method of this package, and its presets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import InvalidArgument
from ..metric import PERFORMANCE, MetricInfo
from .base import NO_PARAMETERS
from .effort import Effort

if TYPE_CHECKING:
    from ..space import Domain
    from .base import Tuner


@dataclass(frozen=True, kw_only=True)
class HyperparameterSettings(Effort):  # noqa: D101
    __doc__ = Effort.__doc__

    def tune(
        self,
        train_size: int,
        seed: int,
        nuisance: Mapping[str, Domain] = NO_PARAMETERS,
        objective: MetricInfo = PERFORMANCE,
        can_hold_out: bool = True,
    ) -> Tuner:
        """Tunes one architecture with this budget, as docs/tuning.md explains."""
        from .tuner import tune  # with numpy, which the command line's help can do without

        return tune(self, train_size, seed, nuisance, objective, can_hold_out)


PRESETS: dict[str, HyperparameterSettings] = {
    'fastest': HyperparameterSettings(
        tuning_budget=0.5,
        lr_candidates=5,
        batch_end=64,
        batch_candidates=2,
        rounds=2,
        trial_samples=80_000,
    ),
    'fast': HyperparameterSettings(),
    'slow': HyperparameterSettings(
        tuning_budget=5.0,
        lr_initialisations=6,
        lr_candidates=10,
        batch_start=4,
        batch_end=256,
        batch_candidates=4,
        rounds=5,
        trial_samples=200_000,
    ),
    'slowest': HyperparameterSettings(
        tuning_budget=12.0,
        lr_initialisations=12,
        lr_candidates=14,
        batch_start=2,
        batch_end=512,
        batch_candidates=5,
        batch_tolerance=0.005,
        rounds=6,
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
        error = InvalidArgument(
            f'unknown preset {hparams!r}; valid are {", ".join(PRESETS)}, or a HyperparameterSettings'
        )
        raise error.on_command_line(f'--preset {hparams}: valid are {", ".join(PRESETS)}')
    return PRESETS[hparams]


def preset_name(settings: HyperparameterSettings) -> str | None:
    """Returns the name of the preset that `settings` is, or None if it was changed."""
    return next((name for name, preset in PRESETS.items() if preset == settings), None)
