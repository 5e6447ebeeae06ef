"""Values that cannot be changed, and so can be hashed: points by name, and what is in points."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any


class FrozenMapping(Mapping[Any, Any]):
    """An immutable, hashable mapping; equal to every mapping with the same keys and values.

    Raises:
        TypeError: A value cannot be hashed.
    """

    __slots__ = ('_hash', '_values')

    def __init__(self, values: Mapping[Any, Any]) -> None:
        self._values = dict(values)
        self._hash = hash(frozenset(self._values.items()))

    def __getitem__(self, key: Any) -> Any:
        return self._values[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._values,)


class FrozenDict(FrozenMapping):
    """A dict as a value in a point: in the order of its keys, whatever order it was given in.

    Numbers come first, by size, then everything else by its text. So equal dicts are the same to the code
    that gets them, also if it goes through them in order.

    Raises:
        TypeError: A value cannot be hashed, or a key is not None, a bool, a number, a string or a tuple.
    """

    __slots__ = ()

    def __init__(self, values: Mapping[Any, Any]) -> None:
        for key in values:
            if not _is_key(key):
                raise TypeError(
                    f'{key!r} is a key of a dict: valid are None, bool, int, float, str and tuples'
                )
        super().__init__({key: values[key] for key in sorted(values, key=_place)})

    def __repr__(self) -> str:
        return repr(self._values)


class NamedPoint(FrozenMapping):
    """An immutable, hashable mapping from parameter name to value: `model(**point)`.

    Two named points are equal if they have the same names and values, in whatever order.
    """

    __slots__ = ()

    def __init__(self, *args: Mapping[str, Any], **values: Any) -> None:
        super().__init__(dict(*args, **values))

    def __repr__(self) -> str:
        return f'NamedPoint({", ".join(f"{name}={value!r}" for name, value in self.items())})'


def _is_key(key: Any) -> bool:
    """Whether a key has the same text in every process, by which dicts are ordered."""
    if type(key) is tuple:
        return all(map(_is_key, key))
    return key is None or type(key) in (bool, int, float, str)


def _place(key: Any) -> tuple[bool, float, str]:
    is_number = type(key) in (bool, int, float) and key == key
    return (False, key, '') if is_number else (True, 0, key if type(key) is str else repr(key))


def freeze(value: Any, strictly: bool = False) -> Any:
    """Returns a value as a point has it: nothing in it can be changed.

    Lists become tuples, sets frozensets, dicts `FrozenDict`s, and numbers of numpy Python's, at whatever
    depth.

    Args:
        value: In it, what is of a subclass of these stays as it is.
        strictly: Whether a dict with keys that a `FrozenDict` cannot have is an error; else it stays one.

    Raises:
        TypeError: There is such a dict.
    """
    numpy = sys.modules.get('numpy')  # whoever has such a number has imported it
    if numpy is not None and isinstance(value, numpy.generic):
        return value.item()
    if type(value) in (list, tuple):
        return tuple(freeze(item, strictly) for item in value)
    if type(value) in (set, frozenset):
        return frozenset(freeze(item, strictly) for item in value)
    if type(value) in (dict, FrozenDict):
        try:
            return FrozenDict({freeze(key, strictly): freeze(item, strictly) for key, item in value.items()})
        except TypeError:
            if strictly:
                raise
    return value


def thaw(value: Any, like: Any = None) -> Any:
    """Returns a point's value as code expects it: with dicts that it may change.

    Args:
        value: As a point has it. What is in a frozenset, or a dict's key, stays as it is.
        like: Where this has lists, at whatever depth, the value gets lists for its tuples.
    """
    if type(value) is FrozenDict:
        known = like if isinstance(like, dict) else {}
        return {key: thaw(item, known.get(key)) for key, item in value.items()}
    if type(value) is tuple:
        known_items = like if isinstance(like, list | tuple) and like else [None]
        items = (thaw(item, known_items[min(i, len(known_items) - 1)]) for i, item in enumerate(value))
        return list(items) if isinstance(like, list) else tuple(items)
    return value
