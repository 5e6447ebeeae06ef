"""Short texts for a line of a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..events import Status
from ..points import Point, by_name, label, value_to_text
from ..text import one_line


def name(point: Point) -> str:
    """Returns a point for a person, in one line."""
    return label(point)


def counted(number: int, noun: str) -> str:
    """Returns a number with its noun: `1 point`, `2 points`."""
    return f'{number} {noun}{"s" * (number != 1)}'


def times(number: int) -> str:
    """Returns how often: `once`, `twice`, `3 times`."""
    return {1: 'once', 2: 'twice'}.get(number, f'{number} times')


def in_words(names: Sequence[str]) -> str:
    """Joins names as a sentence does: `a, b and c`."""
    return ' and '.join(filter(None, (', '.join(names[:-1]), *names[-1:])))


def in_epochs(epochs: float) -> str:
    """Returns a length of training: `1 epoch`, `0.5 epochs`."""
    return f'{epochs:.3g} epoch{"s" * (epochs != 1)}'


def listed(points: Sequence[Point], columns: Sequence[str], most: int = 5) -> str:
    """Returns points in one line, a few of many."""
    texts = (
        ' '.join(f'{name}={value_to_text(value)}' for name, value in by_name(point, columns).items())
        for point in points[:most]
    )
    more = f' and {len(points) - most} more' if len(points) > most else ''
    return one_line(', '.join(texts)) + more


def duration(seconds: float) -> str:
    """Returns a length of time as a clock shows it: `0:05`, `12:34`, `1:02:03`, or days and hours."""
    minutes, second = divmod(math.floor(max(seconds, 0)), 60)
    hours, minute = divmod(minutes, 60)
    if hours >= 100:
        return f'{hours // 24} days {hours % 24} h'
    return f'{hours}:{minute:02d}:{second:02d}' if hours else f'{minute}:{second:02d}'


def time_left(seconds: float | None, more_to_come: bool) -> str:
    """Says how long it will take, about; '' if that is not known. There may be more than is known of."""
    if seconds is None:
        return ''
    rounded = _rounded_up(seconds)
    return f'{"at least" if more_to_come else "about"} {duration(rounded)} left'


def _rounded_up(seconds: float) -> float:
    """No more exact than it is known: to 1 s below a minute, 5 s below ten minutes, else to a minute."""
    unit = 1 if seconds < 60 else 5 if seconds < 600 else 60
    return math.ceil(max(seconds, 1) / unit) * unit


def counts(status: Status) -> str:
    """Says how much of what is done."""
    more = '+' if status.more_to_come else ''
    text = f'{status.tuned}/{status.points}{more} tuned, {status.trials_done}/{status.trials}{more} trials'
    return text + (f', {status.failed} failed' if status.failed else '')


def found_on_disk(tuned: int, trials: int, failed: int) -> str:
    """Says what a sweep that is resumed found: tuned architectures, trials, and architectures that failed."""
    text = f'found on disk: {tuned} tuned, {counted(trials, "trial")}'
    return text + (f', {failed} failed' if failed else '')


def to_do(status: Status) -> str:
    """Says how many trials are left."""
    left = max(0, status.trials - status.trials_done)
    return f'{"at least " * status.more_to_come}{counted(left, "trial")} to do'
