"""The `Sweeper`: the loop of a sweep. Wait, note what happened, have it written, publish it, ask again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import cast

from ..errors import InvalidArgument, PointFailed, SelectorError, SweepError
from ..events import Event, Running, Status, SweepEnded, SweepStarted
from ..events import PointFailed as PointFailedEvent
from ..listeners.base import Listeners
from ..points import Point, label
from ..results import SweepResults
from ..selectors.base import Selector
from ..selectors.budgets import BudgetedSelector, searching
from ..store.looks import look_under_way
from ..store.records import Records
from ..store.saving import Save, Saves
from ..store.store import Store
from ..text import users_frames
from .dispatcher import Dispatcher
from .driver import Request, SelectorDriver
from .equal_points import EqualPoints
from .jobs import JobEvent, Part, RunDone, RunFailed, TaskDone, TrialDone, TuningDone, part_of
from .ledger import Ledger
from .queue import ParamsTaskQueue
from .replay import Replay


class Sweeper:
    """Runs one sweep to its end.

    Args:
        selector: Proposes points.
        driver: Asks it, and tells it results in its own order.
        replay: Checks what it proposes against what the folder holds.
        ledger: What is known of every point; nothing has been asked for.
        queue: Empty; decides which task is next.
        dispatcher: Carries its tasks to the executor.
        store: The sweep's folder, opened.
        saves: Writes in it.
        listeners: Told of everything as soon as it is on disk.
        raise_failures: Whether the first failure of a point ends the sweep.
        check_points: Called with the first points, in order, before anything is written or trained, if the
            folder holds none.
    """

    def __init__(
        self,
        selector: Selector,
        driver: SelectorDriver,
        replay: Replay,
        ledger: Ledger,
        queue: ParamsTaskQueue,
        dispatcher: Dispatcher,
        store: Store,
        saves: Saves,
        listeners: Listeners,
        raise_failures: bool = False,
        check_points: Callable[[Sequence[Point]], None] = lambda _: None,
    ) -> None:
        self._selector, self._driver, self._replay = selector, driver, replay
        self._ledger, self._queue, self._dispatcher = ledger, queue, dispatcher
        self._store, self._saves = store, saves
        self._equal_points = EqualPoints(store.records.as_kept)
        self._listeners = listeners
        self._untuned_parts: dict[Point, list[Request]] = {}
        self._raise_failures, self._check_points = raise_failures, check_points

    def run(self) -> SweepResults:
        """Runs the sweep to its end and returns its results; what is done is kept if it cannot."""
        records = self._ledger.records
        try:
            metrics = tuple(records.manifest.metrics)
            names, manifest = tuple(records.parameter_names), records.manifest
            ratio, size = manifest.val_to_train, manifest.train_size
            design = manifest.design(look_under_way(manifest.looks))
            started = SweepStarted(records.layout.folder, names, metrics, ratio, size, design)
            self._publish([started])
            self._selector.tell(started)
            self._run_to_the_end()
        except BaseException:
            with suppress(SweepError, OSError):  # what ends the sweep may also be in the way of this
                self._saves.finish()
                if self._ledger.points:
                    self._store.collate()
            raise
        finally:
            self._saves.close()
            try:
                self._selector.tell(SweepEnded())
            finally:
                self._publish([SweepEnded()])
        if self._ledger.unsummarised:
            self._store.collate()
        self._store.check_still_there()
        self._store.record_look(self._selector.looks_made)
        results = records.results()
        results.others = [point for point in records.by_point if point not in self._ledger.points]
        return results

    def _run_to_the_end(self) -> None:
        self._converse()
        while not self._is_over():
            self._advance(self._wait())
        self._saves.drain()
        if not self._ledger.points:
            for point, reason in self._ledger.records.rejections.reasons.items():
                raise InvalidArgument(
                    f'no point may be trained, such as ({label(point)}): {reason}. All are in '
                    f'{self._ledger.records.layout.constraints}; propose smaller ones, or raise the limit'
                )
            remedy = 'make a new one if another sweep has used it up'
            if isinstance(self._selector, BudgetedSelector):
                remedy += ', or raise the budget'
            raise SelectorError(f'{type(searching(self._selector)).__name__} proposed nothing; {remedy}')
        self._replay.check_complete()

    def _advance(self, events: Sequence[JobEvent]) -> None:
        """Takes what happened, and whatever follows from it by now."""
        self._start_then_save(events)
        saved = self._saves.collect()
        for published in saved:
            self._publish(published)
        if events or saved:
            self._converse()

    def _converse(self) -> None:
        """Asks the selector and tells it what is known, until it is to wait; starts what it asked for."""
        is_new = False
        while True:
            if requests := self._driver.ask():
                self._take(requests)
                is_new = True
            if not self._driver.tell():
                break
        if is_new:
            self._start_then_save([])
        self._write_summaries()
        self._publish([self._status()])

    def _wait(self) -> list[JobEvent]:
        """Waits until a run is done or something is on disk; returns what is done."""
        while not self._saves.has_written:
            if self._saves.is_full or not self._dispatcher.is_busy:
                self._saves.wait()
            elif (events := self._dispatcher.wait()) is not None:
                return events
        return []

    def _is_over(self) -> bool:
        is_idle = not (self._queue.have_more_tasks() or self._saves.awaited)
        if is_idle and not self._driver.is_over:
            raise SelectorError(
                f'{type(self._selector).__name__} has more trials but proposes none, and waits for '
                f'results while nothing is running'
            )
        return is_idle

    def _start_then_save(self, events: Sequence[JobEvent]) -> None:
        """Starts runs as far as there are cores, and only then has what happened written.

        Some things are done without a run.
        """
        new, happened = events, [*events]
        while True:
            for event in new:
                if isinstance(event, TuningDone):
                    self._ledger.tuning_done(event.point, event.tuned)
                    self._queue_parts(self._untuned_parts.pop(event.point, []))
            new = self._dispatcher.start_what_fits()
            if not new:
                break
            happened += new
        for event in happened:
            self._note(event)

    def _note(self, event: JobEvent) -> None:
        """Notes what happened, and has it written; it is published when that is done."""
        ledger, store, submit = self._ledger, self._store, self._saves.submit
        match event:
            case RunDone(point, stage, index, request, value):
                write = partial(store.write_run, point, stage, index, request, value)
                submit(Save(point, write, alone=False))
            case TuningDone(point, tuned):
                saved = partial(ledger.tuning_saved, point, tuned)
                submit(Save(point, partial(store.write_tuned, point, tuned), saved))
            case TrialDone(point, index, trial, fraction) if fraction < 1:
                saved = partial(ledger.part_saved, point, fraction, index, trial.result)
                write = partial(store.write_part, point, fraction, index, trial)
                submit(Save(point, write, saved, False))
            case TrialDone(point, index, trial):
                ledger.trial_done(point, index, trial.result.seconds)
                saved = partial(ledger.trial_saved, point, index, trial.result)
                with_weights = store.wants_weights(point, index, trial.result)
                size = len(trial.model_init or b'') + len(trial.model or b'')
                write = partial(store.write_trial, point, index, trial, with_weights)
                submit(Save(point, write, saved, False, size))
            case RunFailed(point, error, fraction):
                errors = ledger.run_failed(point, error)
                saved = partial(ledger.failure_saved, point, error, errors, fraction)
                submit(Save(point, partial(store.write_errors, point, errors), saved))
            case TaskDone(task) if isinstance(task.point, Part):
                pass
            case TaskDone(task) if task.trials:
                if events := ledger.task_done(task.point, task.trials):
                    self._publish(events)
            case TaskDone(task, seconds):
                ledger.tuning_took(task.point, seconds)

    def _take(self, requests: Sequence[Request]) -> None:
        """Queues what is not on disk yet, and publishes what is."""
        new = list(
            dict.fromkeys(request.point for request in requests if request.point not in self._ledger.points)
        )
        self._replay.check(new)
        if new and not self._ledger.records.by_point:
            self._check_points(new)
        self._store.add_points(new)
        self._equal_points.warn(request.point for request in requests)
        for request in requests:
            self._publish(self._ledger.request(request))
            if not self._ledger.points[request.point].is_untrainable:
                self._queue_trials(request)

    def _queue_parts(self, requests: Sequence[Request]) -> None:
        """Queues trials that are trained in part, of a point whose tuning is known."""
        for request in requests:
            finished = self._ledger.points[request.point].finished(request.fraction)
            part = cast(Point, Part(request.point, request.fraction))
            self._queue.add_task_by_params(part, request.trials, tuned=True, finished=finished)

    def _queue_trials(self, request: Request) -> None:
        point, state = request.point, self._ledger.points[request.point]
        if request.fraction < 1 and state.tuned is not None:
            self._queue_parts([request])
            return
        if request.fraction < 1:
            self._untuned_parts.setdefault(point, []).append(request)
            self._queue.add_task_by_params(point, 0)
            return
        tuned, trials = state.record.tuned, state.record.trials
        self._queue.add_task_by_params(
            point, request.trials, tuned=tuned is not None, finished=state.finished()
        )
        for index in request.indices:
            if index in trials:
                self._queue.trial_took(point, trials[index].seconds)

    def _write_summaries(self) -> None:
        """Has summaries written: of points of which all is there, and of everything if that is due."""
        complete, records = self._ledger.take_complete(), self._ledger.take_summary()
        for point, trials in complete.items():
            write = partial(self._store.complete, point, trials, self._ledger.points[point].goes_on)
            self._saves.submit(Save((point, 'scores'), write))
        if records is not None:
            self._saves.submit(Save('summaries', partial(self._write_summary, records)))

    def _write_summary(self, records: Records) -> None:
        """Called in a thread that saves."""
        self._store.write_summaries(records)
        self._ledger.summary_saved()

    def _publish(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, PointFailedEvent) and self._raise_failures:
                error = event.error
                frames = users_frames(error.traceback)
                raise PointFailed(f'the point ({label(event.point)}) failed: {error}\n{frames}')
            self._listeners.publish(event)

    def _status(self) -> Status:
        ledger, dispatcher = self._ledger, self._dispatcher
        cores, busy, under_way = dispatcher.cores, dispatcher.busy_cores, dispatcher.seconds_under_way
        points, done, trials = len(ledger.points), ledger.trials_done, ledger.trials
        return Status(
            points=points,
            tuned=ledger.tuned,
            failed=ledger.failed,
            trials=trials,
            trials_done=done,
            running=Running(
                lambda: [(part_of(job.task.point)[0], job.describe()) for job in dispatcher.jobs]
            ),
            more_to_come=self._driver.more_to_come,
            cores=cores,
            busy=busy,
            share=ledger.estimate.share(points, done, trials),
            seconds_left=ledger.estimate.seconds_left(cores, under_way),
        )
