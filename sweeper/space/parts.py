"""What a document says of a space, before it is known to be one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ..amounts import is_real
from ..errors import InvalidArgument
from ..points import from_json
from .base import Domain
from .conditions import Condition, Expression, joined
from .expressions import expression_of


@dataclass
class Parts:
    """What a space is made of, as far as it was understood.

    Attributes:
        domains: By name.
        conditions: By name, when a parameter is part of a point.
        forbidden: What may hold of no point.
        broken: The names of parameters that were not understood.
        faults: What is wrong.
    """

    domains: dict[str, Domain] = field(default_factory=dict)
    conditions: dict[str, Expression] = field(default_factory=dict)
    forbidden: list[Expression] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)

    def add(self, name: str, domain: Domain) -> None:
        """Takes a parameter, unless there is one of that name."""
        if name in self.domains or name in self.broken:
            self.faults.append(f'{name}: there are two parameters of that name')
        else:
            self.domains[name] = domain

    @contextmanager
    def reading(self, where: str, name: str | None = None) -> Iterator[None]:
        """Within it, an `InvalidArgument` is one more fault; if a parameter is given, that is broken."""
        try:
            yield
        except InvalidArgument as error:
            self.faults.append(f'{where}: {error}')
            if name is not None:
                self.broken.add(name)

    def drop_broken(self) -> None:
        """Leaves out conditions and clauses about what was not understood, which would be faults, too."""
        for name, condition in [*self.conditions.items()]:
            if self.broken.intersection([name, *condition.names()]):
                del self.conditions[name]
        self.forbidden = [clause for clause in self.forbidden if self.broken.isdisjoint(clause.names())]


def value_in(given: Any) -> Any:
    """Returns a value of a document as points have it.

    Raises:
        InvalidArgument: Points cannot have it.
    """
    try:
        value = from_json(given)
        hash(value)
    except (TypeError, ValueError) as error:
        raise InvalidArgument(f'{given!r} cannot be a value ({error})') from None
    return value


def values_in(given: Any, what: str) -> tuple[Any, ...]:
    """Returns a list of values.

    Args:
        given: The list.
        what: What it is, for messages.

    Raises:
        InvalidArgument: It is none, or points cannot have one of them.
    """
    if not isinstance(given, list | tuple):
        raise InvalidArgument(f'{what} {given!r}: must be a list')
    return tuple(value_in(value) for value in given)


def ends_in(given: Any) -> tuple[float, float]:
    """Returns the two ends of a range.

    Raises:
        InvalidArgument: They are not two numbers.
    """
    ends = values_in(given, 'range')
    if len(ends) != 2 or any(not is_real(end) for end in ends):
        raise InvalidArgument(f'range {given!r}: must be [low, high], two numbers')
    return ends[0], ends[1]


def condition_in(given: Any) -> Expression:
    """Returns a condition: a text, or a mapping from names to the values that all of them have.

    Raises:
        InvalidArgument: It is neither.
    """
    if isinstance(given, Mapping) and given:
        return joined((_equality(str(name), value) for name, value in given.items()), every=True)
    if isinstance(given, list):
        raise InvalidArgument(
            f'{len(given)} conditions: say whether all must hold or any, by `and` or `or` in one text'
        )
    return expression_of(given)


def _equality(name: str, given: Any) -> Condition:
    if isinstance(given, list):
        return Condition(name, 'in', values_in(given, 'values'))
    return Condition(name, '==', value_in(given))
