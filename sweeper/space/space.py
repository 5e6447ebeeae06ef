"""A space: parameters by name, each with its values."""

from __future__ import annotations

import difflib
import itertools
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..errors import InvalidArgument, InvalidPoint
from ..frozen import NamedPoint
from .base import Domain


class Space(Mapping[str, Domain]):
    """What points there are: one domain per parameter, in the order given. Immutable.

    Args:
        domains: The parameters' domains by name; at least one.

    Raises:
        InvalidArgument: There are none, or something is no domain.
    """

    def __init__(self, domains: Mapping[str, Domain]) -> None:
        self._domains = dict(domains)
        if not self._domains:
            raise InvalidArgument('a space needs at least one parameter; got none')
        for name, domain in self._domains.items():
            if not isinstance(domain, Domain):
                raise InvalidArgument(
                    f'parameter {name!r}: {domain!r} is no domain; valid are Categorical, Integer and Float'
                )

    def __getitem__(self, name: str) -> Domain:
        return self._domains[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._domains)

    def __len__(self) -> int:
        return len(self._domains)

    def __repr__(self) -> str:
        return f'Space({self._domains!r})'

    @property
    def size(self) -> float:
        """How many points there are; infinity if a parameter has an interval of floats."""
        return math.prod(domain.size for domain in self._domains.values())

    def sample(self, rng: random.Random) -> NamedPoint:
        """Draws a point."""
        return NamedPoint({name: domain.sample(rng) for name, domain in self.items()})

    def grid(self, counts: Mapping[str, int] | int | None = None) -> Iterator[NamedPoint]:
        """Yields every combination of values, the last parameter's changing fastest.

        Args:
            counts: How many evenly spaced values of each parameter, or of all, to take; all by default.

        Raises:
            InvalidArgument: A parameter has infinitely many values, and no count.
        """
        by_name = counts if isinstance(counts, Mapping) else dict.fromkeys(self, counts)
        values = [self._values(name, by_name.get(name)) for name in self]
        for combination in itertools.product(*values):
            yield NamedPoint(dict(zip(self, combination, strict=True)))

    def _values(self, name: str, count: int | None) -> list[Any]:
        try:
            return self[name].values(count)
        except InvalidArgument as error:
            raise InvalidArgument(f'parameter {name!r}: {error}') from None

    def contains(self, point: Mapping[str, Any]) -> bool:
        """Tells whether it is one of the points."""
        return self._why_not(point) is None

    def check(self, point: Mapping[str, Any]) -> None:
        """Raises `InvalidPoint`, which names the parameter, unless it is one of the points."""
        if why := self._why_not(point):
            raise InvalidPoint(why)

    def _why_not(self, point: Mapping[str, Any]) -> str | None:
        for name in point:
            if name not in self:
                return f'{name}={point[name]!r}: the space has no such parameter{self._like(name)}'
        for name, domain in self.items():
            if name not in point:
                return f'{name} is missing; it must be {domain.describe()}'
            if not domain.contains(point[name]):
                return f'{name}={point[name]!r}: must be {domain.describe()}'
        return None

    def encode(self, point: Mapping[str, Any]) -> list[float]:
        """Returns a point's place in the unit cube, a number in [0, 1] per parameter."""
        return [domain.encode(point[name]) for name, domain in self.items()]

    def decode(self, places: Sequence[float]) -> NamedPoint:
        """Returns the point at a place in the unit cube."""
        pairs = zip(self.items(), places, strict=True)
        return NamedPoint({name: domain.decode(place) for (name, domain), place in pairs})

    def distance(self, point: Mapping[str, Any], other: Mapping[str, Any]) -> float:
        """Returns how far apart two points are, in [0, 1]: as far as the parameter that differs most."""
        return max(domain.distance(point[name], other[name]) for name, domain in self.items())

    def neighbours(self, point: Mapping[str, Any], step: float = 0.1) -> list[NamedPoint]:
        """Returns the points that differ from one in a single parameter, by a neighbouring value."""
        return [
            NamedPoint({**point, name: value})
            for name, domain in self.items()
            for value in domain.neighbours(point[name], step)
        ]

    def crossover(self, point: Mapping[str, Any], other: Mapping[str, Any], rng: random.Random) -> NamedPoint:
        """Returns a point that has each value from one of two, drawn at random."""
        return NamedPoint({name: (point if rng.random() < 0.5 else other)[name] for name in self})

    def points(self) -> Iterator[NamedPoint]:
        """Yields every point of a finite space, as `grid`."""
        return self.grid()

    def _like(self, name: str) -> str:
        close = difflib.get_close_matches(name, list(self), n=1)
        return f'; did you mean {close[0]}?' if close else f'; it has {", ".join(self)}'
