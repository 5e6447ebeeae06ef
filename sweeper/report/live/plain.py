"""A running sweep as lines of a log, where there is no terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from ...events import (
    Event,
    PointFailed,
    PointFlagged,
    PointTuned,
    Status,
    SweepEnded,
    SweepStarted,
    TrialsDone,
)
from ...text import one_line
from ..measure import Measure, measure_of
from ..wording import counts, duration, found_on_disk, in_epochs, name, time_left, to_do


class PlainProgress:
    """One line for everything that is found, with what is left; on stderr.

    Args:
        clock: Returns seconds.
        elapsed: How long the sweep is going on already.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, elapsed: float = 0.0) -> None:
        self._clock = clock
        self._started = clock() - elapsed
        self._lines: list[str] = []
        self._status: Status | None = None
        self._is_resuming, self._measure = False, Measure()
        self._tuned = self._trials = self._failed = 0  # found on disk

    def handle(self, event: Event) -> None:
        match event:
            case SweepStarted(metrics=metrics):
                self._measure = measure_of(metrics)
                self._is_resuming = True  # what follows before the first status was there before
            case Status():
                self._show_status(event)
            case SweepEnded() if self._status is not None:
                self._print(self._status)
            case _ if self._is_resuming:
                self._count(event)
            case PointTuned(point, tuned):
                rates = f'lr {tuned.lr_min:.3g} to {tuned.lr_max:.3g}'
                size = f'batch size {tuned.batch_size}, {in_epochs(tuned.epochs)}'
                others = (
                    f'; {more} more tuning{"s" * (more > 1)}' if (more := len(tuned.alternatives)) else ''
                )
                self._lines.append(f'tuned ({name(point)}): {rates}, {size}{others}')
            case TrialsDone(point, trials):
                scores = ', '.join(self._measure.number(trial.perf_val) for trial in trials.values())
                self._lines.append(f'trained ({name(point)}): {self._measure.title} {scores}')
            case PointFlagged(point, flags):
                shown = ', '.join(map(one_line, flags)) or 'none any more'
                self._lines.append(f'flags of ({name(point)}): {shown}')
            case PointFailed(point, error):
                self._lines.append(f'failed ({name(point)}): {one_line(error)}')

    def _count(self, event: Event) -> None:
        """Counts what was there before."""
        match event:
            case PointTuned():
                self._tuned += 1
            case TrialsDone(_, trials):
                self._trials += len(trials)
            case PointFailed():
                self._failed += 1

    def _show_status(self, status: Status) -> None:
        self._status = status
        if self._is_resuming:
            self._is_resuming = False
            if self._tuned or self._failed:
                resumed = found_on_disk(self._tuned, self._trials, self._failed)
                self._lines.append(f'{resumed}; {to_do(status)}')
        self._print(status)

    def _print(self, status: Status) -> None:
        for line in self._lines:
            left = time_left(status.seconds_left, status.more_to_come)
            times = f'{duration(self._clock() - self._started):>7s}' + (f', {left}' if left else '')
            print(f'[{times}; {counts(status)}] {line}', file=sys.stderr, flush=True)
        self._lines.clear()
