"""What was heard of a sweep that goes on, gathered for a display."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.text import Text

from ..points import Point
from ..printing import one_line
from ..selectors.listener import SweepListener, SweepStatus
from ..store.results import PointError
from .board import Board
from .view import MOST_LEADERS, Snapshot
from .wording import name

_MOST_LINES = 20


class Picture(SweepListener):
    """Gathers what it hears into what is shown. Used by one thread."""

    def __init__(self) -> None:
        self._status = SweepStatus(0, 0, 0, 0, 0, (), True)
        self._board = Board()
        self._flags: dict[Point, Sequence[str]] = {}
        self._flag_counts: Counter[str] = Counter()
        self._latest_flags: tuple[Point, Sequence[str]] | None = None
        self._lines: list[Text] = []
        self._is_resuming, self._found = False, 0

    def on_start(self, folder: Path, names: Sequence[str]) -> None:
        self._is_resuming = True

    def end_resuming(self) -> None:
        """From now on, what is told has just happened."""
        self._is_resuming = False

    def on_trials_completed(
        self,
        values: Point,
        perfs_train: np.ndarray,
        losses_train: np.ndarray,
        perfs_val: np.ndarray,
        losses_val: np.ndarray,
    ) -> None:
        self._board.add(values, perfs_val.tolist())
        self._found += len(perfs_val) * self._is_resuming

    def on_flagged(self, values: Point, flags: Sequence[str]) -> None:
        self._flag_counts.subtract(self._flags.get(values, ()))
        self._flag_counts.update(flags)
        self._flags[values] = flags
        self._board.flag(values, flags)
        if flags:
            self._latest_flags = values, flags
        elif self._latest_flags and self._latest_flags[0] == values:
            self._latest_flags = None

    def on_point_failed(self, values: Point, error: PointError) -> None:
        self._board.remove(values)
        self.on_flagged(values, ())
        if not self._is_resuming:
            self._lines.append(Text(f'failed ({name(values)}): {one_line(error)}', style='red'))

    def on_status(self, status: SweepStatus) -> None:
        self._status = status

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
            flags=+self._flag_counts,
            latest_flags=self._latest_flags,
            found=self._found,
        )
