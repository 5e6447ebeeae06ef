"""What is known of every point of a sweep under way: what is on disk, and what of it has been published.

Each method is one transition: it is called when something has happened, and returns the events that this
makes ready to be published.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..events import Event, PointFailed, PointFlagged, PointTuned, TrialsDone
from ..points import Point
from ..results import PointError, TrialResult, Tuned
from ..store.reading import failure_order
from ..store.records import PointRecord, Records
from .driver import Request
from .estimate import Estimate

_SHARE = 10  # summaries are written when one in so many results is not in them
_LOOKS = 100  # flags are found out anew when one in so many trials is new: for thousands, not for each


@dataclass(eq=False, slots=True)
class PointState:
    """What is known of a point.

    Attributes:
        record: What is on disk of it.
        requested: Trials that the selector asked for so far.
        in_part: Trials that it asked for less than in full.
        tuned: What its tuning came to, on disk or not yet.
        errors: Which of its runs failed, on disk or not yet, that which counts first.
        unsaved: Trials that are done and not on disk yet.
        tasks: Trials of each finished task that are to be published together when they are all on disk, by
            each of those that are not.
        held_back: Trials that were on disk at the start, to be published after a tuning that was not.
        flags: As they were published last.
        looked_at: How many trials there were when the flags were found out last.
        is_failed: Whether its failure was published; of its trials nothing is, after that.
    """

    record: PointRecord
    requested: int = 0
    in_part: int = 0
    tuned: Tuned | None = None
    errors: list[PointError] = field(default_factory=list)
    unsaved: set[int] = field(default_factory=set)
    tasks: dict[int, tuple[int, ...]] = field(default_factory=dict)
    held_back: list[int] = field(default_factory=list)
    flags: tuple[str, ...] = ()
    looked_at: int = 0
    is_failed: bool = False

    @property
    def is_untrainable(self) -> bool:
        """Whether the tuning failed for good."""
        return any(error.trial is None for error in self.record.errors)

    def finished(self, fraction: float = 1.0) -> set[int]:
        """Trials, or fractions of them, that are on disk, as results or as failures."""
        failed = (error.trial for error in self.record.errors if error.trial is not None)
        return {*self.record.trials_at(fraction), *failed}

    @property
    def is_complete(self) -> bool:
        """Whether all trials that were asked for are on disk or failed; asked after each of thousands."""
        most = len(self.record.by_index) + len(self.record.errors)
        return most >= self.requested and len(self.finished()) >= self.requested

    @property
    def goes_on(self) -> bool:
        """Whether a trial that is trained in part may go on."""
        return not self.finished().issuperset(range(self.in_part))


class Ledger:
    """The state of every point that was asked for.

    Args:
        records: What is on disk, which it keeps up to date from now on.
        estimate: Learns what tunings and trials take.

    Attributes:
        records: Of all points in the folder.
        points: Those that were asked for.
        tuned: How many points are tuned.
        failed: How many points failed.
        trials: How many trials were asked for, without those of points that cannot be tuned.
        trials_done: How many of them are done or failed.
        unsummarised: How many results no summary of this sweep has.
    """

    def __init__(self, records: Records, estimate: Estimate) -> None:
        self.records, self.estimate = records, estimate
        self.points: dict[Point, PointState] = {}
        self._changed: dict[Point, None] = {}
        self.tuned = self.failed = self.trials = self.trials_done = 0
        every = records.by_point.values()
        self._results = sum(
            (state.tuned is not None) + len(state.trials) + bool(state.errors) for state in every
        )
        self.unsummarised = self._results
        self._is_summarising = False

    def tuning_of(self, point: Point) -> Tuned:
        """What a point's tuning came to, on disk or not yet."""
        tuned = self.points[point].tuned
        assert tuned is not None, point
        return tuned

    # What summaries are to be written

    def take_complete(self) -> dict[Point, dict[int, TrialResult]]:
        """The trials of points of which something new is on disk and all that was asked for is; once each."""
        changed, self._changed = self._changed, {}
        states = {point: self.points[point] for point in changed}
        return {point: {**state.record.trials} for point, state in states.items() if state.is_complete}

    def take_summary(self) -> Records | None:
        """What is on disk, to summarise it, if that is due: one in ten results is new since the last time.

        So all summaries of a sweep together take a time in proportion to its results.
        """
        if self._is_summarising or not self.unsummarised or _SHARE * self.unsummarised < self._results:
            return None
        self.unsummarised, self._is_summarising = 0, True
        return self.records.copy()

    def summary_saved(self) -> None:
        """The summary is on disk; called from any thread."""
        self._is_summarising = False

    def _count(self) -> None:
        """There is one more result on disk."""
        self._results += 1
        self.unsummarised += 1

    # What is asked for

    def request(self, request: Request) -> list[Event]:
        """Trials are asked for; what of it is on disk is published again."""
        point, events = request.point, list[Event]()
        record = self.records.by_point[point]
        tuned, trials = record.tuned, record.trials
        if point not in self.points:
            self.points[point] = PointState(record, tuned=tuned, errors=record.errors)
            events += self._tuned(point, tuned) if tuned is not None else []
        state = self.points[point]
        if request.fraction == 1:
            state.requested = request.first + request.trials
        else:
            state.in_part = max(state.in_part, request.first + request.trials)
        if record.errors:
            events += self._failed(point, record.errors[0])
            if state.is_untrainable:
                return events
        finished = state.finished(request.fraction)
        if request.fraction < 1:
            self.trials += request.trials
            self.trials_done += sum(index in finished for index in request.indices)
            self._expect(point, 0, tuned)
            return events
        known = [index for index in request.indices if index in trials]
        done = sum(index in finished for index in request.indices)
        self.trials += request.trials
        self.trials_done += done
        if tuned is None:
            state.held_back += known
        else:
            events += self._trials_done(point, known)
        self._expect(point, request.trials - done, tuned)
        self.estimate.trials_took(point, [trials[index].seconds for index in known], were_left=False)
        return events

    def _expect(self, point: Point, trials: int, tuned: Tuned | None) -> None:
        """Has the estimate expect more trials of a point, which is tuned or not."""
        is_new = self.estimate.request(point, trials, is_tuned=tuned is not None)
        if is_new and tuned is not None:
            self.estimate.has_length(point, tuned.mean_epochs)

    # What is done

    def tuning_done(self, point: Point, tuned: Tuned) -> None:
        """A tuning is done; trials may start before it is on disk."""
        self.points[point].tuned = tuned
        self.estimate.has_length(point, tuned.mean_epochs)

    def tuning_took(self, point: Point, seconds: float | None) -> None:
        """All runs of a tuning took so long, or an unknown time; it may have failed."""
        if self.points[point].tuned is not None:
            self.estimate.tuning_took(point, seconds)

    def trial_done(self, point: Point, index: int, seconds: float) -> None:
        """A trial is done and is being written."""
        self.points[point].unsaved.add(index)
        self.estimate.trials_took(point, [seconds])

    def run_failed(self, point: Point, error: PointError) -> list[PointError]:
        """A run failed; returns which runs of the point did, and are to be written."""
        state = self.points[point]
        state.errors = sorted([*state.errors, error], key=failure_order)
        return state.errors

    def task_done(self, point: Point, trials: tuple[int, ...]) -> list[Event]:
        """All trials of a task are done or failed."""
        state = self.points[point]
        if state.unsaved.isdisjoint(trials):
            return self._trials_done(point, trials)
        state.tasks.update(dict.fromkeys(state.unsaved.intersection(trials), trials))
        return []

    # What is on disk

    def tuning_saved(self, point: Point, tuned: Tuned) -> list[Event]:
        """A tuning is on disk."""
        state = self.points[point]
        state.record.tuned = state.tuned = tuned.without_report()
        self._count()
        held_back, state.held_back = state.held_back, []
        return self._tuned(point, tuned) + self._trials_done(point, held_back)

    def trial_saved(self, point: Point, index: int, result: TrialResult) -> list[Event]:
        """A trial is on disk."""
        state = self.points[point]
        state.record.add_trial(index, result)
        state.unsaved.remove(index)
        self.trials_done += 1
        self._count()
        task = state.tasks.pop(index, ())
        return self._trials_done(point, task) if state.unsaved.isdisjoint(task) else []

    def part_saved(self, point: Point, fraction: float, index: int, result: TrialResult) -> list[Event]:
        """A trial that was trained in part is on disk."""
        self.points[point].record.parts.setdefault(fraction, {})[index] = result
        self.trials_done += 1
        return []

    def failure_saved(
        self, point: Point, error: PointError, errors: list[PointError], fraction: float = 1.0
    ) -> list[Event]:
        """A failure is on disk, among others."""
        state = self.points[point]
        state.record.errors = errors
        self._count()
        if error.trial is None:
            self.trials -= state.requested
            self.estimate.tuning_failed(point)
        else:
            self.trials_done += 1
            if fraction == 1:
                self.estimate.trial_failed(point)
            self._changed[point] = None
        return self._failed(point, error)

    # What is to be published

    def _tuned(self, point: Point, tuned: Tuned) -> list[Event]:
        self.tuned += 1
        self._changed[point] = None
        return [PointTuned(point, tuned), *self._flagged(point, tuned, are_told=False)]

    def _trials_done(self, point: Point, indices: Sequence[int]) -> list[Event]:
        state = self.points[point]
        on_disk = state.record.by_index
        done = {index: on_disk[index] for index in indices if index in on_disk}
        if not done:
            return []
        self._changed[point] = None
        if state.is_failed or state.tuned is None:
            return []
        return [TrialsDone(point, done), *self._flagged(point, state.tuned)]

    def _flagged(self, point: Point, tuned: Tuned, are_told: bool = True) -> list[Event]:
        """The flags, if they have changed; as long as its trials are not told, those of the tuning alone."""
        state = self.points[point]
        number = len(state.record.by_index) if are_told else 0
        if state.looked_at < number < _LOOKS / (_LOOKS - 1) * state.looked_at and not state.is_complete:
            return []
        flags = tuple(tuned.flags_with(state.record.trials if are_told else {}))
        state.looked_at = number
        if state.is_failed or flags == state.flags:
            return []
        state.flags = flags
        return [PointFlagged(point, flags)]

    def _failed(self, point: Point, error: PointError) -> list[Event]:
        state = self.points[point]
        if state.is_failed:
            return []
        state.is_failed = True
        self.failed += 1
        return [PointFailed(point, error)]
