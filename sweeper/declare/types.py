"""What kind of value a parameter takes, and how a text or a file's value becomes one."""

from __future__ import annotations

import ast
from typing import Any

from ..errors import DeclarationError
from ..space.base import as_number
from .occurrence import HyperParameterNode

KINDS: dict[str, type] = {
    kind.__name__: kind for kind in (bool, int, float, str, list, tuple, dict, set, frozenset)
}
_NOUNS = {int: 'a whole number', float: 'a number', str: 'a text', bool: 'a truth value'}
_TRUTHS = {
    'true': True,
    't': True,
    'yes': True,
    'y': True,
    'on': True,
    '1': True,
    'false': False,
    'f': False,
    'no': False,
    'n': False,
    'off': False,
    '0': False,
}


def kind_of(node: HyperParameterNode) -> type | None:
    """Returns the type that a parameter's values have; None if any will do.

    The hint `type` names it; else that of the default, of `choices` or of `range` tells: a float among them
    makes numbers floats.

    Raises:
        DeclarationError: The hint `type` names no type that a text can be read as.
    """
    hints = node.hints
    named = hints.get('type')
    if named is not None:
        if named not in KINDS:
            place = node.declaration.place if node.declaration else ''
            raise DeclarationError(
                f'{place}: hint type={named!r} of `{node.name}`: valid are {", ".join(map(repr, KINDS))}'
            )
        return KINDS[named]
    examples = [node.default] if type(node.default) in KINDS.values() else []
    for hint in ('choices', 'range'):
        if isinstance(hints.get(hint), list | tuple | set | frozenset):
            examples += hints[hint]
    kinds = {type(example) for example in examples}
    if kinds == {int, float}:
        return float
    return kinds.pop() if len(kinds) == 1 and kinds <= set(KINDS.values()) else None


def from_text(text: str, kind: type | None) -> Any:
    """Returns the value that a text of the command line stands for.

    Args:
        text: A number, a word, or a literal as Python writes it.
        kind: What it must be; None takes a literal for what it is and everything else for a string.

    Raises:
        ValueError: It is none of that kind; the message says so.
    """
    if kind is str:
        return text
    if kind is bool:
        if text.strip().lower() not in _TRUTHS:
            raise ValueError(f'{text} is neither true nor false')
        return _TRUTHS[text.strip().lower()]
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            raise ValueError(f'{text} is not {_articled(kind)}') from None
    try:
        value = ast.literal_eval(text.strip())
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        if kind is None:
            return text
        raise ValueError(f'{text} is not {_articled(kind)} as Python writes it') from None
    return as_kind(value, kind)


def as_kind(value: Any, kind: type | None) -> Any:
    """Returns a value read from a file as the kind that the parameter takes.

    YAML reads `1e-4` as a text and no file knows tuples: these become what they should be. None stays.

    Raises:
        ValueError: It is of another kind; the message says so.
    """
    if kind is None or value is None or type(value) is kind:
        return value
    number = as_number(value, kind)
    if type(number) is kind:
        return number
    if kind in (int, float, bool) and isinstance(value, str):
        return from_text(value, kind)
    if kind in (list, tuple, set, frozenset) and isinstance(value, list | tuple | set | frozenset):
        return kind(value)
    raise ValueError(f'{shown(value)} is not {_articled(kind)}')


def _articled(kind: type) -> str:
    return _NOUNS.get(kind, f'a {kind.__name__}')


def shown(value: Any) -> str:
    """A value as it is typed: texts stand bare, unless they would read as something else."""
    if not isinstance(value, str):
        return repr(value)
    try:
        ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return value or repr(value)
    return repr(value)
