"""The parameters of a sweep: what is done with each, and where the code declares it."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..store.declaration import Declaration, declarations
from ..store.records import Records

COMPARED, ALIKE, TUNED = 'compared', 'the same for all', 'tuned for each architecture'
ARGUMENT = 'argument of model()'


@dataclass(frozen=True)
class Parameter:
    """A parameter of points, or one that is tuned for every point.

    Attributes:
        name: The parameter's name.
        role: What is done with it, for a person.
        is_tuned: Whether it is tuned for points that do not fix it.
        declaration: What the code says of it; None if it is an argument of `model`.
    """

    name: str
    role: str
    is_tuned: bool
    declaration: Declaration | None

    @property
    def place(self) -> str:
        """The place with its default, and how many there are besides; or that it is an argument."""
        if self.declaration is None:
            return ARGUMENT
        first, more = next(iter(self.declaration.places), ''), len(self.declaration.places) - 1
        return f'{first} (+{more} more)' if more > 0 else first

    def to_dict(self) -> dict[str, Any]:
        """In plain values; an argument of `model` has no places."""
        declaration = self.declaration
        return {
            'name': self.name,
            'role': self.role,
            'is_declared': declaration is not None,
            'default': declaration.default if declaration is not None else None,
            'places': [*declaration.places] if declaration is not None else [],
        }


def parameters(store: Records, cells: Sequence[Sequence[str]]) -> list[Parameter]:
    """Returns the parameters of a sweep's points, then those that are only tuned.

    Args:
        store: The sweep's folder.
        cells: Of every point, its parameters as text, one per parameter column.
    """
    declared = declarations(store.manifest.declared)
    # What the arguments of points that are tuples are called says nothing of what the code declares.
    swept = declared if store.manifest.named_points else {}
    columns, tuned = store.parameter_columns(), store.nuisance_names()
    result = []
    for index, name in enumerate(columns):
        role = COMPARED if len({row[index] for row in cells}) > 1 else ALIKE
        role = f'{role} where it is set, else {TUNED}' if name in tuned else role
        result.append(Parameter(name, role, name in tuned, _declaration(name, swept)))
    return result + [
        Parameter(name, TUNED, True, declared.get(name)) for name in tuned if name not in columns
    ]


def _declaration(name: str, declared: Mapping[str, Declaration]) -> Declaration | None:
    """What the code says of a parameter, or of the one with a dict that has it as an entry."""
    if name in declared:
        return declared[name]
    parts = name.split('.')
    for end in range(1, len(parts)):
        whole = declared.get('.'.join(parts[:end]))
        if whole is not None:
            return replace(whole, default=_entry(whole.default, parts[end:]))
    return None


def _entry(default: str | None, keys: Sequence[str]) -> str | None:
    """An entry of a dict, each as the code has it."""
    try:
        value = ast.literal_eval(default or '')
        for key in keys:
            value = value[key]
    except (ValueError, SyntaxError, TypeError, LookupError, MemoryError, RecursionError):
        return None
    return repr(value)
