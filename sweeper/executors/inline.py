"""The executor that runs every task in the calling process: for debugging, and as a reference."""

from __future__ import annotations

import time
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import ProblemError, SweepError
from ..points import label
from ..seeding import random_states_kept
from ..work import FUNCTIONS, WorkerSpec, isolate, open_bench
from .base import Executor, OnOutput, Outcome, Task, run_error
from .preload import import_for_runs

if TYPE_CHECKING:
    from ..training.bench import Bench
    from ..training.isolation import Isolation

_LEFT = (
    '{} of ({}) changed what the next runs in this process find, and it cannot be undone here: {}. '
    "Their results may depend on that; executor='local' would go on in a fresh process."
)


class InlineExecutor(Executor):
    """Runs one task at a time inside `wait`, where a debugger can step through it.

    What a run prints goes to the terminal, where a debugger needs it: `on_output` is never called.

    Args:
        cores: How many cores to pretend to have; the values do not depend on it.
    """

    def __init__(self, cores: int = 1) -> None:
        self.cores = cores
        self._spec: WorkerSpec | None = None
        self._bench: Bench | None = None
        self._isolation: Isolation | None = None
        self._tasks: deque[tuple[int, Task]] = deque()

    def start(self, spec: WorkerSpec, expect_work: bool = True, on_output: OnOutput | None = None) -> None:
        self._spec = spec

    def submit(self, key: int, task: Task) -> None:
        self._tasks.append((key, task))

    def wait(self, also: Sequence[int] = ()) -> list[tuple[int, Outcome]]:
        assert self._spec is not None and self._tasks
        key, task = self._tasks.popleft()
        with _as_in_a_worker(), self._spec.problem.with_own_argv():
            if self._bench is None:
                self._bench = _opened(self._spec)
                self._isolation = isolate(self._bench)
            assert self._isolation is not None
            # Between runs the caller may change what it likes; only what a run changes is undone.
            self._isolation.take_objects()
            self._isolation.take_settings()
            outcome, left = perform(self._bench, task, self._isolation)
        if left:
            from ..training.isolation import in_words

            warnings.warn(_LEFT.format(task.name, label(task.point), in_words(left)), stacklevel=2)
        return [(key, outcome)]

    def close(self) -> None:
        self._tasks.clear()
        self._bench = self._isolation = None


def perform(bench: Bench, task: Task, isolation: Isolation) -> tuple[Outcome, list[str]]:
    """Runs a task in this process; an exception, `sys.exit` included, becomes its outcome.

    Returns:
        The outcome; and what the user's code has changed for the next run, if that could not be undone.
    """
    started = time.perf_counter()
    try:
        value = isolation.run(lambda: FUNCTIONS[task.function](bench, task.point, **task.arguments))
        outcome = Outcome(value, seconds=time.perf_counter() - started)
    except (Exception, SystemExit) as error:
        outcome = Outcome(error=run_error(error))
    finally:
        left = isolation.restore()
    return outcome, left


def _opened(spec: WorkerSpec) -> Bench:
    import_for_runs()
    try:
        return open_bench(spec)
    except SweepError:
        raise
    except (Exception, SystemExit) as error:
        raise ProblemError(f'cannot load the problem: {type(error).__name__}: {error}') from error


@contextmanager
def _as_in_a_worker() -> Iterator[None]:
    """One intra-op thread, as a worker has; the caller's random states and threads come back after."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with random_states_kept():
            yield
    finally:
        torch.set_num_threads(threads)
