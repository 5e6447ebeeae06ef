"""Floats between two ends."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ..errors import InvalidArgument
from .base import Domain, as_number
from .interval import check_default, check_ends, check_step, described

_FINEST = 1e-3


@dataclass(frozen=True)
class Float(Domain):
    """Floats from `low` to `high`, both included.

    Values that are drawn or decoded have as many digits as tell a thousandth of the interval, and no more.

    Args:
        low: The lowest.
        high: The highest; above `low`.
        log: Whether ratios count, not differences; then `low` is above 0.
        step: The distance between two neighbouring values; None for all in between. Not with `log`.

    Raises:
        InvalidArgument: It is no interval, or the default is not in it.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None

    def __post_init__(self) -> None:
        check_ends(self.low, self.high, self.log, float)
        for name in ('low', 'high'):
            object.__setattr__(self, name, float(getattr(self, name)))
        if self.step is not None:
            check_step(self.step, self.high - self.low, float)
            if self.log:
                raise InvalidArgument(f'step={self.step!r}: goes with a linear scale, not with log=True')
        object.__setattr__(self, 'default', as_number(self.default, float))
        check_default(self)

    @property
    def size(self) -> float:
        return math.inf if self.step is None else self._steps + 1

    @property
    def _steps(self) -> int:
        assert self.step is not None
        return math.floor((self.high - self.low) / self.step * (1 + 1e-12))

    def contains(self, value: object) -> bool:
        if not isinstance(value, int | float) or isinstance(value, bool):
            return False
        if not self.low <= value <= self.high:
            return False
        steps = 0.0 if self.step is None else (value - self.low) / self.step
        return math.isclose(steps, round(steps), rel_tol=1e-9, abs_tol=1e-9)

    def rank(self, value: Any) -> float | None:
        return float(value)

    def encode(self, value: Any) -> float:
        if self.log:
            return math.log(float(value) / self.low) / math.log(self.high / self.low)
        if self.step is not None:
            index: int = round((value - self.low) / self.step)
            return (index + 0.5) / (self._steps + 1)
        return float((value - self.low) / (self.high - self.low))

    def decode(self, place: float) -> Any:
        if self.step is not None:
            return self.at(min(int(place * (self._steps + 1)), self._steps))
        low, high = self.low, self.high
        value = low * (high / low) ** place if self.log else low + place * (high - low)
        width = value * math.log(high / low) if self.log else high - low
        return min(max(_rounded(value, width), low), high)

    def at(self, index: int) -> float:
        """Returns a value by its index, from 0 for the lowest; there must be a step."""
        assert self.step is not None
        return min(_rounded(self.low + index * self.step, self.step), self.high)

    def values(self, count: int | None = None) -> list[Any]:
        if self.step is not None and (count is None or count > self._steps):
            return [self.at(index) for index in range(self._steps + 1)]
        if count is None:
            raise InvalidArgument(
                f'{self.describe()}: an interval has no complete list of values; give a count, or a step'
            )
        places = [0.5] if count == 1 else [index / (count - 1) for index in range(count)]
        return list(dict.fromkeys(map(self.decode, places)))

    def neighbours(self, value: Any, step: float = 0.1) -> list[Any]:
        if self.step is not None:
            index, by = round((value - self.low) / self.step), max(1, round(step * self._steps))
            beside = {max(index - by, 0): None, min(index + by, self._steps): None}
            return [self.at(other) for other in beside if other != index]
        place = self.encode(value)
        places = (max(place - step, 0.0), min(place + step, 1.0))
        return [other for other in dict.fromkeys(map(self.decode, places)) if other != value]

    def describe(self) -> str:
        return 'a number ' + described(self.low, self.high, self.log, self.step)


def _rounded(value: float, width: float) -> float:
    """Returns a value with the digits that tell a thousandth of a width, if there are any."""
    with suppress(ValueError, OverflowError):  # at the ends of what floats can be
        return round(value, math.ceil(-math.log10(width * _FINEST)))
    return value
