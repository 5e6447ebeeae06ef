"""Makes a chosen step of writing a file fail, or kills the process at it."""

from __future__ import annotations

import builtins
import errno
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sweeper.io import files

from .plan import SIGKILL


class WriteSteps:
    """Stands between `sweeper.io.files` and the system; counts open, write, fsync, replace in any thread.

    Args:
        at: The number of the step that meets the fault, from 0; None for no fault.
        action: `SIGKILL`, or the name of the error.
        on_fault: Called just before the fault happens (once).
        on_file: Called after each file that appeared.
    """

    def __init__(
        self, at: int | None, action: str, on_fault: Callable[[str], None], on_file: Callable[[], None]
    ) -> None:
        self._at, self._action = at, action
        self._on_fault, self._on_file = on_fault, on_file
        self._taken = 0
        self._has_failed = False
        self._lock = threading.Lock()
        self._paths = threading.local()

    def install(self) -> None:
        """Puts itself in the place of the names `open` and `os` of `sweeper.io.files`."""
        vars(files)['open'] = self.open
        vars(files)['os'] = _System(self)

    def open(self, path: Any, mode: str = 'r', **options: Any) -> Any:
        """Opens a file; opening it to write is a step."""
        if 'w' not in mode:
            return builtins.open(path, mode, **options)
        self._paths.last = path
        self.take('open')
        return _WrittenFile(builtins.open(path, mode, **options), self)

    def fsync(self, descriptor: int) -> None:
        """A step."""
        self.take('fsync')
        os.fsync(descriptor)

    def replace(self, source: Any, target: Any) -> None:
        """A step, after which a file has appeared."""
        self.take('replace')
        os.replace(source, target)
        self._on_file()

    def _is_of_state(self) -> bool:
        return Path(getattr(self._paths, 'last', '')).parent.name == 'checkpoints'

    def take(self, step: str, half: Callable[[], None] = lambda: None) -> None:
        """Counts a step; at the fault's, does `half` of it and lets the fault happen."""
        with self._lock:
            number, self._taken = self._taken, self._taken + 1
            if number == self._at and self._action != SIGKILL and self._is_of_state():
                self._at += 1  # a trial that cannot save its state just goes on
            is_first = number == self._at
            if not is_first and not (self._has_failed and self._action == 'ENOSPC'):
                return
            self._has_failed = True
        half()
        if is_first:
            self._on_fault(f'{self._action} at step {number}, {step} of {getattr(self._paths, "last", None)}')
        if self._action == SIGKILL:
            os.kill(os.getpid(), signal.SIGKILL)
        code = getattr(errno, self._action)
        raise OSError(code, os.strerror(code))


class _System:
    """The module `os`, but for its steps of writing."""

    def __init__(self, steps: WriteSteps) -> None:
        self.fsync, self.replace = steps.fsync, steps.replace

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


class _WrittenFile:
    """A file open for writing, of whose content half is written when the fault comes."""

    def __init__(self, file: Any, steps: WriteSteps) -> None:
        self._file, self._steps = file, steps

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> _WrittenFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, data: Any) -> int:
        self._steps.take('write', lambda: self._write_half(data))
        return int(self._file.write(data))

    def _write_half(self, data: Any) -> None:
        self._file.write(data[: len(data) // 2])
        self._file.flush()
