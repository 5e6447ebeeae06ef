"""A display of a running sweep that stays in place in a terminal."""

from __future__ import annotations

import time

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ..points import Point, label
from ..selectors.listener import SweepListener, SweepStatus
from ..store.results import PointError

_MOST_TASKS = 8


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
