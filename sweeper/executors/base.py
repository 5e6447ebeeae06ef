"""What every executor promises."""

from __future__ import annotations

import gc
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..work import FUNCTIONS, BenchSpec
from .task import Outcome, RunError, Task

if TYPE_CHECKING:
    from ..training.bench import Bench
    from ..training.facts import ProblemFacts
    from ..training.isolation import Isolation

OnOutput = Callable[[Task | None, str], None]


class Executor(ABC):
    """Runs tasks, each on one core, and answers with outcomes. Used by one thread, in the parent.

    The order of calls: `start` once, then `submit` and `wait` as often as needed, then `close` once.
    Whatever a task does (raise, kill its process, hang beyond the timeout), `wait` answers with an
    outcome for it, once, and the executor goes on. The value of a task does not depend on the executor.

    Attributes:
        cores: How many tasks run side by side.
    """

    cores: int

    @abstractmethod
    def start(self, spec: BenchSpec, expect_work: bool = True, on_output: OnOutput | None = None) -> None:
        """Gets ready to run tasks of a problem; returns at once.

        Args:
            spec: The problem, the seed and the device.
            expect_work: There will be work soon: start workers ahead of the first task.
            on_output: Told what workers print, as text of whole lines: `on_output(task, text)`, with the
                task whose run printed it, or None for what was printed outside runs (when the problem was
                imported, say). Called from other threads, never twice at a time, and not after `close`
                has returned. An OSError that it raises is ignored; another exception is raised by `wait`.
                If None, output is dropped.
        """

    def problem_facts(self) -> ProblemFacts | None:
        """Waits for what a worker process finds out about the problem, if one does; None if none does.

        Called at most once, after `start`.

        Raises:
            ProblemError: The problem is not usable.
            InvalidArgument: There is no such device.
            SweepError: No worker can be set up.
        """
        return None

    @abstractmethod
    def submit(self, key: int, task: Task) -> None:
        """Takes a task. What is submitted beyond `cores` tasks waits, in order."""

    @abstractmethod
    def wait(self, also: Sequence[int] = ()) -> list[tuple[int, Outcome]]:
        """Blocks until at least one submitted task is done; returns `(key, outcome)` of those that are.

        Called only while a submitted task has not been answered.

        Args:
            also: File descriptors: it may return, with nothing, when one of them can be read from.

        Raises:
            SweepError: No worker can be set up: the problem cannot be loaded there.
        """

    @abstractmethod
    def close(self) -> None:
        """Ends all workers at once, running tasks or not; no process is left. Idempotent."""


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


def run_error(error: BaseException) -> RunError:
    """Returns an exception as data, and frees what the calls that it has ended still hold."""
    _free_frames(error)
    try:
        message = str(error)
    except Exception:
        message = '(the exception cannot be written as text)'
    return RunError(type(error).__name__, message, ''.join(traceback.format_exception(error)))


def _free_frames(error: BaseException) -> None:
    """A model that took all memory must be gone before anything else is done."""
    left, seen = [error], {id(error)}
    while left:
        one = left.pop()
        traceback.clear_frames(one.__traceback__)
        for other in (one.__cause__, one.__context__, *getattr(one, 'exceptions', ())):
            if isinstance(other, BaseException) and id(other) not in seen:
                seen.add(id(other))
                left.append(other)
    gc.collect()
