"""How each kind of Python object is looked into: its contents, and what to follow from there."""

from __future__ import annotations

import array
import ctypes
import functools
import io
import mmap
import random
import threading
import types
import weakref
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from datetime import date, time, timedelta, tzinfo
from multiprocessing.shared_memory import SharedMemory
from multiprocessing.sharedctypes import SynchronizedBase
from typing import Any

import numpy as np
import torch

from ...declare.manager import HyperParameterManager
from .code import (
    look_into_bound,
    look_into_cache,
    look_into_cell,
    look_into_class,
    look_into_context,
    look_into_function,
    look_into_generator,
    look_into_iterator,
    look_into_manager,
    look_into_method,
    look_into_partial,
    look_into_property,
    look_into_reference,
    look_into_referring,
    look_into_wrapper,
)
from .containers import (
    look_into_array,
    look_into_bytes,
    look_into_deque,
    look_into_dict,
    look_into_list,
    look_into_random,
    look_into_set,
    look_into_tensor,
    look_into_unchanging,
)
from .memory import (
    look_into_buffer,
    look_into_c,
    look_into_file,
    look_into_local,
    look_into_mapped,
    look_into_numpy_random,
    look_into_seeds,
    look_into_shared,
    look_into_shared_memory,
    look_into_torch_random,
    look_into_view,
)
from .reading import OPAQUE, Kind, look_into_object, package_of

_WITHOUT_STATE = frozenset(
    ['_abc', '_operator', '_struct', '_thread', 'abc', 'builtins', 'datetime', 'decimal', 'functools',
     'importlib', 'inspect', 'ipaddress', 'logging', 'numpy', 'operator', 'pathlib', 're', 'sweeper', 'torch',
     'types', 'typing', 'uuid', 'warnings', 'weakref', 'zoneinfo']
)  # fmt: skip
"""Packages whose objects never change what a step computes, but for kinds that are looked into."""

_SKIPPED = frozenset(
    ['_thread', 'abc', 'importlib', 'inspect', 'logging', 'pathlib', 're', 'sweeper', 'typing', 'warnings']
)
"""Packages whose objects are not looked into."""

_OUTSIDE = frozenset(['asyncio', 'concurrent', 'multiprocessing', 'socket', 'subprocess'])
"""Packages whose objects stand for something outside of Python."""

_HARMLESS = tuple(
    f'multiprocessing.{name}' for name in ('context', 'heap', 'process', 'resource_tracker', 'synchronize')
)

_UNCHANGING = (int, float, complex, str, bytes, date, time, timedelta, tzinfo, BaseException)
"""What is as it was made, but for attributes of subclasses."""


_OF_MODULES = [name for name, content in vars(torch.nn.Module()).items() if isinstance(content, dict)]
"""What torch keeps in every module, most of it empty: looked into together, in a tenth of the time."""


def kind_of(value: Any, is_free: bool = False) -> Kind:
    """Returns how an object is looked into.

    Args:
        value: The object to look into.
        is_free: It is a tensor whose values may change.
    """
    kind = type(value)
    look = _known(kind)  # type: ignore[arg-type]
    if look is not None:
        return look(value)
    if issubclass(kind, torch.Tensor):
        return look_into_tensor(value, is_free)
    if issubclass(kind, torch.nn.Module):
        return look_into_object(value, _OF_MODULES)
    package = package_of(kind)
    if issubclass(kind, types.ModuleType | threading.Thread) or package in _SKIPPED:
        return Kind()
    if package in _OUTSIDE and not issubclass(kind, _UNCHANGING):
        return Kind() if kind.__module__ in _HARMLESS else OPAQUE
    if is_iterator(kind):
        return look_into_iterator(value)
    if kind.__name__ == '_lru_cache_wrapper':
        return look_into_cache(value)
    as_object = look_into_object(value)
    if has_hidden_state(kind):  # type: ignore[arg-type]
        return Kind((*as_object.readings, *OPAQUE.readings), as_object.children)
    return as_object


def is_iterator(kind: type) -> bool:
    """Whether objects of a class are iterators of Python's own."""
    return kind.__module__ in ('builtins', 'itertools', '_collections') and hasattr(kind, '__next__')


@functools.lru_cache(2**14)
def _known(kind: type) -> Callable[[Any], Kind] | None:
    return next((look for kinds, look in _KINDS if issubclass(kind, kinds)), None)


@functools.lru_cache(2**14)
def has_hidden_state(kind: type) -> bool:
    """Whether objects of a class have memory that no attribute shows: it, or a base, is written in C."""
    if issubclass(kind, _UNCHANGING) or hasattr(kind, '__get__'):  # a descriptor is made with its class
        return False
    pointer = ctypes.sizeof(ctypes.c_void_p)
    while (base := kind.__base__) is not None and package_of(kind) not in _WITHOUT_STATE:
        own = vars(kind)
        shown = sum(isinstance(content, types.MemberDescriptorType) for content in own.values())
        shown += ('__dict__' in own) + ('__weakref__' in own)
        if kind.__basicsize__ - base.__basicsize__ > pointer * shown:
            return True
        kind = base
    return False


_OF_CODE: list[tuple[Any, Callable[[Any], Kind]]] = [
    (types.FunctionType, look_into_function),
    (types.MethodType, look_into_method),
    ((types.BuiltinFunctionType, types.MethodWrapperType), look_into_bound),
    (type, look_into_class),
    (dict, look_into_dict),
    (list, look_into_list),
    ((tuple, frozenset), look_into_unchanging),
    (set, look_into_set),
    (deque, look_into_deque),
    ((staticmethod, classmethod), look_into_wrapper),
    (property, look_into_property),
    (functools.partial, look_into_partial),
    (np.ndarray, look_into_array),
    (ctypes.PyDLL, lambda _: Kind()),
    (ctypes.CDLL, lambda _: OPAQUE),
    (types.MappingProxyType, look_into_referring),
    (HyperParameterManager, look_into_manager),
]

_WITH_CONTENTS: list[tuple[Any, Callable[[Any], Kind]]] = [
    (types.CellType, look_into_cell),
    (types.GeneratorType, look_into_generator),
    ((bytearray, array.array), look_into_bytes),
    (random.Random, look_into_random),
    ((np.random.RandomState, np.random.Generator, np.random.BitGenerator), look_into_numpy_random),
    (np.random.SeedSequence, look_into_seeds),
    (torch.Generator, look_into_torch_random),
    (ContextVar, look_into_context),
    (weakref.ref, look_into_reference),
    (threading.local, look_into_local),
    (memoryview, look_into_view),
    ((io.BytesIO, io.StringIO), look_into_buffer),
    (io.IOBase, look_into_file),
    (mmap.mmap, look_into_mapped),
    ((ctypes._SimpleCData, ctypes.Array, ctypes.Structure, ctypes.Union), look_into_c),
    (SynchronizedBase, look_into_shared),
    (SharedMemory, look_into_shared_memory),
]

_KINDS = [*_OF_CODE, *_WITH_CONTENTS]
"""In this order, subclasses included."""


_TYPES_WITH_CONTENTS: tuple[type, ...] = tuple(
    kind for kinds, _ in _WITH_CONTENTS for kind in (kinds if isinstance(kinds, tuple) else (kinds,))
)


def has_contents(value: Any) -> bool:
    """Whether an object is a generator, memory, an open file, random numbers or the like.

    Its contents are all that may change. They are read and put back alike for steps and between runs.
    """
    return isinstance(value, _TYPES_WITH_CONTENTS) or is_iterator(type(value))
