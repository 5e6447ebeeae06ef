"""How containers, arrays, tensors and random generators are looked into."""

from __future__ import annotations

import array
import random
import zlib
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from .reading import (
    PLAIN,
    Kind,
    Reading,
    attributes_of,
    dict_reading,
    look_into_object,
    named,
)

_SMALL = 2**20
"""Bytes up to which an array is kept, to be put back."""


_DIGESTED = 2**22
"""Bytes up to which the whole of an array is compared; beyond that, as many spread over it."""


def _with_attributes(value: Any, reading: Reading, children: Callable[[], Any]) -> Kind:
    """A container, which may be of a class of the user's."""
    if type(value).__module__ in ('builtins', 'collections'):
        return Kind((reading,), children)
    more = look_into_object(value)
    return Kind((reading, *more.readings), lambda: [*children(), *more.children()])


def look_into_dict(value: dict[Any, Any]) -> Kind:
    """Keys and values; both are followed."""

    def children() -> Iterator[tuple[str, Any]]:
        for key, item in [*dict.items(value)]:
            if type(key) in PLAIN:
                yield (f'[{key!r}]' if type(item) not in PLAIN else ''), item
            else:
                yield '[…]', key
                yield '[…]', item
        if isinstance(value, defaultdict):
            yield '.default_factory', value.default_factory

    return _with_attributes(value, dict_reading(value), children)


def _elements(value: Any) -> list[tuple[str, Any]]:
    return [(f'[{k}]', item) for k, item in enumerate(value) if type(item) not in PLAIN]


def _look_into_elements(value: Any, base: Any, write: Callable[[tuple[Any, ...]], object]) -> Kind:
    """The elements of a container, as `base` goes through them, whatever a subclass does."""

    def elements() -> Iterator[Any]:
        items: Iterator[Any] = base.__iter__(value)
        return items

    return _with_attributes(value, Reading(lambda: (*elements(),), write), lambda: _elements(elements()))


def look_into_list(value: list[Any]) -> Kind:
    """The elements of a list."""
    return _look_into_elements(value, list, lambda saved: list.__setitem__(value, slice(None), saved))


def look_into_deque(value: deque[Any]) -> Kind:
    """The elements of a queue."""

    def write(saved: tuple[Any, ...]) -> None:
        deque.clear(value)
        deque.extend(value, saved)

    return _look_into_elements(value, deque, write)


def look_into_set(value: set[Any]) -> Kind:
    """The elements of a set."""

    def write(saved: tuple[Any, ...]) -> None:
        set.clear(value)
        set.update(value, saved)

    return _look_into_elements(value, set, write)


def look_into_unchanging(value: Any) -> Kind:
    """A tuple or a frozen set."""
    base = tuple if isinstance(value, tuple) else frozenset
    more = Kind() if type(value) is base else look_into_object(value)
    return Kind(more.readings, lambda: [*_elements(base.__iter__(value)), *more.children()])


def look_into_bytes(value: Any) -> Kind:
    """A byte array, or an array of the standard library."""

    def write(saved: tuple[Any, ...]) -> None:
        if isinstance(value, array.array):
            del value[:]
            value.frombytes(saved[0])
        else:
            value[:] = saved[0]

    return Kind((Reading(lambda: (bytes(value),), write),))


def _digest(value: np.ndarray) -> Any:
    """What is compared of an array's values: all of them, or a part of what is very large."""
    if value.nbytes <= _SMALL:
        return value.tobytes()
    if value.nbytes > _DIGESTED:
        step = -(-value.nbytes // _DIGESTED)
        value = value.reshape(-1)[::step] if value.flags.c_contiguous else value.flat[::step]
    return zlib.crc32(np.ascontiguousarray(value).data)


def look_into_array(value: np.ndarray) -> Kind:
    """A NumPy array's values."""
    if value.dtype.hasobject:

        def write_objects(saved: tuple[Any, ...]) -> None:
            for k, item in enumerate(saved):
                value.flat[k] = item

        return Kind(
            (Reading(lambda: (*value.ravel().tolist(),), write_objects),),
            lambda: _elements(value.ravel().tolist()),
        )

    def write(saved: tuple[Any, ...]) -> None:
        if isinstance(saved[1], bytes):
            value[...] = np.frombuffer(saved[1], value.dtype).reshape(value.shape)

    return Kind((Reading(lambda: (value.shape, _digest(value)), write),))


def look_into_tensor(value: torch.Tensor, is_free: bool) -> Kind:
    """Where a parameter's or buffer's values are; of another tensor, what they are."""

    def read() -> tuple[Any, ...]:
        if is_free:
            return (value.data_ptr(),)
        version = None if value.is_inference() else value._version
        small = value.device.type == 'cpu' and value.layout == torch.strided and value.nbytes <= _SMALL
        if not small:
            return version, None
        values = value.detach().clone(memory_format=torch.contiguous_format)
        return version, values.reshape(-1).view(torch.uint8).numpy().tobytes()

    def write(saved: tuple[Any, ...]) -> None:
        if len(saved) == 2 and saved[1]:
            with torch.no_grad():
                raw = torch.frombuffer(bytearray(saved[1]), dtype=value.dtype)
                value.copy_(raw.reshape(value.shape))

    readings = [Reading(read, write)]
    attributes = attributes_of(value) or {}
    if attributes:
        readings.append(dict_reading(attributes))
    hooks = ('_backward_hooks', '_post_accumulate_grad_hooks')

    def children() -> list[tuple[str, Any]]:
        return [*named(attributes), *((f'.{name}', getattr(value, name)) for name in hooks)]

    return Kind(tuple(readings), children)


def look_into_random(value: random.Random) -> Kind:
    """A generator of `random`."""
    return Kind((Reading(lambda: (value.getstate(),), lambda saved: value.setstate(saved[0])),))
