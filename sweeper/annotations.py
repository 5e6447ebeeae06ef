"""Whether values are of the types that a dataclass says: options come from users, folders from anywhere."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


def check_types(kind: type, data: Mapping[str, object]) -> None:
    """Checks values by the types of a dataclass's fields.

    Args:
        kind: The dataclass. An `int` is a `float`, a `bool` is neither.
        data: Values by field; a field that has none is not looked at.

    Raises:
        ValueError: A value is of another type, or an integer too large for a float.
    """
    for name, is_valid in _checks(kind):
        if name in data and not is_valid(data[name]):
            raise ValueError(f'{name} is {data[name]!r}'[:200])


def wrong_field(value: Any) -> str | None:
    """Returns the first field of a dataclass's instance whose value is not of its type; None if all are."""
    checks = _checks(value.__class__)
    return next((name for name, is_valid in checks if not is_valid(getattr(value, name))), None)


def choices_in(annotation: Any) -> tuple[Any, ...]:
    """The values of a `Literal`, be it with None or without; none of any other annotation."""
    parts = (annotation, *get_args(annotation))
    return next((get_args(part) for part in parts if get_origin(part) is Literal), ())


def valid_in_words(kind: type, name: str) -> str:
    """Says which values a dataclass's field may have: `must be a int or None`, `valid are 'a', 'b'`."""
    annotation = get_type_hints(kind)[name]
    if choices := choices_in(annotation):
        return f'valid are {", ".join(map(repr, choices))}'
    field = next(field for field in dataclasses.fields(kind) if field.name == name)
    if 'valid' in field.metadata:
        return str(field.metadata['valid'])
    return 'must be True or False' if annotation is bool else f'must be a {field.type}'.replace('|', 'or')


@cache
def _checks(kind: Any) -> list[tuple[str, Callable[[object], bool]]]:
    hints = get_type_hints(kind)
    return [(field.name, _check_of(hints[field.name])) for field in dataclasses.fields(kind)]


def _check_of(annotation: Any) -> Callable[[object], bool]:
    """Returns what tells whether a value is of a type."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is Any:
        return lambda _: True
    if annotation in (int, float):
        kinds = (int,) if annotation is int else (int, float)
        return lambda value: (
            isinstance(value, kinds)
            and not isinstance(value, bool)
            and not (isinstance(value, int) and abs(value) > sys.float_info.max)
        )
    if origin in (Union, UnionType):
        checks = [_check_of(argument) for argument in arguments]
        return lambda value: any(is_valid(value) for is_valid in checks)
    if origin is Literal:
        return lambda value: any(
            type(value) is type(argument) and value == argument for argument in arguments
        )
    if origin is not None and issubclass(origin, Mapping):
        is_value = _check_of(arguments[1])
        return lambda value: isinstance(value, Mapping) and all(map(is_value, value.values()))
    if origin is not None and issubclass(origin, Sequence):
        is_element = _check_of(arguments[0])
        return lambda value: isinstance(value, list | tuple) and all(map(is_element, value))
    expected: type = NoneType if annotation is None else annotation
    return lambda value: isinstance(value, expected)
