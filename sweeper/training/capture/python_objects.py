"""How each kind of Python object is looked into: its contents, and what to follow from there."""

from __future__ import annotations

import array
import functools
import random
import threading
import types
import weakref
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import numpy as np
import torch

from ...declare.manager import HyperParameterManager
from .python_code import (
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
from .python_containers import (
    look_into_array,
    look_into_bytes,
    look_into_deque,
    look_into_dict,
    look_into_list,
    look_into_numpy_random,
    look_into_random,
    look_into_set,
    look_into_tensor,
    look_into_torch_random,
    look_into_unchanging,
)
from .python_reading import Kind, look_into_object, package_of

_OPAQUE = frozenset(
    ['_io', '_thread', 'abc', 'asyncio', 'concurrent', 'ctypes', 'importlib', 'inspect', 'io', 'logging',
     'multiprocessing', 'pathlib', 're', 'socket', 'subprocess', 'sweeper', 'threading', 'typing', 'warnings']
)  # fmt: skip
"""Packages whose objects are not looked into."""


_OF_MODULES = [name for name, one in vars(torch.nn.Module()).items() if isinstance(one, dict)]
"""What torch keeps in every module, most of it empty: looked into together, in a tenth of the time."""


def kind_of(value: Any, is_free: bool = False) -> Kind:
    """Returns how an object is looked into.

    Args:
        value: It.
        is_free: It is a tensor whose values may change.
    """
    kind = type(value)
    for kinds, look in _KINDS:
        if issubclass(kind, kinds):
            return look(value)
    if issubclass(kind, torch.Tensor):
        return look_into_tensor(value, is_free)
    if issubclass(kind, torch.nn.Module):
        return look_into_object(value, _OF_MODULES)
    if issubclass(kind, types.ModuleType) or package_of(kind) in _OPAQUE:
        return Kind()
    if kind.__module__ in ('builtins', 'itertools', '_collections') and hasattr(kind, '__next__'):
        return look_into_iterator(value)
    if kind.__name__ == '_lru_cache_wrapper':
        return look_into_cache(value)
    return look_into_object(value)


_KINDS: list[tuple[Any, Callable[[Any], Kind]]] = [
    (types.FunctionType, look_into_function),
    (types.MethodType, look_into_method),
    ((types.BuiltinFunctionType, types.MethodWrapperType), look_into_bound),
    (type, look_into_class),
    (dict, look_into_dict),
    (list, look_into_list),
    ((tuple, frozenset), look_into_unchanging),
    (set, look_into_set),
    (deque, look_into_deque),
    (types.CellType, look_into_cell),
    (types.GeneratorType, look_into_generator),
    ((staticmethod, classmethod), look_into_wrapper),
    (property, look_into_property),
    (functools.partial, look_into_partial),
    ((bytearray, array.array), look_into_bytes),
    (np.ndarray, look_into_array),
    (random.Random, look_into_random),
    ((np.random.RandomState, np.random.Generator), look_into_numpy_random),
    (torch.Generator, look_into_torch_random),
    (ContextVar, look_into_context),
    (weakref.ref, look_into_reference),
    (threading.local, look_into_object),
    (types.MappingProxyType, look_into_referring),
    (HyperParameterManager, look_into_manager),
]
"""In this order, subclasses included."""
