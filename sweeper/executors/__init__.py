"""Executors: where tasks run."""

from __future__ import annotations

import os

from ..errors import InvalidArgument
from .base import Executor

EXECUTORS = ('local', 'inline')


def open_executor(
    name: str, cores: int, retries: int, timeout: float | None, memory: int | None = None
) -> Executor:
    """Returns a new executor of that name (one of `EXECUTORS`), not started.

    Args:
        name: One of `EXECUTORS`.
        cores: How many tasks to run side by side.
        retries: How often a task whose worker died is tried again. The inline executor has no workers,
            so this and what follows means nothing to it.
        timeout: Seconds after which a run is ended; None for no limit.
        memory: Bytes that one worker may use; None for no limit.

    Raises:
        InvalidArgument: That executor cannot work on this system.
    """
    if name == 'inline':
        from .inline import InlineExecutor

        return InlineExecutor(cores)
    assert name == 'local', name
    if os.name != 'posix':
        raise InvalidArgument("executor='local' needs Linux or macOS; use executor='inline' here")
    from .local.executor import LocalExecutor

    return LocalExecutor(cores, retries, timeout, memory)
