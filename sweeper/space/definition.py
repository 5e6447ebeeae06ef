"""What a space is made of, and which combinations of values are legal."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ..errors import InvalidArgument, InvalidPoint
from ..frozen import NamedPoint
from ..io.documents import write_document
from .base import Domain
from .categorical import Categorical
from .conditions import Condition, Expression
from .faults import checked_expressions, domain_faults, order_of, raise_faults, suggestion
from .feasibility import Feasibility
from .restricted import Restricted

if TYPE_CHECKING:
    from .parts import Parts


class SpaceDefinition(Mapping[str, Domain]):
    """The parameters of a space with their conditions and clauses: what `Space` documents."""

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
    def load(cls, path: str | os.PathLike[str], section: str | None = None) -> Self:
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
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Returns the space of plain data, as a file has it; raises as `load` does."""
        from .files import parts_of

        return cls._of(parts_of(data), 'the space')

    @classmethod
    def _of(cls, parts: Parts, where: str) -> Self:
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
        if not isinstance(other, SpaceDefinition):
            return self._domains == other
        mine = self._domains, self.conditions, self.forbidden
        return mine == (other._domains, other.conditions, other.forbidden)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._domains, self.conditions, self.forbidden)

    @cached_property
    def _feasibility(self) -> Feasibility:
        expressions = (*self.conditions.values(), *self.forbidden)
        linked = {*self.conditions}.union(*(expression.names() for expression in expressions))
        domains = {name: self[name] for name in self.order if name in linked}
        return Feasibility(domains, self.conditions, self.forbidden)

    @cached_property
    def _parents(self) -> frozenset[str]:
        """What conditions are about."""
        return frozenset(name for condition in self.conditions.values() for name in condition.names())

    def fixed(self, values: Mapping[str, Any]) -> Self:
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
        return type(self)(domains, self.conditions, self.forbidden)

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
        return None if clause is None else self._forbidden(clause, point)

    def _forbidden(self, clause: Expression, point: Mapping[str, Any]) -> str:
        values = ', '.join(f'{name}={point[name]!r}' for name in clause.names() if name in point)
        return f'({values}) is forbidden: {clause}'

    def _as_is(self, expression: Expression, point: Mapping[str, Any]) -> str:
        """What a point has of all that an expression compares, after a comma."""
        shown = (
            f'{name} is {point[name]!r}' if name in point else f'{name} is not set'
            for name in expression.names()
        )
        return ''.join(f', and {text}' for text in shown)
