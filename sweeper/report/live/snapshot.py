"""What was heard of a sweep that goes on, gathered for a display."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.text import Text

from ...events import Event, PointFailed, PointFlagged, PointTuned, Status, SweepStarted, TrialsDone
from ...metric import LOSS, PERFORMANCE, MetricInfo
from ...points import Point
from ...stats.design import Design
from ...text import one_line
from ..measure import Measure, measure_of, scores_of
from ..wording import name
from .board import Board
from .view import MOST_LEADERS, Snapshot

_MOST_LINES = 20
_LOSSES = Measure(LOSS, 'loss', 'loss')


class SnapshotBuilder:
    """Gathers what it hears into what is shown. Used by one thread.

    Args:
        metrics: What is known of the metrics, until a sweep that starts says so.
        design: As of `SweepStarted`.
    """

    def __init__(self, metrics: Sequence[MetricInfo] = (PERFORMANCE,), design: Design | None = None) -> None:
        self._status = Status(0, 0, 0, 0, 0, (), True)
        self._board = _board(metrics, design)
        self._flags: dict[Point, Sequence[str]] = {}
        self._flag_counts: Counter[str] = Counter()
        self._latest_flags: tuple[Point, Sequence[str]] | None = None
        self._lines: list[Text] = []
        self._is_resuming, self._on_disk = False, 0

    def handle(self, event: Event) -> None:
        match event:
            case SweepStarted(metrics=metrics, design=design):
                self._is_resuming, self._board = True, _board(metrics, design)
            case PointTuned(point, tuned):
                self._board.tuned(point, tuned.epochs)
            case TrialsDone(point, trials):
                scores, losses = (scores_of(trials, measure) for measure in (self._board.measure, _LOSSES))
                self._board.add(point, scores, losses)
                self._on_disk += len(trials) * self._is_resuming
            case PointFlagged(point, flags):
                self._flag(point, flags)
            case PointFailed(point, error):
                self._board.remove(point)
                self._flag(point, ())
                if not self._is_resuming:
                    self._lines.append(Text(f'failed ({name(point)}): {one_line(error)}', style='red'))
            case Status():
                self._status, self._is_resuming = event, False

    def _flag(self, point: Point, flags: Sequence[str]) -> None:
        self._flag_counts.subtract(self._flags.get(point, ()))
        self._flag_counts.update(flags)
        self._flags[point] = flags
        self._board.flag(point, flags)
        if flags:
            self._latest_flags = point, flags
        elif self._latest_flags and self._latest_flags[0] == point:
            self._latest_flags = None

    def new_lines(self) -> list[Text]:
        """Returns what is to stay above the display and was not returned before; not too much at a time."""
        lines, self._lines = self._lines, []
        if len(lines) > _MOST_LINES:
            more = len(lines) - _MOST_LINES + 1
            lines[_MOST_LINES - 1 :] = [Text(f'and {more} more failed just now', style='red')]
        return lines

    def snapshot(self, elapsed: float) -> Snapshot:
        """Returns what is known by now.

        Args:
            elapsed: Seconds since the sweep was started.
        """
        return Snapshot(
            status=self._status,
            elapsed=elapsed,
            leaders=self._board.leaders(MOST_LEADERS),
            ranked=len(self._board),
            measure=self._board.measure,
            flags=+self._flag_counts,
            latest_flags=self._latest_flags,
            on_disk=self._on_disk,
        )


def _board(metrics: Sequence[MetricInfo], design: Design | None) -> Board:
    return Board(measure_of(metrics, val_to_train=design.val_to_train if design else 0.0), design)
