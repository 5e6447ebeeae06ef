"""The `Sweeper`: wires selector, queue, executor, store and listeners into one sweep."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .errors import InvalidPoint, PointFailed, SelectorError
from .points import Point, as_point, label
from .scheduling.dispatcher import Dispatcher
from .scheduling.executors.base import Executor
from .scheduling.jobs import Event, FailedPoint, Job, PointTuned, TaskDone, TrialDone, TrialsJob, TuningJob
from .scheduling.queue import ParamsTaskQueue
from .scheduling.task import ParamsTask
from .selectors.base import ParamSelector
from .selectors.listener import Audience, SweepListener, SweepStatus
from .store.results import PointError, SweepResults, Tuned
from .store.store import Store
from .training.problem import Problem
from .tuning.settings import HyperparameterSettings
from .tuning.tuner import tune

_LEAST_PROPOSALS = 100
_LOWEST = -1  # comes before every trial


class Sweeper:
    """Runs one sweep: asks the selector, keeps the cores busy, stores results and tells them.

    Args:
        problem: The user's module, loaded.
        selector: Proposes points.
        queue: Empty; decides what is next.
        executor: Started; the caller closes it.
        store: The sweep's folder, opened.
        settings: For every point, already raised to `sweep_cores`.
        train_size: Samples in the training set.
        seed: The sweep's.
        listeners: Told of everything, after the selector.
        on_error: `record` or `raise`.
    """

    def __init__(
        self,
        problem: Problem,
        selector: ParamSelector,
        queue: ParamsTaskQueue,
        executor: Executor,
        store: Store,
        settings: HyperparameterSettings,
        train_size: int,
        seed: int,
        listeners: Iterable[SweepListener] = (),
        on_error: str = 'record',
    ) -> None:
        self._problem = problem
        self._selector = selector
        self._queue = queue
        self._dispatcher = Dispatcher(queue, executor, self._make_job)
        self._store = store
        self._settings, self._train_size, self._seed = settings, train_size, seed
        self._audience = Audience(selector, listeners)
        self._on_error = on_error
        self._cores = executor.cores
        self._asked: dict[Point, int] = {}
        self._failed: dict[Point, int] = {}
        self._tuned_count = self._trials_wanted = self._trials_done = 0

    def run(self) -> SweepResults:
        """Runs the sweep to its end and returns its results; what is done is kept if it cannot."""
        try:
            while True:
                took_some = self._ask_selector()
                self._dispatcher.start_what_fits()
                self._audience.tell('on_status', self._status())
                if took_some:
                    continue
                if not self._dispatcher.jobs:
                    if not self._selector.has_more_trials():
                        break
                    raise SelectorError(
                        f'{type(self._selector).__name__} has more trials but proposes none, and waits for '
                        f'results while nothing is running'
                    )
                self._take(self._dispatcher.wait())
            if not self._asked:
                raise SelectorError(
                    f'{type(self._selector).__name__} proposed nothing; '
                    f'one that another sweep has used up must be made anew'
                )
        finally:
            try:
                if self._asked:
                    self._store.collate()
            finally:
                self._audience.tell('on_end')
        return self._store.results()

    def _ask_selector(self) -> bool:
        """Takes new proposals in, once fewer than half of the most wait; returns whether there were any.

        The most grow with the sweep, so that writing the lookup anew for them costs little in all.
        """
        most = max(_LEAST_PROPOSALS, 4 * self._cores, len(self._asked) // 10)
        proposals: list[tuple[Point, int]] = []
        if 2 * len(self._queue) > most:
            return False
        while len(self._queue) + len(proposals) < most and self._selector.has_more_trials():
            proposed = self._selector.get_next_trials()
            if proposed is None:
                break
            proposals.append(self._checked(proposed))
        if not proposals:
            return False
        self._store.add_points([point for point, _ in proposals])
        for point, trials in proposals:
            self._take_in(point, trials)
        return True

    def _checked(self, proposed: Any) -> tuple[Point, int]:
        try:
            params, trials = proposed
        except (TypeError, ValueError):
            raise InvalidPoint(
                f'{type(self._selector).__name__}.get_next_trials() must return (params, trials) or None; '
                f'got {proposed!r}'
            ) from None
        point = as_point(params)
        self._problem.check_params(point)
        if not isinstance(trials, int) or isinstance(trials, bool) or trials < 0:
            raise InvalidPoint(f'{trials!r} trials proposed for {params!r}: must be an integer of at least 0')
        return point, trials

    def _take_in(self, point: Point, trials: int) -> None:
        """Queues what is not on disk yet, and tells what is."""
        before = self._asked.get(point)
        first = before or 0
        self._asked[point] = first + trials
        if point in self._failed:
            return
        tuned, on_disk, error = self._store.tuned(point), self._store.trials(point), self._store.error(point)
        if before is None and tuned is not None:
            self._tell_tuned(point, tuned)
        if error is not None:
            self._failed[point] = _LOWEST
            self._raise_if_asked(point, error)
            self._audience.tell('on_point_failed', point, error)
            return
        self._trials_wanted += trials
        found = [index for index in range(first, first + trials) if index in on_disk]
        if found:
            self._trials_done += len(found)
            self._tell_trials(point, found)
        self._queue.add_task_by_params(point, trials, tuned=tuned is not None, finished=on_disk)

    def _make_job(self, task: ParamsTask) -> Job:
        if task.is_tuning:
            return TuningJob(task, tune(self._settings, self._train_size, self._seed))
        tuned = self._store.tuned(task.params)
        assert tuned is not None
        return TrialsJob(task, tuned, self._seed)

    def _take(self, events: list[Event]) -> None:
        """Saves all that is done before it tells any of it, since telling may raise."""
        for event in events:
            match event:
                case PointTuned(point, tuned):
                    self._store.save_tuned(point, tuned)
                case TrialDone(point, index, record):
                    self._store.save_trial(point, index, record)
                    self._trials_done += point not in self._failed
        for event in events:
            match event:
                case PointTuned(point, tuned):
                    self._tell_tuned(point, tuned)
                case FailedPoint(point, error, order):
                    self._take_failure(point, error, order)
                case TaskDone(task) if not task.is_tuning:
                    on_disk = self._store.trials(task.params)
                    self._tell_trials(task.params, [index for index in task.trials if index in on_disk])
        self._store.collate_if_due()

    def _take_failure(self, point: Point, error: PointError, order: int) -> None:
        """Records a failure; of several, that of the lowest trial, whichever was first."""
        is_first = point not in self._failed
        if is_first or order < self._failed[point]:
            self._failed[point] = order
            self._store.save_error(point, error)
        self._raise_if_asked(point, error)
        if is_first:
            self._trials_wanted -= self._asked[point]
            self._trials_done -= sum(index < self._asked[point] for index in self._store.trials(point))
            self._audience.tell('on_point_failed', point, error)

    def _raise_if_asked(self, point: Point, error: PointError) -> None:
        if self._on_error == 'raise':
            raise PointFailed(f'the point ({label(point)}) failed: {error}\n{error.traceback}')

    def _tell_tuned(self, point: Point, tuned: Tuned) -> None:
        self._tuned_count += 1
        if self._asked[point] == 0:
            self._store.collate_point(point)
        self._audience.tell('on_hparams_found', point, tuned.lr_start, tuned.lr_end, tuned.batch_size)

    def _tell_trials(self, point: Point, indices: list[int]) -> None:
        """Collates trials that are on disk, and tells of them unless their point failed."""
        if not indices:
            return
        self._store.collate_point(point)
        if point in self._failed:
            return
        on_disk = self._store.trials(point)
        trials = [on_disk[index] for index in indices]
        names = ('perf_train', 'loss_train', 'perf_val', 'loss_val')
        arrays = [np.array([getattr(trial, name) for trial in trials]) for name in names]
        self._audience.tell('on_trials_completed', point, *arrays)

    def _status(self) -> SweepStatus:
        return SweepStatus(
            points=len(self._asked),
            tuned=self._tuned_count,
            failed=len(self._failed),
            trials=self._trials_wanted,
            trials_done=self._trials_done,
            running=tuple((job.task.params, job.describe()) for job in self._dispatcher.jobs),
            more_to_come=self._selector.has_more_trials(),
        )
