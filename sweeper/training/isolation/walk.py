"""Which objects a run of a problem can change: those that its modules and its data lead to."""

from __future__ import annotations

import functools
import logging
import queue
import sys
import sysconfig
import threading
import weakref
from argparse import Namespace
from collections import ChainMap, UserDict, UserList, deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from types import FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from ..objects.kinds import has_contents, kind_of
from ..objects.reading import OPAQUE
from . import records
from .libraries import comes_from_torch

MOST_OBJECTS = 20_000
"""How many objects are looked at; of a problem that leads to more, the rest is not."""

MANY = 2000
"""Containers of more elements are data: their length and a sample are looked at."""

_THIS_PACKAGE = __name__.partition('.')[0]
_INSTALLED = ('site-packages', 'dist-packages')
_STANDARD = tuple({sysconfig.get_path(name) + '/' for name in ('stdlib', 'platstdlib')})
_SEEN_INTO = (
    torch.nn.Module, Dataset, SimpleNamespace, Namespace, UserDict, UserList, ChainMap, queue.Queue,
    weakref.WeakKeyDictionary, weakref.WeakValueDictionary, weakref.WeakSet, threading.Event,
    threading.Condition, threading.Semaphore, threading.Barrier,
)  # fmt: skip
_CACHED = type(functools.lru_cache(lambda: None))
_OF_ITSELF = frozenset(
    {'__warningregistry__', '__builtins__', '__cached__', '__loader__', '__spec__', '__sweeper_source__'}
)
# Of these, nothing that can change is looked for, or what changes is seen to elsewhere.
_WITHOUT_STATE = (
    str, bytes, int, float, complex, bool, type(None), type(Ellipsis), type(NotImplemented), range, slice,
    logging.Logger, np.generic, np.dtype, np.ufunc, torch.dtype, torch.device, torch.layout,
    torch.memory_format, property, type(len), Path,
)  # fmt: skip
_MODULES_WITHOUT_STATE = {
    '__future__', '_abc', '_thread', 'abc', 'builtins', 'collections.abc', 'dataclasses', 'datetime',
    'decimal', 'enum', 'fractions', 'functools', 'logging',
    'multiprocessing.context', 'multiprocessing.heap', 'multiprocessing.process',
    'multiprocessing.synchronize', 'operator', 'pathlib', 're', 'string',
    'threading', 'torch', 'types', 'typing', 'uuid', 'weakref', 'zoneinfo',
}  # fmt: skip


class LocalModules:
    """Finds the loaded modules whose files are in a folder and were not installed there.

    A process has thousands of modules: each is looked at once.

    Args:
        folder: Where the problem's own modules are; None if there are none.
    """

    def __init__(self, folder: Path | None) -> None:
        self._start = None if folder is None else f'{folder}/'
        self._loaded: dict[str, Any] = {}
        self._modules: dict[str, ModuleType] = {}

    def find(self) -> dict[str, ModuleType]:
        """Returns those that are loaded now, by name, in the order in which they were loaded."""
        if self._start is None:
            return {}
        now, before = dict(sys.modules), self._loaded
        if len(now) != len(before) or not records.same((*now.values(), *now), (*before.values(), *before)):
            start, known = self._start, self._modules
            self._modules = {
                name: module
                for name, module in now.items()
                if (name in known if before.get(name) is module else is_local(name, module, start))
            }
            self._loaded = now
        return dict(self._modules)


def is_local(name: str, module: Any, start: str) -> bool:
    """Whether a module's file is below a folder (given with a slash at its end) and not installed there."""
    file = getattr(module, '__file__', None)
    if (
        name.partition('.')[0] == _THIS_PACKAGE
        or not isinstance(file, str)
        or not file.startswith(start)
        or file.startswith(_STANDARD)
    ):
        return False
    return not any(f'/{part}/' in file for part in _INSTALLED)


class Walk:
    """Visits objects, and records what they hold.

    Attributes:
        records: A record of each object that may change.
        opaque: Objects of a kind that cannot be looked into, by where they are: what they hold may not fit
            what is put back around them.

    Args:
        modules: The names of the problem's modules: their functions, classes and instances are looked into.
    """

    def __init__(self, modules: Iterable[str]) -> None:
        self.records: list[records.Record] = []
        self.opaque: list[str] = []
        self._own = frozenset(modules)
        self._seen: set[int] = set()
        self._pending: deque[tuple[Any, str]] = deque()

    def visit(self, root: Any, name: str) -> None:
        """Visits an object and what it leads to, breadth first."""
        if id(root) in self._seen:
            return
        if isinstance(root, ModuleType):
            self._seen.add(id(root))
            self._record(records.OfDict(name, vars(root), _OF_ITSELF), vars(root), name)
        else:
            self._pending.append((root, name))
        while self._pending and len(self._seen) < MOST_OBJECTS:
            item, where = self._pending.popleft()
            if isinstance(item, _WITHOUT_STATE) and not isinstance(item, np.random.Generator):
                continue
            if isinstance(item, ModuleType):  # the problem's own are roots, each to be visited in its turn
                continue
            if id(item) not in self._seen:
                self._seen.add(id(item))
                self._look_into(item, where)
        self._pending.clear()

    def _record(self, record: records.Record, content: Any, name: str) -> None:
        self.records.append(record)
        items: Iterator[tuple[Any, Any]] = (
            iter(content.items()) if isinstance(content, dict) else ((None, item) for item in content)
        )
        for key, value in items:
            if not (isinstance(key, str) and key in _OF_ITSELF):
                self._pending.append((value, f'{name}.{key}' if isinstance(key, str) else name))

    def _look_into(self, item: Any, name: str) -> None:
        if isinstance(item, type):
            if item.__module__ in self._own:
                self._record(records.OfClass(name, item, comes_from_torch), dict(vars(item)), name)
        elif isinstance(item, FunctionType):
            if item.__globals__.get('__name__') in self._own:
                self._look_into_function(item, name)
        elif isinstance(item, torch.Tensor):
            more = [item.grad] if item.is_leaf and item.grad is not None else []
            self._record(records.OfTensor(name, item), more, name)
        elif isinstance(item, np.ndarray):
            more = list(item.flat) if item.dtype.hasobject and item.size <= MANY else []
            self._record(records.OfArray(name, item), more, name)
        elif isinstance(item, _CACHED):
            self._record(records.OfCache(name, item), [item.__wrapped__], name)
        elif isinstance(item, MethodType):
            self._pending += [(item.__self__, name), (item.__func__, name)]
        elif isinstance(item, staticmethod | classmethod):
            self._pending.append((item.__func__, name))
        elif isinstance(item, functools.partial):
            self._pending += [(item.func, name), (item.args, name), (item.keywords, name)]
        elif has_contents(item):
            self._look_into_as_steps_do(item, name)
        else:
            self._look_into_object(item, name)

    def _look_into_function(self, function: FunctionType, name: str) -> None:
        self._record(records.OfFunction(name, function), [], name)
        self._record(records.OfDict(name, vars(function)), vars(function), name)
        self._pending += [(held, name) for held in (function.__defaults__, function.__kwdefaults__) if held]
        self._pending += [(cell, name) for cell in function.__closure__ or ()]

    def _look_into_as_steps_do(self, item: Any, name: str) -> None:
        with suppress(Exception):  # of an odd object: a cell that is empty, say
            kind = kind_of(item)
            self.records += [records.OfContents(name, reading) for reading in kind.readings]
            if OPAQUE.readings[0] in kind.readings:
                self._note_opaque(item, name)
            self._pending += [(value, name) for _, value in kind.children()]

    def _note_opaque(self, item: Any, name: str) -> None:
        if not hasattr(type(item), '__get__'):  # a descriptor, which is made with its class
            self.opaque.append(f'{name} ({type(item).__module__}.{type(item).__qualname__})')

    def _look_into_object(self, item: Any, name: str) -> None:
        kind, is_container = type(item), True
        many = hasattr(kind, '__len__') and isinstance(item, dict | list | deque | set | frozenset | tuple)
        if many and len(item) > MANY:
            self.records.append(records.OfMany(name, item))
        elif isinstance(item, dict):
            self._record(records.OfDict(name, item), dict(item), name)
        elif isinstance(item, list | deque):
            self._record(records.OfList(name, item), list(item), name)
        elif isinstance(item, set):
            self._look_into_as_steps_do(item, name)
        elif isinstance(item, tuple | frozenset):
            self._pending += [(value, name) for value in item]
        else:
            is_container = False
        top = kind.__module__.partition('.')[0]
        is_own = kind.__module__ in self._own or isinstance(item, _SEEN_INTO)
        if is_own and hasattr(item, '__dict__'):
            self._record(records.OfDict(name, vars(item)), vars(item), name)
        if is_own and (slots := _slots_of(kind)):
            record = records.OfSlots(name, item, slots)
            self._record(record, record.values, name)
        if not (is_container or is_own or kind.__module__ in _MODULES_WITHOUT_STATE or top == _THIS_PACKAGE):
            self._note_opaque(item, name)


def _slots_of(kind: type) -> list[str]:
    names: list[str] = []
    for base in kind.__mro__:
        slots = vars(base).get('__slots__', ())
        for slot in [slots] if isinstance(slots, str) else list(slots):
            if slot not in ('__dict__', '__weakref__') and not slot.startswith('__'):
                names.append(slot)
    return names
