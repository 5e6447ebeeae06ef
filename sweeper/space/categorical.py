"""Values without an order between them."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..errors import InvalidArgument
from .base import UNSET, Domain, is_same


@dataclass(frozen=True)
class Categorical(Domain):
    """Some values, each as far from every other.

    Args:
        choices: The values, in the order in which they are tried; hashable and different, at least one.

    Raises:
        InvalidArgument: There are none, some are equal, or the default is none of them.
    """

    choices: tuple[Any, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.choices, tuple):
            object.__setattr__(self, 'choices', _listed(self.choices))
        if not self.choices:
            raise InvalidArgument('there must be at least one value')
        known: dict[Any, Any] = {}
        for choice in self.choices:
            try:
                if choice in known:
                    raise InvalidArgument(_why_equal(known[choice], choice))
                known[choice] = choice
            except TypeError as error:
                raise InvalidArgument(f'{choice!r} cannot be hashed ({error})') from None
        if self.default is not UNSET and not self.contains(self.default):
            raise InvalidArgument(f'default={self.default!r}: must be {self.describe()}')

    @property
    def size(self) -> float:
        return len(self.choices)

    def contains(self, value: object) -> bool:
        return any(is_same(value, choice) for choice in self.choices)

    def encode(self, value: Any) -> float:
        return (self.choices.index(value) + 0.5) / len(self.choices)

    def decode(self, place: float) -> Any:
        return self.choices[min(int(place * len(self.choices)), len(self.choices) - 1)]

    def values(self, count: int | None = None) -> list[Any]:
        return list(self.choices if count is None else self.choices[:count])

    def neighbours(self, value: Any, step: float = 0.1) -> list[Any]:
        return [choice for choice in self.choices if not is_same(choice, value)]

    def sample(self, rng: random.Random) -> Any:
        return rng.choice(self.choices)

    def distance(self, value: Any, other: Any) -> float:
        return float(value != other)

    def describe(self) -> str:
        listed = ', '.join(map(repr, self.choices))
        return f'one of {listed}' if len(self.choices) > 1 else listed


def _listed(choices: object) -> tuple[Any, ...]:
    if isinstance(choices, str) or not isinstance(choices, Iterable):
        raise InvalidArgument(f'choices={choices!r}: must be a list of values')
    return tuple(choices)


def _why_equal(value: Any, other: Any) -> str:
    from ..points import value_to_text  # here, since it imports numpy

    shown = [value_to_text(value) for value in (value, other)]
    if repr(value) == repr(other):
        return f'{shown[0]} is given twice'
    return f'{shown[0]} and {shown[1]} are equal in Python, and so would be one architecture'
