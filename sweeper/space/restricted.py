"""A parameter of which only some values are left."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from .base import Domain


@dataclass(frozen=True)
class Restricted(Domain):
    """Some values of a domain; conditions may still compare them with all of it.

    Args:
        values_left: What values there are.
        whole: What values there could be.
    """

    values_left: Domain
    whole: Domain

    @property
    def plain(self) -> Domain:
        return self.values_left.plain

    @property
    def size(self) -> float:
        return self.values_left.size

    def contains(self, value: object) -> bool:
        return self.values_left.contains(value)

    def compares_with(self, value: object) -> bool:
        return self.values_left.compares_with(value) or self.whole.compares_with(value)

    def encode(self, value: Any) -> float:
        return self.values_left.encode(value)

    def decode(self, place: float) -> Any:
        return self.values_left.decode(place)

    def rank(self, value: Any) -> float | None:
        rank = self.whole.rank(value)
        return self.values_left.rank(value) if rank is None else rank

    def values(self, count: int | None = None) -> list[Any]:
        return self.values_left.values(count)

    def neighbours(self, value: Any, step: float = 0.1) -> list[Any]:
        return self.values_left.neighbours(value, step)

    def sample(self, rng: random.Random) -> Any:
        return self.values_left.sample(rng)

    def distance(self, value: Any, other: Any) -> float:
        return self.values_left.distance(value, other)

    def describe(self) -> str:
        return self.values_left.describe()
