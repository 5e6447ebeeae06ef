"""Tasks in the process that calls: for debugging and as a reference, and in workers of other executors."""

from __future__ import annotations

import time
import warnings
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import ProblemError, SweepError
from ..points import label
from ..seeding import random_states_kept
from ..work import WorkerSpec, call, isolate, open_workspace
from .base import CHECKPOINT_SECONDS, Answer, Executor, OnOutput, Outcome, Task, checked_seconds, run_error
from .gpus.memory import meter_of
from .preload import import_for_runs

if TYPE_CHECKING:
    from ..training.isolation import Isolation
    from ..training.workspace import Workspace

_LEFT = (
    '{} of ({}) changed what the next runs in this process find, and it cannot be undone here: {}. '
    "Their results may depend on that; executor='local' would go on in a fresh process."
)


class InlineExecutor(Executor):
    """Runs one task at a time inside `wait`, where a debugger can step through it.

    What a run prints goes to the terminal, where a debugger needs it: `on_output` is never called.

    Args:
        cores: How many cores to pretend to have; the values do not depend on it.
        checkpoint_seconds: As for `LocalExecutor`.
    """

    in_process = True

    def __init__(self, cores: int = 1, checkpoint_seconds: float | None = CHECKPOINT_SECONDS) -> None:
        super().__init__(cores)
        self.checkpoint_seconds = checked_seconds(checkpoint_seconds)
        self._runner: _TaskRunner | None = None
        self._tasks: deque[tuple[int, Task]] = deque()

    def start(self, spec: WorkerSpec, expect_work: bool = True, on_output: OnOutput | None = None) -> None:
        self._runner = _TaskRunner(spec)

    def submit(self, key: int, task: Task) -> None:
        self._tasks.append((key, task))

    def wait(self) -> list[Answer]:
        assert self._runner is not None and self._tasks
        key, task = self._tasks.popleft()
        return [(key, self._runner.run(task))]

    def wake(self) -> None:
        """There is no need: `wait` comes to an end by itself."""

    def close(self) -> None:
        self._tasks.clear()
        self._runner = None


def run_task(spec: WorkerSpec, task: Task) -> Outcome:
    """Runs a task in this process: what the worker processes of an executor call, one task after another.

    The first call loads the problem and its data, which are kept for the next ones. Random states, the number
    of threads and `sys.argv` are as before when it returns.

    Args:
        spec: As `Executor.start` got it.
        task: As `Executor.submit` got it.

    Returns:
        Its outcome. An exception, `sys.exit` included, is one, too.

    Raises:
        SweepError: The problem cannot be loaded in this process, or there is no such device.
    """
    global _runner
    if _runner is None or _runner.spec != spec:
        _runner = _TaskRunner(spec, worker=0)
    return _runner.run(task)


class _TaskRunner:
    """Runs tasks of a problem, which it loads for the first one.

    Args:
        spec: The problem, the seed and the device.
        worker: The number of the worker that this process is; None in the one that sweeps.
    """

    def __init__(self, spec: WorkerSpec, worker: int | None = None) -> None:
        self.spec = spec
        self._worker = worker
        self._loaded: tuple[Workspace, Isolation] | None = None
        self._reported: set[tuple[str, ...]] = set()

    def run(self, task: Task) -> Outcome:
        with _as_in_a_worker(), self.spec.problem.with_own_argv():
            if self._loaded is None:
                self._loaded = self._load()
            workspace, isolation = self._loaded
            # Between runs the caller may change what it likes; only what a run changes is undone.
            isolation.take_objects()
            isolation.take_settings()
            outcome, left = perform(workspace, task, isolation)
        if left and tuple(left) not in self._reported:
            self._reported.add(tuple(left))
            from ..training.isolation import in_words

            warnings.warn(_LEFT.format(task.name, label(task.point), in_words(left)), stacklevel=3)
        return outcome

    def _load(self) -> tuple[Workspace, Isolation]:
        import_for_runs()
        try:
            workspace = open_workspace(self.spec, worker=self._worker)
        except SweepError:
            raise
        except (Exception, SystemExit) as error:
            raise ProblemError(f'cannot load the problem: {type(error).__name__}: {error}') from error
        return workspace, isolate(workspace)


_runner: _TaskRunner | None = None


def perform(workspace: Workspace, task: Task, isolation: Isolation) -> tuple[Outcome, list[str]]:
    """Runs a task in this process; an exception, `sys.exit` included, becomes its outcome.

    Returns:
        The outcome; and what the user's code has changed for the next run, if that could not be undone.
    """
    meter = meter_of(workspace.device)
    started = time.perf_counter()
    try:
        if meter is not None:
            meter.begin()
        value = isolation.run(lambda: call(workspace, task.function, task.point, task.arguments))
        outcome = Outcome(task.packed(value), seconds=time.perf_counter() - started)
    except (Exception, SystemExit) as error:
        outcome = Outcome(error=run_error(error))
    finally:
        left = isolation.restore()
    outcome = replace(outcome, device=workspace.device.type)
    try:
        if meter is not None:
            outcome = replace(outcome, gpu_memory=meter.end())
    except RuntimeError as error:  # a failed kernel, after which CUDA does nothing more for a process
        left.append("the GPU's context, which is broken")
        outcome = outcome if outcome.error is not None else Outcome(error=run_error(error))
    return outcome, left


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
