"""A parameter of which only one value is left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .base import Domain, is_same


@dataclass(frozen=True)
class Constant(Domain):
    """One value of a domain; conditions may still compare it with all others of that.

    Args:
        value: The value.
        domain: What it could be.
    """

    value: Any
    domain: Domain

    @property
    def size(self) -> float:
        return 1

    def contains(self, value: object) -> bool:
        return is_same(value, self.value)

    def compares_with(self, value: object) -> bool:
        return self.domain.compares_with(value)

    def encode(self, value: Any) -> float:
        return 0.5

    def decode(self, place: float) -> Any:
        return self.value

    def rank(self, value: Any) -> float | None:
        return self.domain.rank(value)

    def values(self, count: int | None = None) -> list[Any]:
        return [self.value]

    def neighbours(self, value: Any, step: float = 0.1) -> list[Any]:
        return []

    def describe(self) -> str:
        return repr(self.value)
