"""What is read of a Python object: its contents, and what it refers to."""

from __future__ import annotations

import sys
import types
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, islice
from typing import Any, NamedTuple

PLAIN = frozenset(
    (bool, int, float, complex, str, bytes, type(None), type(Ellipsis), type(NotImplemented), range)
)
"""Types of values that are compared by value and refer to nothing."""


LIBRARIES = frozenset(sys.stdlib_module_names) | {
    'torch', 'numpy', 'sweeper', 'ignite', 'joblib', 'pandas', 'scipy', 'sklearn', 'torchvision',
    'lightning', 'lightning_fabric', 'lightning_utilities', 'pytorch_lightning', 'torchmetrics',
}  # fmt: skip
"""Packages whose functions and classes keep no state that matters to a step."""


MISSING = object()

EMPTY: Mapping[str, Any] = types.MappingProxyType({})


class Reading(NamedTuple):
    """A way to read the contents of an object.

    Attributes:
        read: Returns the contents of an object.
        write: Puts them back, if that is possible.
        is_cache: They are what `functools` remembers of a function.
    """

    read: Callable[[], tuple[Any, ...]]
    write: Callable[[tuple[Any, ...]], object] | None = None
    is_cache: bool = False


class Kind(NamedTuple):
    """How an object is looked into.

    Attributes:
        readings: Its contents that may change.
        children: What it refers to, each with what to append to its name.
    """

    readings: tuple[Reading, ...] = ()
    children: Callable[[], Iterable[tuple[str, Any]]] = tuple


OPAQUE = Kind((Reading(tuple),))
"""Something that cannot be looked into, so that nothing can be put back."""


def package_of(value: Any) -> str:
    """The top-level package that a class or function is of."""
    name = getattr(value, '__module__', None)
    return name.partition('.')[0] if isinstance(name, str) else ''


def look_into_object(value: Any, inner: Sequence[str] = ()) -> Kind:
    """Attributes, slots and the class of an object.

    Args:
        value: The object to look into.
        inner: Names of attributes that are dicts, to be read together with it.
    """
    readings: list[Reading] = []
    children: list[Callable[[], list[tuple[str, Any]]]] = []
    attributes = attributes_of(value)
    if attributes is not None:
        dicts = {
            name: content
            for name in inner
            if isinstance(content := attributes.get(name), dict) and type(content) in (dict, OrderedDict)
        }
        readings.append(dict_reading(attributes, *dicts.values()))
        children.append(lambda: named(attributes, dicts))
    slots = [
        slot
        for base in type(value).__mro__
        if base.__module__ not in ('builtins', 'torch')
        for slot in vars(base).values()
        if isinstance(slot, types.MemberDescriptorType)
    ]
    if slots:

        def read_slots() -> tuple[Any, ...]:
            return tuple(_slot(slot, value) for slot in slots)

        def write_slots(saved: tuple[Any, ...]) -> None:
            for slot, content in zip(slots, saved, strict=True):
                if content is not MISSING:
                    slot.__set__(value, content)

        readings.append(Reading(read_slots, write_slots))
        children.append(lambda: [(f'.{slot.__name__}', _slot(slot, value)) for slot in slots])
    if package_of(type(value)) not in LIBRARIES:
        children.append(lambda: [('', type(value))])
    return Kind(tuple(readings), lambda: [pair for read in children for pair in read()])


def attributes_of(value: Any) -> dict[str, Any] | None:
    """The `__dict__` of an object, or None, without calling code of its class."""
    try:
        attributes = object.__getattribute__(value, '__dict__')
    except Exception:
        return None
    return attributes if isinstance(attributes, dict) else None


def _slot(slot: Any, value: Any) -> Any:
    try:
        return slot.__get__(value, type(value))
    except Exception:
        return MISSING


def named(attributes: dict[str, Any], dicts: Mapping[str, dict[Any, Any]] = EMPTY) -> list[tuple[str, Any]]:
    """Attributes as children; in place of some that are dicts, their contents."""
    content = [(f'.{name}', item) for name, item in [*dict.items(attributes)] if name not in dicts]
    for name, inside in dicts.items():
        for key, item in [*inside.items()]:
            content += (
                [(f'.{name}[{key!r}]', item)] if type(key) in PLAIN else [('', key), (f'.{name}[…]', item)]
            )
    return content


def dict_reading(*dicts: dict[Any, Any]) -> Reading:
    """Reads and writes dicts, whatever a subclass does: their sizes, all keys, all values."""
    kinds: list[Any] = [OrderedDict if isinstance(mapping, OrderedDict) else dict for mapping in dicts]
    keys = [
        kind.keys(mapping) for kind, mapping in zip(kinds, dicts, strict=True)
    ]  # views: they show what is there
    values = [kind.values(mapping) for kind, mapping in zip(kinds, dicts, strict=True)]

    def read() -> tuple[Any, ...]:
        return (*map(len, keys), *chain.from_iterable(keys), *chain.from_iterable(values))

    def write(saved: tuple[Any, ...]) -> None:
        sizes, contents = saved[: len(dicts)], saved[len(dicts) :]
        half = len(contents) // 2
        pairs = zip(contents[:half], contents[half:], strict=True)
        for kind, mapping, size in zip(kinds, dicts, sizes, strict=True):
            kind.clear(mapping)
            for key, value in islice(pairs, size):
                kind.__setitem__(mapping, key, value)

    return Reading(read, write)
