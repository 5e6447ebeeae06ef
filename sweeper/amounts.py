"""Amounts that a sweep is told (cores, retries, seconds, bytes), checked."""

from __future__ import annotations

import math
import re
from typing import Any, TypeGuard

from .errors import InvalidArgument

GPUS_PER_RUN = 'must be 0, a fraction of a GPU such as 0.25, or a whole number of them'
"""What `gpus_per_run` can be, in words."""

_UNITS = {'': 1, 'k': 2**10, 'm': 2**20, 'g': 2**30, 't': 2**40}


def is_real(value: object) -> TypeGuard[int | float]:
    """Whether a value is a number, as users mean it: an integer or a float, and no bool."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def at_least(least: int, name: str, value: object) -> int:
    """Returns an integer argument.

    Raises:
        InvalidArgument: It is no integer, or too small.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        error = InvalidArgument(f'{name}={value!r}: must be an integer of at least {least}')
        raise error.naming((name, value))
    return value


def seconds_of(timeout: Any) -> float | None:
    """Returns a timeout in seconds; None is None.

    Raises:
        InvalidArgument: It is no positive number.
    """
    if timeout is None:
        return None
    if not is_real(timeout) or not 0 < timeout < math.inf:
        error = InvalidArgument(f'timeout={timeout!r}: must be a positive number of seconds, or None')
        shown = f'{timeout:g}' if is_real(timeout) else timeout
        raise error.on_command_line(f'--timeout {shown}: must be a positive number of seconds')
    return float(timeout)


def gpus_of(gpus_per_run: Any) -> float:
    """Returns how many GPUs a run has: in [0, 1], or a whole number.

    Raises:
        InvalidArgument: It is something else.
    """
    if (
        not is_real(gpus_per_run)
        or not 0 <= gpus_per_run < math.inf
        or (gpus_per_run > 1 and gpus_per_run % 1)
    ):
        error = InvalidArgument(f'gpus_per_run={gpus_per_run!r}: {GPUS_PER_RUN}')
        raise error.on_command_line(f'--gpus-per-run {gpus_per_run}: {GPUS_PER_RUN}')
    return float(gpus_per_run)


def bytes_of(memory: object, name: str = 'memory') -> int | None:
    """Returns an amount of memory in bytes: `2**30`, `'1GiB'` and `'1G'` are the same; None is None.

    Args:
        memory: The amount.
        name: Of the argument, for messages.

    Raises:
        InvalidArgument: It is no amount of memory.
    """
    if memory is None:
        return None
    match = re.fullmatch(r'(\d+(?:\.\d+)?) ?([kmgt]?)(?:i?b)?', str(memory).strip().lower())
    amount = float(match[1]) * _UNITS[match[2]] if match and not isinstance(memory, bool) else 0.0
    if not 1 <= amount < math.inf:
        error = InvalidArgument(
            f"{name}={memory!r}: must be a number of bytes, a text such as '2GB', or None"
        )
        option = f'--{name.replace("_", "-")} {memory}'
        raise error.on_command_line(f'{option}: must be a number of bytes, or an amount such as 2GB')
    return int(amount)


def checked_margin(margin: float) -> float:
    """Returns a difference that does not matter.

    Raises:
        InvalidArgument: It is no positive number.
    """
    if not is_real(margin) or not 0 < margin < math.inf:
        error = InvalidArgument(f'margin={margin!r}: must be a positive number, or None').naming(
            ('margin', margin)
        )
        raise error.on_command_line(f'--margin {margin}: must be a positive number')
    return float(margin)


def processes_of(processes_per_run: Any, gpus_per_run: float) -> int:
    """Returns how many processes train a model together: one for each of several GPUs, if nothing is said.

    Args:
        processes_per_run: What is said of it; None: nothing.
        gpus_per_run: The GPUs that they have.

    Raises:
        InvalidArgument: It is no whole number of at least 1, or not each of several has a GPU of its own.
    """
    if processes_per_run is None:
        return max(1, int(gpus_per_run))
    processes = at_least(1, 'processes_per_run', processes_per_run)
    if processes > 1 and gpus_per_run and processes != gpus_per_run:
        message = f'with gpus_per_run={gpus_per_run:g} must be 1'
        if gpus_per_run > 1:
            message += f', or {gpus_per_run:g}: a GPU for each process'
        error = InvalidArgument(f'processes_per_run={processes_per_run!r} {message}')
        raise error.naming(('processes_per_run', processes_per_run), ('gpus_per_run', int(gpus_per_run)))
    return processes
