"""What a local worker process does, however it was started.

    parent ── (run number, pickled task) … ──> reader thread ──> inbox ──> main thread ──┐
       ├<──────── READY, then (run number, pickled outcome) … ───────────────────────────┤
       └<──────── what is printed (see `streams`) ───────────────────────────────────────┘

The reader thread takes messages at once, so the parent never blocks on a busy worker, and it ends the
process at once when the parent is gone, in the middle of a training if need be. On Linux the system does
the same (see `limits.end_with_parent`) for a worker whose main thread lets no other thread run.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple

from ...garbage import uncollected
from ...problem.problem import load_problem
from ...work import isolate, open_workspace
from ..base import Outcome, RunError
from ..gpus.memory import GpuMemory, meter_of
from ..preload import import_for_runs
from . import limits
from .streams import WorkerStreams

if TYPE_CHECKING:
    from ...training.isolation import Isolation
    from ...training.workspace import Workspace
    from ...work import WorkerSpec

READY = 'ready'
BROKEN = 'broken'
SPENT = 'spent'
LAST = 'last'

WorkTogether = Callable[[Connection, WorkerStreams, 'WorkerSpec', int | None], None]

_LEFT = '[sweeper] the next runs get a fresh process: this one has changed {}\n'


class Ready(NamedTuple):
    """What a worker says of itself when it has set up its workspace.

    Attributes:
        pid: Its process.
        memory: That of its GPU, with the problem's data in it; None without one.
    """

    pid: int
    memory: GpuMemory | None


def send(connection: Connection, message: Any) -> None:
    """Sends a message by plain pickle (torch would put its tensors into shared memory)."""
    connection.send_bytes(pickled(message))


def receive(connection: Connection) -> Any:
    """Receives what `send` sent.

    Raises:
        EOFError: The other side is gone.
    """
    return pickle.loads(connection.recv_bytes())


def main(
    descriptor: int,
    parent_pipe: int,
    token: str,
    number: int,
    memory: int | None,
    together: WorkTogether | None = None,
) -> None:
    """The program of a worker that is a process of its own: loads the problem, then works; does not return.

    Args:
        descriptor: The file descriptor of this side of the connection; the spec comes first.
        parent_pipe: See `limits.end_with_parent`.
        token: See `WorkerStreams`.
        number: This worker's number; replacements get the number of the worker that died.
        memory: The most bytes that this process may use; None for no limit.
        together: Works by other processes, see `ranks`, if the spec says so.
    """
    for inherited in (descriptor, parent_pipe):
        os.set_inheritable(inherited, False)
    limits.end_with_parent(parent_pipe)
    limits.leave_no_core()
    limits.go_before_parent()
    connection = Connection(descriptor)

    try:
        streams, spec = WorkerStreams(token), receive(connection)
        if together is not None:
            together(connection, streams, spec, memory)
        else:
            work(connection, streams, lambda: opened(spec, number), memory)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)  # without waiting for threads that the user's code has started


def opened(spec: WorkerSpec, number: int) -> tuple[Workspace, Isolation]:
    """Loads the problem, and sets up the workspace and what keeps runs apart, in a worker of that number."""
    prepare(spec)
    workspace = open_workspace(spec, worker=number)
    return workspace, isolate(workspace)


def prepare(spec: WorkerSpec) -> None:
    """Imports what runs need, and the problem, in a process for runs."""
    import_for_runs()
    import torch

    torch.set_num_threads(1)
    if spec.meeting is not None:
        import torch._dynamo  # which DDP would import in each process
    sys.argv = spec.problem.argv
    with uncollected():
        load_problem(spec.problem, in_worker=True, presets=spec.presets)
    gc.freeze()  # what was imported stays: no collection need look at it


def work(
    connection: Connection,
    streams: WorkerStreams,
    load: Callable[[], tuple[Workspace, Isolation]],
    memory: int | None,
) -> None:
    """Sets up the workspace, then performs tasks until the parent goes away or this worker is of no use.

    Args:
        connection: To the parent.
        streams: Standard output and error of this process.
        load: Returns the workspace, and what keeps runs apart.
        memory: As for `main`.
    """
    inbox: SimpleQueue[bytes] = SimpleQueue()
    Thread(target=read, args=(connection, inbox), daemon=True).start()

    from ...training.isolation import in_words
    from ..base import run_error

    try:
        workspace, isolation = load()
        perform = _performing(workspace, isolation, memory)
        meter = meter_of(workspace.device)
        ready = Ready(os.getpid(), None if meter is None else meter.end())
    except BaseException as error:
        send(connection, (BROKEN, run_error(error)))
        return
    streams.keep()
    send(connection, (READY, ready))
    while True:
        run, data = pickle.loads(inbox.get())
        with streams.run(run):
            outcome, failed, left = perform(data)
        if run > 1 and failed is not None and failed.kind == limits.MEMORY_LIMIT_EXCEEDED:
            # Other runs have taken memory here, for good or in pieces; a fresh worker may have enough.
            send(connection, (SPENT, None))
            return
        if inbox.empty():
            streams.mark_end(run)
        if left:
            send(connection, (LAST, _LEFT.format(in_words(left))))
        send(connection, (run, outcome))
        if left:
            return


def _performing(
    workspace: Workspace, isolation: Isolation, memory: int | None
) -> Callable[[bytes], tuple[bytes, RunError | None, list[str]]]:
    """Returns what performs a pickled task and gives its pickled outcome, its error and what it left.

    Memory is limited from then on, so that it can be said what the problem alone takes.
    """
    from ..base import run_error
    from ..inline import perform

    loaded = 0 if memory is None else limits.limit_memory(memory)
    isolation.take_settings()

    def answer(data: bytes) -> tuple[bytes, RunError | None, list[str]]:
        outcome, left = Outcome(), list[str]()
        try:
            outcome, left = perform(workspace, pickle.loads(data), isolation)
            if outcome.error is None:
                return pickled(outcome), None, left
            failed = outcome.error
        except BaseException as error:  # a parameter that this process cannot import; a KeyboardInterrupt
            failed = run_error(error)
        if memory is not None:
            failed = limits.with_limit_named(failed, memory, loaded)
        return pickled(replace(outcome, value=None, error=failed)), failed, left

    return answer


def pickled(message: Any) -> bytes:
    """Returns a message as the parent gets it."""
    return pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)


def read(connection: Connection, inbox: SimpleQueue[bytes]) -> None:
    """Takes messages as they come; ends the process, with what it has started, when the parent is gone."""
    try:
        while True:
            inbox.put(connection.recv_bytes())
    finally:
        os.killpg(0, signal.SIGKILL)  # with what the user's code has started: the worker leads its group
