"""Executors: where tasks run."""

from __future__ import annotations

from typing import Any

from ..amounts import processes_of
from ..cores import usable_cores
from ..errors import InvalidArgument
from .base import Executor
from .inline import InlineExecutor
from .local.executor import LocalExecutor
from .ray.executor import RayExecutor

_OPTIONS = (
    'cores',
    'retries',
    'timeout',
    'memory',
    'address',
    'gpus_per_run',
    'per_gpu',
    'processes_per_run',
)
_OF_RAY = ('address',)


def open_executor(
    name: str,
    cores: int | None = None,
    retries: int = 1,
    timeout: float | None = None,
    memory: int | str | None = None,
    address: str | None = None,
    gpus_per_run: float = 0.0,
    per_gpu: int | None = None,
    processes_per_run: int | None = None,
) -> Executor:
    """Returns a new executor, not started, with those options that it has.

    Args:
        name: 'inline', which has cores only; 'local', which has no address; or 'ray', which has no `per_gpu`.
        cores: How many to use; None for all that there are.
        retries: As for `LocalExecutor`, like the options that follow.
        timeout: Seconds that a run may take.
        memory: What a worker process may take.
        address: As for `RayExecutor`.
        gpus_per_run: As for either.
        per_gpu: How many runs share a GPU.
        processes_per_run: How many processes train a model together.

    Raises:
        InvalidArgument: That executor cannot work on this system, or cannot do that.
    """
    if name == 'inline':
        return InlineExecutor(usable_cores() if cores is None else cores)
    if name == 'ray':
        processes = processes_of(processes_per_run, gpus_per_run)
        runs = None if cores is None else max(1, cores // processes)
        return RayExecutor(
            address, runs, gpus_per_run=gpus_per_run, memory=memory, retries=retries, timeout=timeout,
            processes_per_run=processes,
        )  # fmt: skip
    return LocalExecutor(
        cores, retries, timeout, memory, per_gpu=per_gpu, gpus_per_run=gpus_per_run,
        processes_per_run=processes_per_run,
    )  # fmt: skip


def take_executor(options: dict[str, Any]) -> Executor | None:
    """Takes the executor out of the options of a sweep, if it is an object; else they stay as they are.

    Raises:
        InvalidArgument: There is an option with it that belongs to the executor.
    """
    executor = options.get('executor')
    if not isinstance(executor, Executor):
        return None
    for name in _OPTIONS:
        if name in options:
            value = options[name]
            owner = RayExecutor if name in _OF_RAY else LocalExecutor
            raise InvalidArgument(
                f'{name}={value!r}: an executor that is an object has options of its own; give it there, as '
                f'in {owner.__name__}({name}={value!r}), or leave out executor={type(executor).__name__}(...)'
            ).naming((name, value))
    del options['executor']
    return executor
