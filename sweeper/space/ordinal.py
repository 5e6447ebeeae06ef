"""Values with an order, at no particular distances."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from .base import is_same
from .categorical import Categorical


@dataclass(frozen=True)
class Ordinal(Categorical):
    """Some values in an order, evenly spaced: each as far from the next.

    As `Categorical`, but its values have neighbours, and conditions can compare them (`size > 'small'`).

    Args:
        choices: The values, from the first to the last; hashable and different, at least one.

    Raises:
        InvalidArgument: There are none, some are equal, or the default is none of them.
    """

    def rank(self, value: Any) -> float | None:
        places = (index for index, choice in enumerate(self.choices) if is_same(choice, value))
        return next(places, None)

    def values(self, count: int | None = None) -> list[Any]:
        last = len(self.choices) - 1
        if count is None or count > last:
            return list(self.choices)
        if count == 1:
            return [self.choices[last // 2]]
        return [self.choices[round(index * last / (count - 1))] for index in range(count)]

    def neighbours(self, value: Any, step: float = 0.1) -> list[Any]:
        index, last = self.choices.index(value), len(self.choices) - 1
        by = max(1, round(step * last))
        beside = dict.fromkeys((max(index - by, 0), min(index + by, last)))
        return [self.choices[other] for other in beside if other != index]

    def sample(self, rng: random.Random) -> Any:
        return rng.choice(self.choices)

    def distance(self, value: Any, other: Any) -> float:
        between = abs(self.choices.index(value) - self.choices.index(other))
        return between / max(len(self.choices) - 1, 1)

    def describe(self) -> str:
        listed = ' < '.join(map(repr, self.choices))
        return f'one of {listed}' if len(self.choices) > 1 else listed
