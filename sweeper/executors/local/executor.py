"""The executor that keeps long-lived worker processes on this machine.

Each worker has a connection for tasks and outcomes and a sentinel, which becomes readable when its process
ends. The parent waits on all of them together; there is no polling.
"""

from __future__ import annotations

import pickle
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import wait as wait_for_any
from typing import Any

from ...errors import InvalidArgument, ProblemError, SweepError
from ...training.facts import ProblemFacts
from ...work import WorkerSpec
from ..base import Executor, OnOutput, Outcome, RunError, Task
from . import worker
from .forked import ForkServer
from .output import OutputSink, RunOutput
from .pool import Worker, WorkerPool, describe_exit, signal_name

_AHEAD_OF_WORK = 8
_LONGEST_WAIT = 3600.0
_SECONDS_TO_READ = 1.0
_SECONDS_TO_SAY_WHERE = 1.0
_MOST_LOST = 3
_WRONG_INPUT = {error.__name__: error for error in (InvalidArgument, ProblemError)}


class _Job:
    """A submitted task and how it fares."""

    def __init__(self, key: int, task: Task) -> None:
        self.key = key
        self.task = task
        self.attempts = 0
        self.times_lost = 0
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
        self._sink = OutputSink(None)
        self._pool: WorkerPool | None = None
        self._given: dict[Worker, _Job] = {}  # what each worker runs
        self._backlog: deque[_Job] = deque()
        self._trouble: Exception | None = None

    def start(self, spec: WorkerSpec, expect_work: bool = True, on_output: OnOutput | None = None) -> None:
        self._sink = OutputSink(on_output)
        self._pool = WorkerPool(self.cores, spec, self._memory, self._retries, self._sink)
        if expect_work:
            for _ in range(min(self.cores, _AHEAD_OF_WORK)):
                self._pool.start()

    def problem_facts(self) -> ProblemFacts | None:
        assert self._pool is not None
        server = self._pool.server
        if server is None:
            return None
        while not server.is_ready and self._pool.server is server:
            wait_for_any([server.connection, server.sentinel])
            try:
                self._hear_server(server)
            finally:
                if server.broken is not None and server.broken.kind in _WRONG_INPUT:
                    raise _WRONG_INPUT[server.broken.kind](server.broken.message)
        return server.facts

    def submit(self, key: int, task: Task) -> None:
        self._backlog.append(_Job(key, task))
        try:
            self._assign()
        except SweepError as error:  # what is done already is answered first
            self._trouble = error

    def wait(self, also: Sequence[int] = ()) -> list[tuple[int, Outcome]]:
        outcomes: list[tuple[int, Outcome]] = []
        while not outcomes:
            if self._trouble is not None:
                raise self._trouble
            assert self._pool is not None and (self._backlog or self._given)
            awake = self._pool.wait(self._seconds_to_deadline(), also)
            try:
                for one, has_ended in awake:
                    if isinstance(one, ForkServer):
                        outcomes += self._hear_server(one)
                    elif one in self._pool.workers:  # not buried in this round
                        outcomes += self._bury(one) if has_ended else self._hear(one)
                outcomes += self._end_overdue()
                self._assign()
                self._sink.raise_error()
            except Exception as error:
                self._trouble = error  # for the next time, if there are answers
            if also and not awake:
                break
        return outcomes

    def close(self) -> None:
        if self._pool is not None:
            self._pool.close()
        self._sink.close()
        self._pool = None
        self._given.clear()
        self._backlog.clear()

    def _assign(self) -> None:
        """Gives waiting jobs to idle workers, starting workers as far as there are cores."""
        assert self._pool is not None
        if not self._backlog or len(self._given) == self.cores:
            return
        idle = [one for one in self._pool.workers if one not in self._given]
        idle.sort(key=lambda one: one.is_ready)
        while self._backlog and (idle or len(self._pool.workers) < self.cores):
            self._give(idle.pop() if idle else self._pool.start(), self._backlog.popleft())

    def _give(self, one: Worker, job: _Job) -> None:
        self._given[one] = job
        job.deadline = None  # that of an attempt before is over
        if one.is_ready:
            self._begin(job)
        job.output = one.give(job.task)

    def _hear(self, one: Worker) -> list[tuple[int, Outcome]]:
        """Takes one message of a worker."""
        try:
            message = worker.receive(one.connection)
        except (EOFError, OSError):
            one.signal_to_end()  # if it is not dead, it has closed its side and can do no more
            one.wait_until_gone()
            return self._bury(one)
        return self._take(one, *message)

    def _take(self, one: Worker, subject: Any, content: Any) -> list[tuple[int, Outcome]]:
        assert self._pool is not None
        job = self._given.get(one)
        if subject == worker.BROKEN:
            one.broken = content
            one.signal_to_end()
        elif subject == worker.READY:
            self._pool.take_ready(one, content)
            if job is not None:
                self._begin(job)
        elif subject == worker.LAST:
            assert job is not None
            one.is_leaving = True
            self._sink.pass_on(job.task, content)
        elif subject == worker.SPENT:
            assert job is not None
            job.attempts -= 1
            one.signal_to_end()
        else:
            assert job is not None
            del self._given[one]
            if one.is_leaving and one in self._pool.workers:
                self._pool.remove(one)
            outcome: Outcome = pickle.loads(content)
            return [job.failed(outcome.error) if outcome.error is not None else (job.key, outcome)]
        return []

    def _hear_server(self, server: ForkServer) -> list[tuple[int, Outcome]]:
        """Takes what the fork server says, and buries its workers with it if it ended."""
        assert self._pool is not None
        if self._pool.server is not server or not self._pool.server_has_ended():
            return []
        lost = self._pool.workers_of(server)
        outcomes = [outcome for one in lost for outcome in self._bury(one)]
        self._pool.bury_server(server, len(lost))
        return outcomes

    def _bury(self, one: Worker) -> list[tuple[int, Outcome]]:
        """Removes a dead worker, once all is heard that it has sent; its job is tried again or has failed."""
        assert self._pool is not None
        outcomes: list[tuple[int, Outcome]] = []
        with suppress(EOFError, OSError):
            while one.connection.poll():
                outcomes += self._take(one, *worker.receive(one.connection))
        if one not in self._pool.workers:  # it has told that it would leave
            return outcomes
        job = self._remove(one)
        if not one.is_ready and one.exit_code is not None:
            self._pool.take_failed_load(one)
        if job is not None:
            outcomes += self._tried(job, one)
        return outcomes

    def _tried(self, job: _Job, one: Worker) -> list[tuple[int, Outcome]]:
        """The worker of a job died."""
        if one.exit_code is None and one.is_ready:  # by no fault of the job, if that does not go on for ever
            job.times_lost += 1
            job.attempts -= job.times_lost <= _MOST_LOST
        if not one.is_ready or job.attempts <= self._retries:
            self._backlog.appendleft(job)
            return []
        message = f'the worker process {describe_exit(one.exit_code)}, {job.attempts} times in a row'
        return [job.failed(RunError('WorkerDied', message, signal=signal_name(one.exit_code)))]

    def _remove(self, one: Worker) -> _Job | None:
        """Ends a worker, dead or not; returns the job that it had, if any."""
        assert self._pool is not None
        self._pool.remove(one)
        return self._given.pop(one, None)

    def _begin(self, job: _Job) -> None:
        """A ready worker has the job now: the attempt counts, and its time runs."""
        job.attempts += 1
        if self._timeout is not None:
            job.deadline = time.monotonic() + self._timeout

    def _seconds_to_deadline(self) -> float | None:
        if self._timeout is None:
            return None
        deadlines = [job.deadline for job in self._given.values() if job.deadline is not None]
        return min(max(0.0, min(deadlines) - time.monotonic()), _LONGEST_WAIT) if deadlines else None

    def _end_overdue(self) -> list[tuple[int, Outcome]]:
        if self._timeout is None:
            return []
        now = time.monotonic()
        overdue = [
            one for one, job in self._given.items() if job.deadline is not None and job.deadline <= now
        ]
        for one in overdue:
            one.ask_where_it_is()
        end, left = now + _SECONDS_TO_SAY_WHERE, [one.sentinel for one in overdue]
        while left and (seconds := end - time.monotonic()) > 0:
            ended = wait_for_any(left, seconds)
            left = [sentinel for sentinel in left if sentinel not in ended]
        message = f'the run took longer than the timeout of {self._timeout:g} seconds'
        jobs = [self._remove(one) for one in overdue]
        return [job.failed(RunError('TimedOut', message)) for job in jobs if job is not None]
