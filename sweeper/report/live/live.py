"""A display of a running sweep that stays in place, in a terminal or a notebook."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from threading import Event as Flag
from threading import Thread

from rich.text import Text

from ...events import Event, Status, SweepEnded
from ..wording import counts, duration
from .screen import Screen
from .snapshot import SnapshotBuilder
from .view import SweepView

_SECONDS_BETWEEN = 0.5
_LEAST_PAUSE = 100  # times what drawing took: a hundredth of a core at most


class LiveProgress:
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
        self._builder = SnapshotBuilder()
        self._news: deque[Event] = deque()
        self._status: tuple[Status, float] | None = None
        self._has_ended = Flag()
        self._thread: Thread | None = None
        self._error: Exception | None = None

    # In the sweep's thread

    def handle(self, event: Event) -> None:
        match event:
            case Status():
                self._note_status(event)
            case SweepEnded():
                self._end()
            case _:
                self._news.append(event)

    def _note_status(self, status: Status) -> None:
        self._status = status, self._clock()
        if self._error is not None:
            raise self._error
        if self._thread is None:
            self._news.append(status)  # what was published before this was there before
            self._screen.open()
            self._thread = Thread(target=self._keep_drawing, name='sweeper-display', daemon=True)
            self._thread.start()

    def _end(self) -> None:
        if self._thread is None:
            return
        self._has_ended.set()
        self._thread.join()
        if self._error is None:
            self._update()
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
        self._update()
        view = SweepView(self._builder.snapshot(self._clock() - self._started), self._screen.height)
        self._screen.show(view, self._builder.new_lines())

    def _update(self) -> None:
        while self._news:
            self._builder.handle(self._news.popleft())
        if self._status is not None:
            status, told_at = self._status
            self._builder.handle(status_later(status, self._clock() - told_at))

    def _last_words(self) -> list[Text]:
        assert self._status is not None
        words = f'{counts(self._status[0])}, {duration(self._clock() - self._started)} elapsed'
        return [*self._builder.new_lines(), Text(words, style='dim')]


def status_later(status: Status, seconds: float) -> Status:
    """A status so many seconds after it was told: that much less is left."""
    if status.seconds_left is None:
        return status
    return replace(status, seconds_left=max(0.0, status.seconds_left - seconds))
