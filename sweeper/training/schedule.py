"""Learning-rate schedules, as one learning rate per step."""

from __future__ import annotations

import numpy as np


def triangular(lr_min: float, lr_max: float, steps: int, cycles: int) -> np.ndarray:
    """Returns the triangular cyclical schedule (Smith 2017, section 3), shape `(steps,)`.

    Each of the `cycles` rises linearly from `lr_min` to `lr_max` and falls back again.
    """
    phase = (np.arange(steps) + 0.5) / steps * cycles % 1.0
    return lr_min + (lr_max - lr_min) * (1.0 - np.abs(2.0 * phase - 1.0))


def geometric(lr_min: float, lr_max: float, steps: int) -> np.ndarray:
    """Returns `steps` learning rates from `lr_min` to `lr_max`, each the same factor on."""
    return np.geomspace(lr_min, lr_max, steps)
