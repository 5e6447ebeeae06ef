"""One manager of each name in a process."""

from __future__ import annotations

from typing import Any

from .manager import HyperParameterManager


class NamedManager(HyperParameterManager):
    """A manager that has its name in every process: copied or unpickled, it is the one that is there."""

    def __reduce__(self) -> tuple[Any, ...]:
        return manager, (self.placeholder,)


_managers: dict[str, HyperParameterManager] = {}


def manager(name: str) -> HyperParameterManager:
    """Returns the manager of a name, the same one each time; this is what `sweeper.m` gives for any name.

    Raises:
        AttributeError: The name begins and ends with two underscores, as those that Python itself asks for.
    """
    if name.startswith('__') and name.endswith('__') and name.strip('_'):
        raise AttributeError(f"there is no manager {name!r}: names like this are Python's own")
    if name not in _managers:
        _managers.setdefault(name, NamedManager(name))
    return _managers[name]


def managers() -> dict[str, HyperParameterManager]:
    """Returns all managers that somebody has asked for, by name."""
    return dict(_managers)
