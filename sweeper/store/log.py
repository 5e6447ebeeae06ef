"""`log.txt`: what the workers printed, per point, with time and run."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from threading import Lock

from ..points import Point
from .store import Store


class RunLog:
    """Writes what runs print into their points' logs. What comes before a store is there is kept for it."""

    def __init__(self) -> None:
        self._store: Store | None = None
        self._early: list[tuple[Point | None, str]] = []
        self._lock = Lock()

    def open(self, store: Store) -> None:
        """From now on, everything goes to `store`."""
        with self._lock:
            self._store = store
            for point, text in self._early:
                with suppress(OSError):  # what is in the way of a log need not be in the way of the sweep
                    store.append_log(point, text)
            self._early.clear()

    def write(self, point: Point | None, run: str, text: str) -> None:
        """Takes whole lines that a run of a point printed, or of no point; called from any thread.

        Raises:
            OSError: They cannot be written.
        """
        start = f'{datetime.now():%Y-%m-%d %H:%M:%S} {run} | '
        lines = ''.join(f'{start}{line}\n' for line in text.rstrip('\n').split('\n'))
        with self._lock:
            if self._store is None:
                self._early.append((point, lines))
            else:
                self._store.append_log(point, lines)
