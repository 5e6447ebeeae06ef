"""Spaces in which not everything is compared: the part that is, and what is tuned for each point of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ..errors import InvalidArgument
from .base import UNSET, Domain
from .conditions import Condition, Expression, resolved
from .space import Space


def scientific(space: Space) -> Space:
    """Returns the space of what is compared: without the parameters of other roles.

    Raises:
        InvalidArgument: Nothing is compared, or what is compared depends on what is not.
    """
    domains = {name: domain for name, domain in space.items() if domain.role == 'scientific'}
    if len(domains) == len(space):
        return space
    if not domains:
        raise InvalidArgument('nothing in the space is to be compared: every parameter has another role')

    def truth(condition: Condition) -> bool | None:
        domain = space[condition.name]
        is_known = domain.role == 'fixed' and domain.default is not UNSET
        return condition.is_true_of(domain.default, domain) if is_known else None

    conditions: dict[str, Expression] = {}
    for name in [*domains]:
        condition = resolved(space.conditions[name], truth) if name in space.conditions else True
        if condition is False:
            del domains[name]
        elif isinstance(condition, Expression):
            conditions[name] = condition
    for name, condition in conditions.items():
        for other in condition.names():
            if space[other].role != 'scientific':
                raise InvalidArgument(
                    f'{name} is compared, and depends on {other}, which has the role '
                    f'{space[other].role!r}: give both the same role'
                )
    clauses = [clause for clause in space.forbidden if domains.keys() >= {*clause.names()}]
    return Space(domains, conditions, clauses)


class TunedSpace(Mapping[str, Domain]):
    """The nuisance parameters of a space that a point may have, each with a default.

    Args:
        space: The whole space.
        point: The values of what is compared.
    """

    def __init__(self, space: Space, point: Mapping[str, Any]) -> None:
        usual = space.complete(point)
        is_given = {name for name in usual if name in point or space[name].role != 'nuisance'}
        self._space = space.fixed({name: usual[name] for name in is_given})
        tuned = [name for name, domain in space.items() if domain.role == 'nuisance' and name not in point]
        self._domains = {}
        for name in tuned:
            domain = self._space[name]
            value = usual.get(name, domain.decode(0.5)) if domain.default is UNSET else domain.default
            if self._space.may_have(name):
                self._domains[name] = replace(domain, default=value)

    def __getitem__(self, name: str) -> Domain:
        return self._domains[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._domains)

    def __len__(self) -> int:
        return len(self._domains)

    def legal(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the values that are in force together: without those whose condition does not hold.

        Where a combination is forbidden, the values of later parameters give way.
        """
        point = self._space.complete(values)
        return {name: point[name] for name in self if name in point}


def tuned_texts(space: Space) -> dict[str, str]:
    """Returns what is tuned of a space, by name: its values, default and condition in words.

    Clauses that forbid combinations are under the name `forbidden`.
    """
    texts = {}
    for name, domain in space.items():
        if domain.role == 'nuisance':
            usual = '' if domain.default is UNSET else f', {domain.default!r} by default'
            condition = f', if {space.conditions[name]}' if name in space.conditions else ''
            texts[name] = f'{domain.describe()}{usual}{condition}'
    clauses = [str(clause) for clause in space.forbidden if not {*clause.names()}.isdisjoint(texts)]
    return texts | ({'forbidden': '; '.join(clauses)} if clauses else {})
