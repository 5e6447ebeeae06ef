"""Carries tasks from the queue to the executor, run by run, and outcomes back."""

from __future__ import annotations

import itertools

from .executors.base import Executor
from .jobs import Event, Job, JobFactory, TaskDone
from .queue import ParamsTaskQueue


class Dispatcher:
    """Keeps the executor's cores busy with what the queue says is next.

    A job's runs take its cores one by one as they start. A core whose job has no run to start (a tuning
    stage that is about to end, say) is lent to the next task; when the job has runs again, they go before
    any new task.

    Args:
        queue: Decides what is next.
        executor: Started; runs it.
        make_job: Turns a task into the runs it consists of.
    """

    def __init__(self, queue: ParamsTaskQueue, executor: Executor, make_job: JobFactory) -> None:
        self._queue = queue
        self._executor = executor
        self._make_job = make_job
        self._jobs: dict[Job, None] = {}
        self._runs: dict[int, tuple[Job, int]] = {}
        self._keys = itertools.count()

    @property
    def jobs(self) -> list[Job]:
        """The jobs in progress, in the order in which they were started."""
        return list(self._jobs)

    def start_what_fits(self) -> list[Event]:
        """Starts runs until no core is free, nothing fits, or something is done without a run.

        Returns:
            What that was. It is to be taken in before more is started, which may depend on it.
        """
        for job in self._jobs:
            self._start_runs(job, self._queue.reclaim(job.task, len(job.waiting)))
        while (task := self._queue.get_next_task(self._queue.available_cores)) is not None:
            job = self._make_job(task)
            self._jobs[job] = None
            events = job.begin()
            self._start_runs(job, task.cores)
            events += self._ended(job)
            if events:
                return events
        return []

    def wait(self) -> list[Event]:
        """Blocks until something is done; returns what happened, in order."""
        events: list[Event] = []
        for key, outcome in self._executor.wait():
            job, index = self._runs.pop(key)
            job.running -= 1
            events += job.take(index, outcome)
            self._start_runs(job, 1)
            events += self._ended(job)
        return events

    def _ended(self, job: Job) -> list[Event]:
        if job.running or job.waiting:
            return []
        del self._jobs[job]
        (self._queue.task_failed if job.failed else self._queue.task_done)(job.task)
        return [TaskDone(job.task)]

    def _start_runs(self, job: Job, cores: int) -> None:
        """Starts runs of a job on so many of its cores, and releases those it has no run for."""
        starting = min(cores, len(job.waiting))
        for _ in range(starting):
            index, task = job.waiting.popleft()
            key = next(self._keys)
            self._runs[key] = (job, index)
            job.running += 1
            self._executor.submit(key, task)
        if cores > starting:
            self._queue.release(job.task, cores - starting)
