"""Values that declared parameters have in a whole sweep, the same in every process that does its runs."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ..errors import DeclarationError, InvalidArgument, ProblemError
from ..frozen import freeze
from ..points import value_to_text
from .parameters import declared_in
from .reference import ProblemReference

if TYPE_CHECKING:
    from ..declare.project import DeclaredParameters

_REGISTRY = 'sweeper.declare.registry'

Presets: TypeAlias = Mapping[str, Mapping[str, bytes]]
"""By manager and name, pickled: what a value is made of may be importable only with the problem."""


def presets_of(reference: ProblemReference) -> Presets:
    """Returns what of a problem's declared parameters was set in this process (`_.set_value`, `bind`).

    Raises:
        DeclarationError: A value cannot be in force everywhere: another process cannot have it, or it was set
            after the code had read it.
    """
    if _REGISTRY not in sys.modules:
        return {}
    from ..declare.registry import managers

    values = {name: manager.values_set for name, manager in managers().items()}
    if not any(values.values()):
        return {}
    try:
        declared = declared_in(reference.sources())
    except ProblemError:
        return {}  # it has no source; whoever loads it says what is wrong
    if declared is None:
        return {}
    own = {
        manager: {name: value for name, value in some.items() if declared.managers.get(name) == manager}
        for manager, some in values.items()
    }
    for name in (name for some in own.values() for name in some):
        _check_not_too_late(name, declared, reference)
    return {
        manager: {name: _packed(name, value) for name, value in some.items()} for manager, some in own.items()
    }


def load_values(reference: ProblemReference, path: Path) -> None:
    """Sets in this process what a file has of a problem's declared parameters, as `--hp-save` writes it.

    Raises:
        InvalidArgument: The file cannot be read, or the problem declares no parameters.
        DeclarationError: It has a name that nobody declares, or a value that its parameter cannot have.
    """
    declared = declared_in(reference.sources())
    if declared is None:
        raise InvalidArgument(f'{path}: {reference} declares no parameters that could have its values')
    from ..declare.registry import manager
    from ..declare.serial import read_values

    for name, value in read_values(path, declared.nodes).items():
        manager(declared.managers[name]).set_value(name, value)


def with_values(presets: Presets, values: Mapping[str, Mapping[str, Any]]) -> Presets:
    """Returns presets with other values, by manager, in place of or beside those that they have."""
    merged = {manager: dict(some) for manager, some in presets.items()}
    for manager, some in values.items():
        merged.setdefault(manager, {}).update({name: _packed(name, value) for name, value in some.items()})
    return merged


def unpacked(presets: Presets, *, as_far_as_possible: bool = False) -> dict[str, dict[str, Any]]:
    """Returns the values by manager and name.

    Args:
        presets: Values by manager and name, pickled.
        as_far_as_possible: The problem is not loaded yet: leave out what needs it.
    """
    values: dict[str, dict[str, Any]] = {}
    for manager, some in presets.items():
        for name, data in some.items():
            try:
                values.setdefault(manager, {})[name] = pickle.loads(data)
            except Exception:
                if not as_far_as_possible:
                    raise
    return values


def as_texts(presets: Presets) -> dict[str, str]:
    """Returns the values by name as texts, for `sweep.json`."""
    values = {name: value for some in unpacked(presets).values() for name, value in some.items()}
    return {name: _text(value) for name, value in sorted(values.items())}


@contextmanager
def in_force(values: Mapping[str, Mapping[str, Any]]) -> Iterator[set[str]]:
    """Sets values while a problem's module is imported; yields the names read by it, at the end."""
    read: set[str] = set()
    with ExitStack() as stack:
        known = []
        if values or _REGISTRY in sys.modules:
            from ..declare.registry import manager, managers

            known = [
                stack.enter_context(manager(name).holding(values.get(name, {})))
                for name in {*managers(), *values}
            ]
        yield read
        if _REGISTRY in sys.modules:
            from ..declare.registry import managers

            read.update(*(manager.names_read() for manager in {*known, *managers().values()}))


def _check_not_too_late(name: str, declared: DeclaredParameters, reference: ProblemReference) -> None:
    """A module that was imported before a value was set may have read another."""
    folder = str(reference.sources().folder)
    for row in declared.nodes[name].occurrences:
        path = os.path.join(folder, row.filename or '')
        loaded = (getattr(module, '__file__', None) for module in list(sys.modules.values()))
        if row.is_early and any(isinstance(file, str) and os.path.realpath(file) == path for file in loaded):
            raise DeclarationError(
                f'`{name}` was set in this process, but {row.place} reads it when its module is imported, '
                f'which has happened already: set it before the import, or read it in a function that '
                f'model() calls'
            )


def _packed(name: str, value: Any) -> bytes:
    try:
        data = pickle.dumps(value)
        _text(value)
        return data
    except Exception as error:
        raise DeclarationError(
            f'`{name}` was set to {value!r}, which cannot be passed on to other processes ({error}): '
            f'set it to a plain value, or to a class or function that can be imported'
        ) from error


def _text(value: Any) -> str:
    return value_to_text(freeze(value))
