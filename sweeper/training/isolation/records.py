"""What one object held, to notice that it changed, and to put it back.

Contents are compared by identity, so nothing of the user's is called, and what is put back are the objects
that were there.
"""

from __future__ import annotations

import itertools
import operator
from abc import ABC, abstractmethod
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any

import numpy as np
import torch

from ..objects.reading import Reading
from ..objects.state import contents_of
from ..objects.state import same as same_contents

SMALL_BYTES = 1 << 16
"""Arrays and tensors up to this size are copied, to be compared in full and put back."""

_SAMPLED = 256


class Record(ABC):
    """What an object held.

    Attributes:
        name: Where the object is, for messages.
        is_exact: Whether `put_back` can leave it as it was; else it can only be noticed that it changed.
    """

    is_exact = True

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def differs(self) -> bool:
        """Whether the object holds something else now."""

    @abstractmethod
    def put_back(self) -> None:
        """Gives the object back what it held."""


def same(values: Iterable[Any], other: Iterable[Any]) -> bool:
    """Whether two series of equal length are of the same objects."""
    return all(map(operator.is_, values, other))


class OfDict(Record):
    """The items of a dict, of the names of a module or of an object's attributes."""

    def __init__(self, name: str, held: dict[Any, Any], ignored: frozenset[str] = frozenset()) -> None:
        super().__init__(name)
        self._held, self._ignored = held, ignored
        self._items = dict.copy(held)
        self._methods: Any = OrderedDict if isinstance(held, OrderedDict) else dict

    def differs(self) -> bool:
        held, items = self._held, self._items
        if len(held) == len(items) and same(held.values(), items.values()) and same(held, items):
            return False
        return [(key, id(value)) for key, value in dict.items(held) if not self._is_ignored(key)] != [
            (key, id(value)) for key, value in items.items() if not self._is_ignored(key)
        ]

    def _is_ignored(self, key: object) -> bool:
        return isinstance(key, str) and key in self._ignored

    def put_back(self) -> None:
        held, methods = self._held, self._methods
        if any(key not in held for key in self._items):  # the order counts
            kept = {key: value for key, value in dict.items(held) if self._is_ignored(key)}
            methods.clear(held)
            for key, value in {**self._items, **kept}.items():
                methods.__setitem__(held, key, value)
            return
        for key in [key for key in held if key not in self._items and not self._is_ignored(key)]:
            methods.__delitem__(held, key)
        for key, value in self._items.items():
            if dict.__getitem__(held, key) is not value:
                methods.__setitem__(held, key, value)


class OfList(Record):
    """The elements of a list or a deque."""

    def __init__(self, name: str, held: list[Any] | deque[Any]) -> None:
        super().__init__(name)
        self._held, self._elements = held, list(held)

    def differs(self) -> bool:
        return len(self._held) != len(self._elements) or not same(self._held, self._elements)

    def put_back(self) -> None:
        if isinstance(self._held, deque):
            self._held.clear()
            self._held.extend(self._elements)
        else:
            list.__setitem__(self._held, slice(None), self._elements)


class OfContents(Record):
    """The contents of an object of which `training.objects` knows how they are read, and put back."""

    def __init__(self, name: str, reading: Reading) -> None:
        super().__init__(name)
        self._reading, self._contents = reading, contents_of(reading)

    def differs(self) -> bool:
        return not same_contents(contents_of(self._reading), self._contents)

    def put_back(self) -> None:
        """Puts them back, if that is possible; whether it was, `differs` says then."""
        if self._reading.write is not None:
            self._reading.write(self._contents)


class OfMany(Record):
    """A container of so many elements that only its length and some of them are looked at."""

    is_exact = False

    def __init__(self, name: str, held: Any) -> None:
        super().__init__(name)
        self._held = held
        self._length, self._sample = len(held), self._sampled()

    def _sampled(self) -> list[Any]:
        if isinstance(self._held, list):
            return self._held[:: max(1, len(self._held) // _SAMPLED)]
        return list(itertools.islice(iter(self._held), _SAMPLED))

    def differs(self) -> bool:
        return len(self._held) != self._length or not same(self._sampled(), self._sample)

    def put_back(self) -> None:
        """Cannot be done."""


class OfClass(Record):
    """The attributes of a class."""

    _LAZY = frozenset(
        {'__annotations__', '__annotations_cache__', '__abstractmethods__', '__slotnames__', '__doc__'}
    )

    def __init__(self, name: str, held: type, by_library: Callable[[Any], bool]) -> None:
        super().__init__(name)
        self._held, self._attributes = held, dict(vars(held))
        self._by_library = by_library

    def differs(self) -> bool:
        if self._seems_the_same():
            return False
        now, changed = vars(self._held), self._changed()
        for name in [name for name in changed if self._by_library(now.get(name))]:
            self._keep(name, now[name])  # torch's optimizers, say, wrap their steps when first used
            changed.remove(name)
        return bool(changed)

    def _keep(self, name: str, value: Any) -> None:
        self._attributes[name] = value

    def _seems_the_same(self) -> bool:
        now = vars(self._held)
        return len(now) == len(self._attributes) and same(now.values(), self._attributes.values())

    def _changed(self) -> list[str]:
        now, before, missing = vars(self._held), self._attributes, object()
        return [
            name
            for name in [*before, *(name for name in now if name not in before)]
            if now.get(name, missing) is not before.get(name, missing) and name not in self._LAZY
        ]

    def put_back(self) -> None:
        for name in self._changed():
            if name in self._attributes:
                type.__setattr__(self._held, name, self._attributes[name])
            else:
                type.__delattr__(self._held, name)


class OfLibraryClass(OfClass):
    """The same for a class of which there are hundreds: what is equal to what was there will do."""

    def __init__(self, name: str, held: type, by_library: Callable[[Any], bool]) -> None:
        super().__init__(name, held, by_library)
        self._values = tuple(self._attributes.values())

    def _keep(self, name: str, value: Any) -> None:
        super()._keep(name, value)
        self._values = tuple(self._attributes.values())

    def _seems_the_same(self) -> bool:
        return _equal_values(tuple(vars(self._held).values()), self._values)


def _equal_values(values: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    try:
        return values == other  # by identity where it can, and several times as fast as `same`
    except Exception:  # tensors, say
        return False


class OfNames(Record):
    """Some names of a library's module; others, which it may set when it needs them, do not count."""

    def __init__(
        self, name: str, held: dict[str, Any], names: list[str], by_library: Callable[[Any], bool]
    ) -> None:
        super().__init__(name)
        self._held, self._names = held, names
        self._values = [held[name] for name in names]
        self._get, self._before = operator.itemgetter(*names, *names[:1]), (*self._values, *self._values[:1])
        self._by_library = by_library

    def differs(self) -> bool:
        try:
            if _equal_values(self._get(self._held), self._before):
                return False
        except KeyError:  # a name is gone
            pass
        for at, name in enumerate(self._names):
            if (now := self._held.get(name)) is not self._values[at] and self._by_library(now):
                self._values[at] = now
        return not same(map(self._held.get, self._names), self._values)

    def put_back(self) -> None:
        self._held.update(zip(self._names, self._values, strict=True))


class OfFunction(Record):
    """What a function does and its defaults."""

    def __init__(self, name: str, held: FunctionType) -> None:
        super().__init__(name)
        self._held = held
        self._state = held.__code__, held.__defaults__, held.__kwdefaults__

    def differs(self) -> bool:
        held, (code, defaults, named) = self._held, self._state
        return not (held.__code__ is code and held.__defaults__ is defaults and held.__kwdefaults__ is named)

    def put_back(self) -> None:
        self._held.__code__, self._held.__defaults__, self._held.__kwdefaults__ = self._state


class OfSlots(Record):
    """The attributes of an object whose class names them in `__slots__`."""

    def __init__(self, name: str, held: object, slots: list[str]) -> None:
        super().__init__(name)
        self._held, self._slots, self._missing = held, slots, object()
        self.values = [getattr(held, slot, self._missing) for slot in slots]

    def differs(self) -> bool:
        now = [getattr(self._held, slot, self._missing) for slot in self._slots]
        return not same(now, self.values)

    def put_back(self) -> None:
        for slot, value in zip(self._slots, self.values, strict=True):
            if value is not self._missing:
                object.__setattr__(self._held, slot, value)
            elif hasattr(self._held, slot):
                object.__delattr__(self._held, slot)


class OfTensor(Record):
    """A tensor's values, its gradient, and whether it takes one."""

    def __init__(self, name: str, held: torch.Tensor) -> None:
        super().__init__(name)
        self._held, self._version = held, _version(held)
        self._grad, self._requires_grad = held.grad if held.is_leaf else None, held.requires_grad
        self._pointer = _pointer(held)
        is_small = held.layout is torch.strided and held.nbytes <= SMALL_BYTES
        self._copy = held.detach().clone() if is_small else None
        self.is_exact = is_small

    def differs(self) -> bool:
        held = self._held
        if held.requires_grad != self._requires_grad or (held.is_leaf and held.grad is not self._grad):
            return True
        if _pointer(held) != self._pointer:
            return True
        if self._copy is None:
            return _version(held) != self._version
        now = held.detach()
        return now.shape != self._copy.shape or not torch.equal(_bytes(now), _bytes(self._copy))

    def put_back(self) -> None:
        held = self._held
        if held.is_leaf:
            held.grad = self._grad
            held.requires_grad_(self._requires_grad)
        if self._copy is not None:
            held.data = self._copy.clone()
        self._version, self._pointer = _version(held), _pointer(held)


def _bytes(tensor: torch.Tensor) -> torch.Tensor:
    # not `contiguous()`, which keeps odd strides where a size is 1
    return tensor.clone(memory_format=torch.contiguous_format).reshape(-1).view(torch.uint8)


def _version(tensor: torch.Tensor) -> int:
    return 0 if tensor.is_inference() else tensor._version


def _pointer(tensor: torch.Tensor) -> int:
    return tensor.data_ptr() if tensor.layout is torch.strided else 0


class OfArray(Record):
    """An array's values; of a large one, a sample."""

    def __init__(self, name: str, held: np.ndarray) -> None:
        super().__init__(name)
        self._held = held
        self.is_exact = held.nbytes <= SMALL_BYTES
        self._copy = self._taken().copy()

    def _taken(self) -> np.ndarray:
        if self.is_exact:
            return self._held
        return self._held.flat[:: max(1, self._held.size // _SAMPLED)]

    def differs(self) -> bool:
        now = self._taken()
        if now.shape != self._copy.shape or now.dtype != self._copy.dtype:
            return True
        if self._copy.dtype.hasobject:
            return not same(now.flat, self._copy.flat)
        return bool(now.tobytes() != self._copy.tobytes())

    def put_back(self) -> None:
        if self.is_exact:
            np.copyto(self._held, self._copy)


class OfCache(Record):
    """Whether a function under `functools.lru_cache` has kept something more; emptied if so."""

    def __init__(self, name: str, held: Any) -> None:
        super().__init__(name)
        self._held, self._misses = held, held.cache_info().misses

    def differs(self) -> bool:
        return bool(self._held.cache_info().misses != self._misses)

    def put_back(self) -> None:
        self._held.cache_clear()
        self._misses = self._held.cache_info().misses
