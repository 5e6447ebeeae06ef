"""What workers print, in the parent: taken apart by run, passed on, and its end kept for error messages.

worker ── pipe ──> WorkerOutput (a thread for each worker) ──> OutputSink (one) ──> on_output
                        └──> RunOutput (the end of what a run printed)
"""

from __future__ import annotations

import os
import re
from multiprocessing.connection import Connection
from selectors import EVENT_READ, DefaultSelector
from socket import socket
from threading import Event, Lock, Thread

from ...points import Point
from ..base import OnOutput, Task
from .streams import BEGIN, LONGEST_MARKER, MARK, WARNING

MOST_PASSED_ON = 1 << 20
DROPPED = '[sweeper] the rest of what this run prints is dropped\n'
TAIL_LINES = 50
TAIL_CHARACTERS = 4000

_CHUNK = 1 << 16
_MOST_AFTER_THE_END = 1 << 20  # more than a pipe holds
_LONGEST_PIECE = 1 << 13
_KEPT = 1 << 15
_POINTS_REMEMBERED = 1000


class OutputSink:
    """Passes on what all workers of an executor print, one call of `on_output` at a time.

    Args:
        on_output: See `Executor.start`.
    """

    def __init__(self, on_output: OnOutput | None) -> None:
        self._on_output = on_output
        self._lock = Lock()
        self._warned: dict[Point | None, set[int]] = {}
        self._error: Exception | None = None

    def pass_on(self, task: Task | None, text: str) -> None:
        """Passes on whole lines, printed by a run of that task."""
        with self._lock:
            self._call(task, text)

    def pass_on_warning(self, task: Task | None, text: str) -> None:
        """Passes on a Python warning, unless a run of the same point has given it before."""
        with self._lock:
            point = task.point if task is not None else None
            if point not in self._warned and len(self._warned) > _POINTS_REMEMBERED:
                del self._warned[next(iter(self._warned))]
            warned = self._warned.setdefault(point, set())
            if hash(text) not in warned:
                warned.add(hash(text))
                self._call(task, text)

    def raise_error(self) -> None:
        """Raises what `on_output` has raised, once, unless that was an OSError."""
        error, self._error = self._error, None
        if error is not None:
            raise error

    def close(self) -> None:
        """From now on, `on_output` is not called."""
        self._on_output = None  # without the lock: a call that never returns may hold it

    def _call(self, task: Task | None, text: str) -> None:
        on_output = self._on_output
        if on_output is None:
            return
        try:
            on_output(task, text)
        except OSError:  # a full disk, a closed terminal: workers go on
            pass
        except Exception as error:
            self._on_output, self._error = None, error


class RunOutput:
    """What one run has printed, or what was printed between two.

    Attributes:
        task: The run; None between runs.
        complete: Set once all that the run printed has been read.
    """

    def __init__(self, task: Task | None) -> None:
        self.task = task
        self.complete = Event()
        self._passed_on = 0
        self._kept = ''

    def take(self, text: str) -> str:
        """Keeps the end of a text; returns as much of it as should be passed on, in whole lines."""
        self._kept = (self._kept + text)[-_KEPT:]
        room = MOST_PASSED_ON - self._passed_on
        self._passed_on += len(text)
        if len(text) <= room:
            return text
        return text[: text.rfind('\n', 0, room) + 1] + DROPPED if room >= 0 else ''

    def tail(self, seconds: float) -> str:
        """Returns the end of what was printed: at most `TAIL_LINES` lines, `TAIL_CHARACTERS` characters.

        Of the stacks that a crash leaves, the innermost calls are kept.

        Args:
            seconds: How long to wait until all has been read.
        """
        self.complete.wait(seconds)
        return _end_of(_with_shorter_stacks(self._kept))


class WorkerOutput:
    """Takes apart what one worker prints. Made, told of tasks and joined by the executor's thread.

    Args:
        pipe: The descriptor to read from; closed in the end.
        ended: Becomes readable when the worker process has ended. What it left in the pipe is read then,
            but not what a process that outlives it may write there.
        token: What the worker's markers begin with, see `streams`.
        sink: Takes the text, by task.
    """

    def __init__(self, pipe: int, ended: Connection | socket, token: str, sink: OutputSink) -> None:
        self.loading = RunOutput(None)
        self._pipe = pipe
        self._ended = ended
        self._start_of_marker = MARK + token.encode()
        self._sink = sink
        self._count = 0
        self._expected: dict[bytes, RunOutput] = {}
        self._run = self.loading
        self._unread = bytearray()  # a marker may be in it
        self._line = bytearray()  # none is
        self._thread = Thread(target=self._read, daemon=True)
        self._thread.start()

    def expect(self, task: Task) -> tuple[int, RunOutput]:
        """Returns the number that the next run must have in the worker, and where its output will be."""
        self._count += 1
        run = self._expected[b'%d' % self._count] = RunOutput(task)
        return self._count, run

    def join(self, seconds: float) -> bool:
        """Waits, so long at most, until all is read and passed on; returns whether it is."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _read(self) -> None:
        try:
            with DefaultSelector() as selector:
                for source in (self._pipe, self._ended):
                    selector.register(source, EVENT_READ)
                left = _MOST_AFTER_THE_END
                while left > 0:
                    ready = [key.fileobj for key, _ in selector.select()]
                    data = os.read(self._pipe, _CHUNK) if self._pipe in ready else b''
                    if not data:
                        return
                    self._take(data)
                    left -= len(data) if self._ended in ready else 0
        finally:
            os.close(self._pipe)
            self._take_text(bytes(self._unread))
            self._finish_run(RunOutput(None))
            for run in list(self._expected.values()):  # the worker did not come to them
                run.complete.set()

    def _take(self, data: bytes) -> None:
        """Splits the stream at its markers; what may be the first part of one waits for the rest."""
        self._unread += data
        unread, position = bytes(self._unread), 0
        while (start := unread.find(self._start_of_marker, position)) >= 0:
            content = start + len(self._start_of_marker)
            end = unread.find(MARK, content)
            if end < 0 and len(unread) - start <= LONGEST_MARKER:
                break
            self._take_text(unread[position:start])
            if 0 <= end - start < LONGEST_MARKER:
                self._take_marker(unread[content : content + 1], unread[content + 1 : end])
                position = end + 1
            else:  # not from a worker's hand
                self._take_text(unread[start:content])
                position = content
        if start < 0:
            start = unread.rfind(MARK, max(position, len(unread) - len(self._start_of_marker) + 1))
        if start < 0:
            start = len(unread)
        self._take_text(unread[position:start])
        self._unread = bytearray(unread[start:])

    def _take_marker(self, kind: bytes, payload: bytes) -> None:
        if kind == WARNING:
            text = payload.decode(errors='replace')
            if text := self._run.take(text if text.endswith('\n') else f'{text}\n'):
                self._sink.pass_on_warning(self._run.task, text)
        else:
            run = self._expected.pop(payload, None) if kind == BEGIN else None
            self._finish_run(run or RunOutput(None))

    def _finish_run(self, following: RunOutput) -> None:
        if self._line:
            self._pass_on(len(self._line))
        self._run.complete.set()
        self._run = following

    def _take_text(self, text: bytes) -> None:
        self._line += text
        if end := self._line.rfind(b'\n') + 1:
            self._pass_on(end)
        if len(self._line) > _LONGEST_PIECE:
            self._pass_on(_end_of_characters(self._line))

    def _pass_on(self, end: int) -> None:
        text = self._line[:end].decode(errors='replace')
        del self._line[:end]
        if '\r' in text:
            text = '\n'.join(map(_as_shown, text.split('\n')))
        if text := self._run.take(text if text.endswith('\n') else f'{text}\n'):
            self._sink.pass_on(self._run.task, text)


def _as_shown(line: str) -> str:
    """A terminal shows the last of the texts that a progress bar writes over one another."""
    return line.rstrip('\r').rpartition('\r')[2]


def _end_of_characters(text: bytearray) -> int:
    """Where to cut UTF-8 without cutting a character: before the last one."""
    end = len(text) - 1
    while end > len(text) - 4 and text[end] & 0b1100_0000 == 0b1000_0000:
        end -= 1
    return end


_CRASH = re.compile('^Fatal Python error: ', re.MULTILINE)
_OF_THE_THREAD, _OF_ANOTHER_THREAD = 21, 6


def _with_shorter_stacks(text: str) -> str:
    """Leaves out most of what `faulthandler` says at length, the innermost calls first."""
    crashes = list(_CRASH.finditer(text))
    if not crashes:
        return text
    start = crashes[-1].start()
    paragraphs = []
    for paragraph in text[start:].split('\n\n'):
        lines = paragraph.splitlines()
        most = _OF_THE_THREAD if paragraph.startswith('Current thread') else _OF_ANOTHER_THREAD
        if not paragraph.startswith('Extension modules:'):
            paragraphs.append('\n'.join(lines[:most] + ['  ...'] * (len(lines) > most)))
    return text[:start] + '\n\n'.join(paragraphs) + '\n'


def _end_of(text: str) -> str:
    lines = [f'{line[:300]}...' if len(line) > 303 else line for line in text.splitlines()[-TAIL_LINES:]]
    while sum(map(len, lines)) + len(lines) > TAIL_CHARACTERS:
        del lines[0]
    return ''.join(f'{line}\n' for line in lines)
