"""Carries tasks from the queue to the executor, run by run, and outcomes back."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence

from sortedcontainers import SortedDict

from ..errors import SweepError
from ..executors.base import Answer, Executor, Outcome, Task
from .jobs import Indices, Job, JobEvent, JobFactory, TaskDone, TrialDone
from .queue import ParamsTaskQueue


class Dispatcher:
    """Keeps the executor's cores busy with what the queue says is next.

    A job's runs take its cores one by one as they start. A core whose job has no run to start (a tuning
    stage that is about to end, say) is lent to the next task; when the job has runs again, they go before
    any new task. Cores that no task needs go to the tunings that have more runs than cores, beyond their
    share. Every operation is O(log jobs).

    Args:
        queue: Decides what is next.
        executor: Started; runs it.
        make_job: Turns a task into the runs it consists of.
        device: The type of device that all runs are to be done on; None if that does not matter.
        clock: Returns seconds, for how long runs take; nothing is decided by it.
    """

    def __init__(
        self,
        queue: ParamsTaskQueue,
        executor: Executor,
        make_job: JobFactory,
        device: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queue = queue
        self._executor = executor
        self._make_job = make_job
        self._device = device
        self._jobs: dict[Job, int] = {}
        self._short: SortedDict[int, Job] = SortedDict()  # have runs to start, and lack cores of their share
        self._full: SortedDict[int, Job] = SortedDict()  # have runs to start, and all their share
        self._runs: dict[int, tuple[Job, Indices, float]] = {}  # the last: when it was started
        self._done_meanwhile: list[Answer] = []
        self._clock = clock
        self._starts = 0.0  # the sum of when the runs in progress were started
        self._seconds_of_unfinished = 0.0  # taken by runs that are done, of tunings that are not
        self._keys = itertools.count()
        self._numbers = itertools.count()

    @property
    def jobs(self) -> list[Job]:
        """The jobs in progress, in the order in which they were started."""
        return list(self._jobs)

    @property
    def is_busy(self) -> bool:
        """Whether a job is in progress."""
        return bool(self._jobs)

    @property
    def cores(self) -> int:
        """How many runs can be in progress."""
        return self._executor.cores

    @property
    def busy_cores(self) -> int:
        """How many runs are in progress."""
        return len(self._runs)

    @property
    def seconds_under_way(self) -> float:
        """How long cores worked on what is not done: trials in progress, tunings with all their runs."""
        return len(self._runs) * self._clock() - self._starts + self._seconds_of_unfinished

    def start_what_fits(self) -> list[JobEvent]:
        """Starts runs until no core is free, nothing waits, or something is done without a run.

        Returns:
            What that was. It is to be taken in before more is started, which may depend on it.
        """
        cores = self._executor.cores
        if cores != self._queue.total_cores:
            self._queue.set_total_cores(cores)
        while self._short and self._queue.available_cores > 0:
            job = self._short.peekitem(0)[1]
            self._start_runs(job, self._queue.reclaim(job.task, len(job.waiting)))
        while (task := self._queue.get_next_task(cores)) is not None:
            job = self._make_job(task)
            self._jobs[job] = next(self._numbers)
            events = job.begin()
            self._start_runs(job, self._queue.held_cores(task))
            if not (job.running or job.waiting):
                events.append(self._end(job))
            if events:
                return events
        while self._full and self._queue.available_cores > 0:
            job = self._full.peekitem(0)[1]
            self._start_runs(job, self._queue.borrow(job.task, len(job.waiting)))
        self._executor.expect(len(self._queue) + len(self._short) + len(self._full))
        return []

    def wait(self) -> list[JobEvent] | None:
        """Blocks until something is done, or the executor is woken.

        Returns:
            What happened, in order; None if nothing is done.

        Raises:
            SweepError: A run was done on another type of device than that of the sweep.
        """
        outcomes, self._done_meanwhile = self._done_meanwhile, []
        outcomes = outcomes or self._executor.wait()
        if not outcomes:
            return None
        events: list[JobEvent] = []
        for key, outcome in outcomes:
            if self._device is not None and outcome.device not in (None, self._device):
                raise SweepError(
                    f'a run was done on {outcome.device}, and those of this sweep are done on '
                    f'{self._device}: what is trained on different types of devices is not compared. Name '
                    f'the device, as in device={self._device!r}, so that no process takes another one'
                ).naming(('device', self._device))
            job, indices, started = self._runs.pop(key)
            job.running -= 1
            job.seconds += outcome.seconds
            self._starts -= started
            if not job.task.trials:
                self._seconds_of_unfinished += outcome.seconds
            new = job.take(indices, outcome)
            events += new
            if job.running or job.waiting:
                self._use_core(job)
            else:
                events.append(self._end(job))
            for event in new:
                if isinstance(event, TrialDone):
                    self._queue.trial_took(job.task.point, event.record.result.seconds)
        return events

    def run_beside(self, tasks: Sequence[Task]) -> list[Outcome]:
        """Runs tasks of no job; returns their outcomes, in order. What else is done meanwhile, `wait` tells.

        They get the next cores that are free, so they should be short.
        """
        keys = [next(self._keys) for _ in tasks]
        for key, task in zip(keys, tasks, strict=True):
            self._executor.submit(key, task)
        outcomes: dict[int, Outcome] = {}
        while len(outcomes) < len(tasks):
            for key, outcome in self._executor.wait():
                if key in self._runs:
                    self._done_meanwhile.append((key, outcome))
                else:
                    outcomes[key] = outcome
        return [outcomes[key] for key in keys]

    def _end(self, job: Job) -> TaskDone:
        number = self._jobs.pop(job)
        self._short.pop(number, None)  # where it is if it has failed
        self._full.pop(number, None)
        (self._queue.task_failed if job.failed else self._queue.task_done)(job.task)
        if not job.task.trials:
            self._seconds_of_unfinished -= job.seconds
        return TaskDone(job.task, None if job.is_resumed else job.seconds)

    def _use_core(self, job: Job) -> None:
        """Starts a job's next run on the core of one that is done, unless that core was borrowed."""
        if self._queue.held_cores(job.task) > job.task.cores:
            self._queue.release(job.task)
            self._note_need(job)
        else:
            self._start_runs(job, 1)

    def _start_runs(self, job: Job, cores: int) -> None:
        """Starts runs of a job on so many of its cores, and releases those it has no run for."""
        starting = min(cores, len(job.waiting))
        for _ in range(starting):
            indices, task = job.waiting.popleft()
            key = next(self._keys)
            started = self._clock()
            self._runs[key] = (job, indices, started)
            self._starts += started
            job.running += 1
            self._executor.submit(key, task)
        if cores > starting:
            self._queue.release(job.task, cores - starting)
        self._note_need(job)

    def _note_need(self, job: Job) -> None:
        number = self._jobs[job]
        self._short.pop(number, None)
        self._full.pop(number, None)
        if job.waiting:
            lacks = self._queue.held_cores(job.task) < job.task.cores
            (self._short if lacks else self._full)[number] = job
