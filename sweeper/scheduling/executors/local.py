"""The executor that keeps long-lived worker processes on this machine.

Each worker has a connection for tasks and outcomes and a sentinel, a pipe that closes when its process
ends. The parent waits on all of them together; there is no polling.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections import deque
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from multiprocessing.connection import wait as wait_for_any
from threading import Thread

from ...errors import InvalidArgument, ProblemError, SweepError
from ...work import BenchSpec
from ..task import Outcome, RunError, Task
from . import worker
from .base import Executor

_AHEAD_OF_WORK = 8
_LONGEST_WAIT = 3600.0
# One thread each; and sets of strings in one order in all workers, so that data built from them is the same.
_ENVIRONMENT = dict.fromkeys(('OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'OPENBLAS_NUM_THREADS'), '1')
_ENVIRONMENT['PYTHONHASHSEED'] = '0'


class _Worker:
    """A worker process, its connection and its sentinel."""

    def __init__(self, number: int, spec: BenchSpec) -> None:
        self.number = number
        self.is_ready = False
        self.job: _Job | None = None
        self.broken: RunError | None = None
        self.connection, child = Pipe()
        with child:
            self.process = subprocess.Popen(
                worker.command(child.fileno(), number),
                pass_fds=[child.fileno()],
                stdin=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=os.environ | _ENVIRONMENT,
                process_group=0,  # the terminal's Ctrl-C is the parent's to handle
            )
        self.sentinel, ended = Pipe(duplex=False)
        Thread(target=_relay, args=(self.process,), daemon=True).start()
        self._reaper = Thread(target=_reap, args=(self.process, ended), daemon=True)
        self._reaper.start()
        with suppress(OSError):  # it died already; its sentinel says so
            worker.send(self.connection, spec)

    def signal_to_end(self) -> None:
        """Kills the process and what the user's code has started in it, without waiting."""
        _kill_group(self.process)

    def is_gone(self) -> bool:
        """Whether the process has ended; only its reaper may ask the system, so this asks the sentinel."""
        return self.sentinel.poll()

    def wait_until_gone(self) -> None:
        """Waits until the process has ended."""
        self._reaper.join()

    def kill(self) -> None:
        """Ends the process, whatever it does, and waits until it is gone."""
        self.signal_to_end()
        self._reaper.join()
        self.connection.close()
        self.sentinel.close()


def _reap(process: subprocess.Popen[bytes], ended: Connection) -> None:
    """Waits for the process to end, ends what it has started (it may hold the connection), says so."""
    with ended:
        if hasattr(os, 'waitid'):  # until it is reaped, its id is no one else's
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            _kill_group(process)
        process.wait()


def _relay(process: subprocess.Popen[bytes]) -> None:
    """Prints what the user's code prints, line by line and past a live display, on the parent's stderr."""
    assert process.stderr is not None
    with process.stderr as lines:
        for line in lines:
            print(line.decode(errors='replace'), end='', file=sys.stderr, flush=True)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(OSError):  # gone already
        os.killpg(process.pid, signal.SIGKILL)


class _Job:
    """A submitted task and how it fares."""

    def __init__(self, key: int, task: Task) -> None:
        self.key = key
        self.task = task
        self.attempts = 0
        self.deadline: float | None = None


class LocalExecutor(Executor):
    """Runs tasks in worker processes on this machine, one per core, one intra-op thread each.

    Args:
        cores: Most workers; at least 1.
        retries: How often a task whose worker died is tried again before it counts as failed.
        timeout: Seconds after which a run is ended and counts as failed; None for no limit.
    """

    def __init__(self, cores: int, retries: int = 1, timeout: float | None = None) -> None:
        if os.name != 'posix':
            raise InvalidArgument("executor='local' needs Linux or macOS; use executor='inline' here")
        self.cores = cores
        self._retries = retries
        self._timeout = timeout
        self._spec: BenchSpec | None = None
        self._workers: list[_Worker] = []
        self._backlog: deque[_Job] = deque()
        self._failed_loads = 0  # in a row

    def start(self, spec: BenchSpec, expect_work: bool = True) -> None:
        self._spec = spec
        if expect_work:
            for _ in range(min(self.cores, _AHEAD_OF_WORK)):
                self._start_worker()

    def submit(self, key: int, task: Task) -> None:
        self._backlog.append(_Job(key, task))
        self._assign()

    def wait(self) -> list[tuple[int, Outcome]]:
        outcomes: list[tuple[int, Outcome]] = []
        while not outcomes:
            assert self._backlog or any(one.job is not None for one in self._workers)
            sources: dict[object, _Worker] = {w.connection: w for w in self._workers}
            sources |= {w.sentinel: w for w in self._workers}
            awake = wait_for_any(list(sources), self._seconds_to_deadline())  # type: ignore[arg-type]
            for one in {sources[source] for source in awake}:
                outcomes += self._hear(one)
            outcomes += self._end_overdue()
            self._assign()
        return outcomes

    def close(self) -> None:
        for one in self._workers:
            one.signal_to_end()
        for one in self._workers:
            one.kill()
        self._workers.clear()
        self._backlog.clear()

    def _start_worker(self) -> None:
        assert self._spec is not None
        taken = {one.number for one in self._workers}
        number = next(number for number in range(self.cores) if number not in taken)
        self._workers.append(_Worker(number, self._spec))

    def _assign(self) -> None:
        """Gives waiting jobs to idle workers, starting workers as far as there are cores."""
        idle = [one for one in self._workers if one.job is None]
        while self._backlog:
            if not idle:
                if len(self._workers) >= self.cores:
                    return
                self._start_worker()
                idle.append(self._workers[-1])
            idle.sort(key=lambda one: one.is_ready)
            one, job = idle.pop(), self._backlog.popleft()
            one.job = job
            job.deadline = None  # that of an attempt before is over
            if one.is_ready:
                self._start(job)
            with suppress(OSError):  # it died; its sentinel says so in the next `wait`
                worker.send(one.connection, (job.key, pickle.dumps(job.task)))

    def _hear(self, one: _Worker) -> list[tuple[int, Outcome]]:
        """Takes what a worker has sent, and buries it if its process ended."""
        outcomes: list[tuple[int, Outcome]] = []
        try:
            while one.connection.poll():
                key, content = worker.receive(one.connection)
                if key == worker.BROKEN:
                    one.broken = content
                    one.signal_to_end()
                elif key == worker.READY:
                    one.is_ready = True
                    self._failed_loads = 0
                    if one.job is not None:
                        self._start(one.job)
                else:
                    one.job = None
                    outcomes.append((key, content))
        except (EOFError, OSError):
            one.signal_to_end()  # if it is not dead, it has closed its side and can do no more
            one.wait_until_gone()
        if one.is_gone():
            outcomes += self._bury(one)
        return outcomes

    def _bury(self, one: _Worker) -> list[tuple[int, Outcome]]:
        """Removes a dead worker; its job is tried again or has failed."""
        code, job = one.process.returncode, one.job
        self._remove(one)
        if not one.is_ready:
            self._take_failed_load(one)
        if job is None:
            return []
        if not one.is_ready or job.attempts <= self._retries:
            self._backlog.appendleft(job)
            return []
        message = f'the worker process {_describe_exit(code)}, {job.attempts} times in a row'
        return [(job.key, Outcome(error=RunError('WorkerDied', message)))]

    def _take_failed_load(self, one: _Worker) -> None:
        """A worker could not load the problem: that is no fault of its job; try `retries` times."""
        self._failed_loads += 1
        if one.broken is not None and self._failed_loads > self._retries:
            raise ProblemError(
                f'a worker process cannot load the problem: {one.broken.kind}: {one.broken.message}\n'
                f'{one.broken.traceback}'
            )
        if self._failed_loads > self._retries * self.cores:
            exit_code = _describe_exit(one.process.returncode)
            raise SweepError(f'a worker process {exit_code} while it loaded the problem')

    def _remove(self, one: _Worker) -> None:
        one.kill()
        self._workers.remove(one)

    def _start(self, job: _Job) -> None:
        """A ready worker has the job now: the attempt counts, and its time runs."""
        job.attempts += 1
        if self._timeout is not None:
            job.deadline = time.monotonic() + self._timeout

    def _deadlines(self) -> list[tuple[float, _Worker]]:
        return [
            (one.job.deadline, one)
            for one in self._workers
            if one.job is not None and one.job.deadline is not None
        ]

    def _seconds_to_deadline(self) -> float | None:
        deadlines = [deadline for deadline, _ in self._deadlines()]
        return min(max(0.0, min(deadlines) - time.monotonic()), _LONGEST_WAIT) if deadlines else None

    def _end_overdue(self) -> list[tuple[int, Outcome]]:
        outcomes = []
        for deadline, one in self._deadlines():
            if deadline <= time.monotonic():
                assert one.job is not None
                message = f'the run took longer than the timeout of {self._timeout:g} seconds'
                outcomes.append((one.job.key, Outcome(error=RunError('TimedOut', message))))
                self._remove(one)
        return outcomes


def _describe_exit(code: int) -> str:
    if code >= 0:
        return f'ended with exit code {code}'
    hint = ', as the system does when memory runs out' if -code == signal.SIGKILL else ''
    return f'was killed by {signal.Signals(-code).name}{hint}'
