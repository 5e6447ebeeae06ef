"""Executors: where tasks run."""

from __future__ import annotations

import dataclasses
from typing import Any

from ..amounts import processes_of
from ..cores import usable_cores
from ..errors import InvalidArgument
from ..executor_options import ExecutorOptions
from .base import Executor
from .inline import InlineExecutor
from .local.executor import LocalExecutor
from .ray.executor import RayExecutor

_OF_RAY = ('address',)


def open_executor(name: str, options: ExecutorOptions) -> Executor:
    """Returns a new executor, not started.

    Args:
        name: 'inline', 'local' or 'ray'.
        options: Its options, checked.

    Raises:
        InvalidArgument: That executor cannot work on this system, or cannot do that.
    """
    if name == 'inline':
        return InlineExecutor(usable_cores() if options.cores is None else options.cores)
    common: dict[str, Any] = {
        name: getattr(options, name) for name in ('retries', 'timeout', 'memory', 'gpus_per_run')
    }
    if name == 'ray':
        processes = processes_of(options.processes_per_run, options.gpus_per_run)
        runs = None if options.cores is None else max(1, options.cores // processes)
        return RayExecutor(options.address, runs, processes_per_run=processes, **common)
    return LocalExecutor(
        options.cores, per_gpu=options.per_gpu, processes_per_run=options.processes_per_run, **common
    )


def take_executor(options: dict[str, Any]) -> Executor | None:
    """Takes the executor out of the options of a sweep, if it is an object; else they stay as they are.

    Raises:
        InvalidArgument: There is an option with it that belongs to the executor.
    """
    executor = options.get('executor')
    if not isinstance(executor, Executor):
        return None
    for name in (field.name for field in dataclasses.fields(ExecutorOptions)):
        if name in options:
            value = options[name]
            owner = RayExecutor if name in _OF_RAY else LocalExecutor
            raise InvalidArgument(
                f'{name}={value!r}: an executor that is an object has options of its own; give it there, as '
                f'in {owner.__name__}({name}={value!r}), or leave out executor={type(executor).__name__}(...)'
            ).naming((name, value))
    del options['executor']
    return executor
