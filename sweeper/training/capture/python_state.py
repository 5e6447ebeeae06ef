"""The Python state that a step can change: what its functions and objects refer to, and what is in that.

A captured step runs without Python, so Python that counts, remembers or anneals must be noticed. From a
model and its criterion everything is followed that their code can reach: attributes, containers, classes,
closures, the global variables that functions name, iterators and generators.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from operator import is_
from typing import Any

import torch

from .python_objects import kind_of
from .python_reading import PLAIN, Reading

MOST_ENTRIES = 100_000
"""Attributes and elements that are looked at. More would take longer than capturing saves."""


class TooManyObjects(Exception):
    """There is more Python state than is looked at."""


@dataclass(frozen=True, eq=False)
class _Node:
    """Something with contents that may change.

    Attributes:
        name: How it is reached, for messages.
        reading: How its contents are read, and put back.
        contents: What they were.
    """

    name: str
    reading: Reading
    contents: tuple[Any, ...]


class PythonState:
    """What can be reached from some objects, as it is when this is made.

    Objects are compared by identity, numbers and strings by value, so no code of the user's is run.

    Args:
        roots: Where to begin, each with a name.
        tensors: The parameters and buffers: their values may change, what they are may not.

    Raises:
        TooManyObjects: There is too much to look at.
    """

    def __init__(self, roots: Iterable[tuple[str, Any]], tensors: Iterable[torch.Tensor] = ()) -> None:
        self._nodes: list[_Node] = []
        free = {id(tensor) for tensor in tensors}
        seen: dict[int, Any] = {}  # keeps them alive, so that no other gets the same id
        ahead = [*roots][::-1]
        entries = 0
        while ahead:
            name, value = ahead.pop()
            if type(value) in PLAIN or id(value) in seen:
                continue
            seen[id(value)] = value
            try:
                kind = kind_of(value, id(value) in free)
            except Exception:  # of an odd object
                continue
            for reading in kind.readings:
                contents = _read(reading)
                entries += len(contents)
                self._nodes.append(_Node(name, reading, contents))
            if entries > MOST_ENTRIES or len(seen) > MOST_ENTRIES:
                raise TooManyObjects
            with suppress(Exception):
                ahead += [(name + label, child) for label, child in kind.children()]

    def changes(self, caches_too: bool = True) -> list[str]:
        """The names of what has changed since.

        Args:
            caches_too: What `functools` remembers of functions counts.
        """
        return [node.name for node in self._changed() if caches_too or not node.reading.is_cache]

    def has_changed(self) -> bool:
        """Whether anything has."""
        return any(True for _ in self._changed())

    def _changed(self) -> Iterator[_Node]:
        for node in self._nodes:
            if not _same(_read(node.reading), node.contents):
                yield node

    def restore(self) -> None:
        """Puts back what was, as far as that is possible: a generator, say, cannot be turned back."""
        for node in [*self._changed()]:
            if node.reading.write is not None:
                with suppress(Exception):
                    node.reading.write(node.contents)


def described(changes: Iterable[str], most: int = 3) -> str:
    """A few of the names of what has changed, for a message."""
    readable = (re.sub(r"\._modules\['(\w+)'\]", r'.\1', name) for name in changes)
    first = [*islice(dict.fromkeys(readable), most + 1)]
    return ', '.join(first[:most]) + (', …' if len(first) > most else '')


def _read(reading: Reading) -> tuple[Any, ...]:
    try:
        return reading.read()
    except Exception as error:  # of an odd object; should it change, repeated steps may show it
        return (type(error).__name__,)


def _same(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    if len(one) != len(other):
        return False
    return all(map(is_, one, other)) or all(map(_equal, one, other))


def _equal(one: Any, other: Any) -> bool:
    if one is other:
        return True
    kind = type(one)
    if kind is not type(other):
        return False
    if kind in PLAIN:
        return bool(one == other or (one != one and other != other))
    if issubclass(kind, tuple):
        return len(one) == len(other) and all(map(_equal, tuple.__iter__(one), tuple.__iter__(other)))
    compare: Callable[[Any, Any], bool] | None = _BY_VALUE.get(f'{kind.__module__}.{kind.__qualname__}')
    if compare is not None:
        return compare(one, other)
    return kind.__module__ == 'numpy' and hasattr(kind, 'dtype') and one.tobytes() == other.tobytes()


_BY_VALUE: dict[str, Callable[[Any, Any], bool]] = {
    'builtins.method': lambda a, b: a.__self__ is b.__self__ and a.__func__ is b.__func__,
    'builtins.frozenset': lambda a, b: len(a) == len(b) and all(map(_equal, a, b)),
    'builtins.slice': lambda a, b: _equal((a.start, a.stop, a.step), (b.start, b.stop, b.step)),
}
"""Immutable things that are made anew at every look, by type."""
