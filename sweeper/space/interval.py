"""What can be wrong with an interval, and how it is described."""

from __future__ import annotations

import sys
from typing import Any

from ..errors import InvalidArgument
from .base import UNSET, Domain

_MOST: dict[type, float] = {int: 2**62, float: sys.float_info.max}
_NOUNS = {int: 'an integer from -2**62 to 2**62', float: 'a finite number'}


def check_ends(low: Any, high: Any, log: Any, kind: type[int] | type[float]) -> None:
    """Raises `InvalidArgument` unless there are values of that type between two ends."""
    valid, most = int if kind is int else (int, float), _MOST[kind]
    for name, end in (('low', low), ('high', high)):
        if not isinstance(end, valid) or isinstance(end, bool) or not -most <= end <= most:
            raise InvalidArgument(f'{name}={end!r}: must be {_NOUNS[kind]}')
    if not isinstance(log, bool):
        raise InvalidArgument(f'log={log!r}: must be True or False')
    if not low < high or high - low > _MOST[float]:
        raise InvalidArgument(f'low={low!r}, high={high!r}: low must be below high')
    if log and low <= 0:
        raise InvalidArgument(f'low={low!r}: must be above 0 on a logarithmic scale')
    if log and high > low * _MOST[float]:
        raise InvalidArgument(f'low={low!r}, high={high!r}: too far apart for a logarithmic scale')


def check_step(step: Any, width: float, kind: type[int] | type[float]) -> None:
    """Raises `InvalidArgument` unless a step leads from one end of an interval to another value in it."""
    valid = int if kind is int else (int, float)
    if not isinstance(step, valid) or isinstance(step, bool) or not 0 < step <= width * (1 + 1e-9):
        raise InvalidArgument(
            f'step={step!r}: must be above 0 and at most the width of the interval, {width:g}'
        )


def check_default(domain: Domain) -> None:
    """Raises `InvalidArgument` unless a domain's default is one of its values, or unset."""
    if domain.default is not UNSET and not domain.contains(domain.default):
        raise InvalidArgument(f'default={domain.default!r}: must be {domain.describe()}')


def described(low: float, high: float, log: bool, step: float | None) -> str:
    """Returns an interval for a message: `from 0.1 to 0.5, in steps of 0.1`."""
    steps = f', in steps of {step:g}' if step is not None else ''
    return f'from {low:g} to {high:g}' + ' (log)' * log + steps
