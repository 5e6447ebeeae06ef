"""What a parameter's hints say of how to vary it: `choices`, `range`, `log`, `step` and `role`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast, get_args

from ..errors import DeclarationError, InvalidArgument
from ..frozen import freeze
from ..space import Categorical, Domain, Float, Integer, Role
from ..space.base import UNSET
from .occurrence import HyperParameterNode
from .types import as_kind, kind_of, shown

SCALES = ('linear', 'log')
KNOWN_HINTS = frozenset(
    ['choices', 'range', 'log', 'scale', 'step', 'role', 'type', 'help', 'required', 'when']
)
"""Hints that mean something here; others are for whoever reads them."""


def role_of(node: HyperParameterNode) -> Role:
    """Returns what is done with a parameter: one of those of a `Domain`.

    `scientific`: it is compared, as it is if its hints give `choices` or a `range` and no `role`. `nuisance`:
    it is tuned for every architecture. `fixed`: it is left alone.

    Raises:
        DeclarationError: The hint `role` is none of these.
    """
    hints = node.hints
    role = hints.get('role', 'scientific' if 'range' in hints or 'choices' in hints else 'fixed')
    if role not in get_args(Role):
        valid = ', '.join(map(repr, get_args(Role)))
        raise DeclarationError(f'{_where(node)}: hint role={role!r}: valid are {valid}')
    return cast(Role, role)


def domain_of(node: HyperParameterNode) -> Domain | None:
    """Returns the values that a parameter's hints give it, with its default and role; None if they give none.

    A `range` is `(low, high)`, both included, of integers only if both and the default are integers. A truth
    value has two.

    Raises:
        DeclarationError: The hints contradict each other or the default.
    """
    domain = _values_of(node)
    if domain is None:
        return None
    default = freeze(node.default) if node.has_plain_default else UNSET
    try:
        return replace(domain, default=default, role=role_of(node))
    except InvalidArgument as error:
        raise DeclarationError(f'{_where(node)}: {error}') from error


def checked(value: Any, node: HyperParameterNode) -> Any:
    """Returns `value` as the kind that a parameter takes, among its choices and in its range.

    Raises:
        DeclarationError: It is not; the message names the parameter and what is valid.
    """
    kind = kind_of(node)
    try:
        value = as_kind(value, kind)
    except ValueError as error:
        raise DeclarationError(f'`{node.name}`: {error}') from error
    domain = _values_of(node) if {'choices', 'range'} & node.hints.keys() else None
    if domain is not None and not domain.contains(freeze(value)):
        if isinstance(domain, Categorical):
            valid = f'among its choices {", ".join(map(shown, node.hints["choices"]))}'
        else:
            valid = f'in its range: it must be {domain.describe()}'
        given = value if kind is str else shown(value)
        raise DeclarationError(f'`{node.name}`: {given} is not {valid}')
    return value


def _values_of(node: HyperParameterNode) -> Domain | None:
    hints = node.hints
    if 'choices' in hints and 'range' in hints:
        raise DeclarationError(f'{_where(node)}: has choices and a range; only one of them can be')
    scale = hints.get('scale', 'linear')
    if scale not in SCALES or ('scale' in hints and 'log' in hints and (scale == 'log') != hints['log']):
        raise DeclarationError(
            f'{_where(node)}: hint scale={scale!r}: valid are {", ".join(map(repr, SCALES))}, as '
            f'`log` says if it is given'
        )
    log = hints.get('log', scale == 'log')
    steps = {'step': hints['step']} if 'step' in hints else {}
    if (log or steps) and 'range' not in hints:
        hint = next(f'{name}={hints[name]!r}' for name in ('scale', 'log', 'step') if name in hints)
        raise DeclarationError(f'{_where(node)}: hint {hint} goes with a range')
    try:
        if 'choices' in hints:
            return Categorical(_choices(hints['choices']))
        if 'range' in hints:
            low, high = _ends(hints['range'])
            return (Integer if kind_of(node) is int else Float)(low, high, log, **steps)
    except InvalidArgument as error:
        hint = 'choices' if 'choices' in hints else 'range'
        raise DeclarationError(f'{_where(node)}: hint {hint}: {error}') from error
    return Categorical((False, True)) if kind_of(node) is bool else None


def _choices(given: Any) -> Any:
    if not isinstance(given, list | tuple | set | frozenset):
        return given
    choices = tuple(freeze(choice) for choice in given)
    if isinstance(given, set | frozenset):
        choices = tuple(sorted(choices, key=repr))  # in an order that every process has
    return choices


def _ends(given: Any) -> tuple[Any, Any]:
    if not isinstance(given, list | tuple) or len(given) != 2:
        raise InvalidArgument(f'{given!r} must be (low, high), two finite numbers')
    return given[0], given[1]


def _where(node: HyperParameterNode) -> str:
    place = node.declaration.place if node.declaration is not None else 'run time'
    return f'{place}: `{node.name}`'
