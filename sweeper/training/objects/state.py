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

from .kinds import kind_of
from .reading import OPAQUE, PLAIN, Reading

MOST_ENTRIES = 100_000
"""Attributes and elements that are looked at. More would take longer than capturing saves."""


class TooManyObjects(Exception):
    """There is more Python state than is looked at."""


@dataclass(frozen=True, eq=False)
class _Node:
    """Something with contents that may change.

    Attributes:
        name: How it is reached, for messages.
        value: The object.
        reading: How its contents are read, and put back.
        contents: What they were.
    """

    name: str
    value: Any
    reading: Reading
    contents: tuple[Any, ...]


class PythonState:
    """What can be reached from some objects, as it is when this is made.

    Objects are compared by identity, numbers and strings by value, so no code of the user's is run.

    Args:
        roots: Where to begin, each with a name.
        tensors: The parameters and buffers: their values may change, what they are may not.
        is_partial: If there is too much to look at, the rest is left out.
        excluded: Objects that are not looked into.

    Raises:
        TooManyObjects: There is too much to look at.
    """

    def __init__(
        self,
        roots: Iterable[tuple[str, Any]],
        tensors: Iterable[torch.Tensor] = (),
        is_partial: bool = False,
        excluded: Iterable[Any] = (),
    ) -> None:
        self._nodes: list[_Node] = []
        free = {id(tensor) for tensor in tensors}
        seen = {id(value): value for value in excluded}  # keeps them alive, so that no other gets the same id
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
                contents = contents_of(reading)
                entries += len(contents)
                self._nodes.append(_Node(name, value, reading, contents))
            if entries > MOST_ENTRIES or len(seen) > MOST_ENTRIES:
                if is_partial:
                    return
                raise TooManyObjects
            with suppress(Exception):
                ahead += [(name + label, child) for label, child in kind.children()]

    def changes(self, caches_too: bool = True) -> list[str]:
        """The names of what has changed since.

        Args:
            caches_too: What `functools` remembers of functions counts.
        """
        return [node.name for node in self._changed() if caches_too or not node.reading.is_cache]

    def has_changed(self, stuck_only: bool = False) -> bool:
        """Whether anything has, or anything that cannot be put back."""
        nodes = [node for node in self._nodes if node.reading.write is None] if stuck_only else self._nodes
        return not all(_is_as_it_was(node) for node in nodes)

    def _changed(self) -> Iterator[_Node]:
        yield from (node for node in self._nodes if not _is_as_it_was(node))

    @property
    def stuck(self) -> dict[int, str]:
        """By identity, the names of objects that cannot be put back: generators, what is not Python."""
        return {id(node.value): node.name for node in self._nodes if node.reading.write is None}

    @property
    def opaque(self) -> list[str]:
        """The names and types of those of which nothing is known."""
        objects = [(node.name, node.value) for node in self._nodes if node.reading is OPAQUE.readings[0]]
        return [f'{name} ({type(item).__module__}.{type(item).__qualname__})' for name, item in objects]

    def restore(self) -> list[str]:
        """Puts back what was, as far as that is possible: a generator, say, cannot be turned back.

        Returns:
            The names of what is still another, caches of `functools` aside, which are emptied.
        """
        changed = [*self._changed()]
        for node in changed:
            if node.reading.write is not None:
                with suppress(Exception):
                    node.reading.write(node.contents)
        counted = [node for node in changed if not node.reading.is_cache]
        return [node.name for node in counted if not _is_put_back(node)]


def described(changes: Iterable[str], most: int = 3) -> str:
    """A few of the names of what has changed, for a message."""
    readable = (re.sub(r"\._modules\['(\w+)'\]", r'.\1', name) for name in changes)
    first = [*islice(dict.fromkeys(readable), most + 1)]
    return ', '.join(first[:most]) + (', …' if len(first) > most else '')


def _is_as_it_was(node: _Node) -> bool:
    return same(contents_of(node.reading), node.contents)


def _is_put_back(node: _Node) -> bool:
    now, before = contents_of(node.reading), node.contents
    if isinstance(node.value, torch.Tensor) and len(now) == len(before) == 2 and now[1] is not None:
        now, before = now[1:], before[1:]  # not the version, which counts writing it back
    return same(now, before)


def contents_of(reading: Reading) -> tuple[Any, ...]:
    """Reads the contents of an object, whatever that raises."""
    try:
        return reading.read()
    except Exception as error:  # of an odd object; should it change, repeated steps may show it
        return (type(error).__name__,)


def same(values: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Whether contents are the same objects, or equal numbers and strings."""
    if len(values) != len(other):
        return False
    return all(map(is_, values, other)) or all(map(_equal, values, other))


def _equal(value: Any, other: Any) -> bool:
    if value is other:
        return True
    kind = type(value)
    if kind is not type(other):
        return False
    if kind in PLAIN:
        return bool(value == other or (value != value and other != other))
    if issubclass(kind, tuple):
        return len(value) == len(other) and all(map(_equal, tuple.__iter__(value), tuple.__iter__(other)))
    compare: Callable[[Any, Any], bool] | None = _BY_VALUE.get(f'{kind.__module__}.{kind.__qualname__}')
    if compare is not None:
        return compare(value, other)
    return kind.__module__ == 'numpy' and hasattr(kind, 'dtype') and value.tobytes() == other.tobytes()


_BY_VALUE: dict[str, Callable[[Any, Any], bool]] = {
    'builtins.method': lambda a, b: a.__self__ is b.__self__ and a.__func__ is b.__func__,
    'builtins.frozenset': lambda a, b: len(a) == len(b) and all(map(_equal, a, b)),
    'builtins.slice': lambda a, b: _equal((a.start, a.stop, a.step), (b.start, b.stop, b.step)),
}
"""Immutable things that are made anew at every look, by type."""
