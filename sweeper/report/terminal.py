"""What the command line prints of a sweep."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.text import Text

from ..errors import SweepError
from ..points import Point, label
from ..store.lock import holder, is_locked
from ..store.manifest import Manifest
from ..store.records import Records
from ..store.store import Store
from ..text import one_line
from .findings import Findings
from .live.view import SweepView
from .live.watch import snapshot_of
from .table import comparison_table


def show(
    store: Records,
    only_the_answer: bool = False,
    others: Collection[Point] = (),
    margin: float | None = None,
) -> None:
    """Prints the comparison: a table and the answer; or only the answer and what failed.

    `others` are marked in the table; `margin` is as for `compare`.
    """
    console, findings = _console(), Findings(store, margin=margin)
    summaries = findings.summaries
    if only_the_answer:
        summaries = [summary for summary in summaries if summary.error is not None]
    if summaries:
        table = comparison_table(
            summaries, findings.columns, findings.parameters, findings.commands, {*others},
            findings.measure,
        )  # fmt: skip
        console.print(table)
    verdict, answer = findings.comparison.sentences.headline, findings.comparison.answer()
    console.print(Text.assemble((verdict, 'bold'), answer[len(verdict) :]))
    if rejected := rejections(store):
        console.print(Text(rejected))


def rejections(store: Records) -> str:
    """Says which architectures were not trained because of limits; nothing if none was."""
    reasons = store.rejections.reasons
    for point, reason in reasons.items():
        of_all = '' if len(reasons) == 1 else f'; all are in {store.layout.constraints.name}'
        count = f'{len(reasons)} architecture{"s" * (len(reasons) > 1)}'
        return one_line(f'Rejected before tuning: {count}, such as ({label(point)}): {reason}{of_all}.')
    return ''


def show_progress(folder: Path) -> None:
    """Prints how a sweep stands that is running in another process, without its leaders."""
    _console().print(SweepView(replace(snapshot_of(folder), leaders=())))


def heading(manifest: Manifest, folder: Path) -> str:
    """Says which sweep it is, and whether it is running."""
    state = 'not running'
    if is_locked(folder):
        who = holder(folder)
        state = ' '.join(['running', *(f'{key} {who.get(key)}' for key in ('pid', 'host', 'since'))])
    return one_line(f'{manifest.module}, {manifest.tuning}, seed {manifest.seed}: {state}')


def say(text: str) -> None:
    """Prints a line: in a terminal broken between words, anywhere else not at all."""
    console = Console()
    console.print(Text(text), soft_wrap=not console.is_terminal)


def done(store: Records) -> tuple[int, int]:
    """How many points are tuned, and how many trials are done."""
    tuned = sum(store.tuned(point) is not None for point in store.points)
    return tuned, sum(len(store.trials(point)) for point in store.points)


def explain_interruption(folder: Path) -> None:
    """Says on stderr what is kept of a sweep, and how it is continued."""
    console = Console(stderr=True)
    try:
        store = Store.read(folder)
        tuned, trials = done(store)
        kept = f'{tuned} of {len(store.points)} points tuned, trials: {trials}'
        console.print(Text(f'\nInterrupted. Kept in {one_line(folder)}: {kept}.'), soft_wrap=True)
    except SweepError:
        console.print('\nInterrupted before anything was trained.')
    command = shlex.join(['sweeper', *sys.argv[1:]])
    console.print(Text(f'To continue, run the same command again:\n  {one_line(command)}'), soft_wrap=True)


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=200)
