"""A display of a running sweep that stays in place, in a terminal or a notebook."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Event, Thread

import numpy as np
from rich.text import Text

from ..points import Point
from ..selectors.listener import SweepListener, SweepStatus
from ..store.results import PointError
from .board import Board
from .screen import Screen
from .view import MOST_LEADERS, Snapshot, SweepView
from .wording import counts, duration, name, one_line

_SECONDS_BETWEEN = 0.5
_LEAST_PAUSE = 100  # times what drawing took: a hundredth of a core at most
_MOST_LINES = 10


class LiveProgress(SweepListener):
    """A bar with the time left, what the cores do, who is ahead, failures and flags.

    The sweep's thread only notes what it hears. Another one works it out and draws, twice a second or as
    often as takes a hundredth of a core.

    Args:
        screen: Where to draw.
        clock: Returns seconds.
        elapsed: How long the sweep is going on already.
    """

    def __init__(
        self, screen: Screen, clock: Callable[[], float] = time.monotonic, elapsed: float = 0.0
    ) -> None:
        self._screen, self._clock = screen, clock
        self._started = clock() - elapsed
        self._news: deque[Callable[[_Seen], None]] = deque()
        self._told: tuple[SweepStatus, float] | None = None
        self._seen = _Seen()
        self._has_ended = Event()
        self._thread: Thread | None = None
        self._error: Exception | None = None

    # In the sweep's thread

    def on_trials_completed(
        self,
        values: Point,
        perfs_train: np.ndarray,
        losses_train: np.ndarray,
        perfs_val: np.ndarray,
        losses_val: np.ndarray,
    ) -> None:
        self._news.append(lambda seen: seen.board.add(values, perfs_val.tolist()))

    def on_flagged(self, values: Point, flags: Sequence[str]) -> None:
        self._news.append(lambda seen: seen.take_flags(values, flags))

    def on_point_failed(self, values: Point, error: PointError) -> None:
        self._news.append(lambda seen: seen.take_failure(values, error))

    def on_status(self, status: SweepStatus) -> None:
        self._told = status, self._clock()
        if self._error is not None:
            raise self._error
        if self._thread is None:
            self._screen.open()
            self._thread = Thread(target=self._keep_drawing, name='sweeper-display', daemon=True)
            self._thread.start()

    def on_end(self) -> None:
        if self._thread is None:
            return
        self._has_ended.set()
        self._thread.join()
        if self._error is None:
            self._take_in()
            self._screen.close(self._last_words())

    # In the display's thread

    def _keep_drawing(self) -> None:
        pause = 0.0
        try:
            while not self._has_ended.wait(pause):
                start = time.thread_time()
                self.draw()
                pause = max(_SECONDS_BETWEEN, _LEAST_PAUSE * (time.thread_time() - start))
        except Exception as error:  # the terminal is gone, say; the sweep's thread tells
            self._error = error

    def draw(self) -> None:
        """Draws what is known by now; called in one thread."""
        self._take_in()
        lines, self._seen.lines = self._seen.lines, []
        self._screen.show(SweepView(self._snapshot(), self._screen.height), lines)

    def _take_in(self) -> None:
        while self._news:
            self._news.popleft()(self._seen)

    def _snapshot(self) -> Snapshot:
        assert self._told is not None
        (status, told_at), now, seen = self._told, self._clock(), self._seen
        left = status.seconds_left
        return Snapshot(
            status=status,
            elapsed=now - self._started,
            seconds_left=None if left is None else max(0.0, left - (now - told_at)),
            leaders=seen.board.leaders(MOST_LEADERS),
            ranked=len(seen.board),
            flags=seen.flag_counts,
            latest_flags=seen.latest_flags,
        )

    def _last_words(self) -> list[Text]:
        assert self._told is not None
        status, _ = self._told
        elapsed = duration(self._clock() - self._started)
        return [*self._seen.lines, Text(f'{counts(status)}, {elapsed} elapsed', style='dim')]


@dataclass
class _Seen:
    """What was heard of, as it is shown.

    Attributes:
        board: Who is ahead.
        flag_counts: How many points have each flag.
        latest_flags: The point that was flagged last, and its flags.
        lines: What is to stay above the display, and is not there yet.
    """

    board: Board = field(default_factory=Board)
    flag_counts: Counter[str] = field(default_factory=Counter)
    latest_flags: tuple[Point, Sequence[str]] | None = None
    lines: list[Text] = field(default_factory=list)
    _flags: dict[Point, Sequence[str]] = field(default_factory=dict)

    def take_flags(self, point: Point, flags: Sequence[str]) -> None:
        self.flag_counts.subtract(self._flags.get(point, ()))
        self.flag_counts.update(flags)
        self.flag_counts = +self.flag_counts
        self._flags[point] = flags
        if flags:
            self.latest_flags = point, flags
        elif self.latest_flags and self.latest_flags[0] == point:
            self.latest_flags = None

    def take_failure(self, point: Point, error: PointError) -> None:
        self.board.remove(point)
        self.take_flags(point, ())
        self.lines.append(Text(f'failed ({name(point)}): {one_line(str(error))}', style='red'))
