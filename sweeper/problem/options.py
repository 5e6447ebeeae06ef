"""A problem's options of training that are plain values, such as `clip_norm`."""

from __future__ import annotations

import math
from typing import Any

from ..amounts import is_real
from ..errors import ProblemError

PRECISIONS = {
    'bf16': 'for forward passes in bfloat16 by torch.autocast',
    'tf32': 'for products and convolutions of float32 in TensorFloat-32, where the GPU has it',
    'float32': 'for all of these in float32',
}
"""The precisions that a problem can ask for, and what each stands for."""

SCHEDULES = ('triangular', 'one-cycle', 'cosine', 'constant')


def options_of(module: Any, name: str) -> dict[str, Any]:
    """Reads a problem's options, by name; those that it leaves out have their defaults.

    Args:
        module: The problem's module.
        name: What messages call it.

    Raises:
        ProblemError: One of them is not as it must be.
    """
    schedule = getattr(module, 'schedule', SCHEDULES[0])
    if not callable(schedule) and (not isinstance(schedule, str) or schedule not in SCHEDULES):
        raise ProblemError(
            f'schedule of {name!r} is {schedule!r}; valid are {", ".join(SCHEDULES)}, or a '
            f'function of progress in [0, 1] that returns a factor of the tuned learning rate'
        )
    clip_norm = getattr(module, 'clip_norm', None)
    if clip_norm is not None and not (is_finite_number(clip_norm) and clip_norm > 0):
        raise ProblemError(
            f'clip_norm of {name!r} is {clip_norm!r}; it must be a positive number, the largest '
            f'norm of the gradient'
        )
    accumulate = getattr(module, 'accumulate', 1)
    if isinstance(accumulate, bool) or not isinstance(accumulate, int) or accumulate < 1:
        raise ProblemError(
            f'accumulate of {name!r} is {accumulate!r}; it must be a whole number of at least 1, in how many '
            f'parts a batch is processed before its update'
        )
    ema = getattr(module, 'ema', None)
    if ema is not None and not (is_finite_number(ema) and 0 < ema < 1):
        raise ProblemError(
            f'ema of {name!r} is {ema!r}; it must be a number between 0 and 1, such as 0.999, the decay of '
            f'the moving average of weights'
        )
    precision = getattr(module, 'precision', None)
    if precision is not None and not (isinstance(precision, str) and precision in PRECISIONS):
        valid = ', '.join(f'{kind!r}, {meaning}' for kind, meaning in PRECISIONS.items())
        raise ProblemError(
            f'precision of {name!r} is {precision!r}; valid are {valid}. Leave it out for '
            f"the model's own precision"
        )
    channels_last = getattr(module, 'channels_last', None)
    if channels_last is not None and not isinstance(channels_last, bool):
        raise ProblemError(
            f'channels_last of {name!r} is {channels_last!r}; it must be True or False. Leave it out for '
            f'what is known to be faster'
        )
    deterministic = getattr(module, 'deterministic', False)
    if not isinstance(deterministic, bool):
        raise ProblemError(
            f'deterministic of {name!r} is {deterministic!r}; it must be True, for deterministic algorithms '
            f'only, or False'
        )
    return {
        'schedule': schedule,
        'clip_norm': None if clip_norm is None else float(clip_norm),
        'accumulate': accumulate,
        'ema': None if ema is None else float(ema),
        'precision': precision,
        'channels_last': channels_last,
        'deterministic': deterministic,
    }


def is_finite_number(value: object) -> bool:
    """Whether a value is an int or float that is finite."""
    return is_real(value) and math.isfinite(value)
