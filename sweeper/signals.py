"""Lets a process that is asked to end clean up first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = ('SIGTERM', 'SIGHUP')


class Terminated(KeyboardInterrupt):
    """The process was asked to end; a `KeyboardInterrupt`, since that is what clean-up code expects.

    Attributes:
        signum: The signal.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


def _raise(signum: int, _: FrameType | None) -> None:
    signal.signal(signum, signal.SIG_IGN)  # the clean-up is under way: a second one shall not end it
    raise Terminated(signum)


@contextmanager
def raising_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP raise `Terminated`, as Ctrl-C does `KeyboardInterrupt`.

    Only where they would end the process at once: not if the program handles or ignores them (`nohup`), and
    not outside the main thread, where Python cannot handle signals.
    """
    before = {}
    if threading.current_thread() is threading.main_thread():
        numbers = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
        before = {n: signal.signal(n, _raise) for n in numbers if signal.getsignal(n) is signal.SIG_DFL}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Does the same, and at its end, all clean-up done, ends the process by the signal that came, if any."""
    caught = None
    try:
        with raising_signals():
            yield
    except Terminated as ending:
        caught = ending
        if signal.getsignal(ending.signum) is not signal.SIG_DFL:
            raise  # someone further out asked for it
    if caught is not None:
        signal.raise_signal(caught.signum)
