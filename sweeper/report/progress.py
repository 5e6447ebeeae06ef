"""Shows a running sweep: a live display in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ..errors import InvalidArgument
from ..points import Point, label
from ..selectors.listener import SweepListener, SweepStatus
from ..store.results import PointError

PROGRESS = ('auto', 'rich', 'plain', 'none')
_MOST_TASKS = 8


def open_progress(kind: str) -> SweepListener | None:
    """Returns a listener that shows progress on stderr, or None for `none`.

    Args:
        kind: `rich`, `plain`, `none`, or `auto`: `rich` in a terminal, `plain` elsewhere.

    Raises:
        InvalidArgument: It is none of these.
    """
    if kind not in PROGRESS:
        raise InvalidArgument(f'progress={kind!r}: valid are {", ".join(map(repr, PROGRESS))}')
    console = Console(stderr=True)
    if kind == 'auto':
        kind = 'rich' if console.is_terminal else 'plain'
    if kind == 'none':
        return None
    return LiveProgress(console) if kind == 'rich' else PlainProgress()


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


class LiveProgress(SweepListener):
    """A display that stays in place: two bars, and what is being tuned and trained."""

    def __init__(self, console: Console) -> None:
        self._started = time.monotonic()
        self._console = console
        self._status = SweepStatus(0, 0, 0, 0, 0, (), True)
        self._live = Live(get_renderable=self._render, console=console, refresh_per_second=2, transient=True)

    def on_point_failed(self, values: Point, error: PointError) -> None:
        self._console.print(Text(f'failed ({label(values)}): {error}', style='red'))

    def on_status(self, status: SweepStatus) -> None:
        self._status = status
        if not self._live.is_started:
            self._live.start()

    def on_end(self) -> None:
        self._live.stop()

    def _render(self) -> RenderableType:
        status = self._status
        bars = Table.grid(padding=(0, 1))
        bars.add_row('tuned', _bar(status.tuned, status.points), _share(status.tuned, status.points, status))
        bars.add_row(
            'trials',
            _bar(status.trials_done, status.trials),
            _share(status.trials_done, status.trials, status),
        )
        tasks = Table.grid(padding=(0, 2))
        for point, description in status.running[:_MOST_TASKS]:
            tasks.add_row(Text(f'  {label(point)}', style='bold'), Text(description, style='dim'))
        if len(status.running) > _MOST_TASKS:
            tasks.add_row(f'  and {len(status.running) - _MOST_TASKS} more')
        elapsed = time.strftime('%H:%M:%S', time.gmtime(time.monotonic() - self._started))
        failed = Text(f'{status.failed} failed  ' if status.failed else '', style='red')
        return Group(bars, tasks, Text.assemble(failed, (f'{elapsed} elapsed', 'dim')))


def _bar(done: int, total: int) -> ProgressBar:
    return ProgressBar(total=max(total, 1), completed=done, width=40)


def _share(done: int, total: int, status: SweepStatus) -> str:
    return f'{done}/{total}{"+" if status.more_to_come else ""}'
