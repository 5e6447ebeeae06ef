"""Tells other processes how a sweep stands, through a small file in its folder."""

from __future__ import annotations

import time
from threading import Event as Flag
from threading import Thread

from ...events import Event, Status, SweepEnded
from ...store.records import Records
from ...store.status_file import Note, write_note

_SECONDS_BETWEEN = (0.5, 5.0)
_SHARE = 0.1
_MOST_RUNNING = 100


class StatusWriter:
    """Keeps the note in `running.json` up to date, for `sweeper status`.

    A thread writes it when something has changed: at first every half second, then at most every 5 seconds.

    Args:
        records: What is in the sweep's folder.
    """

    def __init__(self, records: Records) -> None:
        self._records = records
        self._status: Status | None = None
        self._has_news, self._has_ended = Flag(), Flag()
        self._thread: Thread | None = None

    def handle(self, event: Event) -> None:
        match event:
            case Status():
                self._status = event
                self._has_news.set()
                if self._thread is None:
                    self._thread = Thread(target=self._keep_writing, name='sweeper-note', daemon=True)
                    self._thread.start()
            case SweepEnded():
                self._has_ended.set()
                self._has_news.set()
                if self._thread is not None:
                    self._thread.join()

    def _keep_writing(self) -> None:
        started = time.monotonic()
        while not self._has_ended.is_set():
            self._has_news.clear()
            assert self._status is not None
            self._write(self._status)
            least, most = _SECONDS_BETWEEN
            self._has_ended.wait(min(most, max(least, _SHARE * (time.monotonic() - started))))
            self._has_news.wait()

    def _write(self, status: Status) -> None:
        note = Note(
            at=time.time(), cores=status.cores, busy=status.busy, points=status.points, trials=status.trials,
            more_to_come=status.more_to_come, share=status.share, seconds_left=status.seconds_left,
        )  # fmt: skip
        running = [(self._records.id_of(point), what) for point, what in status.running[:_MOST_RUNNING]]
        write_note(self._records.layout.folder, note, running)
