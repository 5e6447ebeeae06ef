"""A worker that has its runs done by several processes, its ranks, which train a model together.

    parent ── task ──> worker ──┬── task ──> rank 0 ──┐
       <── outcome ──    <──────┴── task ──> rank 1 ──┤  gradients, decisions (see `training/parallel`)
                                    …                 ┘

To the parent it is a worker like any other, and ends like one: what happens to a rank happens to it. Each
rank is an ordinary worker in turn, and does all of the run; what the first of them returns is the outcome.
After a run in which one has failed the others may wait for it for ever, so the worker leaves, its ranks with
it, and the parent starts a fresh one.
"""

from __future__ import annotations

import faulthandler
import os
import pickle
import re
import signal
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any

from ...work import WorkerSpec
from ..base import Outcome, Task, run_error
from .forked import ForkServer
from .output import OutputSink, RunOutput
from .pool import Worker, WorkerPool, ask_where_they_are, describe_exit
from .streams import WorkerStreams
from .worker import BROKEN, LAST, READY, SPENT, Ready, pickled, read, receive, send

if TYPE_CHECKING:
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

_SECONDS_TO_READ = 1.0
_SECONDS_TO_SAY_WHERE = 60.0  # the parent gives this process less, as a rule
_SECONDS_TO_FAIL = 1.0  # for what has befallen the others, too
_FAILED = '[sweeper] the next runs get fresh processes, since one of these has failed\n'
# How errors say that another process is gone: they may come before the system says that it has died.
_OF_LOST = re.compile(r'gloo|nccl|connection (?:was )?(?:closed|reset|refused)', re.IGNORECASE)


@dataclass(frozen=True)
class Ended:
    """How a run has ended.

    Attributes:
        outcome: Pickled; empty if there is none.
        leaving: What to say if these ranks can do no other run; None if they can.
        died: Whether a rank has died, and so this process is to do, too.
        exit_code: Of that rank, as in `describe_exit`.
        is_spent: The run needed more memory than was left, and is to be tried by fresh processes.
    """

    outcome: bytes = b''
    leaving: str | None = None
    died: bool = False
    exit_code: int | None = None
    is_spent: bool = False


def work_together(
    connection: Connection, streams: WorkerStreams, spec: WorkerSpec, memory: int | None
) -> None:
    """Starts the ranks, then has them perform tasks until the parent goes away or they are of no use.

    Args:
        connection: To the parent.
        streams: Standard output and error of this process.
        spec: The problem, and how many ranks there are.
        memory: The most bytes that each of them may use; None for no limit.
    """
    inbox: SimpleQueue[bytes] = SimpleQueue()
    Thread(target=read, args=(connection, inbox), daemon=True).start()
    group = RankGroup(spec, memory)
    try:
        group.start()
    except BaseException as error:
        group.close()
        send(connection, (BROKEN, run_error(error)))
        return
    signal.signal(signal.SIGABRT, lambda *_: group.say_where())
    streams.keep()
    send(connection, (READY, group.ready))
    while True:
        run, data = pickle.loads(inbox.get())
        with streams.run(run):
            try:
                ended = group.perform(pickle.loads(data))
            except BaseException as error:  # a parameter that cannot be imported
                ended = Ended(pickled(Outcome(error=run_error(error))), _FAILED)
        if ended.died:
            group.close()
            die_as(ended.exit_code)
        if ended.is_spent:
            send(connection, (SPENT, None))
            return
        if inbox.empty():
            streams.mark_end(run)
        if ended.leaving is not None:
            group.close()
            send(connection, (LAST, ended.leaving))
        send(connection, (run, ended.outcome))
        if ended.leaving is not None:
            return


class RankGroup:
    """The ranks of a worker, in the worker.

    Args:
        spec: The problem, and how many ranks there are.
        memory: The most bytes that each of them may use; None for no limit.
    """

    def __init__(self, spec: WorkerSpec, memory: int | None) -> None:
        self._size = spec.processes
        # Else DDP says in each process what its search for unused parameters costs.
        os.environ.setdefault('TORCH_CPP_LOG_LEVEL', 'ERROR')
        self._store, port = _meeting_place()
        self._sink = _FirstRanksOutput()
        # Each has a GPU of those that this process sees.
        device = 'cuda' if spec.device.startswith('cuda') else spec.device
        of_a_rank = replace(spec, meeting=port, device=device)
        self._pool = WorkerPool(self._size, of_a_rank, memory, 0, self._sink)
        self._outputs: dict[int, RunOutput] = {}

    @property
    def ready(self) -> Ready:
        """What to say of this worker when it has started."""
        return Ready(os.getpid(), *self._ready[1:])

    def start(self) -> None:
        """Returns when all have loaded the problem and met.

        Raises:
            SweepError: One could not.
        """
        pool = self._pool
        while True:
            while len(pool.workers) < self._size:
                pool.start()
            if all(worker.is_ready for worker in pool.workers):
                return
            for process, has_ended in pool.wait(None)[0]:
                if isinstance(process, ForkServer):
                    self._hear_server(process)
                elif process in pool.workers and not self._is_loading(process, has_ended):
                    pool.remove(process)
                    pool.take_failed_load(process)

    def _hear_server(self, server: ForkServer) -> None:
        pool = self._pool
        if pool.server is not server or not pool.server_has_ended():
            return
        lost = pool.workers_of(server)
        for worker in lost:
            pool.remove(worker)
        pool.discard_server(server, lost)

    def _is_loading(self, worker: Worker, has_ended: bool) -> bool:
        """Takes what a rank says while it loads the problem; returns whether it goes on."""
        with suppress(EOFError, OSError):
            while worker.connection.poll():
                kind, content = receive(worker.connection)
                if kind == BROKEN:
                    worker.broken = content
                    return False
                self._pool.take_ready(worker, content)
                if worker.number == 0:
                    self._ready: Ready = content
            return not has_ended
        return False

    def perform(self, task: Task) -> Ended:
        """Has all ranks perform a task, and waits for them; for a while only once one has failed."""
        self._sink.shown = task
        self._outputs = {
            worker.number: worker.give(replace(task) if worker.number else task)
            for worker in self._pool.workers
        }
        outcomes: dict[int, bytes] = {}
        errors: dict[int, Outcome] = {}
        leaving: str | None = None
        deadline: float | None = None
        while len(outcomes) + len(errors) < self._size and (deadline is None or time.monotonic() < deadline):
            seconds = None if deadline is None else deadline - time.monotonic()
            for process, has_ended in self._pool.wait(seconds)[0]:
                if isinstance(process, ForkServer):
                    if self._pool.server is process and self._pool.server_has_ended():
                        return Ended(died=True)
                    continue
                for kind, content in _messages(process, has_ended):
                    if kind == SPENT:
                        return Ended(is_spent=True)
                    if kind == LAST:
                        leaving = content
                    elif (outcome := pickle.loads(content)).error is not None:
                        errors[process.number] = outcome
                    else:
                        outcomes[process.number] = content
                if has_ended and process.number not in {*outcomes, *errors}:
                    return self._died(process)
            if 0 in errors and not _is_of_lost(errors[0]):
                break
            if errors and deadline is None:
                deadline = time.monotonic() + _SECONDS_TO_FAIL
        if errors:
            return self._failed(errors)
        self._outputs[0].complete.wait(_SECONDS_TO_READ)
        return Ended(outcomes[0], leaving)

    def _failed(self, errors: Mapping[int, Outcome]) -> Ended:
        """The run has failed in some ranks: most likely in the first in which nothing was missing."""
        rank = min(errors, key=lambda rank: (_is_of_lost(errors[rank]), rank))
        self._show(rank, 'has failed')
        return Ended(pickled(errors[rank]), _FAILED)

    def _died(self, worker: Worker) -> Ended:
        self._pool.remove(worker)
        self._show(worker.number, describe_exit(worker.exit_code))
        return Ended(died=True, exit_code=worker.exit_code)

    def _show(self, rank: int, what: str) -> None:
        """Prints what a rank has printed in this run, unless it has been passed on; and what is with it."""
        text = self._outputs[rank].tail(_SECONDS_TO_READ)
        what = f'[sweeper] process {rank + 1} of {self._size}, which train a model together, {what}'
        print(f'{what}\n{text}' if rank else f'\n{what}\n', end='')  # the first's has been passed on

    def say_where(self) -> None:
        """Prints the stacks of all ranks, and ends them and this process."""
        end = time.monotonic() + _SECONDS_TO_SAY_WHERE
        workers = [worker for worker in self._pool.workers if not worker.is_gone()]
        ask_where_they_are(workers, _SECONDS_TO_SAY_WHERE)
        for worker in workers:
            worker.output.join(max(0.0, end - time.monotonic()))
        for rank in sorted(self._outputs):
            self._show(rank, 'was ended here')
        sys.stdout.flush()
        os._exit(1)

    def close(self) -> None:
        """Ends all ranks, whatever they do."""
        self._pool.close()
        self._sink.close()


class _FirstRanksOutput(OutputSink):
    """Prints what the first rank prints, and what loading the problem does; the others repeat that.

    Attributes:
        shown: The task as the first rank has it.
    """

    def __init__(self) -> None:
        super().__init__(lambda _, text: print(text, end=''))
        self.shown: Task | None = None

    def pass_on(self, task: Task | None, text: str) -> None:
        if task is None or task is self.shown:
            super().pass_on(task, text)

    def pass_on_warning(self, task: Task | None, text: str) -> None:
        if task is None or task is self.shown:
            super().pass_on_warning(task, text)


def _is_of_lost(outcome: Outcome) -> bool:
    """Whether a run may have failed since another process has, or is gone."""
    error = outcome.error
    return error is not None and (error.kind == 'OtherRankFailed' or bool(_OF_LOST.search(error.traceback)))


def _messages(worker: Worker, has_ended: bool) -> list[tuple[Any, Any]]:
    """Returns what a rank has sent: one message, or all that there are of one that has ended."""
    messages = []
    with suppress(EOFError, OSError):
        while worker.connection.poll():
            messages.append(receive(worker.connection))
            if not has_ended:
                break
    return messages


def _meeting_place() -> tuple[TCPStore, int]:
    """Returns a store by which processes of this machine find each other, and its port."""
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    from ...training.parallel.ranks import HOST

    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        store = TCPStore(HOST, port, None, True, wait_for_workers=False, master_listen_fd=server.detach())
    return store, port


def die_as(exit_code: int | None) -> None:
    """Ends this process as another has ended; does not return.

    Args:
        exit_code: The exit code, or minus the signal that killed it; None if that is not known.
    """
    sys.stdout.flush()
    if exit_code is not None and exit_code < 0:
        faulthandler.disable()  # whose stack it would be is not of interest
        with suppress(OSError, ValueError):  # some signals cannot be caught anyway
            signal.signal(-exit_code, signal.SIG_DFL)
        os.kill(os.getpid(), -exit_code)
    os._exit(exit_code or 1)
