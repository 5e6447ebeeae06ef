"""Integers between two ends."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Any

from .base import JUST_BELOW_1, Domain
from .interval import check_default, check_ends, check_step, described


@dataclass(frozen=True)
class Integer(Domain):
    """Integers from `low` to `high`, both included.

    Args:
        low: The lowest.
        high: The highest; above `low`.
        log: Whether ratios count, not differences; then `low` is at least 1.
        step: The distance between two neighbouring values; at least 1.

    Raises:
        InvalidArgument: There are fewer than two values, or the default is none of them.
    """

    low: int
    high: int
    log: bool = False
    step: int = 1

    def __post_init__(self) -> None:
        check_ends(self.low, self.high, self.log, int)
        check_step(self.step, self.high - self.low, int)
        check_default(self)

    @property
    def _range(self) -> range:
        return range(self.low, self.high + 1, self.step)

    @property
    def size(self) -> float:
        return len(self._range)

    def contains(self, value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and value in self._range

    def rank(self, value: Any) -> float | None:
        return float(value) if isinstance(value, float) else int(value)

    def at(self, index: int) -> int:
        """Returns a value by its index, from 0 for the lowest."""
        return self._range[index]

    def encode(self, value: Any) -> float:
        low, high = self._ends()
        return math.log(value / low) / math.log(high / low) if self.log else (value - low) / (high - low)

    def decode(self, place: float) -> Any:
        low, high = self._ends()
        value = low * (high / low) ** place if self.log else low + place * (high - low)
        nearest = (
            round(value) if self.step == 1 else self.low + self.step * round((value - self.low) / self.step)
        )
        return min(max(nearest, self.low), self._range[-1])

    def _ends(self) -> tuple[float, float]:
        """So far apart that every value has a share of its own; by ratios, above 0."""
        low = self.low - self.step / 2
        return max(low, self.low / 2) if self.log else low, self._range[-1] + self.step / 2

    def values(self, count: int | None = None) -> list[Any]:
        if count is None or count >= len(self._range):
            return list(self._range)
        if count == 1:
            return [self.decode(0.5)]
        ends = self.encode(self.low), self.encode(self._range[-1])
        places = (ends[0] + index * (ends[1] - ends[0]) / (count - 1) for index in range(count))
        return list(dict.fromkeys(self.decode(place) for place in places))

    def neighbours(self, value: Any, step: float = 0.1) -> list[Any]:
        place = self.encode(value)
        below = min(self.decode(max(place - step, 0.0)), value - self.step)
        above = max(self.decode(min(place + step, JUST_BELOW_1)), value + self.step)
        return [beside for beside in (below, above) if beside in self._range]

    def sample(self, rng: random.Random) -> Any:
        return self.decode(rng.random()) if self.log else rng.choice(self._range)

    def describe(self) -> str:
        return 'an integer ' + described(self.low, self.high, self.log, self.step if self.step != 1 else None)
