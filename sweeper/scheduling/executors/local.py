"""The executor that keeps long-lived worker processes on this machine.

Each worker has a connection for tasks and outcomes and a sentinel, a pipe that closes when its process
ends. The parent waits on all of them together; there is no polling.
"""

from __future__ import annotations

import pickle
import signal
import time
from collections import deque
from dataclasses import replace
from multiprocessing.connection import wait as wait_for_any

from ...errors import InvalidArgument, ProblemError, SweepError
from ...work import BenchSpec
from ..task import Outcome, RunError, Task
from . import worker
from .base import Executor, OnOutput
from .limits import MemoryLimitTooLow
from .output import OutputSink, RunOutput
from .process import SECONDS_TO_PASS_ON, WorkerProcess

_AHEAD_OF_WORK = 8
_LONGEST_WAIT = 3600.0
_SECONDS_TO_READ = 1.0
_SECONDS_TO_SAY_WHERE = 1.0


class _Job:
    """A submitted task and how it fares."""

    def __init__(self, key: int, task: Task) -> None:
        self.key = key
        self.task = task
        self.attempts = 0
        self.deadline: float | None = None
        self.output = RunOutput(task)

    def failed(self, error: RunError) -> tuple[int, Outcome]:
        """The answer that this task has failed, with the end of what its last attempt printed."""
        output = self.output.tail(_SECONDS_TO_READ)
        return self.key, Outcome(error=replace(error, output=output))


class LocalExecutor(Executor):
    """Runs tasks in worker processes on this machine, one per core, one intra-op thread each.

    What a worker prints goes to `on_output` alone, never to the terminal. A run that is overdue is asked
    for the stacks of its threads, which are then the end of its output, before it is killed.

    Args:
        cores: Most workers; at least 1.
        retries: How often a task whose worker died is tried again before it counts as failed.
        timeout: Seconds after which a run is ended and counts as failed; None for no limit.
        memory: Bytes that a worker process may use as a whole, with its libraries and the problem's data;
            None for no limit. A run that needs more fails with `MemoryLimitExceeded`, wherever it runs: a
            worker that has run others before leaves it to a fresh one. Enforced on Linux.
    """

    def __init__(
        self, cores: int, retries: int = 1, timeout: float | None = None, memory: int | None = None
    ) -> None:
        self.cores = cores
        self._retries = retries
        self._timeout = timeout
        self._memory = memory
        self._spec: BenchSpec | None = None
        self._sink = OutputSink(None)
        self._workers: list[WorkerProcess] = []
        self._running: dict[WorkerProcess, _Job] = {}
        self._backlog: deque[_Job] = deque()
        self._trouble: Exception | None = None
        self._failed_loads = 0  # in a row

    def start(self, spec: BenchSpec, expect_work: bool = True, on_output: OnOutput | None = None) -> None:
        self._spec = spec
        self._sink = OutputSink(on_output)
        if expect_work:
            for _ in range(min(self.cores, _AHEAD_OF_WORK)):
                self._start_worker()

    def submit(self, key: int, task: Task) -> None:
        self._backlog.append(_Job(key, task))
        try:
            self._assign()
        except SweepError as error:  # what is done already is answered first
            self._trouble = error

    def wait(self) -> list[tuple[int, Outcome]]:
        outcomes: list[tuple[int, Outcome]] = []
        while not outcomes:
            if self._trouble is not None:
                raise self._trouble
            assert self._backlog or self._running
            sources: dict[object, WorkerProcess] = {w.connection: w for w in self._workers}
            sources |= {w.sentinel: w for w in self._workers}
            awake = wait_for_any(list(sources), self._seconds_to_deadline())  # type: ignore[arg-type]
            try:
                for one in {sources[source] for source in awake}:
                    outcomes += self._hear(one)
                outcomes += self._end_overdue()
                self._assign()
                self._sink.raise_error()
            except Exception as error:
                self._trouble = error  # for the next time, if there are answers
        return outcomes

    def close(self) -> None:
        for one in self._workers:
            one.signal_to_end()
        end = time.monotonic() + SECONDS_TO_PASS_ON
        for one in self._workers:
            one.kill(max(0.0, end - time.monotonic()))
        self._sink.close()
        self._workers.clear()
        self._running.clear()
        self._backlog.clear()

    def _start_worker(self) -> None:
        assert self._spec is not None
        taken = {one.number for one in self._workers}
        number = next(number for number in range(self.cores) if number not in taken)
        try:
            self._workers.append(WorkerProcess(number, self._spec, self._memory, self._sink))
        except OSError as error:
            raise SweepError(f'cannot start worker process {number + 1} of {self.cores}: {error}') from error

    def _assign(self) -> None:
        """Gives waiting jobs to idle workers, starting workers as far as there are cores."""
        idle = [one for one in self._workers if one not in self._running]
        while self._backlog:
            if not idle:
                if len(self._workers) >= self.cores:
                    return
                self._start_worker()
                idle.append(self._workers[-1])
            idle.sort(key=lambda one: one.is_ready)
            one, job = idle.pop(), self._backlog.popleft()
            self._running[one] = job
            job.deadline = None  # that of an attempt before is over
            if one.is_ready:
                self._begin(job)
            job.output = one.give(job.task)

    def _hear(self, one: WorkerProcess) -> list[tuple[int, Outcome]]:
        """Takes what a worker has sent, and buries it if its process ended."""
        outcomes: list[tuple[int, Outcome]] = []
        try:
            while one.connection.poll():
                subject, content = worker.receive(one.connection)
                if subject == worker.BROKEN:
                    one.broken = content
                    one.signal_to_end()
                elif subject == worker.READY:
                    one.is_ready = True
                    self._failed_loads = 0
                    if one in self._running:
                        self._begin(self._running[one])
                elif subject == worker.SPENT:
                    self._running[one].attempts -= 1
                    one.signal_to_end()
                else:
                    job, outcome = self._running.pop(one), pickle.loads(content)
                    failed = outcome.error is not None
                    outcomes.append(job.failed(outcome.error) if failed else (job.key, outcome))
        except (EOFError, OSError):
            one.signal_to_end()  # if it is not dead, it has closed its side and can do no more
            one.wait_until_gone()
        if one.is_gone():
            outcomes += self._bury(one)
        return outcomes

    def _bury(self, one: WorkerProcess) -> list[tuple[int, Outcome]]:
        """Removes a dead worker; its job is tried again or has failed."""
        job = self._remove(one)
        if not one.is_ready:
            self._take_failed_load(one)
        if job is None:
            return []
        if not one.is_ready or job.attempts <= self._retries:
            self._backlog.appendleft(job)
            return []
        message = f'the worker process {_describe_exit(one.exit_code)}, {job.attempts} times in a row'
        return [job.failed(RunError('WorkerDied', message, signal=_signal_name(one.exit_code)))]

    def _take_failed_load(self, one: WorkerProcess) -> None:
        """A worker could not load the problem: that is no fault of its job; try `retries` times."""
        self._failed_loads += 1
        if one.broken is not None and one.broken.kind == MemoryLimitTooLow.__name__:
            raise InvalidArgument(one.broken.message)
        if one.broken is not None and self._failed_loads > self._retries:
            raise ProblemError(
                f'a worker process cannot load the problem: {one.broken.kind}: {one.broken.message}\n'
                f'{one.broken.traceback}'
            )
        if self._failed_loads > self._retries * self.cores:
            printed = one.output.loading.tail(_SECONDS_TO_READ)
            raise SweepError(
                f'a worker process {_describe_exit(one.exit_code)} while it loaded the problem\n{printed}'
            )

    def _remove(self, one: WorkerProcess) -> _Job | None:
        """Ends a worker, dead or not; returns the job that it had."""
        one.kill()
        self._workers.remove(one)
        return self._running.pop(one, None)

    def _begin(self, job: _Job) -> None:
        """A ready worker has the job now: the attempt counts, and its time runs."""
        job.attempts += 1
        if self._timeout is not None:
            job.deadline = time.monotonic() + self._timeout

    def _seconds_to_deadline(self) -> float | None:
        deadlines = [job.deadline for job in self._running.values() if job.deadline is not None]
        return min(max(0.0, min(deadlines) - time.monotonic()), _LONGEST_WAIT) if deadlines else None

    def _end_overdue(self) -> list[tuple[int, Outcome]]:
        now = time.monotonic()
        overdue = [
            one for one, job in self._running.items() if job.deadline is not None and job.deadline <= now
        ]
        for one in overdue:
            one.ask_where_it_is()
        end, left = now + _SECONDS_TO_SAY_WHERE, [one.sentinel for one in overdue]
        while left and (seconds := end - time.monotonic()) > 0:
            ended = wait_for_any(left, seconds)
            left = [sentinel for sentinel in left if sentinel not in ended]
        message = f'the run took longer than the timeout of {self._timeout:g} seconds' if overdue else ''
        jobs = [self._remove(one) for one in overdue]
        return [job.failed(RunError('TimedOut', message)) for job in jobs if job is not None]


def _signal_name(exit_code: int) -> str | None:
    if exit_code >= 0:
        return None
    try:
        return signal.Signals(-exit_code).name
    except ValueError:  # one of those for real time has no name
        return f'signal {-exit_code}'


def _describe_exit(code: int) -> str:
    if code >= 0:
        return f'ended with exit code {code}'
    hint = ', as the system does when memory runs out' if -code == signal.SIGKILL else ''
    return f'was killed by {_signal_name(code)}{hint}'
