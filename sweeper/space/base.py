"""What every domain of values promises."""

from __future__ import annotations

import math
import random
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

Role: TypeAlias = Literal['scientific', 'nuisance', 'fixed']
"""What is done with a parameter: compared, tuned for every architecture, or left alone."""

JUST_BELOW_1: Final = 1 - 1e-9


def as_number(value: Any, kind: type | None) -> Any:
    """Returns a number as the kind of number that is wanted, if it is one: 1 as 1.0 and 2.0 as 2."""
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def is_same(value: object, other: object) -> bool:
    """Whether two values are equal and neither is a truth value that only counts as a number."""
    return isinstance(value, bool) == isinstance(other, bool) and bool(value == other)


def as_size(count: float) -> float:
    """Returns a number of values or points; infinity for one that is too large for a float."""
    return count if count <= sys.float_info.max else math.inf


class Unset:
    """The default of a parameter that has none."""

    def __repr__(self) -> str:
        return 'UNSET'

    def __reduce__(self) -> str:
        return 'UNSET'


UNSET: Final = Unset()


@dataclass(frozen=True, kw_only=True)
class Domain(ABC):
    """The values that one parameter may have: an immutable value itself, compared by content.

    Every value has a place in the unit interval (`encode`), and every place there has a value (`decode`), so
    that search methods need not know what kind of values they vary.

    Attributes:
        default: The value where the parameter is not varied; `UNSET` if it has none.
        role: What is done with the parameter.
    """

    default: Any = UNSET
    role: Role = 'scientific'

    @property
    @abstractmethod
    def size(self) -> float:
        """How many values there are; infinity for an interval."""

    @property
    def plain(self) -> Domain:
        """The domain itself, without what a `Restricted` one has left out."""
        return self

    @abstractmethod
    def contains(self, value: object) -> bool:
        """Tells whether it is one of the values."""

    def compares_with(self, value: object) -> bool:
        """Tells whether a condition may compare the parameter with a value."""
        return self.contains(value)

    @abstractmethod
    def encode(self, value: Any) -> float:
        """Returns a value's place in [0, 1]: `decode` gives the value back, or one rounded to it."""

    @abstractmethod
    def decode(self, place: float) -> Any:
        """Returns the value at a place in [0, 1]; all values have equal shares of it, or of its logarithm."""

    @abstractmethod
    def values(self, count: int | None = None) -> list[Any]:
        """Returns the values in order, or `count` of them that are evenly spaced.

        Raises:
            InvalidArgument: `count` is None, and there are infinitely many.
        """

    @abstractmethod
    def neighbours(self, value: Any, step: float = 0.1) -> list[Any]:
        """Returns the values beside one: at `step` of the way through all to either side, or the next ones.

        Of values without an order, all others. Never empty, unless there is only one value.
        """

    def sample(self, rng: random.Random) -> Any:
        """Draws a value, all equally likely (by ratios where the domain is logarithmic)."""
        return self.decode(rng.random())

    def rank(self, value: Any) -> float | None:
        """Returns a number by which values are ordered; None of values without an order."""
        return None

    def distance(self, value: Any, other: Any) -> float:
        """Returns how far apart two values are, in [0, 1], as a share of the whole domain."""
        return abs(self.encode(value) - self.encode(other))

    @abstractmethod
    def describe(self) -> str:
        """Says in a few words which values are valid, for messages: `an integer from 8 to 128 (log)`."""
