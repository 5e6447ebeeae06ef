"""Conditions on the values of a point: when a parameter is part of it, and what is forbidden."""

from __future__ import annotations

import difflib
import keyword
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from ..amounts import is_real
from ..errors import InvalidArgument
from ..frozen import freeze
from .base import Domain, is_same

Operator: TypeAlias = Literal['==', '!=', 'in', 'not in', '<', '<=', '>', '>=']
ORDERING: dict[str, Callable[[Any, Any], bool]] = {
    '<': lambda value, limit: value < limit,
    '<=': lambda value, limit: value <= limit,
    '>': lambda value, limit: value > limit,
    '>=': lambda value, limit: value >= limit,
}


class Expression(ABC):
    """What holds for some points and not for others: a `Condition`, or several joined by `&` and `|`."""

    @abstractmethod
    def conditions(self) -> tuple[Condition, ...]:
        """Returns all single conditions in it."""

    @abstractmethod
    def holds(self, truth: Callable[[Condition], bool]) -> bool:
        """Tells whether it holds, given what tells it of each single condition."""

    def names(self) -> list[str]:
        """Returns the names of the parameters that it compares, each once."""
        return list(dict.fromkeys(condition.name for condition in self.conditions()))

    def __and__(self, other: Expression) -> Expression:
        return joined([self, other], every=True)

    def __or__(self, other: Expression) -> Expression:
        return joined([self, other], every=False)

    def __bool__(self) -> bool:
        raise TypeError('join conditions by & and |, not by `and` and `or`')


@dataclass(frozen=True)
class Condition(Expression):
    """A comparison of a parameter with a value. It does not hold where the parameter is not part of a point.

    Args:
        name: The parameter's.
        operator: `==`, `!=`, `in`, `not in`, `<`, `<=`, `>` or `>=`. The last four need numbers, or an
            `Ordinal`.
        value: What to compare with; a list of values for `in` and `not in`.

    Raises:
        InvalidArgument: There is no such operator, or no list of values.
    """

    name: str
    operator: Operator
    value: Any

    def __post_init__(self) -> None:
        if self.operator not in get_args(Operator):
            valid = ', '.join(get_args(Operator))
            raise InvalidArgument(
                f'operator {self.operator!r} in a condition on {self.name}: valid are {valid}'
            )
        value = self.value
        if self.operator in ('in', 'not in'):
            if isinstance(value, str) or not isinstance(value, Iterable):
                raise InvalidArgument(
                    f'{self.name} {self.operator} {value!r}: must be followed by a list of values'
                )
            value = sorted(value, key=repr) if isinstance(value, AbstractSet) else list(value)
        object.__setattr__(self, 'value', freeze(value))

    def conditions(self) -> tuple[Condition, ...]:
        return (self,)

    def holds(self, truth: Callable[[Condition], bool]) -> bool:
        return truth(self)

    @property
    def values(self) -> tuple[Any, ...]:
        """All values that it compares with."""
        return self.value if self.operator in ('in', 'not in') else (self.value,)

    def is_true_of(self, value: Any, domain: Domain) -> bool:
        """Tells whether it holds for a value of the parameter, of which this is the domain."""
        if compare := ORDERING.get(self.operator):
            return compare(domain.rank(value), domain.rank(self.value))
        return any(is_same(value, other) for other in self.values) == (self.operator in ('==', 'in'))

    def fault(self, domain: Domain) -> str | None:
        """Says what is wrong with it if it is about a parameter of that domain; None if nothing is."""
        is_ordering = self.operator in ORDERING
        if is_ordering and domain.rank(domain.decode(0.5)) is None:
            return f'{self}: {self.name} has no order; it is {domain.describe()}'
        if is_ordering and is_real(self.value) and isinstance(domain.rank(self.value), int | float):
            return None
        for value in self.values:
            if not domain.compares_with(value):
                return (
                    f'{self}: {self.name} is never {value!r}; it is {domain.describe()}{_like(value, domain)}'
                )
        return None

    def __str__(self) -> str:
        value = list(self.value) if self.operator in ('in', 'not in') else self.value
        return f'{_name_as_text(self.name)} {self.operator} {value!r}'


@dataclass(frozen=True)
class Joint(Expression):
    """Several conditions of which every one has to hold, or any.

    Attributes:
        parts: At least two.
        every: Whether all have to hold; else one is enough.
    """

    parts: tuple[Expression, ...]
    every: bool

    def conditions(self) -> tuple[Condition, ...]:
        return tuple(condition for part in self.parts for condition in part.conditions())

    def holds(self, truth: Callable[[Condition], bool]) -> bool:
        return (all if self.every else any)(part.holds(truth) for part in self.parts)

    def __str__(self) -> str:
        texts = (f'({part})' if isinstance(part, Joint) else str(part) for part in self.parts)
        return (' and ' if self.every else ' or ').join(texts)


def joined(parts: Iterable[Expression], every: bool) -> Expression:
    """Returns what holds where all parts do, or any of them; at least one part."""
    flat: list[Expression] = []
    for part in parts:
        flat += part.parts if isinstance(part, Joint) and part.every == every else [part]
    return flat[0] if len(flat) == 1 else Joint(tuple(flat), every)


def resolved(expression: Expression, truth: Callable[[Condition], bool | None]) -> Expression | bool:
    """Returns what is left of an expression of which some conditions are known to hold, or not to.

    Args:
        expression: The expression.
        truth: Whether a condition holds; None if that is open.
    """
    if isinstance(expression, Condition):
        known = truth(expression)
        return expression if known is None else known
    assert isinstance(expression, Joint)
    parts = [resolved(part, truth) for part in expression.parts]
    decided = not expression.every  # what one part decides: False where all have to hold
    if any(part is decided for part in parts):
        return decided
    left = [part for part in parts if isinstance(part, Expression)]
    return joined(left, expression.every) if left else not decided


def _name_as_text(name: str) -> str:
    words = name.split('.')
    is_plain = all(word.isidentifier() and not keyword.iskeyword(word) for word in words)
    return name if is_plain else f'_({name!r})'


def _like(value: Any, domain: Domain) -> str:
    texts = [choice for choice in getattr(domain, 'choices', ()) if isinstance(choice, str)]
    close = difflib.get_close_matches(value, texts, n=1) if isinstance(value, str) else []
    return f'; did you mean {close[0]!r}?' if close else ''
