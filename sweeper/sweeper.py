"""The `Sweeper`: wires selector, queue, executor, store and listeners into one sweep."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial

from .errors import EqualPointsWarning, FolderError, PointFailed, SelectorError, SweepError
from .points import Point, label, point_key
from .report.estimate import Estimate
from .scheduling.dispatcher import Dispatcher
from .scheduling.executors.base import Executor
from .scheduling.jobs import (
    Event,
    Job,
    PointTuned,
    RunDone,
    RunFailed,
    TaskDone,
    TrialDone,
    TrialsJob,
    TuningJob,
)
from .scheduling.queue import ParamsTaskQueue
from .scheduling.task import ParamsTask
from .selectors.base import ParamSelector
from .selectors.dialogue import Dialogue, Proposal
from .selectors.listener import Audience, Running, SweepListener, SweepStatus
from .store.results import PointError, SweepResults, Tuned, scores_of
from .store.saving import Saves
from .store.store import Store
from .training.parameters import ProblemParameters
from .tuning.settings import HyperparameterSettings
from .tuning.tuner import tune


class Sweeper:
    """Runs one sweep: asks the selector, keeps the cores busy, stores results and tells them.

    Args:
        parameters: What of the problem can be swept.
        selector: Proposes points.
        queue: Empty; decides what is next.
        executor: Started; the caller closes it.
        store: The sweep's folder, opened.
        settings: For every point, already raised to `sweep_cores`.
        train_size: Samples in the training set.
        seed: The sweep's.
        listeners: Told of everything as soon as it is there; the selector is told in its own order.
        on_error: `record` or `raise`.
        save_threads: How many results are written to the disk at a time, while new runs are started already;
            0 writes each when it is there.
        same_selector: A selector that adapts must propose what it proposed before.
        lanes: How many runs of a point at most go side by side.
        check_points: Called with the first points, in order, before anything is written or trained, if the
            folder holds none.
    """

    def __init__(
        self,
        parameters: ProblemParameters,
        selector: ParamSelector,
        queue: ParamsTaskQueue,
        executor: Executor,
        store: Store,
        settings: HyperparameterSettings,
        train_size: int,
        seed: int,
        listeners: Iterable[SweepListener] = (),
        on_error: str = 'record',
        save_threads: int = 0,
        same_selector: bool = True,
        lanes: int = 1,
        check_points: Callable[[Sequence[Point]], None] = lambda _: None,
    ) -> None:
        self._selector, self._parameters = selector, parameters
        self._check_points = check_points
        self._dialogue = Dialogue(selector, store, parameters.check)
        self._queue = queue
        self._dispatcher = Dispatcher(queue, executor, self._make_job)
        self._store = store
        self._saves = Saves(save_threads)
        self._settings, self._train_size, self._seed = settings, train_size, seed
        self._audience = Audience(listeners)
        self._on_error, self._lanes = on_error, lanes
        self._executor = executor
        self._estimate = Estimate(settings.tuning_budget, settings.lr_initialisations, lanes)
        is_replayed = selector.adaptive and same_selector
        self._held = store.points_by(type(selector).__name__) if is_replayed else []
        self._others = {*store.points} - {*self._held}
        self._replayed = 0
        self._warned: set[str] = set()  # points, by key
        self._asked: dict[Point, int] = {}
        self._failed: set[Point] = set()
        self._flags: dict[Point, list[str]] = {}  # as they were told last
        self._untold: dict[Point, list[int]] = {}
        self._tuned_ahead: dict[Point, Tuned] = {}  # their trials may start before they are on disk
        self._unsaved: dict[Point, set[int]] = {}  # trials that are done and not on disk
        self._ended: dict[Point, list[ParamsTask]] = {}  # tasks of which there are such
        self._to_collate: dict[Point, None] = {}
        self._tuned_count = self._trials_wanted = self._trials_done = 0

    def run(self) -> SweepResults:
        """Runs the sweep to its end and returns its results; what is done is kept if it cannot."""
        try:
            self._audience.tell('on_start', self._store.layout.folder, self._store.parameter_names)
            self._run_to_the_end()
        except BaseException:
            with suppress(SweepError, OSError):  # what ends the sweep may also be in the way of this
                self._saves.finish()
                if self._asked:
                    self._store.collate()
            raise
        finally:
            self._saves.close()
            try:
                self._selector.on_end()
            finally:
                self._audience.tell('on_end')
        self._store.collate()
        self._store.check_still_there()
        results = self._store.results()
        results.others = [point for point in self._store.points if point not in self._asked]
        return results

    def _run_to_the_end(self) -> None:
        events: list[Event] = []
        while True:
            for event in events + self._start_what_fits(events):
                self._save(event)
            self._saves.take_in()
            self._converse()
            for event in self._start_what_fits([]):
                self._save(event)
            self._collate()
            self._audience.tell('on_status', self._status())
            if self._is_over():
                break
            events = self._wait()
        if not self._asked:
            raise SelectorError(
                f'{type(self._selector).__name__} proposed nothing; '
                f'one that another sweep has used up must be made anew'
            )
        self._check_decisions(self._held[self._replayed :], [])

    def _is_over(self) -> bool:
        is_idle = not (self._dispatcher.is_busy or self._saves.pending or self._queue.have_more_tasks())
        if is_idle and not self._dialogue.is_over:
            raise SelectorError(
                f'{type(self._selector).__name__} has more trials but proposes none, and waits for '
                f'results while nothing is running'
            )
        return is_idle

    def _wait(self) -> list[Event]:
        """Waits until a run is done or something is on disk; returns what is done."""
        if self._saves.has_written:
            return []
        if self._saves.is_full or not self._dispatcher.is_busy:
            self._saves.wait()
            return []
        return self._dispatcher.wait([self._saves.wakeup] if self._saves.pending else [])

    def _start_what_fits(self, events: Sequence[Event]) -> list[Event]:
        """Starts runs; returns what was done without one. `events` are what is new since the last time."""
        started: list[Event] = []
        while True:
            for event in events:
                if isinstance(event, PointTuned):
                    self._tuned_ahead[event.params] = event.tuned
            events = self._dispatcher.start_what_fits()
            if not events:
                return started
            started += events

    # Speaking with the selector

    def _converse(self) -> None:
        """Asks the selector and tells it what is known, until it is to wait."""
        while True:
            proposals = self._dialogue.ask()
            if proposals:
                self._take_in(proposals)
            if not self._dialogue.tell():
                return

    def _take_in(self, proposals: Sequence[Proposal]) -> None:
        """Queues what is not on disk yet, and tells listeners what is."""
        new = list(dict.fromkeys(p.point for p in proposals if p.point not in self._asked))
        replayed = [point for point in new if point not in self._others]
        held = self._held[self._replayed :][: len(replayed)]
        self._check_decisions(held, replayed[: len(held)])
        self._replayed += len(held)
        if new and not self._store.points:
            self._check_points(new)
        self._store.add_points(new)
        self._warn_of_equals(proposals)
        for proposal in proposals:
            self._queue_trials(proposal)

    def _warn_of_equals(self, proposals: Sequence[Proposal]) -> None:
        """Warns of points that are equal to others, to Python, without being the same."""
        for point in (proposal.point for proposal in proposals):
            kept = self._store.as_kept(point)
            if kept is not point and (key := point_key(point)) != point_key(kept) and key not in self._warned:
                self._warned.add(key)
                warnings.warn(
                    f'the point ({label(point)}) is equal to ({label(kept)}) for Python, so both are one '
                    f'point, with the values of the latter; write the values as text to tell them apart',
                    EqualPointsWarning,
                    stacklevel=2,
                )

    def _check_decisions(self, held: Sequence[Point], proposed: Sequence[Point]) -> None:
        """Raises `FolderError` unless a selector that adapts decides as it did when it made what is there."""
        if held == proposed:
            return
        place = next((i for i, pair in enumerate(zip(held, proposed, strict=False)) if pair[0] != pair[1]), 0)
        instead = f', but ({label(proposed[place])})' if proposed else ''
        raise FolderError(
            f'{self._store.layout.folder}: another selector made this, or another version of it: '
            f'{type(self._selector).__name__} does not propose the point ({label(held[place])}) that is there'
            f"{instead}. Name another folder, or say if_changed='accept:selector' to keep the points of both"
        ).naming(('if_changed', 'accept:selector'))

    def _queue_trials(self, proposal: Proposal) -> None:
        point, is_new = proposal.point, proposal.point not in self._asked
        self._asked[point] = proposal.first + proposal.trials
        tuned, errors = self._store.tuned(point), self._store.errors(point)
        if is_new and tuned is not None:
            self._tell_tuned(point, tuned)
        if errors:
            self._tell_failed(point, errors[0])
            if errors[0].trial is None:
                return
        indices = range(proposal.first, proposal.first + proposal.trials)
        on_disk = self._store.trials(point)
        finished = {*on_disk, *(error.trial for error in errors)}
        self._trials_wanted += proposal.trials
        self._trials_done += sum(index in finished for index in indices)
        found = [index for index in indices if index in on_disk]
        if tuned is None:  # it was damaged, and is told of first when it is there again
            self._untold[point] = self._untold.get(point, []) + found
        else:
            self._tell_trials(point, found)
        self._queue.add_task_by_params(
            point, proposal.trials, tuned=tuned is not None, finished={i for i in finished if i is not None}
        )
        seconds = [on_disk[index].seconds for index in found]
        for one in seconds:
            self._queue.trial_took(point, one)
        left = sum(index not in finished for index in indices)
        self._estimate.asked(point, left, is_tuned=tuned is not None)
        self._estimate.trials_took(point, seconds, were_left=False)

    # Doing what is proposed

    def _make_job(self, task: ParamsTask) -> Job:
        point = task.params
        if task.is_tuning:
            tuner = tune(self._settings, self._train_size, self._seed, self._parameters.nuisance(point))
            return TuningJob(task, tuner, lambda *run: self._store.saved_run(point, *run), self._lanes)
        tuned = self._tuned_ahead.get(point) or self._store.tuned(point)
        assert tuned is not None
        return TrialsJob(task, tuned, self._seed, self._lanes)

    def _save(self, event: Event) -> None:
        """Has an event written; it is told when that is done."""
        submit, store = self._saves.submit, self._store
        match event:
            case RunDone(point, stage, index, request, value):
                submit(store.saving_run(point, stage, index, request, value))
            case PointTuned(point, tuned):
                submit(store.saving_tuned(point, tuned), partial(self._take_tuned, point, tuned))
            case TrialDone(point, index, record):
                self._estimate.trials_took(point, [record.result.seconds])
                self._unsaved.setdefault(point, set()).add(index)
                submit(store.saving_trial(point, index, record), partial(self._take_trial, point, index))
            case RunFailed(point, error):
                submit(store.saving_error(point, error), partial(self._take_failed, point, error))
            case TaskDone(task, seconds) if task.is_tuning:
                if task.params in self._tuned_ahead:
                    self._estimate.tuning_took(task.params, seconds)
            case TaskDone(task):
                self._ended.setdefault(task.params, []).append(task)
                self._tell_ended(task.params)

    # What is on disk

    def _take_tuned(self, point: Point, tuned: Tuned) -> None:
        self._tuned_ahead.pop(point, None)
        self._tell_tuned(point, tuned)
        self._tell_trials(point, self._untold.pop(point, []))

    def _take_trial(self, point: Point, index: int) -> None:
        self._trials_done += 1
        self._unsaved[point].remove(index)
        self._tell_ended(point)

    def _take_failed(self, point: Point, error: PointError) -> None:
        if error.trial is None:
            self._trials_wanted -= self._asked[point]
            self._estimate.tuning_failed(point)
        else:
            self._trials_done += 1
            self._estimate.trial_failed(point)
            self._to_collate[point] = None
        self._tell_failed(point, error)

    def _collate(self) -> None:
        """Has the summaries written of points whose trials are done, and of everything if that is due."""
        for point in self._to_collate:
            if len(self._store.trials(point)) + len(self._store.errors(point)) >= self._asked[point]:
                self._saves.submit(self._store.collating_point(point))
        self._to_collate.clear()
        if (save := self._store.collating_if_due()) is not None:
            self._saves.submit(save)

    # Telling listeners

    def _tell_ended(self, point: Point) -> None:
        """Tells of the tasks of a point whose trials are all on disk."""
        unsaved, left = self._unsaved.get(point, set()), []
        for task in self._ended.pop(point, ()):
            if unsaved.isdisjoint(task.trials):
                on_disk = self._store.trials(point)
                self._tell_trials(point, [index for index in task.trials if index in on_disk])
            else:
                left.append(task)
        if left:
            self._ended[point] = left
        if not unsaved:
            self._unsaved.pop(point, None)

    def _tell_tuned(self, point: Point, tuned: Tuned) -> None:
        self._tuned_count += 1
        self._to_collate[point] = None
        self._audience.tell('on_hparams_found', point, tuned.lr_start, tuned.lr_end, tuned.batch_size)
        self._tell_flags(point, tuned.flags)

    def _tell_trials(self, point: Point, indices: Sequence[int]) -> None:
        """Tells of trials that are on disk, unless their point failed."""
        if not indices:
            return
        self._to_collate[point] = None
        if point not in self._failed:
            on_disk = self._store.trials(point)
            self._audience.tell('on_trials_completed', point, *scores_of([on_disk[i] for i in indices]))
            self._tell_flags(point, self._store.flags(point))

    def _tell_flags(self, point: Point, flags: Sequence[str]) -> None:
        if point not in self._failed and flags != self._flags.get(point, []):
            self._flags[point] = list(flags)
            self._audience.tell('on_flagged', point, list(flags))

    def _tell_failed(self, point: Point, error: PointError) -> None:
        if self._on_error == 'raise':
            raise PointFailed(f'the point ({label(point)}) failed: {error}\n{error.traceback}')
        if point not in self._failed:
            self._failed.add(point)
            self._audience.tell('on_point_failed', point, error)

    def _status(self) -> SweepStatus:
        return SweepStatus(
            points=len(self._asked),
            tuned=self._tuned_count,
            failed=len(self._failed),
            trials=self._trials_wanted,
            trials_done=self._trials_done,
            running=Running(lambda: [(job.task.params, job.describe()) for job in self._dispatcher.jobs]),
            more_to_come=self._dialogue.more_to_come,
            cores=self._executor.cores,
            busy=self._dispatcher.busy_cores,
            share=self._estimate.share(len(self._asked), self._trials_done, self._trials_wanted),
            seconds_left=self._estimate.seconds_left(
                self._executor.cores, self._dispatcher.seconds_under_way
            ),
        )
