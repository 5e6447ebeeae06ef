"""Lets a process that is asked to end clean up first."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = ('SIGTERM', 'SIGHUP')
_SECONDS_TO_CLEAN_UP = 10.0


class Terminated(KeyboardInterrupt):
    """The process was asked to end; a `KeyboardInterrupt`, since that is what clean-up code expects.

    Attributes:
        signum: The signal.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


@contextmanager
def raising_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP raise `Terminated`, as Ctrl-C does `KeyboardInterrupt`.

    Only where they would end the process at once: not if the program handles or ignores them (`nohup`), and
    not outside the main thread, where Python cannot handle signals. Further ones that follow soon are left
    out: the clean-up is under way.
    """
    before = {}
    if threading.current_thread() is threading.main_thread():
        numbers = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
        handler = _Handler()
        before = {n: signal.signal(n, handler) for n in numbers if signal.getsignal(n) is signal.SIG_DFL}
    try:
        yield
    finally:
        for number, handler_before in before.items():
            signal.signal(number, handler_before)


class _Handler:
    """Raises `Terminated`, unless it has just done so."""

    def __init__(self) -> None:
        self._raised = -math.inf

    def __call__(self, signum: int, _: FrameType | None) -> None:
        now = time.monotonic()
        if now - self._raised > _SECONDS_TO_CLEAN_UP:
            self._raised = now
            raise Terminated(signum)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Does the same, and at its end, all clean-up done, ends the process by the signal that came, if any."""
    try:
        with raising_signals():
            yield
    except Terminated as ending:
        if signal.getsignal(ending.signum) is signal.SIG_DFL:  # no one further out asked for it
            signal.raise_signal(ending.signum)
        raise
