"""What listeners are told of a sweep that nobody runs."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from ..events import (
    Event,
    PointFailed,
    PointFlagged,
    PointTuned,
    Running,
    Status,
    SweepEnded,
    SweepStarted,
    TrialsDone,
)
from ..metric import PERFORMANCE, MetricInfo
from ..points import NamedPoint, Point
from ..results import PointError
from .results import Run, SimulatedResults

_TEXT = 'a/b [red]\n\x1b[1m'

POINTS: tuple[Point, ...] = ((16, 'relu'), (32, _TEXT), (8, 'tanh'), (0, 'relu'))
"""Of a simulated sweep, by default. One has a text that a display has to escape; the last cannot be tuned."""

NAMED_POINTS: tuple[Point, ...] = tuple(
    map(
        NamedPoint,
        (
            {'width': 16, 'kind': 'conv', 'kernel': 3},
            {'width': 16, 'kind': 'linear'},
            {'width': 2, 'kind': _TEXT},
            {'width': 0, 'kind': 'linear'},
        ),
    )
)
"""The same for one over a space, where not all points have the same parameters."""

_ERROR = PointError(
    'WorkerDied', 'no [red]good[/]\nat all', 'tuning', 'Traceback (most recent call last):\n  …', 'SIGSEGV'
)


class SimulatedEvents:
    """The events of a sweep, in an order in which a real one may tell them.

    Args:
        folder: The sweep's.
        results: What its runs come to.
        trials: Of each point.
        seed: Of the order in which runs are done, and how many trials are told of together.
        metric: The objective.
        points: Its points, all tuples or all named; the tuning of the last fails.
    """

    def __init__(
        self,
        folder: Path,
        results: SimulatedResults | None = None,
        trials: int = 3,
        seed: int = 0,
        metric: MetricInfo = PERFORMANCE,
        points: Sequence[Point] = POINTS,
    ) -> None:
        rng, results = random.Random(seed), SimulatedResults() if results is None else results
        names = () if isinstance(points[0], NamedPoint) else ('width', 'kind')
        self._started = SweepStarted(folder, names, (metric,))
        *trainable, untrainable = points
        self._trials = trials * len(trainable)
        self._news = {point: _news(point, results, trials, rng) for point in trainable}
        self._news[untrainable] = [[PointFailed(untrainable, _ERROR)]]
        self._order = [point for point, news in self._news.items() for _ in news]
        rng.shuffle(self._order)

    def __len__(self) -> int:
        """How many results there are to tell of: tunings, trials of a task, failures."""
        return len(self._order)

    def events(self, on_disk: int = 0, until: int | None = None) -> list[Event]:
        """Returns all events from the first to `SweepEnded`.

        Args:
            on_disk: How many results were there before the sweep was resumed; they are told of before the
                first `Status`.
            until: How many results there are when the sweep is interrupted; None for all.
        """
        earlier = Counter(self._order[:on_disk])
        events: list[Event] = [self._started]
        for point, news in self._news.items():
            events += _on_disk(point, news[: earlier[point]])
        events.append(self._status(self._order[:on_disk]))
        for number, point in enumerate(self._order[on_disk:until], on_disk + 1):
            events += self._news[point][earlier[point]]
            events.append(self._status(self._order[:number]))
            earlier[point] += 1
        return [*events, SweepEnded()]

    def _status(self, done: list[Point]) -> Status:
        counts = Counter(done)
        events = [event for point in counts for news in self._news[point][: counts[point]] for event in news]
        trials = sum(len(event.trials) for event in events if isinstance(event, TrialsDone))
        share = len(done) / len(self._order)
        waiting = [point for point in self._news if counts[point] < len(self._news[point])]
        return Status(
            points=len(self._news),
            tuned=_count(events, PointTuned),
            failed=_count(events, PointFailed),
            trials=self._trials,
            trials_done=trials,
            running=Running(lambda: [(point, 'tuning') for point in waiting[:2]]),
            more_to_come=share < 0.5,
            cores=2,
            busy=len(waiting[:2]),
            share=share,
            seconds_left=100 * (1 - share) if done else None,
        )


def _count(events: Iterable[Event], kind: type) -> int:
    return sum(isinstance(event, kind) for event in events)


def _news(point: Point, results: SimulatedResults, trials: int, rng: random.Random) -> list[list[Event]]:
    """What there is to tell of a point, in order; the events of one item follow each other."""
    results.finish([Run(point), *(Run(point, index) for index in range(trials))])
    record = results[point]
    if record.tuned is None:
        return [[PointFailed(point, record.errors[0])]]
    tuned = replace(record.tuned, flags=('toss_up',))
    flags = tuple(tuned.flags_with({}))
    news: list[list[Event]] = [[PointTuned(point, tuned), PointFlagged(point, flags)]]
    left = rng.sample(sorted(record.trials), len(record.trials))
    done: list[int] = []
    while left:
        some, left = left[:2], left[2:]
        done += some
        events: list[Event] = [TrialsDone(point, {index: record.trials[index] for index in sorted(some)})]
        now = tuple(tuned.flags_with({index: record.trials[index] for index in sorted(done)}))
        if now != flags:
            events.append(PointFlagged(point, now))
            flags = now
        news.append(events)
    return [*news, [PointFailed(point, record.errors[0])]] if record.errors else news


def _on_disk(point: Point, news: list[list[Event]]) -> list[Event]:
    """What is told of a point when a sweep is resumed: its trials at once, but none if it failed."""
    events = [event for item in news for event in item]
    start, others = events[:2], events[2:]
    if events and isinstance(events[-1], PointFailed):
        return [event for event in start if event != events[-1]] + [events[-1]]
    trials = {index: trial for e in others if isinstance(e, TrialsDone) for index, trial in e.trials.items()}
    if not trials:
        return start
    changes = [event for event in events if isinstance(event, PointFlagged)]
    is_changed = changes[-1] != changes[0]
    return [*start, TrialsDone(point, dict(sorted(trials.items()))), *changes[-1:] * is_changed]
