"""The fields of a dataclass as keyword arguments of functions: their names checked, and shown by `help`."""

from __future__ import annotations

import dataclasses
import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

_Function = TypeVar('_Function', bound=Callable[..., Any])


def check_names(kind: type, function: str, options: Mapping[str, Any], without: Iterable[str] = ()) -> None:
    """Raises `TypeError`, as Python does, for the first option that a dataclass does not have."""
    known = [field.name for field in dataclasses.fields(kind) if field.name not in set(without)]
    for name in options:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f'did you mean {close[0]!r}?' if close else f'valid are {", ".join(known)}'
            raise TypeError(f'{function}: unexpected keyword argument {name!r}: {hint}')


def takes_options(kind: type, without: Iterable[str] = ()) -> Callable[[_Function], _Function]:
    """Has a function that takes `**options` show them one by one: to `help`, notebooks and editors."""

    def decorate(function: _Function) -> _Function:
        signature = inspect.signature(function)
        own = [
            parameter
            for parameter in signature.parameters.values()
            if parameter.kind is not parameter.VAR_KEYWORD
        ]
        names = {parameter.name for parameter in own} | set(without)
        options = [
            inspect.Parameter(
                field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=field.type
            )
            for field in dataclasses.fields(kind)
            if field.name not in names
        ]
        function.__signature__ = signature.replace(parameters=[*own, *options])  # type: ignore[attr-defined]
        return function

    return decorate
