"""What a person sees of a sweep that goes on. Pure: drawn from a `Snapshot`, for any width and height."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ...events import Status
from ...points import NamedPoint, Point, value_to_text
from ...text import one_line
from ..measure import Measure
from ..wording import counted, counts, duration, in_epochs, name, time_left
from .board import Leader

MOST_LEADERS = 8
_MOST_TASKS = 12
_WIDEST_BAR = 60
_MOST_FLAGS = 4
_LEAST_NAME = 8


@dataclass(frozen=True)
class Snapshot:
    """A sweep at one moment.

    Attributes:
        status: How far the sweep is.
        elapsed: Seconds since it was started.
        leaders: The top of the board.
        ranked: How many points have trials.
        flags: How many points have each flag.
        latest_flags: The point that was flagged last, and its flags.
        on_disk: How many trials were there before, since the sweep was resumed.
        measure: What leaders lead by.
    """

    status: Status
    elapsed: float = 0.0
    leaders: Sequence[Leader] = ()
    ranked: int = 0
    flags: Mapping[str, int] = field(default_factory=dict)
    latest_flags: tuple[Point, Sequence[str]] | None = None
    on_disk: int = 0
    measure: Measure = Measure()  # noqa: RUF009 - it is frozen


class SweepView:
    """Draws a snapshot: the bar, the counts, what the cores do, who is ahead, and the flags.

    No line is ever wider than the console: names are cropped. In a low one there are fewer rows.
    """

    def __init__(self, snapshot: Snapshot, lines: int = 40) -> None:
        self._snapshot, self._lines = snapshot, lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width, left = options.max_width, max(self._lines - 6, 3)  # bar, counts, titles, flags
        snapshot = self._snapshot
        yield _bar(snapshot, width)
        yield _fitting(width, *_counts(snapshot))
        tasks = min(_MOST_TASKS, max(left // 2, left - MOST_LEADERS))
        yield from _cores(snapshot.status, width, tasks)
        yield from _board(snapshot, width, min(MOST_LEADERS, left - tasks))
        if snapshot.flags:
            yield _flags(snapshot, width)


def _fitting(width: int, *texts: str, style: str = '') -> Text:
    """Returns the first of several texts, shorter and shorter, that fits; else the last, cropped."""
    text = next((text for text in texts if cell_len(text) <= width), texts[-1])
    return Text(text, style=style, no_wrap=True, overflow='ellipsis')


def _counts(snapshot: Snapshot) -> list[str]:
    """What is done, in full and shorter."""
    done, elapsed = counts(snapshot.status), f'{duration(snapshot.elapsed)} elapsed'
    longest = [f'{done}, {snapshot.on_disk} of them found on disk, {elapsed}'] if snapshot.on_disk else []
    return [*longest, f'{done}, {elapsed}', done]


def _bar(snapshot: Snapshot, width: int) -> Table:
    share = min(snapshot.status.share, 1.0)
    text = f'{math.floor(100 * share):3d}%'
    if left := time_left(snapshot.status.seconds_left, snapshot.status.more_to_come):
        text += f'  {left}'
    row = Table.grid(padding=(0, 1, 0, 0), pad_edge=False)
    bar = ProgressBar(total=1.0, completed=share, width=max(4, min(_WIDEST_BAR, width - len(text) - 1)))
    row.add_row(bar, Text(text, style='bold', no_wrap=True))
    return row


def _cores(status: Status, width: int, rows: int) -> RenderResult:
    running = list(status.running)
    yield _fitting(width, f'{status.busy} of {status.cores} cores busy', style='dim')
    shown = running if len(running) <= rows else running[: rows - 1]
    descriptions = [one_line(description) for _, description in shown]
    room = width - 4 - min(width // 2, max(map(cell_len, descriptions), default=0))
    names = _names([point for point, _ in shown], room)
    table = [[f'  {label}', what] for label, what in zip(names, descriptions, strict=True)]
    yield from _rows(table, ['bold', ''], width, names=0)
    if len(running) > len(shown):
        yield Text(f'  and {len(running) - len(shown)} more', style='dim')


def _board(snapshot: Snapshot, width: int, rows: int) -> RenderResult:
    leaders = snapshot.leaders[:rows]
    if not leaders:
        return
    notes = [
        *[('= may be the best, too', '= may be best')] * any(leader.is_tied for leader in leaders[1:]),
        *[('? not comparable, because of its flags', '? not comparable')]
        * any(not leader.is_comparable for leader in leaders),
    ]
    title = f'the best of {snapshot.ranked} so far' if snapshot.ranked > len(leaders) else 'the best so far'
    notes_long, notes_short = ([f' ({"; ".join(note)})' for note in zip(*notes, strict=True)] or ['', ''])[:2]
    full, short = _by(snapshot.measure)
    yield _fitting(
        width,
        *(
            f'{title}{by}{note}'
            for by, note in ((full, notes_long), (full, notes_short), (short, notes_short))
        ),
        f'{title}{notes_short}',
        title,
        style='dim',
    )
    scores = [[leader.interval.text, counted(leader.trials, 'trial')] for leader in leaders]
    if len({leader.epochs for leader in leaders} - {None}) > 1:
        for row, leader in zip(scores, leaders, strict=True):
            row.append('' if leader.epochs is None else in_epochs(leader.epochs))
    while (room := width - 6 - _room(scores)) < _LEAST_NAME and len(scores[0]) > 1:
        scores = [row[:-1] for row in scores]
    names = _names([leader.point for leader in leaders], room)
    marks = [_mark(rank, leader) for rank, leader in enumerate(leaders, 1)]
    table = [[f'  {mark}', label, *row] for mark, label, row in zip(marks, names, scores, strict=True)]
    yield from _rows(table, ['cyan', 'bold', '', 'dim', 'dim'][: len(table[0])], width, names=1)


def _room(rows: Sequence[Sequence[str]]) -> int:
    """The width that columns take, with what is between them."""
    return sum(max(map(cell_len, column)) + 2 for column in zip(*rows, strict=True))


def _by(measure: Measure) -> tuple[str, str]:
    """What leaders lead by, in full and shorter; nothing of a performance."""
    if measure.is_plain:
        return '', ''
    return f' by {measure.title}{"" if measure.info.higher else ", lower is better"}', f' by {measure.name}'


def _mark(rank: int, leader: Leader) -> str:
    if not leader.is_comparable:
        return '?'
    return '=' if leader.is_tied and rank > 1 else str(rank)


def _flags(snapshot: Snapshot, width: int) -> Text:
    """How many have each flag, and which was flagged last: as much of it as there is room for."""
    most = sorted(snapshot.flags.items(), key=lambda item: -item[1])
    counts = [f'{one_line(flag)} ({count})' for flag, count in most]
    texts = [
        f'flags: {", ".join([*counts[:shown], *["…"] * (len(counts) > shown)])}'
        for shown in range(min(_MOST_FLAGS, len(counts)), 0, -1)
    ]
    if snapshot.latest_flags:
        point, flags = snapshot.latest_flags
        texts.insert(0, f'{texts[0]}; the latest: {name(point)}: {", ".join(map(one_line, flags))}')
    return _fitting(width, *texts, style='yellow')


def _names(points: Sequence[Point], room: int) -> list[str]:
    """Returns points by name, or where there is no room for that by their values alone."""
    names = [name(point) for point in points]
    if all(cell_len(label) <= room for label in names):
        return names
    return [', '.join(map(one_line, map(value_to_text, _values(point)))) for point in points]


def _values(point: Point) -> Sequence[object]:
    return list(point.values()) if isinstance(point, NamedPoint) else point


def _rows(rows: Sequence[Sequence[str]], styles: Sequence[str], width: int, names: int) -> RenderResult:
    """Yields rows with aligned columns; of what is too wide, the column `names` is cropped first."""
    if not rows:
        return
    widths = [max(cell_len(row[column]) for row in rows) for column in range(len(styles))]
    too_wide = sum(widths) + 2 * (len(widths) - 1) - width
    widths[names] -= min(max(too_wide, 0), max(widths[names] - _LEAST_NAME, 0))
    while sum(widths) + 2 * (len(widths) - 1) > width and max(widths) > 1:
        widest = widths.index(max(widths))
        widths[widest] -= 1
    for row in rows:
        line = Text(no_wrap=True, overflow='crop')
        for column, (cell, style) in enumerate(zip(row, styles, strict=True)):
            text = Text(cell, style=style)
            text.truncate(widths[column], overflow='ellipsis', pad=True)
            line.append_text(text)
            line.append('  ' * (column < len(row) - 1))
        line.rstrip()
        yield line
