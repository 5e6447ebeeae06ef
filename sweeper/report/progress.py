"""Shows a running sweep: a live display in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time

import numpy as np

from ..errors import InvalidArgument
from ..points import Point, label
from ..selectors.listener import SweepListener, SweepStatus
from ..store.results import PointError

PROGRESS = ('auto', 'rich', 'plain', 'none')


def open_progress(kind: str) -> SweepListener | None:
    """Returns a listener that shows progress on stderr, or None for `none`.

    Args:
        kind: `rich`, `plain`, `none`, or `auto`: `rich` in a terminal, `plain` elsewhere.

    Raises:
        InvalidArgument: It is none of these.
    """
    if kind not in PROGRESS:
        raise InvalidArgument(f'progress={kind!r}: valid are {", ".join(map(repr, PROGRESS))}')
    if kind == 'none':
        return None
    if kind == 'plain':
        return PlainProgress()
    from rich.console import Console

    console = Console(stderr=True)
    if kind == 'auto' and not console.is_terminal:
        return PlainProgress()
    from .live import LiveProgress

    return LiveProgress(console)


class PlainProgress(SweepListener):
    """One line for everything that is found, with what is left."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._lines: list[str] = []
        self._status: SweepStatus | None = None

    def on_hparams_found(self, values: Point, lr_min: float, lr_max: float, batch_size: int) -> None:
        self._lines.append(
            f'tuned ({label(values)}): lr {lr_min:.3g} to {lr_max:.3g}, batch size {batch_size}'
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
        self._lines.append(f'trained ({label(values)}): validation performance {scores}')

    def on_point_failed(self, values: Point, error: PointError) -> None:
        self._lines.append(f'failed ({label(values)}): {error}')

    def on_status(self, status: SweepStatus) -> None:
        self._status = status
        for line in self._lines:
            seconds = time.monotonic() - self._started
            print(f'[{seconds:6.1f}s; {_counts(status)}] {line}', file=sys.stderr, flush=True)
        self._lines.clear()

    def on_end(self) -> None:
        if self._status is not None:
            self.on_status(self._status)


def _counts(status: SweepStatus) -> str:
    more = '+' if status.more_to_come else ''
    text = f'{status.tuned}/{status.points}{more} tuned, {status.trials_done}/{status.trials}{more} trials'
    return text + (f', {status.failed} failed' if status.failed else '')
