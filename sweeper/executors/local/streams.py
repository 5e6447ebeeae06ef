"""What a worker prints: one pipe to the parent, with markers in it that say which run printed what.

    … text … MARK token kind payload MARK … text …

A marker is written at once (no longer than `PIPE_BUF`, so that the system keeps it in one piece) and may
stand anywhere in a line. The token, drawn for each worker, keeps text from looking like a marker.
"""

from __future__ import annotations

import ctypes
import faulthandler
import fcntl
import io
import os
import resource
import select
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

MARK = b'\x1e'
BEGIN, END, WARNING = b'b', b'e', b'w'
LONGEST_MARKER = select.PIPE_BUF

_ROOM_FOR_TOKEN = 64
_OUT_OF_THE_WAY = 100  # a descriptor that no code closes by its number
_FEWER_THAN_THE_LIMIT = 8
_LINE_BUFFERED = 1  # _IOLBF of C, on Linux and macOS


class WorkerStreams:
    """The standard streams of a worker process, in the worker.

    Both streams of Python, of C and of child processes go to the descriptor that was 2 at the start. A
    crash leaves the stack of every thread there. Each run starts with these streams as they were when the
    problem had been loaded, whatever the run before has closed or redirected.

    Args:
        token: What makes this worker's markers unlike all text; without `MARK`.
    """

    def __init__(self, token: str) -> None:
        self._start_of_marker = MARK + token.encode()
        self._pipe = fcntl.fcntl(2, fcntl.F_DUPFD_CLOEXEC, _out_of_the_way())
        self._warned: set[int] = set()
        for stream in (sys.stdout, sys.stderr):
            assert isinstance(stream, io.TextIOWrapper)
            stream.reconfigure(encoding='utf-8', errors='backslashreplace', line_buffering=True)
        self.keep()
        _buffer_c_stdout_by_line()
        faulthandler.enable(self._pipe)
        warnings.showwarning = self._show_warning

    def keep(self) -> None:
        """Takes Python's streams as they are now for those that each run starts with."""
        self._stdout, self._stderr = sys.stdout, sys.stderr

    def flush(self) -> None:
        """Leaves nothing in a buffer that a process forked now would print again."""
        self._put_back()
        with suppress(Exception):
            ctypes.CDLL(None).fflush(None)

    def move(self, descriptor: int, token: str) -> None:
        """Goes on with a pipe and a token of its own, in a process that was forked.

        Args:
            descriptor: The pipe; taken over.
            token: As for the constructor.
        """
        os.dup2(descriptor, self._pipe, inheritable=False)  # which `faulthandler` writes to as well
        os.close(descriptor)
        self._start_of_marker = MARK + token.encode()
        self._put_back()

    @contextmanager
    def run(self, number: int) -> Iterator[None]:
        """Marks what is printed inside as that run's; undoes what it does to streams and warnings.

        Every run warns anew: entering `catch_warnings` makes Python forget what it has warned about.
        """
        self._put_back()
        self._mark(BEGIN, b'%d' % number)
        self._warned = set()
        try:
            with warnings.catch_warnings():
                yield
        finally:
            self._put_back()

    def mark_end(self, number: int) -> None:
        """Marks the end of a run; needless if another begins at once, which marks it as well."""
        self._mark(END, b'%d' % number)

    def _put_back(self) -> None:
        """Descriptors first: what a stream still holds goes where it belongs."""
        with suppress(OSError):
            os.set_blocking(self._pipe, True)
            os.dup2(self._pipe, 1)
            os.dup2(self._pipe, 2)
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):  # it may be anything that the user's code has put there
                stream.flush()
        self._stdout, self._stderr = _usable(self._stdout, 1), _usable(self._stderr, 2)
        sys.stdout, sys.stderr = self._stdout, self._stderr

    def _show_warning(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        """Stands in for `warnings.showwarning`: marks a warning as one, and shows it once in a run."""
        text = warnings.formatwarning(message, category, filename, lineno, line)
        if file is not None:
            file.write(text)
        elif hash(text) not in self._warned:
            self._warned.add(hash(text))
            self._mark(WARNING, text.encode(errors='replace').replace(MARK, b'?'))

    def _mark(self, kind: bytes, payload: bytes) -> None:
        room = LONGEST_MARKER - _ROOM_FOR_TOKEN
        if len(payload) > room:
            payload = payload[: room - 4].decode(errors='ignore').encode() + b'...\n'
        with suppress(OSError):  # the user's code has closed every descriptor, or the parent is gone
            os.write(self._pipe, self._start_of_marker + kind + payload + MARK)


def _out_of_the_way() -> int:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _OUT_OF_THE_WAY if limit > 2 * _OUT_OF_THE_WAY else max(3, limit - _FEWER_THAN_THE_LIMIT)


def _usable(stream: TextIO, descriptor: int) -> TextIO:
    try:
        stream.flush()
        return stream
    except Exception:  # closed, detached, or broken in another way
        return open(descriptor, 'w', buffering=1, encoding='utf-8', errors='backslashreplace', closefd=False)


def _buffer_c_stdout_by_line() -> None:
    """What C code prints would else appear when its buffer is full, in another run, or never."""
    with suppress(Exception):
        library = ctypes.CDLL(None)
        stdout = ctypes.c_void_p.in_dll(library, '__stdoutp' if sys.platform == 'darwin' else 'stdout')
        library.setvbuf(stdout, None, _LINE_BUFFERED, ctypes.c_size_t(0))
