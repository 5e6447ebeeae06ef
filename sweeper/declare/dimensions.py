"""What a parameter's hints say of how to vary it: `choices`, `range`, `log` and `role`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ..errors import DeclarationError
from ..frozen import freeze
from .kinds import kind_of
from .occurrence import EMPTY, HyperParameterNode

_FINEST = 1e-3  # values of an interval have as many digits as tell a thousand apart

ROLES = ('scientific', 'nuisance', 'fixed')
SCALES = ('linear', 'log')
KNOWN_HINTS = frozenset(['choices', 'range', 'log', 'scale', 'role', 'type', 'help', 'required'])
"""Hints that mean something here; others are for whoever reads them."""


@dataclass(frozen=True)
class Dimension:
    """The values that a parameter is to have: some, or all of an interval.

    Attributes:
        name: The parameter's.
        default: Its value where it is not varied; one of these values. `EmptyValue()` if it has none.
        choices: The values, hashable; empty if there is an interval.
        low: The lowest value of the interval.
        high: The highest.
        log: Whether the interval is to be searched by ratios, not differences.
        is_integer: Whether only integers are in the interval.
    """

    name: str
    default: Any
    choices: tuple[Any, ...] = ()
    low: float = 0
    high: float = 0
    log: bool = False
    is_integer: bool = False

    def at(self, share: float) -> Any:
        """Returns the value that is so much of the way, in [0, 1), through all of them."""
        if self.choices:
            return self.choices[int(share * len(self.choices))]
        low, high = self._ends()
        value = low * (high / low) ** share if self.log else low + share * (high - low)
        width = value * math.log(high / low) if self.log else high - low
        value = round(value, 0 if self.is_integer else math.ceil(-math.log10(width * _FINEST)))
        value = min(max(value, self.low), self.high)
        return int(value) if self.is_integer else value

    def share_of(self, value: Any) -> float:
        """Returns how much of the way through all values one is: `at` gives it back, or one like it."""
        if self.choices:
            return (self.choices.index(value) + 0.5) / len(self.choices)
        low, high = self._ends()
        if self.log:
            return math.log(value / low) / math.log(high / low)
        return float((value - low) / (high - low))

    def distance(self, value: Any, other: Any) -> float:
        """Returns how far apart two values are, as a share of all; different choices are at opposite ends."""
        return float(value != other) if self.choices else abs(self.share_of(value) - self.share_of(other))

    def _ends(self) -> tuple[float, float]:
        """The interval's, of integers such that each has a part of its own."""
        return (self.low - 0.5, self.high + 0.5) if self.is_integer else (self.low, self.high)


def role_of(node: HyperParameterNode) -> str:
    """Returns what is done with a parameter: one of `ROLES`.

    `scientific`: it is compared, as it is if its hints give `choices` or a `range` and no `role`. `nuisance`:
    it is tuned for every architecture. `fixed`: it is left alone.

    Raises:
        DeclarationError: The hint `role` is none of these.
    """
    hints = node.hints
    role = hints.get('role', 'scientific' if 'range' in hints or 'choices' in hints else 'fixed')
    if role not in ROLES:
        raise DeclarationError(f'{_where(node)}: hint role={role!r}: valid are {", ".join(map(repr, ROLES))}')
    return str(role)


def dimension_of(node: HyperParameterNode) -> Dimension | None:
    """Returns the values that a parameter's hints give it; None if they give none.

    A `range` is `(low, high)`, both included, of integers only if both and the default are integers. A truth
    value has two.

    Raises:
        DeclarationError: The hints contradict each other or the default.
    """
    hints, default = node.hints, freeze(node.default) if node.has_plain_default else EMPTY
    if 'choices' in hints and 'range' in hints:
        raise DeclarationError(f'{_where(node)}: has choices and a range; only one of them can be')
    scale = hints.get('scale', 'linear')
    if scale not in SCALES or ('scale' in hints and 'log' in hints and (scale == 'log') != hints['log']):
        raise DeclarationError(
            f'{_where(node)}: hint scale={scale!r}: valid are {", ".join(map(repr, SCALES))}, as '
            f'`log` says if it is given'
        )
    log = hints.get('log', scale == 'log')
    if log and 'range' not in hints and 'scale' in hints:
        raise DeclarationError(f'{_where(node)}: hint scale={scale!r} goes with a range')
    if hints.get('log') and 'range' not in hints:
        raise DeclarationError(f'{_where(node)}: hint log={hints["log"]!r} goes with a range')
    if 'choices' in hints:
        dimension = Dimension(node.name, default, _choices(node, hints['choices']))
    elif 'range' in hints:
        dimension = _interval(node, default, hints['range'], log)
    elif kind_of(node) is bool:
        dimension = Dimension(node.name, default, (False, True))
    else:
        return None
    if node.has_plain_default and not _is_in(default, dimension):
        valid = f'its choices {_listed(dimension.choices)}' if dimension.choices else f'{hints["range"]!r}'
        raise DeclarationError(f'{_where(node)}: the default {node.default!r} is not in {valid}')
    return dimension


def _choices(node: HyperParameterNode, given: Any) -> tuple[Any, ...]:
    if isinstance(given, list | tuple | set | frozenset) and given:
        choices = tuple(freeze(choice) for choice in given)
        if isinstance(given, set | frozenset):
            choices = tuple(sorted(choices, key=repr))  # in an order that every process has
        hashable = all(map(_is_hashable, choices))
        if hashable and len(set(choices)) == len(choices):
            return choices
    raise DeclarationError(
        f'{_where(node)}: hint choices={given!r}: must be a list of different values, at least one'
    )


def _interval(node: HyperParameterNode, default: Any, given: Any, log: Any) -> Dimension:
    is_pair = isinstance(given, list | tuple) and len(given) == 2
    if not is_pair or not all(type(bound) in (int, float) and math.isfinite(bound) for bound in given):
        raise DeclarationError(
            f'{_where(node)}: hint range={given!r}: must be (low, high), two finite numbers'
        )
    low, high = given
    if low >= high:
        raise DeclarationError(f'{_where(node)}: hint range={given!r}: low must be below high')
    if not isinstance(log, bool):
        raise DeclarationError(f'{_where(node)}: hint log={log!r}: must be True or False')
    if log and low <= 0:
        raise DeclarationError(f'{_where(node)}: hint range={given!r}: with log=True low must be above 0')
    is_integer = kind_of(node) is int
    if not is_integer:
        low, high = float(low), float(high)
        default = float(default) if type(default) is int else default
    return Dimension(node.name, default, (), low, high, log, is_integer)


def _is_in(value: Any, dimension: Dimension) -> bool:
    if dimension.choices:
        return value in dimension.choices
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and dimension.low <= value <= dimension.high


def _is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _listed(values: tuple[Any, ...]) -> str:
    return ', '.join(map(repr, values))


def _where(node: HyperParameterNode) -> str:
    place = node.declaration.place if node.declaration is not None else 'run time'
    return f'{place}: `{node.name}`'
