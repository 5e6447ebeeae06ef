"""The program that a local worker process runs.

    parent ── spec, then (key, pickled task) … ──> reader thread ──> inbox ──> main thread ──┐
       └<──────── READY, then (key, outcome) … ─────────────────────────────────────┘

The reader thread takes messages at once, so the parent never blocks on a busy worker, and it ends the
process at once when the parent is gone, in the middle of a training if need be.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Thread
from typing import Any

READY = 'ready'
BROKEN = 'broken'


def send(connection: Connection, message: Any) -> None:
    """Sends a message by plain pickle (torch would put its tensors into shared memory)."""
    connection.send_bytes(pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL))


def receive(connection: Connection) -> Any:
    """Receives what `send` sent.

    Raises:
        EOFError: The other side is gone.
    """
    return pickle.loads(connection.recv_bytes())


def main(descriptor: int, number: int) -> None:
    """Sets up the bench, then performs tasks until the parent goes away.

    Args:
        descriptor: The file descriptor of this side of the connection.
        number: This worker's number; replacements get the number of the worker that died.
    """
    os.dup2(2, 1)  # what the user's code prints is no output of the parent
    connection = Connection(descriptor)
    inbox: SimpleQueue[bytes] = SimpleQueue()
    Thread(target=_read, args=(connection, inbox), daemon=True).start()

    from ...work import open_bench
    from ..task import Outcome
    from .base import perform, run_error

    try:
        spec = pickle.loads(inbox.get())
        import torch

        torch.set_num_threads(1)
        bench = open_bench(spec, worker=number)
    except BaseException as error:
        send(connection, (BROKEN, run_error(error)))
        return
    send(connection, (READY, None))
    while True:
        key, data = pickle.loads(inbox.get())
        try:
            outcome = perform(bench, pickle.loads(data))
        except Exception as error:  # a parameter that this process cannot import
            outcome = Outcome(error=run_error(error))
        send(connection, (key, outcome))


def _read(connection: Connection, inbox: SimpleQueue[bytes]) -> None:
    try:
        while True:
            inbox.put(connection.recv_bytes())
    except (EOFError, OSError):
        os.killpg(0, signal.SIGKILL)  # with what the user's code has started: the worker leads its group


def command(descriptor: int, number: int) -> list[str]:
    """Returns the command line that starts this program with the parent's import path."""
    paths = [path for path in sys.path if isinstance(path, str)]
    code = f'import sys; sys.path[:] = {paths!r}; from {__name__} import main; main({descriptor}, {number})'
    return [sys.executable, '-c', code]
