"""How memory, files and what belongs to a thread are looked into."""

from __future__ import annotations

import ctypes
import io
import mmap
import sys
import threading
from typing import Any

import numpy as np
import torch

from .reading import OPAQUE, Kind, Reading, attributes_of, dict_reading, look_into_object, named

_SMALL = 2**20
"""Bytes up to which memory that is mapped is looked at."""

_POINTERS = 'OPzZX'
"""Codes of `ctypes` for what refers to something else."""


def look_into_local(value: threading.local) -> Kind:
    """What this thread has there."""

    def attributes() -> dict[str, Any]:
        attributes: dict[str, Any] = threading.local.__getattribute__(value, '__dict__')
        return attributes

    def write(saved: tuple[Any, ...]) -> None:
        here = dict_reading(attributes()).write
        assert here is not None
        here(saved)

    return Kind((Reading(lambda: dict_reading(attributes()).read(), write),), lambda: named(attributes()))


def look_into_c(value: Any) -> Kind:
    """A number, structure or array of C, by its bytes; one with pointers is opaque but for what they are."""
    address, size = ctypes.addressof(value), ctypes.sizeof(value)

    def write(saved: tuple[Any, ...]) -> None:
        ctypes.memmove(address, saved[0], size)

    is_plain = not _has_pointers(type(value))
    reading = Reading(lambda: (ctypes.string_at(address, size),), write if is_plain else None)
    attributes = attributes_of(value) or {}
    return Kind((reading, dict_reading(attributes)), lambda: named(attributes))


def _has_pointers(kind: Any) -> bool:
    if issubclass(kind, ctypes.Array):
        return _has_pointers(kind._type_)
    if issubclass(kind, ctypes.Structure | ctypes.Union):
        fields = [field for base in kind.__mro__ for field in vars(base).get('_fields_', ())]
        return any(_has_pointers(field[1]) for field in fields)
    return getattr(kind, '_type_', 'P') in _POINTERS


def look_into_shared(value: Any) -> Kind:
    """What `multiprocessing.Value` or `Array` made, which is something of `ctypes` and a lock."""
    return Kind((), lambda: [('', value.get_obj())])


def look_into_shared_memory(value: Any) -> Kind:
    """Memory with a name."""
    return Kind((), lambda: [('.buf', value.buf)])


def look_into_mapped(value: mmap.mmap) -> Kind:
    """Memory that is mapped, if it is small."""
    if len(value) > _SMALL:
        return OPAQUE

    def write(saved: tuple[Any, ...]) -> None:
        view = memoryview(value)
        if not view.readonly and view[:] != saved[0]:
            view[:] = saved[0]
        value.seek(saved[1])

    return Kind((Reading(lambda: (bytes(memoryview(value)), value.tell()), write),))


def look_into_view(value: memoryview) -> Kind:
    """A view of memory, and what has that memory."""
    if value.nbytes > _SMALL or not value.c_contiguous:
        return Kind((), lambda: [('.obj', value.obj)])

    def write(saved: tuple[Any, ...]) -> None:
        if not value.readonly:
            value.cast('B')[:] = saved[0]

    return Kind((Reading(lambda: (value.tobytes(),), write),), lambda: [('.obj', value.obj)])


def look_into_buffer(value: io.BytesIO | io.StringIO) -> Kind:
    """A file in memory: its contents and its place."""
    base: Any = io.BytesIO if isinstance(value, io.BytesIO) else io.StringIO

    def write(saved: tuple[Any, ...]) -> None:
        base.__setstate__(value, (*saved, None))

    more = look_into_object(value)
    return Kind((Reading(lambda: base.__getstate__(value)[:-1], write), *more.readings), more.children)


def look_into_file(value: Any) -> Kind:
    """An open file: its place, if it is only read; what is only written makes no difference to a run."""
    if value.closed or value in (sys.stdin, sys.stdout, sys.stderr) or not value.readable():
        return Kind()
    if value.writable() or not value.seekable():
        return OPAQUE
    return Kind((Reading(lambda: (value.tell(),), lambda saved: value.seek(saved[0])),))


def _flat(state: Any) -> Any:
    """The state of a generator of NumPy as values that can be compared."""
    if isinstance(state, dict):
        return tuple((name, _flat(part)) for name, part in state.items())
    if isinstance(state, np.ndarray):
        return state.dtype.str, state.tobytes()
    return state


def _unflattened(flat: Any) -> Any:
    if isinstance(flat, tuple) and len(flat) == 2 and isinstance(flat[1], bytes):
        return np.frombuffer(flat[1], flat[0])
    return {name: _unflattened(part) for name, part in flat} if isinstance(flat, tuple) else flat


def look_into_numpy_random(value: Any) -> Kind:
    """A generator of random numbers of NumPy, or its bits."""
    if isinstance(value, np.random.RandomState):

        def get() -> Any:
            return value.get_state(legacy=False)

        set_state = value.set_state
        bits = value._bit_generator
    else:
        bits = value.bit_generator if isinstance(value, np.random.Generator) else value

        def get() -> Any:
            return bits.state

        def set_state(state: Any) -> None:
            bits.state = state

    reading = Reading(lambda: (_flat(get()),), lambda saved: set_state(_unflattened(saved[0])))
    return Kind((reading,), lambda: [('', bits.seed_seq)] if hasattr(bits, 'seed_seq') else [])


def look_into_seeds(value: np.random.SeedSequence) -> Kind:
    """A sequence of seeds; that others were spawned from it cannot be undone, and hardly ever happens."""
    return Kind((Reading(lambda: (value.n_children_spawned,), lambda _: None),))


def look_into_torch_random(value: torch.Generator) -> Kind:
    """A generator of torch."""

    def write(saved: tuple[Any, ...]) -> None:
        value.set_state(torch.frombuffer(bytearray(saved[0]), dtype=torch.uint8))

    return Kind((Reading(lambda: (value.get_state().numpy().tobytes(),), write),))
