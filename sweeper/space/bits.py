"""Lists of bits: which of several things are there."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..errors import InvalidArgument
from .base import Domain, as_size
from .interval import check_default

_MOST_LISTED = 100_000
_FINEST = 2**53  # places are floats


@dataclass(frozen=True)
class Bits(Domain):
    """Tuples of zeros and ones, such as which channels of a layer are kept.

    Args:
        length: How many bits; at least 1.
        weight: How many of them are one: a number, or several that are valid; any by default.

    Raises:
        InvalidArgument: There are no such bits, or the default is none of them.
    """

    length: int
    weight: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.length, int) or isinstance(self.length, bool) or self.length < 1:
            raise InvalidArgument(f'length={self.length!r}: must be an integer of at least 1')
        given: Any = self.weight
        counts = (
            [given] if isinstance(given, int) else list(given) if isinstance(given, Iterable) else [given]
        )
        for count in counts:
            if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= self.length:
                raise InvalidArgument(f'weight={given!r}: must be integers from 0 to {self.length}')
        object.__setattr__(self, 'weight', tuple(sorted({*counts})) or tuple(range(self.length + 1)))
        check_default(self)

    @property
    def size(self) -> float:
        return as_size(self._count)

    @property
    def _count(self) -> int:
        return sum(math.comb(self.length, count) for count in self.weight)

    def contains(self, value: object) -> bool:
        if not isinstance(value, tuple) or len(value) != self.length:
            return False
        return all(type(bit) is int and bit in (0, 1) for bit in value) and sum(value) in self.weight

    def encode(self, value: Any) -> float:
        return (2 * self._index(value) + 1) / (2 * self._count)

    def decode(self, place: float) -> Any:
        size = self._count
        return self._at(min(int(place * _FINEST) * size // _FINEST, size - 1))

    def _index(self, value: tuple[int, ...]) -> int:
        """A value's place among all, those with fewer ones first."""
        weight = sum(value)
        index = sum(math.comb(self.length, count) for count in self.weight if count < weight)
        for place, bit in enumerate(value):
            if bit:
                index += math.comb(self.length - place - 1, weight)
                weight -= 1
        return index

    def _at(self, index: int) -> tuple[int, ...]:
        weight = 0
        for weight in self.weight:
            if index < (count := math.comb(self.length, weight)):
                break
            index -= count
        bits = []
        for place in range(self.length):
            without = math.comb(self.length - place - 1, weight)
            bits.append(int(index >= without))
            if bits[-1]:
                index -= without
                weight -= 1
        return tuple(bits)

    def values(self, count: int | None = None) -> list[Any]:
        size = self._count
        if count is None and size > _MOST_LISTED:
            raise InvalidArgument(
                f'{self.describe()}: {self.size:.3g} values are too many to list; give a count'
            )
        if count is None or count >= size:
            return [self._at(index) for index in range(size)]
        return [self._at((size - 1) * index // max(count - 1, 1)) for index in range(count)]

    def neighbours(self, value: Any, step: float = 0.1) -> list[Any]:
        """Returns the values that differ in a bit, or have two neighbouring bits swapped.

        If the number of ones has to change by more than one, also the next such values.
        """
        weight = sum(value)
        beside: dict[Any, None] = {}
        for bit in range(self.length):
            if weight + 1 - 2 * value[bit] in self.weight:
                beside[(*value[:bit], 1 - value[bit], *value[bit + 1 :])] = None
            if bit and value[bit - 1] != value[bit]:
                beside[(*value[: bit - 1], value[bit], value[bit - 1], *value[bit + 1 :])] = None
        fewer = max((count for count in self.weight if count < weight - 1), default=None)
        more = min((count for count in self.weight if count > weight + 1), default=None)
        if fewer is not None and weight - 1 not in self.weight:
            beside[_changed(value, 1, weight - fewer)] = None
        if more is not None and weight + 1 not in self.weight:
            beside[_changed(value, 0, more - weight)] = None
        return list(beside)

    def sample(self, rng: random.Random) -> Any:
        """Draws how many bits are one, all numbers equally likely, and then which."""
        chosen = {*rng.sample(range(self.length), rng.choice(self.weight))}
        return tuple(int(bit in chosen) for bit in range(self.length))

    def distance(self, value: Any, other: Any) -> float:
        differing = sum(bit != own for bit, own in zip(value, other, strict=True))
        return float(differing / self.length)

    def describe(self) -> str:
        if len(self.weight) == self.length + 1:
            return f'a list of {self.length} bits'
        first, last = self.weight[0], self.weight[-1]
        is_range = len(self.weight) == last - first + 1 and len(self.weight) > 2
        counts = f'{first} to {last}' if is_range else ' or '.join(map(str, self.weight))
        return f'a list of {self.length} bits, {counts} of them 1'


def _changed(value: tuple[int, ...], old: int, count: int) -> tuple[int, ...]:
    """Returns bits of which the last few of a kind are the other."""
    bits = list(value)
    for place in [place for place, bit in enumerate(value) if bit == old][-count:]:
        bits[place] = 1 - old
    return tuple(bits)
