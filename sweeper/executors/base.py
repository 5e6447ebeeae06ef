"""Tasks and their outcomes, and what every executor promises: where tasks run."""

from __future__ import annotations

import gc
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..points import Point
from ..work import WorkerSpec

if TYPE_CHECKING:
    from ..training.facts import ProblemFacts


@dataclass(frozen=True)
class Task:
    """A run, as data: a function of `work.py`, the point, and its other arguments. It takes one core.

    Attributes:
        name: What the run is called within its point, such as 'trial 3' or 'lr_vs_perf 1'; for logs.
        function: The name of a function in `work.FUNCTIONS`.
        point: The point.
        arguments: The function's other arguments, by name.
    """

    name: str
    function: str
    point: Point
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class RunError:
    """Why a run gave no value.

    Attributes:
        kind: The exception's class name, or `WorkerDied` or `TimedOut`.
        message: What it said.
        traceback: The traceback in the process where it happened; may be empty.
        signal: The signal that killed the worker ('SIGSEGV', say), if the run failed by that.
        output: The end of what the run printed (its last attempt, if there were several); empty if it
            printed at the terminal.
    """

    kind: str
    message: str
    traceback: str = field(default='', repr=False)
    signal: str | None = None
    output: str = field(default='', repr=False)


@dataclass(frozen=True)
class Outcome:
    """What came of a task: a value or an error, and the seconds that it took where it ran, if known."""

    value: Any = None
    error: RunError | None = None
    seconds: float = field(default=0.0, compare=False)


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
    def start(self, spec: WorkerSpec, expect_work: bool = True, on_output: OnOutput | None = None) -> None:
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
