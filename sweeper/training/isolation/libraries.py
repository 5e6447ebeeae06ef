"""What of torch, and of Python itself, a run may not leave changed: classes, functions, global hooks."""

from __future__ import annotations

import builtins
import math
import random
import sys
import time
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import torch

from . import records

_PACKAGES = ('torch.nn.modules', 'torch.optim')
_MODULES = (
    'torch', 'torch._tensor', 'torch.autograd', 'torch.autograd.function', 'torch.functional', 'torch.nn',
    'torch.nn.functional', 'torch.nn.init', 'torch.nn.parameter', 'torch.utils.data',
)  # fmt: skip
_ALSO: tuple[ModuleType, ...] = (math, random, time, np, np.random, np.linalg)


def comes_from_torch(value: Any) -> bool:
    """Whether torch itself has made this function, to stand in for one of its or of the problem's."""
    if isinstance(value, staticmethod | classmethod):
        value = value.__func__
    if not isinstance(value, FunctionType):
        return False
    return str(value.__globals__.get('__name__')).partition('.')[0] == 'torch'


def library_records() -> list[records.Record]:
    """Returns what is to be as it was after every run."""
    modules = [
        module
        for name, module in list(sys.modules.items())
        if isinstance(module, ModuleType) and (name in _MODULES or name.startswith(_PACKAGES))
    ]
    result: list[records.Record] = []
    classes: dict[type, None] = {}
    for module in (*modules, *_ALSO):
        held = vars(module)
        names = [name for name, value in held.items() if callable(value) and not name.startswith('__')]
        names = [name for name in names if _is_at_home(held[name], module)]
        if names:
            result.append(records.OfNames(module.__name__, held, names, comes_from_torch))
        classes |= {held[name]: None for name in names if isinstance(held[name], type)}
    result += [
        records.OfLibraryClass(f'{kind.__module__}.{kind.__qualname__}', kind, comes_from_torch)
        for kind in classes
        if kind.__module__.partition('.')[0] == 'torch' and kind.__flags__ & _HEAP_TYPE
    ]
    of_python = records.OfDict('builtins', vars(builtins), frozenset({'_'}))  # which a prompt sets
    return [*result, of_python, *_global_hooks()]


_HEAP_TYPE = 1 << 9


def _is_at_home(value: Any, module: ModuleType) -> bool:
    """Leaves out what a module has only imported, unless it is one that users call by its name."""
    return module.__name__.count('.') <= 2 or getattr(value, '__module__', None) == module.__name__


def _global_hooks() -> list[records.Record]:
    """What torch does for each module or optimizer there is."""
    return [
        records.OfDict(f'{module.__name__}.{name}', held)
        for module in (torch.nn.modules.module, sys.modules['torch.optim.optimizer'])
        for name, held in vars(module).items()
        if name.startswith('_global') and isinstance(held, dict)
    ]
