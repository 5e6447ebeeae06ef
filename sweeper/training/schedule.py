"""Learning-rate schedules, as one learning rate per step."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from ..errors import ProblemError

Schedule: TypeAlias = str | Callable[[float], float]
"""A predefined schedule's name, or a function of progress in [0, 1] that gives a factor of the tuned rate."""


def learning_rates(schedule: Schedule, lr_min: float, lr_max: float, steps: int, cycles: int) -> np.ndarray:
    """Returns the learning rate of every step, shape `(steps,)`.

    Args:
        schedule: `triangular`, or a factor of `lr_max` over the whole training.
        lr_min: The lowest rate of `triangular`; others have their own.
        lr_max: The highest rate, which is tuned.
        steps: How many there are.
        cycles: How many cycles `triangular` has.

    Raises:
        ProblemError: A function gives no finite factor of at least 0.
    """
    if schedule == 'triangular':
        return triangular(lr_min, lr_max, steps, cycles)
    factor = PREDEFINED[schedule] if isinstance(schedule, str) else schedule
    return np.array([lr_max * _checked(factor, (step + 0.5) / steps) for step in range(steps)])


def one_cycle(progress: float) -> float:
    """Rises from 1/25 for 30 percent of the training, and falls to next to 0, along cosines (Smith 2018)."""
    if progress < 0.3:
        return 1 / 25 + (1 - 1 / 25) * (1 - math.cos(math.pi * progress / 0.3)) / 2
    return 1e-4 / 25 + (1 - 1e-4 / 25) * (1 + math.cos(math.pi * (progress - 0.3) / 0.7)) / 2


def cosine(progress: float) -> float:
    """Falls to 0 along half a cosine (Loshchilov and Hutter 2017)."""
    return (1 + math.cos(math.pi * progress)) / 2


def constant(_: float) -> float:
    """Stays as it is."""
    return 1.0


EXTENDABLE = ('triangular', 'constant')
"""Schedules of which a longer training has all that a shorter one has, up to the end of one of its cycles."""

PREDEFINED = {'one-cycle': one_cycle, 'cosine': cosine, 'constant': constant}
"""Factors of the tuned rate, by name, beside `triangular`."""


def _checked(factor: Callable[[float], float], progress: float) -> float:
    value = factor(progress)
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number < math.inf:
        raise ProblemError(
            f'schedule({progress:g}) returned {value!r}; it must be a factor of the tuned learning rate, a '
            f'finite number of at least 0'
        )
    return number


def triangular(lr_min: float, lr_max: float, steps: int, cycles: int) -> np.ndarray:
    """Returns the triangular cyclical schedule (Smith 2017, section 3), shape `(steps,)`.

    Each of the `cycles` rises linearly from `lr_min` to `lr_max` and falls back again.
    """
    phase = (np.arange(steps) + 0.5) / steps * cycles % 1.0
    return lr_min + (lr_max - lr_min) * (1.0 - np.abs(2.0 * phase - 1.0))


def geometric(lr_min: float, lr_max: float, steps: int) -> np.ndarray:
    """Returns `steps` learning rates from `lr_min` to `lr_max`, each the same factor on."""
    return np.geomspace(lr_min, lr_max, steps)
