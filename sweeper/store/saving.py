"""Saves: writing that is done in threads, so that flushing to the disk keeps no core waiting.

    owner's thread         threads              owner's thread
    submit(save) ──> save.write() ──> … collect(): save.saved()

Several saves are flushed at a time, which the file system then commits together. What belongs to one key
keeps its order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from threading import Condition, Lock, Thread
from typing import Any

_MOST_BYTES = 32 * 2**20
_MOST_SAVES = 500


@dataclass(frozen=True)
class Save:
    """Something to be written.

    Attributes:
        key: Saves of one key are written in the order in which they are submitted.
        write: Writes it; called once, in any thread.
        saved: Called when it is written, in the owner's thread, which waits for it; `Saves.take_in` returns
            what it returns.
        alone: Whether it waits for all earlier saves of its key, and later ones for it. Two that do not are
            written in any order.
        size: Bytes of memory that it holds until it is written.
    """

    key: Hashable
    write: Callable[[], None]
    saved: Callable[[], Any] | None = None
    alone: bool = True
    size: int = 0


@dataclass
class _Line:
    """The saves of one key that are not written yet."""

    waiting: deque[Save] = field(default_factory=deque)
    writing: int = 0
    has_one_alone: bool = False


class _NotWritten(Exception):
    """An earlier save of the same key failed."""


class Saves:
    """Writes what is submitted. Used by one thread, its owner's.

    That one may be interrupted between any two instructions (by `KeyboardInterrupt`, say): it only appends to
    a deque. Everything else is done by the threads, so that `finish` finds it in order.

    Args:
        threads: How many saves are written at a time; 0 writes each when it is submitted.
        wake: Called by such a thread when there is something to take in.

    Attributes:
        pending: How many saves have been submitted and not taken in.
        awaited: How many of them have something to be called.
    """

    def __init__(self, threads: int, wake: Callable[[], None] = lambda: None) -> None:
        self.pending = self.awaited = 0
        self._bytes = 0
        self._submitted: deque[Save] = deque()
        self._lines: dict[Hashable, _Line] = {}
        self._broken: set[Hashable] = set()
        self._startable: deque[Save] = deque()
        self._written: deque[tuple[Save, BaseException | None]] = deque()
        self._is_closed = False
        lock = Lock()
        self._has_work, self._has_news = Condition(lock), Condition(lock)
        self._wake = wake
        self._threads = [
            Thread(target=self._work, name=f'sweeper-save-{number}', daemon=True) for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def has_written(self) -> bool:
        """Whether there is something to take in."""
        return bool(self._written)

    @property
    def is_full(self) -> bool:
        """Whether so much waits that no more should be submitted before something is taken in."""
        return self.pending >= _MOST_SAVES or self._bytes >= _MOST_BYTES

    def submit(self, save: Save) -> None:
        """Takes a save, to be written."""
        if self._threads:
            with self._has_work:
                self._submitted.append(save)
                self._has_work.notify()
        else:
            self._written.append((save, self._attempt(save)))
        self.pending += 1
        self.awaited += save.saved is not None
        self._bytes += save.size

    def wait(self) -> None:
        """Blocks until there is something to take in. Called only while a save is pending."""
        assert self.pending
        with self._has_news:
            self._has_news.wait_for(lambda: self._written)

    def collect(self) -> list[Any]:
        """Takes in all that is written by now; returns what `saved` returned for each that has one.

        Raises:
            BaseException: What a save raised; the others are taken in all the same.
        """
        returned: list[Any] = []
        errors: list[BaseException] = []
        while self._written:
            save, error = self._written.popleft()
            self.pending -= 1
            self.awaited -= save.saved is not None
            self._bytes -= save.size
            if error is not None:
                errors.append(error)
            elif save.saved is not None:
                returned.append(save.saved())
        if errors:
            raise errors[0]
        return returned

    def drain(self) -> None:
        """Takes in all that was submitted, once it is written; raises as `take_in` does."""
        while self.pending:
            self.wait()
            self.collect()

    def finish(self) -> None:
        """Writes and takes in all that was submitted; raises no error."""
        with self._has_news:
            self._has_work.notify_all()
            self._has_news.wait_for(lambda: not (self._threads and (self._submitted or self._lines)))
        while self._written:
            save, error = self._written.popleft()
            if error is None and save.saved is not None:
                save.saved()
        self.pending = self.awaited = self._bytes = 0

    def close(self) -> None:
        """Ends the threads; what no thread has begun to write by now is not written."""
        with self._has_work:
            self._is_closed = True
            self._has_work.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while True:
            with self._has_work:
                self._has_work.wait_for(lambda: self._submitted or self._startable or self._is_closed)
                if self._is_closed:
                    return
                self._sort_in()
                if not self._startable:
                    continue
                save = self._startable.popleft()
            error = self._attempt(save)
            with self._has_work:
                line = self._lines[save.key]
                line.writing -= 1
                line.has_one_alone = False
                self._written.append((save, error))
                self._start_what_may(save.key)
                self._has_news.notify_all()
            if save.saved is not None or error is not None:
                self._wake()

    def _sort_in(self) -> None:
        while self._submitted:
            save = self._submitted.popleft()
            self._lines.setdefault(save.key, _Line()).waiting.append(save)
            self._start_what_may(save.key)

    def _start_what_may(self, key: Hashable) -> None:
        """Takes out of a line what nothing is in the way of any more."""
        line = self._lines[key]
        while line.waiting and not line.has_one_alone:
            alone = line.waiting[0].alone
            if alone and line.writing:
                break
            line.has_one_alone = alone
            line.writing += 1
            self._startable.append(line.waiting.popleft())
            self._has_work.notify()
        if not line.waiting and not line.writing:
            del self._lines[key]

    def _attempt(self, save: Save) -> BaseException | None:
        """Writes a save, unless an earlier one of its key failed; returns what it raised."""
        try:
            if save.key in self._broken:
                raise _NotWritten
            save.write()
        except BaseException as error:
            if not self._threads and not isinstance(error, Exception):
                raise  # it is the owner's own thread that was interrupted
            self._broken.add(save.key)
            return error
        return None
