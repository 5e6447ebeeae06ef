"""Executors: where tasks run."""

from __future__ import annotations

from .base import Executor

EXECUTORS = ('local', 'inline')


def open_executor(name: str, cores: int, retries: int, timeout: float | None) -> Executor:
    """Returns a new executor of that name (one of `EXECUTORS`), not started."""
    if name == 'inline':
        from .inline import InlineExecutor

        return InlineExecutor(cores)
    assert name == 'local', name
    from .local import LocalExecutor

    return LocalExecutor(cores, retries, timeout)
