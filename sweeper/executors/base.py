"""Tasks and their outcomes, and what every executor promises: where tasks run."""

from __future__ import annotations

import gc
import math
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, ClassVar

from ..amounts import at_least, is_real
from ..errors import InvalidArgument, ProblemError, SweepError
from ..points import Point
from ..work import WorkerSpec
from .gpus.memory import GpuMemory

if TYPE_CHECKING:
    from ..training.facts import ProblemFacts


@dataclass(frozen=True)
class Resources:
    """What a task needs while it runs.

    Attributes:
        cpus: Cores.
        gpus: GPUs; a fraction is a share of one.
        memory: Bytes of memory; None if that is not known.
    """

    cpus: int = 1
    gpus: float = 0.0
    memory: int | None = None


@dataclass(frozen=True)
class Task:
    """A run, as data: a function of `work.py`, the point, and its other arguments.

    Attributes:
        name: What the run is called within its point, such as 'trial 3' or 'lr_vs_perf 1'; for logs.
        function: The name of a function in `work.FUNCTIONS`.
        point: The point.
        arguments: The function's other arguments, by name.
        resources: What it needs: one core, if nothing else is said.
    """

    name: str
    function: str
    point: Point
    arguments: Mapping[str, Any]
    resources: Resources = Resources()

    def packed(self, value: Any) -> Any:
        """Returns what goes back in place of the task's value, from where it ran: the value itself."""
        return value


@dataclass(frozen=True)
class RunError:
    """Why a run gave no value.

    Attributes:
        kind: The exception's class name, or `WorkerDied` or `TimedOut`.
        message: The message of the exception.
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
    """What came of a task: a value or an error.

    Attributes:
        value: What the function returned.
        error: Why there is no value.
        seconds: How long it took where it ran; 0 if that is not known.
        device: The type of device that it ran on, such as `cpu`; None if that is not known.
        gpu_memory: What it took of a GPU's memory, if it ran on one.
    """

    value: Any = None
    error: RunError | None = None
    seconds: float = field(default=0.0, compare=False)
    device: str | None = field(default=None, compare=False)
    gpu_memory: GpuMemory | None = field(default=None, compare=False)


WRONG_INPUT = {error.__name__: error for error in (InvalidArgument, ProblemError)}
"""What another process may find wrong with a problem or a device, by the kind of a `RunError`."""


CHECKPOINT_SECONDS = 30.0
"""How often trials keep their state, unless another time is given."""


def checked_seconds(seconds: float | None) -> float | None:
    """Returns a time between two states of a trial; raises `InvalidArgument` unless it is one, or None."""
    if seconds is None:
        return None
    if not is_real(seconds) or not 0 <= seconds < math.inf:
        raise InvalidArgument(
            f'checkpoint_seconds={seconds!r}: must be a number of seconds, 0 for every cycle, or None'
        ).naming(('checkpoint_seconds', seconds))
    return float(seconds)


OnOutput = Callable[[Task | None, str], None]
Answer = tuple[int, Outcome]


class Executor(ABC):
    """Runs tasks and answers with their outcomes. To write one, define `start`, `submit` and `close`.

    A sweep calls `start` first, then `submit` and `wait` as often as it needs to, and `close` in the end;
    then the executor may be started again. All this happens in one thread; `answer` and `wake` may be called
    from any.

    Whatever a task does (raise an exception, kill its process, hang), `wait` returns one outcome for it, and
    the executor goes on. What a task returns must not depend on the executor, nor on the tasks that ran
    before it: `run_task` sees to both. `sweeper.testing.ExecutorContract` tests all that is said here.

    Args:
        cores: How many tasks run at a time; at least 1.

    Attributes:
        cores: The same. It may change while the sweep runs.
        checkpoint_seconds: Trials that take longer keep their state in the sweep's folder this often, at ends
            of cycles, so that they go on there after their process was killed; 0 for every cycle. None, the
            default of executors of your own, is for processes that do not share the sweep's file system.
        processes_per_run: How many processes train a model together, and so what `WorkerSpec.processes` is
            where tasks run. It is 1 unless an executor can do that.
        in_process: Whether tasks run in the process that sweeps. If not, the problem must be a module or a
            file that other processes can load.
        tells_facts: Whether `problem_facts` is to be asked although this process could find them out itself,
            since devices are elsewhere.
    """

    in_process: ClassVar[bool] = False
    tells_facts: ClassVar[bool] = False
    checkpoint_seconds: float | None = None
    processes_per_run: int = 1

    def __init__(self, cores: int = 1) -> None:
        self.cores = at_least(1, 'cores', cores)
        self._queue: SimpleQueue[tuple[int, Outcome | BaseException] | None] = SimpleQueue()

    @abstractmethod
    def start(self, spec: WorkerSpec, expect_work: bool = True, on_output: OnOutput | None = None) -> None:
        """Gets ready to run tasks of a problem; returns at once.

        Args:
            spec: The problem, the seed and the device: the first argument of `run_task`.
            expect_work: Whether tasks will come soon, so that workers may be started ahead of the first one.
            on_output: Called with what workers print, as text of whole lines: `on_output(task, text)`, with
                the task whose run printed it, or None for what was printed outside runs (when the problem
                was imported, say). Called from any thread, but never twice at a time, and not after `close`
                has returned. An OSError that it raises is ignored; another exception is raised by `wait`.
                If None, output is dropped. An executor may leave what tasks print where it goes, and never
                call this.
        """

    def problem_facts(self) -> ProblemFacts | None:
        """Waits for what a worker has found out about the problem, if one does that; else returns None.

        Called at most once after each `start`. With None, the process that sweeps loads the problem itself.

        Raises:
            ProblemError: The problem is not usable.
            InvalidArgument: There is no such device.
            SweepError: No worker can be set up.
        """
        return None

    @abstractmethod
    def submit(self, key: int, task: Task) -> None:
        """Accepts a task, and returns at once. Of more than `cores` tasks, the last ones wait, in order.

        Args:
            key: Comes back with the outcome; no other task has it until then.
            task: The second argument of `run_task`.
        """

    def expect(self, runs: int) -> None:  # noqa: B027
        """Says how many more runs, at least, could start now if there were cores for them.

        Called by a sweep that has started what fits: for executors that can become larger and smaller.
        """

    @abstractmethod
    def close(self) -> None:
        """Ends all workers, whatever they do, and forgets what was submitted. Idempotent.

        An executor that overrides this calls it last.
        """
        self._queue = SimpleQueue()

    def answer(self, key: int, outcome: Outcome | BaseException) -> None:
        """Hands over what came of a task, for `wait` to return. May be called from any thread.

        Args:
            key: The task's.
            outcome: Its outcome. A `SweepError` instead, such as `run_task` raises for a problem that cannot
                be loaded, is raised by `wait` and ends the sweep. Any other is the task's own failure.
        """
        self._queue.put((key, outcome))

    def wait(self) -> list[Answer]:
        """Blocks until a task is done, or `wake` is called. Called only while a task is not answered.

        Returns:
            `(key, outcome)` of every task that is done; nothing if it was woken.

        Raises:
            SweepError: Tasks cannot be run here: the problem cannot be loaded, say.
        """
        answers: list[Answer] = []
        while not answers or not self._queue.empty():
            item = self._queue.get()
            if item is None:
                break
            key, outcome = item
            if isinstance(outcome, SweepError):
                if not answers:
                    raise outcome
                self._queue.put(item)  # for the next time: what is done is answered first
                break
            if isinstance(outcome, BaseException):
                outcome = Outcome(error=run_error(outcome))
            answers.append((key, outcome))
        return answers

    def wake(self) -> None:
        """Has `wait` return soon, or at once when it is called next. May be called from any thread."""
        self._queue.put(None)


def run_all(executor: Executor, tasks: Sequence[Task]) -> list[Outcome]:
    """Has an executor that has nothing else to do run some tasks; returns their outcomes, in order."""
    for key, task in enumerate(tasks):
        executor.submit(key, task)
    outcomes: dict[int, Outcome] = {}
    while len(outcomes) < len(tasks):
        outcomes.update(executor.wait())
    return [outcomes[key] for key in range(len(tasks))]


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
        current = left.pop()
        traceback.clear_frames(current.__traceback__)
        for other in (current.__cause__, current.__context__, *getattr(current, 'exceptions', ())):
            if isinstance(other, BaseException) and id(other) not in seen:
                seen.add(id(other))
                left.append(other)
    gc.collect()
