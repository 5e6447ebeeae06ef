"""What a local executor does while it is started: gives tasks to workers, and takes their outcomes.

Each worker has a connection for tasks and outcomes and a sentinel, which becomes readable when its process
ends. The parent waits on all of them together; there is no polling.
"""

from __future__ import annotations

import pickle
import time
from collections import deque
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import wait as wait_for_any
from typing import Any

from ...errors import InvalidArgument, SweepError
from ...training.facts import ProblemFacts
from ...work import WorkerSpec
from ..base import WRONG_INPUT, Answer, OnOutput, Outcome, RunError, Task
from ..gpus.placer import Need
from .forked import ForkServer
from .gpus import GpuDealer, in_company, needs_its_card_alone, with_gpu_named
from .output import OutputSink, RunOutput
from .pool import Worker, WorkerPool, ask_where_they_are, describe_exit, signal_name
from .worker import BROKEN, LAST, READY, SPENT, receive

_LONGEST_WAIT = 3600.0
_SECONDS_TO_READ = 1.0
_SECONDS_TO_SAY_WHERE = 1.0
_MOST_LOST = 3
_NOTHING = Outcome()


class _Entry:
    """A submitted task and how it fares."""

    def __init__(self, key: int, task: Task) -> None:
        self.key = key
        self.task = task
        self.attempts = 0
        self.times_lost = 0
        self.deadline: float | None = None
        self.output = RunOutput(task)
        self.need: Need | None = None  # of a GPU, while it has one
        self.is_alone = False  # it is to have its GPU to itself
        self.company: list[Task] = []  # what else was there

    def failed(self, error: RunError, outcome: Outcome = _NOTHING) -> Answer:
        """The answer that this task has failed, with the end of what its last attempt printed."""
        output = self.output.tail(_SECONDS_TO_READ)
        return self.key, replace(outcome, error=replace(error, output=output))


class Supervisor:
    """The tasks of an executor that was started, and the workers that run them.

    Args:
        spec: The problem, the seed and the device.
        on_output: As for `Executor.start`.
        cores: As for `LocalExecutor`, and so are the arguments that follow.
        retries: How often a task whose worker died is tried again.
        timeout: Seconds after which a run is ended.
        memory: Bytes that a worker process may use.
        dealer: Deals out the GPUs; None if no worker is given any.
    """

    def __init__(
        self,
        spec: WorkerSpec,
        on_output: OnOutput | None,
        cores: int,
        retries: int,
        timeout: float | None,
        memory: int | None,
        dealer: GpuDealer | None = None,
    ) -> None:
        self._cores, self._retries, self._timeout, self._dealer = cores, retries, timeout, dealer
        self._sink = OutputSink(on_output)
        self.pool = WorkerPool(cores, spec, memory, retries, self._sink)
        self._given: dict[Worker, _Entry] = {}  # what each worker runs
        self._backlog: deque[_Entry] = deque()
        self._trouble: Exception | None = None

    def start_workers(self, count: int) -> None:
        """Starts so many workers, ahead of work; fewer, if more would have no GPU."""
        for gpus in [None] * count if self._dealer is None else self._dealer.ahead(count):
            self.pool.start(gpus)

    def problem_facts(self) -> ProblemFacts | None:
        """As `LocalExecutor.problem_facts`."""
        server = self.pool.server
        if server is None:
            return None
        while not server.is_ready and self.pool.server is server:
            wait_for_any([server.connection, server.sentinel])
            try:
                self._hear_server(server)
            finally:
                if server.broken is not None and server.broken.kind in WRONG_INPUT:
                    raise WRONG_INPUT[server.broken.kind](server.broken.message)
        return server.facts

    def submit(self, key: int, task: Task) -> None:
        """As `Executor.submit`."""
        if task.resources.cpus != 1:
            raise InvalidArgument(f'{task.name}: needs {task.resources.cpus} cores, and a worker has 1')
        self._backlog.append(_Entry(key, task))
        try:
            self._assign()
        except SweepError as error:  # what is done already is answered first
            self._trouble = error

    def wait(self) -> list[Answer]:
        """As `Executor.wait`."""
        answers: list[Answer] = []
        is_woken = False
        while not (answers or is_woken):
            if self._trouble is not None:
                raise self._trouble
            assert self._backlog or self._given
            awake, is_woken = self.pool.wait(self._seconds_to_deadline())
            try:
                for worker, has_ended in awake:
                    if isinstance(worker, ForkServer):
                        answers += self._hear_server(worker)
                    elif worker in self.pool.workers:  # not discarded in this round
                        answers += self._discard(worker) if has_ended else self._hear(worker)
                answers += self._end_overdue()
                self._assign()
                self._sink.raise_error()
            except Exception as error:
                self._trouble = error  # for the next time, if there are answers
        return answers

    def wake(self) -> None:
        """Has `wait` return soon. May be called from any thread."""
        self.pool.wake()

    def close(self) -> None:
        """Ends all workers at once."""
        self.pool.close()
        self._sink.close()

    def _assign(self) -> None:
        """Gives waiting tasks to idle workers, starting workers as far as there are cores."""
        if not self._backlog or len(self._given) == self._cores:
            return
        if self._dealer is not None:
            self._assign_to_gpus(self._dealer)
            return
        idle = [worker for worker in self.pool.workers if worker not in self._given]
        idle.sort(key=lambda worker: worker.is_ready)
        while self._backlog and (idle or len(self.pool.workers) < self._cores):
            self._give(idle.pop() if idle else self.pool.start(), self._backlog.popleft())

    def _assign_to_gpus(self, dealer: GpuDealer) -> None:
        """Gives waiting tasks to workers on GPUs that have room, in order; one that must wait keeps a GPU."""
        kept: set[int] = set()
        index = 0
        while index < len(self._backlog) and len(self._given) < self._cores:
            entry, spare = self._backlog[index], self._cores - len(self.pool.workers)
            need, placement = dealer.place(entry.task, entry.is_alone, self._workers(), spare, kept)
            if placement is None:
                if (card := dealer.card_to_keep(self._workers(), kept)) is None:
                    return
                kept.add(card)
                index += 1
                continue
            del self._backlog[index]
            workers = {worker.number: worker for worker in self.pool.workers}
            for number in placement.ended:
                self.pool.remove(workers[number])
            gpus = dealer.gpus_of(placement)
            worker = self.pool.start(gpus) if placement.worker is None else workers[placement.worker]
            entry.need = need
            self._introduce(entry, gpus)
            self._give(worker, entry)

    def _workers(self) -> list[tuple[Worker, Need | None]]:
        """All workers, with what they need of their GPUs."""
        given = self._given
        return [(worker, given[worker].need if worker in given else None) for worker in self.pool.workers]

    def _introduce(self, entry: _Entry, gpus: str) -> None:
        """Notes which runs have been on a card together."""
        if not entry.is_alone:
            entry.company = []
            for worker, other in self._given.items():
                if worker.gpus == gpus:
                    entry.company.append(other.task)
                    other.company.append(entry.task)

    def _give(self, worker: Worker, entry: _Entry) -> None:
        self._given[worker] = entry
        entry.deadline = None  # that of an attempt before is over
        if worker.is_ready:
            self._begin(entry)
        entry.output = worker.give(entry.task)

    def _hear(self, worker: Worker) -> list[Answer]:
        """Takes one message of a worker."""
        try:
            message = receive(worker.connection)
        except (EOFError, OSError):
            worker.signal_to_end()  # if it is not dead, it has closed its side and can do no more
            worker.wait_until_gone()
            return self._discard(worker)
        return self._take(worker, *message)

    def _take(self, worker: Worker, kind: Any, content: Any) -> list[Answer]:
        entry = self._given.get(worker)
        if kind == BROKEN:
            worker.broken = content
            worker.signal_to_end()
        elif kind == READY:
            self.pool.take_ready(worker, content)
            if self._dealer is not None:
                self._dealer.take_ready(worker, self.pool.workers)
            if entry is not None:
                self._begin(entry)
        elif kind == LAST:
            assert entry is not None
            worker.is_leaving = True
            self._sink.pass_on(entry.task, content)
        elif kind == SPENT:
            assert entry is not None
            entry.attempts -= 1
            worker.signal_to_end()
        else:
            assert entry is not None
            del self._given[worker]
            if worker.is_leaving and worker in self.pool.workers:
                self.pool.remove(worker)
            return self._answered(entry, worker, pickle.loads(content))
        return []

    def _answered(self, entry: _Entry, worker: Worker, outcome: Outcome) -> list[Answer]:
        """The answer of a task that was done; none if it is tried again alone on a GPU."""
        if outcome.gpu_memory is not None and self._dealer is not None:
            self._dealer.take_memory(entry.task, worker, outcome.gpu_memory)
        error = outcome.error
        if error is None:
            return [(entry.key, outcome)]
        if worker.gpus is not None and needs_its_card_alone(error):
            if not entry.is_alone:
                text = f'[sweeper] GPU {worker.gpus} ran out of memory {in_company(entry.company)}; '
                self._sink.pass_on(entry.task, text + 'it is tried again with a GPU to itself\n')
                entry.is_alone = True
                entry.attempts -= 1
                self._backlog.appendleft(entry)
                return []
            error = with_gpu_named(error, worker.gpus, outcome.gpu_memory, entry.company)
        return [entry.failed(error, outcome)]

    def _hear_server(self, server: ForkServer) -> list[Answer]:
        """Takes what the fork server says, and discards its workers with it if it ended."""
        if self.pool.server is not server or not self.pool.server_has_ended():
            return []
        lost = self.pool.workers_of(server)
        outcomes = [outcome for worker in lost for outcome in self._discard(worker)]
        self.pool.discard_server(server, lost)
        return outcomes

    def _discard(self, worker: Worker) -> list[Answer]:
        """Removes a dead worker, once all is heard that it sent; its task is tried again or has failed."""
        outcomes: list[Answer] = []
        with suppress(EOFError, OSError):
            while worker.connection.poll():
                outcomes += self._take(worker, *receive(worker.connection))
        if worker not in self.pool.workers:  # it has told that it would leave
            return outcomes
        entry = self._remove(worker)
        if not worker.is_ready and worker.exit_code is not None:
            self.pool.take_failed_load(worker)
        if entry is not None:
            outcomes += self._retry_or_fail(entry, worker)
        return outcomes

    def _retry_or_fail(self, entry: _Entry, worker: Worker) -> list[Answer]:
        """The worker of a task died."""
        if worker.exit_code is None and worker.is_ready:  # by no fault of the task, if not for ever
            entry.times_lost += 1
            entry.attempts -= entry.times_lost <= _MOST_LOST
        if not worker.is_ready or entry.attempts <= self._retries:
            self._backlog.appendleft(entry)
            return []
        message = f'the worker process {describe_exit(worker.exit_code)}, {entry.attempts} times in a row'
        return [entry.failed(RunError('WorkerDied', message, signal=signal_name(worker.exit_code)))]

    def _remove(self, worker: Worker) -> _Entry | None:
        """Ends a worker, dead or not; returns the task that it had, if any."""
        self.pool.remove(worker)
        return self._given.pop(worker, None)

    def _begin(self, entry: _Entry) -> None:
        """A ready worker has the task now: the attempt counts, and its time runs."""
        entry.attempts += 1
        if self._timeout is not None:
            entry.deadline = time.monotonic() + self._timeout

    def _seconds_to_deadline(self) -> float | None:
        if self._timeout is None:
            return None
        deadlines = [entry.deadline for entry in self._given.values() if entry.deadline is not None]
        return min(max(0.0, min(deadlines) - time.monotonic()), _LONGEST_WAIT) if deadlines else None

    def _end_overdue(self) -> list[Answer]:
        if self._timeout is None:
            return []
        now = time.monotonic()
        overdue = [
            worker
            for worker, entry in self._given.items()
            if entry.deadline is not None and entry.deadline <= now
        ]
        ask_where_they_are(overdue, _SECONDS_TO_SAY_WHERE)
        message = f'the run took longer than the timeout of {self._timeout:g} seconds'
        entries = [self._remove(worker) for worker in overdue]
        return [entry.failed(RunError('TimedOut', message)) for entry in entries if entry is not None]
