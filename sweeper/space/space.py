"""A space: parameters by name, and what a search does with them."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from ..amounts import at_least
from ..errors import InvalidArgument, InvalidPoint
from ..frozen import NamedPoint
from .base import UNSET, Domain, as_size
from .definition import SpaceDefinition
from .faults import suggestion

_ATTEMPTS = 100


class Space(SpaceDefinition):
    """What points there are: one domain per parameter, in the order given. Immutable.

    A parameter with a condition is part of a point only where that holds; elsewhere it is absent.

    Args:
        domains: The parameters' domains by name; at least one.
        conditions: By name, when a parameter is part of a point: a text such as `"optimizer == 'sgd'"`, or a
            `Condition`. It does not hold where what it compares is absent itself.
        forbidden: Of no point these hold; texts or `Condition`s, too.

    Raises:
        InvalidArgument: There are no parameters, something is no domain or no condition, parameters depend
            on each other in a cycle, or no point is left. The message lists everything that is wrong.
    """

    @cached_property
    def size(self) -> float:
        """How many points there are; infinity if a parameter has an interval of floats, or beyond 1e308."""
        free = [domain.size for name, domain in self.items() if not self._feasibility.has(name)]
        return as_size(self._feasibility.count() * math.prod(free))

    def sample(self, rng: random.Random) -> NamedPoint:
        """Draws a point: each parameter that is part of it as `Domain.sample` does, until it is legal."""
        return self.draw(rng, lambda domain, rng: domain.sample(rng))

    def draw(self, rng: random.Random, sample: Callable[[Domain, random.Random], Any]) -> NamedPoint:
        """Draws a point with values that are drawn in a way of your own."""
        for _ in range(_ATTEMPTS):
            values: dict[str, Any] = {}
            for name in self.order:
                if self.is_active(name, values):
                    values[name] = sample(self[name], rng)
            if self._broken(values) is None:
                return self._point(values)
        return self.complete({}, rng)

    def complete(self, values: Mapping[str, Any], rng: random.Random | None = None) -> NamedPoint:
        """Returns a point that has these values as far as they are legal together, and lacks nothing.

        Values of parameters that are then no part of it are left out.

        Args:
            values: By name; others than the space's are ignored.
            rng: Draws what is missing. Without it, that has its default, or is in the middle of its domain.
        """
        preferred: dict[str, Any] = {}
        for name in self.order:
            if self.is_active(name, preferred):
                preferred[name] = next(self._candidates(name, values, rng))
        if self._broken(preferred) is None:
            return self._point(preferred)
        done: dict[str, Any] = {}
        for name in self.order:
            if self.is_active(name, done):
                candidates = self._candidates(name, {**preferred, **values}, rng)
                done[name] = next(
                    v for v in candidates if self._feasibility.has_room(name, {**done, name: v})
                )
        return self._point(done)

    def _candidates(self, name: str, values: Mapping[str, Any], rng: random.Random | None) -> Iterator[Any]:
        """Yields values in the order of preference, at the end one of each cell, of which one must do."""
        domain = self[name]
        if name in values and domain.contains(values[name]):
            yield values[name]
        if rng is not None:
            yield from (domain.sample(rng) for _ in range(_ATTEMPTS))
        yield self._usual(name)
        cells = [*self._feasibility.cells(name)]
        if rng is not None:
            rng.shuffle(cells)
        yield from (cell.value for cell in cells)

    def _usual(self, name: str) -> Any:
        """A parameter's default, or what is in the middle of its domain."""
        domain = self[name]
        return domain.decode(0.5) if domain.default is UNSET else domain.default

    def points(self) -> Iterator[NamedPoint]:
        """Yields every point once, as `grid` does.

        Raises:
            InvalidArgument: A parameter has infinitely many values.
        """
        return self.grid()

    def grid(self, counts: Mapping[str, int] | int | None = None) -> Iterator[NamedPoint]:
        """Yields every legal combination of values once, the last parameter's changing fastest.

        Args:
            counts: How many evenly spaced values of each parameter, or of all, to take; all by default.

        Raises:
            InvalidArgument: A parameter has infinitely many values, and no count; or a count is invalid.
        """
        by_name = self._counts(counts)
        if not self.conditions and not self.forbidden:
            values = [self._values(name, by_name.get(name)) for name in self]
            for combination in itertools.product(*values):
                yield NamedPoint(dict(zip(self, combination, strict=True)))
            return
        yield from map(self._point, self._combinations(by_name))

    def _counts(self, counts: Mapping[str, int] | int | None) -> Mapping[str, int | None]:
        if counts is None or not isinstance(counts, Mapping):
            return dict.fromkeys(self, counts if counts is None else at_least(1, 'counts', counts))
        for name, count in counts.items():
            if name not in self:
                raise InvalidArgument(
                    f'counts of {name!r}: the space has no such parameter{suggestion(name, self)}'
                )
            at_least(1, f'counts of {name!r}', count)
        return counts

    def _combinations(self, counts: Mapping[str, int | None]) -> Iterator[dict[str, Any]]:
        """Yields legal combinations of values, depth first in the order of dependencies."""
        listed: dict[str, list[Any]] = {}
        stack: list[tuple[dict[str, Any], int]] = [({}, 0)]
        while stack:
            done, depth = stack.pop()
            if depth == len(self.order):
                yield done
                continue
            name, options = self.order[depth], [done]
            if self.is_active(name, done):
                if name not in listed:
                    listed[name] = self._values(name, counts.get(name))
                options = [{**done, name: value} for value in listed[name]]
            if self.forbidden:
                options = [option for option in options if self._feasibility.has_room(name, option)]
            stack += [(option, depth + 1) for option in reversed(options)]

    def _values(self, name: str, count: int | None) -> list[Any]:
        try:
            return self[name].values(count)
        except InvalidArgument as error:
            raise InvalidArgument(f'parameter {name!r}: {error}') from None

    def encode(self, point: Mapping[str, Any]) -> list[float]:
        """Returns a point's place in the unit cube: a number in [0, 1] per parameter, NaN for absent ones.

        Raises:
            InvalidPoint: It is none of the points.
        """
        try:
            return [
                math.nan if name in self.conditions and name not in point else domain.encode(point[name])
                for name, domain in self.items()
            ]
        except (LookupError, TypeError, ValueError):
            self.check(point)
            raise

    def decode(self, places: Sequence[float]) -> NamedPoint:
        """Returns the point at a place in the unit cube.

        Numbers of parameters that are no part of it are ignored. For NaN there is the default, or what is in
        the middle of the domain.

        Raises:
            InvalidPoint: What is there is forbidden, or there is not a number for each parameter.
        """
        if len(places) != len(self):
            raise InvalidPoint(f'{list(places)!r}: must be {len(self)} numbers, one for each parameter')
        by_name = dict(zip(self, places, strict=True))
        values: dict[str, Any] = {}
        for name in self.order:
            if self.is_active(name, values):
                place = by_name[name]
                values[name] = self._usual(name) if math.isnan(place) else self[name].decode(place)
        if (clause := self._broken(values)) is not None:
            raise InvalidPoint(self._forbidden(clause, values))
        return self._point(values)

    def distance(self, point: Mapping[str, Any], other: Mapping[str, Any]) -> float:
        """Returns how far apart two points are, in [0, 1]: as far as the parameter that differs most.

        It is 1 if a parameter is part of only one of them.

        Raises:
            InvalidPoint: One of them is none of the points.
        """
        if any((name in point) != (name in other) for name in self.conditions):
            return 1.0
        shared = [name for name in self if name in point or name not in self.conditions]
        try:
            return max((self[name].distance(point[name], other[name]) for name in shared), default=0.0)
        except (LookupError, TypeError, ValueError):
            self.check(point)
            self.check(other)
            raise

    def neighbours(
        self, point: Mapping[str, Any], step: float = 0.1, rng: random.Random | None = None
    ) -> list[NamedPoint]:
        """Returns the legal points that differ from one in a single parameter, by a neighbouring value.

        What that makes part of the point is completed as by `complete`, what it makes absent is left out.

        Args:
            point: One of the points.
            step: As for `Domain.neighbours`.
            rng: As for `complete`.
        """
        beside = []
        for name in self:
            for value in self[name].neighbours(point[name], step) if name in point else ():
                if (other := self._changed(point, name, value, rng)) is not None:
                    beside.append(other)
        return beside

    def _changed(
        self, point: Mapping[str, Any], name: str, value: Any, rng: random.Random | None
    ) -> NamedPoint | None:
        """A point with another value of one parameter; None if that would change others, or is forbidden."""
        wanted = {**point, name: value}
        if name not in self._parents:
            return self._point(wanted) if self._broken(wanted) is None else None
        other = self.complete(wanted, rng)
        is_same = all(other[key] == wanted[key] for key in other if key in wanted)
        return other if is_same and name in other else None

    def crossover(self, point: Mapping[str, Any], other: Mapping[str, Any], rng: random.Random) -> NamedPoint:
        """Returns a point that has each value from one of two points, drawn evenly, as far as that is legal.

        What neither has is drawn.
        """
        pairs = {name: [parent[name] for parent in (point, other) if name in parent] for name in self}
        return self.complete({name: rng.choice(values) for name, values in pairs.items() if values}, rng)
