"""The executor that runs every task in the calling process: for debugging, and as a reference."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from ...work import BenchSpec, open_bench
from ..task import Outcome, Task
from .base import Executor, perform

if TYPE_CHECKING:
    from ...training.runs import Bench


class InlineExecutor(Executor):
    """Runs one task at a time inside `wait`, where a debugger can step through it.

    Args:
        cores: How many cores to pretend to have; the values do not depend on it.
    """

    def __init__(self, cores: int = 1) -> None:
        self.cores = cores
        self._spec: BenchSpec | None = None
        self._bench: Bench | None = None
        self._tasks: deque[tuple[int, Task]] = deque()

    def start(self, spec: BenchSpec, expect_work: bool = True) -> None:
        self._spec = spec

    def submit(self, key: int, task: Task) -> None:
        self._tasks.append((key, task))

    def wait(self) -> list[tuple[int, Outcome]]:
        assert self._spec is not None and self._tasks
        key, task = self._tasks.popleft()
        with _as_in_a_worker():
            if self._bench is None:
                self._bench = open_bench(self._spec)
            return [(key, perform(self._bench, task))]

    def close(self) -> None:
        self._tasks.clear()
        self._bench = None


@contextmanager
def _as_in_a_worker() -> Iterator[None]:
    """One intra-op thread, as a worker has; the caller's random states and threads come back after."""
    import torch

    threads, torch_state = torch.get_num_threads(), torch.get_rng_state()
    numpy_state, python_state = np.random.get_state(), random.getstate()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_rng_state(torch_state)
        np.random.set_state(numpy_state)
        random.setstate(python_state)
