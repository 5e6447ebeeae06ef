"""A space: parameters by name, each with its values, and what is legal of their combinations."""

from __future__ import annotations

import itertools
import math
import os
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InvalidArgument, InvalidPoint
from ..frozen import NamedPoint
from ..io.documents import write_document
from .base import UNSET, Domain, as_size
from .categorical import Categorical
from .conditions import Condition, Expression
from .faults import checked_expressions, domain_faults, order_of, raise_faults, suggestion
from .feasibility import Feasibility
from .restricted import Restricted

if TYPE_CHECKING:
    from .parts import Parts

_ATTEMPTS = 100


class Space(Mapping[str, Domain]):
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

    def __init__(
        self,
        domains: Mapping[str, Domain],
        conditions: Mapping[str, str | Expression] | None = None,
        forbidden: Iterable[str | Expression] = (),
    ) -> None:
        self._domains = dict(domains)
        raise_faults(domain_faults(self._domains))
        faults: list[str] = []
        self.conditions: Mapping[str, Expression]
        self.forbidden: Sequence[Expression]
        self.conditions, self.forbidden = checked_expressions(
            self._domains, conditions or {}, [forbidden] if isinstance(forbidden, str) else forbidden, faults
        )
        self.order: Sequence[str] = order_of(self._domains, self.conditions, faults)
        if not faults and self.forbidden and not self._feasibility.exists():
            listed = ', '.join(f'({clause})' for clause in self.forbidden)
            faults.append(f'no point is left: every one is forbidden by {listed}')
        raise_faults(faults)

    @classmethod
    def load(cls, path: str | os.PathLike[str], section: str | None = None) -> Space:
        """Reads a space from a YAML or JSON file (docs/spaces.md), in our form or in Vega's.

        Args:
            path: The file.
            section: The part of the file that the space is in, such as `nas`; by default the only one.

        Raises:
            InvalidArgument: It is no space; the message lists everything that is wrong.
            MissingExtra: It is YAML, and PyYAML is not installed.
        """
        from .files import read_parts  # here and below, since it imports numpy

        return cls._of(read_parts(Path(path), section), os.fspath(path))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Space:
        """Returns the space of plain data, as a file has it; raises as `load` does."""
        from .files import parts_of

        return cls._of(parts_of(data), 'the space')

    @classmethod
    def _of(cls, parts: Parts, where: str) -> Space:
        parts.drop_broken()
        if parts.faults:
            if parts.domains:
                stated = parts.conditions, parts.forbidden
                conditions, _ = checked_expressions(parts.domains, *stated, parts.faults)
                order_of(parts.domains, conditions, parts.faults)
            raise_faults(parts.faults, where)
        try:
            return cls(parts.domains, parts.conditions, parts.forbidden)
        except InvalidArgument as error:
            raise InvalidArgument(f'{where}: {error}' if where != 'the space' else str(error)) from None

    def to_dict(self) -> dict[str, Any]:
        """Returns the space as plain data, which `from_dict` reads again.

        Raises:
            InvalidArgument: A condition compares with a value that is no literal.
        """
        from .files import data_of

        return data_of(self._domains, self.conditions, self.forbidden)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the space to a YAML or JSON file, whole or not at all.

        Raises:
            InvalidArgument: The file's name ends otherwise, or a condition compares with what is no literal.
            FolderError: The file cannot be written.
            MissingExtra: It is to be YAML, and PyYAML is not installed.
        """
        write_document(Path(path), self.to_dict())

    def __getitem__(self, name: str) -> Domain:
        return self._domains[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._domains)

    def __len__(self) -> int:
        return len(self._domains)

    def __repr__(self) -> str:
        stated = {name: str(condition) for name, condition in self.conditions.items()}
        parts = [repr(self._domains), *([f'conditions={stated!r}'] if stated else [])]
        parts += [f'forbidden={[*map(str, self.forbidden)]!r}'] if self.forbidden else []
        return f'Space({", ".join(parts)})'

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Space):
            return self._domains == other
        mine = self._domains, self.conditions, self.forbidden
        return mine == (other._domains, other.conditions, other.forbidden)

    def __reduce__(self) -> tuple[Any, ...]:
        return Space, (self._domains, self.conditions, self.forbidden)

    @cached_property
    def _feasibility(self) -> Feasibility:
        expressions = (*self.conditions.values(), *self.forbidden)
        linked = {*self.conditions}.union(*(expression.names() for expression in expressions))
        domains = {name: self[name] for name in self.order if name in linked}
        return Feasibility(domains, self.conditions, self.forbidden)

    @cached_property
    def size(self) -> float:
        """How many points there are; infinity if a parameter has an interval of floats, or beyond 1e308."""
        free = [domain.size for name, domain in self.items() if not self._feasibility.has(name)]
        return as_size(self._feasibility.count() * math.prod(free))

    def fixed(self, values: Mapping[str, Any]) -> Space:
        """Returns the space of those points that have some values, where they have these parameters.

        Raises:
            InvalidArgument: The space has no such parameter or value, or no such point.
        """
        domains = dict(self._domains)
        for name, value in values.items():
            if name not in domains:
                raise InvalidArgument(f'the space has no parameter {name!r}{suggestion(name, self)}')
            if not domains[name].contains(value):
                raise InvalidArgument(f'{name}={value!r}: must be {domains[name].describe()}')
            whole = domains[name]
            domains[name] = Restricted(Categorical((value,)), whole, role=whole.role)
        return Space(domains, self.conditions, self.forbidden)

    def may_have(self, name: str) -> bool:
        """Tells whether a parameter is part of some point."""
        condition = self.conditions.get(name)
        if condition is None:
            return True
        return self._feasibility.allows(name, condition)

    def is_active(self, name: str, values: Mapping[str, Any]) -> bool:
        """Tells whether a parameter is part of a point that has some values of those it depends on."""
        return name not in self.conditions or self._holds(self.conditions[name], values)

    def _holds(self, expression: Expression, values: Mapping[str, Any]) -> bool:
        def is_true(known: Condition) -> bool:
            return known.name in values and known.is_true_of(values[known.name], self[known.name])

        return expression.holds(is_true)

    def _broken(self, values: Mapping[str, Any]) -> Expression | None:
        """The clause that forbids a combination of values, if there is one."""
        return next((clause for clause in self.forbidden if self._holds(clause, values)), None)

    def _point(self, values: Mapping[str, Any]) -> NamedPoint:
        return NamedPoint({name: values[name] for name in self if name in values})

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
        done: dict[str, Any] = {}
        for name in self.order:
            if self.is_active(name, done):
                done[name] = next(
                    value
                    for value in self._candidates(name, values, rng)
                    if not self.forbidden or self._feasibility.has_room(name, {**done, name: value})
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
            InvalidArgument: A parameter has infinitely many values, and no count.
        """
        by_name = counts if isinstance(counts, Mapping) else dict.fromkeys(self, counts)
        if not self.conditions and not self.forbidden:
            values = [self._values(name, by_name.get(name)) for name in self]
            for combination in itertools.product(*values):
                yield NamedPoint(dict(zip(self, combination, strict=True)))
            return
        yield from map(self._point, self._combinations(by_name))

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
                return f'{name}={point[name]!r}: the space has no such parameter{suggestion(name, self)}'
        for name in self.order:
            condition, domain = self.conditions.get(name), self[name]
            if condition is not None and not self._holds(condition, point):
                if name in point:
                    state = self._as_is(condition, point)
                    return f'{name}={point[name]!r}: it is set only if {condition}{state}'
                continue
            if name not in point:
                reason = f', since {condition}' if condition is not None else ''
                return f'{name} is missing{reason}; it must be {domain.describe()}'
            if not domain.contains(point[name]):
                return f'{name}={point[name]!r}: must be {domain.describe()}'
        clause = self._broken(point)
        return None if clause is None else f'forbidden: {clause}{self._as_is(clause, point)}'

    def _as_is(self, expression: Expression, point: Mapping[str, Any]) -> str:
        """What a point has of all that an expression compares, after a comma."""
        shown = (
            f'{name} is {point[name]!r}' if name in point else f'{name} is not set'
            for name in expression.names()
        )
        return ''.join(f', and {text}' for text in shown)

    def encode(self, point: Mapping[str, Any]) -> list[float]:
        """Returns a point's place in the unit cube: a number in [0, 1] per parameter, NaN for absent ones."""
        return [
            math.nan if name in self.conditions and name not in point else domain.encode(point[name])
            for name, domain in self.items()
        ]

    def decode(self, places: Sequence[float]) -> NamedPoint:
        """Returns the point at a place in the unit cube.

        Numbers of parameters that are no part of it are ignored. For NaN there is the default, or what is in
        the middle of the domain.

        Raises:
            InvalidPoint: What is there is forbidden.
        """
        by_name = dict(zip(self, places, strict=True))
        values: dict[str, Any] = {}
        for name in self.order:
            if self.is_active(name, values):
                place = by_name[name]
                values[name] = self._usual(name) if math.isnan(place) else self[name].decode(place)
        if (clause := self._broken(values)) is not None:
            raise InvalidPoint(f'forbidden: {clause}{self._as_is(clause, values)}')
        return self._point(values)

    def distance(self, point: Mapping[str, Any], other: Mapping[str, Any]) -> float:
        """Returns how far apart two points are, in [0, 1]: as far as the parameter that differs most.

        It is 1 if a parameter is part of only one of them.
        """
        if any((name in point) != (name in other) for name in self.conditions):
            return 1.0
        shared = [name for name in self if name in point or name not in self.conditions]
        return max((self[name].distance(point[name], other[name]) for name in shared), default=0.0)

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
                wanted = {**point, name: value}
                other = self.complete(wanted, rng)
                if all(other[key] == wanted[key] for key in other if key in wanted) and name in other:
                    beside.append(other)
        return beside

    def crossover(self, point: Mapping[str, Any], other: Mapping[str, Any], rng: random.Random) -> NamedPoint:
        """Returns a point that has each value from one of two points, drawn evenly, as far as that is legal.

        What neither has is drawn.
        """
        pairs = {name: [parent[name] for parent in (point, other) if name in parent] for name in self}
        return self.complete({name: rng.choice(values) for name, values in pairs.items() if values}, rng)
