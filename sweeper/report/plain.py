"""A running sweep as lines of a log, where there is no terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ..points import Point
from ..printing import one_line
from ..selectors.listener import SweepListener, SweepStatus
from ..store.results import PointError
from .wording import counts, duration, found_on_disk, name, time_left, to_do


class PlainProgress(SweepListener):
    """One line for everything that is found, with what is left; on stderr.

    Args:
        clock: Returns seconds.
        elapsed: How long the sweep is going on already.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, elapsed: float = 0.0) -> None:
        self._clock = clock
        self._started = clock() - elapsed
        self._lines: list[str] = []
        self._status: SweepStatus | None = None
        self._is_resuming = False
        self._tuned = self._trials = self._failed = 0  # found on disk

    def on_start(self, folder: Path, names: Sequence[str]) -> None:
        self._is_resuming = True  # what is told before the first status was there before

    def on_hparams_found(self, values: Point, lr_min: float, lr_max: float, batch_size: int) -> None:
        if self._is_resuming:
            self._tuned += 1
            return
        self._lines.append(
            f'tuned ({name(values)}): lr {lr_min:.3g} to {lr_max:.3g}, batch size {batch_size}'
        )

    def on_trials_completed(
        self,
        values: Point,
        perfs_train: np.ndarray,
        losses_train: np.ndarray,
        perfs_val: np.ndarray,
        losses_val: np.ndarray,
    ) -> None:
        if self._is_resuming:
            self._trials += len(perfs_val)
            return
        scores = ', '.join(f'{perf:.4f}' for perf in perfs_val)
        self._lines.append(f'trained ({name(values)}): validation performance {scores}')

    def on_flagged(self, values: Point, flags: Sequence[str]) -> None:
        if self._is_resuming:
            return
        self._lines.append(f'flags of ({name(values)}): {", ".join(map(one_line, flags)) or "none any more"}')

    def on_point_failed(self, values: Point, error: PointError) -> None:
        if self._is_resuming:
            self._failed += 1
            return
        self._lines.append(f'failed ({name(values)}): {one_line(error)}')

    def on_status(self, status: SweepStatus) -> None:
        self._status = status
        if self._is_resuming:
            self._is_resuming = False
            if self._tuned or self._failed:
                found = found_on_disk(self._tuned, self._trials, self._failed)
                self._lines.append(f'{found}; {to_do(status)}')
        for line in self._lines:
            left = time_left(status.seconds_left, status.more_to_come)
            times = f'{duration(self._clock() - self._started):>7s}' + (f', {left}' if left else '')
            print(f'[{times}; {counts(status)}] {line}', file=sys.stderr, flush=True)
        self._lines.clear()

    def on_end(self) -> None:
        if self._status is not None:
            self.on_status(self._status)
