"""`sweeper status`: shows how a sweep stands."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from ..amounts import checked_margin
from ..errors import InvalidArgument
from ..signals import raising_signals
from ..text import one_line
from .app import Command, app, exit_code
from .options import Folder, Margin, Number

_SHORTEST = 0.1


@app.command(cls=Command)
def status(
    folder: Folder,
    watch: Annotated[
        bool, typer.Option('--watch', metavar='', help='Keep watching until the sweep ends.')
    ] = False,
    interval: Annotated[
        float, Number(help='Seconds between updates; at least 0.1.', metavar='SECONDS')
    ] = 1.0,
    margin: Margin = None,
) -> None:
    """Show the results of a sweep so far, running or not.

    With --watch, if there is no sweep in DIR yet, wait for one.
    """
    from ..report import terminal
    from ..report.wording import counted
    from ..store.lock import is_locked
    from ..store.store import Store

    if not interval >= _SHORTEST:
        raise InvalidArgument(f'--interval {interval:g}: must be at least {_SHORTEST:g} seconds')
    if margin is not None:
        checked_margin(margin)
    if watch:
        _watch(folder, interval)
    store = Store.read(folder)
    tuned, trials = terminal.done(store)
    failed = sum(store.error(point) is not None for point in store.points)
    terminal.say(terminal.heading(store.manifest, folder))
    points, done = counted(len(store.points), 'point'), counted(trials, 'trial')
    terminal.say(f'{points}, {tuned} tuned, {done} done, {failed} failed')
    if is_locked(folder):
        terminal.show_progress(folder)
    terminal.show(store, margin=margin)


def _watch(folder: Path, interval: float) -> None:
    """Shows a sweep until it ends; an interruption ends the command."""
    from ..report import terminal
    from ..report.live.progress import open_display
    from ..report.live.watch import watch
    from ..store.layout import SweepLayout
    from ..store.manifest import read_manifest

    def on_start() -> None:
        print(terminal.heading(read_manifest(SweepLayout(folder)), folder), file=sys.stderr)

    def on_wait() -> None:
        print(f'waiting for a sweep in {one_line(folder)}', file=sys.stderr)

    try:
        with raising_signals():
            watch(folder, open_display, lambda: time.sleep(interval), on_start, on_wait)
    except KeyboardInterrupt as interruption:
        raise typer.Exit(exit_code(interruption)) from None
