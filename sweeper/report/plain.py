"""A running sweep as lines of a log, where there is no terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence

import numpy as np

from ..points import Point
from ..printing import one_line
from ..selectors.listener import SweepListener, SweepStatus
from ..store.results import PointError
from .wording import counts, duration, name, time_left


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

    def on_hparams_found(self, values: Point, lr_min: float, lr_max: float, batch_size: int) -> None:
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
        scores = ', '.join(f'{perf:.4f}' for perf in perfs_val)
        self._lines.append(f'trained ({name(values)}): validation performance {scores}')

    def on_flagged(self, values: Point, flags: Sequence[str]) -> None:
        self._lines.append(f'flags of ({name(values)}): {", ".join(map(one_line, flags)) or "none any more"}')

    def on_point_failed(self, values: Point, error: PointError) -> None:
        self._lines.append(f'failed ({name(values)}): {one_line(error)}')

    def on_status(self, status: SweepStatus) -> None:
        self._status = status
        for line in self._lines:
            left = time_left(status.seconds_left, status.more_to_come)
            times = f'{duration(self._clock() - self._started):>7s}' + (f', {left}' if left else '')
            print(f'[{times}; {counts(status)}] {line}', file=sys.stderr, flush=True)
        self._lines.clear()

    def on_end(self) -> None:
        if self._status is not None:
            self.on_status(self._status)
