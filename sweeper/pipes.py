"""Standard streams whose reader may go away, as in `sweeper status DIR | head -1`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, TextIO


def outlive_readers() -> None:
    """From now on, what is printed after the reader of a stream has gone is lost, and nothing else happens.

    It is not a failure that nobody reads on: a sweep goes on, and the exit code tells what became of it.
    """
    for name in ('stdout', 'stderr'):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, _Lenient):
            setattr(sys, name, _Lenient(stream))


class _Lenient:
    """A text stream that is as another, but that nobody need read."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        self._lenient(lambda: self._stream.write(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        self._lenient(self._stream.flush)

    def _lenient(self, act: Callable[[], object]) -> None:
        try:
            act()
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
