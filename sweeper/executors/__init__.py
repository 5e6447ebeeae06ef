"""Executors: where tasks run."""

from __future__ import annotations

from typing import Any

from ..errors import InvalidArgument
from .base import Executor
from .inline import InlineExecutor
from .local.executor import LocalExecutor

_OPTIONS = ('cores', 'retries', 'timeout', 'memory')


def open_executor(
    name: str, cores: int, retries: int, timeout: float | None, memory: int | str | None
) -> Executor:
    """Returns a new executor, not started: 'inline', which has cores only, or 'local', which has all options.

    Raises:
        InvalidArgument: That executor cannot work on this system.
    """
    return InlineExecutor(cores) if name == 'inline' else LocalExecutor(cores, retries, timeout, memory)


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
            raise InvalidArgument(
                f'{name}={value!r}: an executor that is an object has options of its own; give it there, as '
                f'in LocalExecutor({name}={value!r}), or leave out executor={type(executor).__name__}(...)'
            ).naming((name, value))
    del options['executor']
    return executor
