"""A fork server and the workers that it forks, as the parent sees them (see `forkserver`)."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Pipe

from ...training.facts import ProblemFacts
from ...work import WorkerSpec
from ..base import RunError, Task
from ..gpus.memory import GpuMemory
from . import forkserver
from .forkserver import Request
from .output import OutputSink, RunOutput, WorkerOutput
from .process import HELD, ChildProcess, OwnProcess, give

_MILLISECONDS_TO_BE_GONE = 10_000


class ForkServer(OwnProcess):
    """A fork server, started.

    Args:
        spec: The problem, the seed and the device.
        sink: Where its output goes.
        loads: Whether it loads the problem; else its workers do.

    Attributes:
        is_ready: Whether it has loaded the problem; set by the pool.
        is_unfit: It has loaded the problem, and may not be forked for that; set by the pool.
        broken: Why it could not load it; set by the pool.
        facts: What it has found out about the problem, if it has; set by the pool.
        has_served: A worker of its was ready; set by the pool.
    """

    def __init__(self, spec: WorkerSpec, sink: OutputSink, loads: bool) -> None:
        self._requests, requests = socket.socketpair()
        program = f'{__package__}.rank_forkserver' if spec.has_ranks else forkserver.__name__
        with requests:
            super().__init__(program, spec, sink, {'requests': requests.fileno()}, loads=loads)
        self._sink = sink
        self.is_ready = self.is_unfit = self.has_served = False
        self.broken: RunError | None = None
        self.facts: ProblemFacts | None = None

    def request(self, request: Request, descriptors: Sequence[int]) -> None:
        """Asks for a worker; a server that loads yet will fork it when it is ready."""
        with suppress(OSError):  # it is dead, and with it the worker
            socket.send_fds(self._requests, [json.dumps(request).encode()], descriptors)

    def signal_to_end(self) -> None:
        if self.is_ready:  # it ends what its workers have started, and then itself
            self._requests.close()
        else:
            super().signal_to_end()

    def wait_until_gone(self) -> None:
        self._reaper.join(_MILLISECONDS_TO_BE_GONE / 1000)
        super().signal_to_end()
        super().wait_until_gone()

    def let_go(self) -> None:
        super().let_go()
        self._requests.close()


class ForkedWorker(ChildProcess):
    """A worker that was asked of a fork server. The same to an executor as a `WorkerProcess`.

    Attributes:
        number: The lowest that no other worker has.
        server: Where it was asked for.
        gpus: As of a `WorkerProcess`, and so is the next.
        gpu_memory: That of its GPU, once it is ready.
        sentinel: Becomes readable when the process has ended, or the server.
        pid: The process, which leads a group, or None while that is not known; set by the pool.
        is_leaving: The run that it does is its last; set by the executor.
        broken: Why it could not set up its workspace; set by the executor.
        exit_code: Of one that was killed or ended: the exit code, or minus the signal; None if it was lost
            with its server.
    """

    sentinel: socket.socket

    def __init__(
        self, number: int, server: ForkServer, memory: int | None, sink: OutputSink, gpus: str | None = None
    ) -> None:
        self.number, self.gpus = number, gpus
        self.gpu_memory: GpuMemory | None = None
        self.pid: int | None = None
        self.broken: RunError | None = None
        self.server = server
        self.exit_code: int | None = None
        self.is_leaving = False
        token = os.urandom(8).hex()
        self.connection, child = Pipe()
        parent_pipe, self._parent_pipe = os.pipe()
        printed, printing = os.pipe()
        self.sentinel, status = socket.socketpair()
        try:
            server.request(
                Request(number, token, memory, gpus),
                [child.fileno(), parent_pipe, printing, status.fileno()],
            )
        finally:
            child.close()
            os.close(parent_pipe)
            os.close(printing)
            status.close()
        self.output = WorkerOutput(printed, self.sentinel, token, sink)
        HELD.add(self)

    @property
    def is_ready(self) -> bool:
        """Whether it was forked and has set up its workspace."""
        return self.pid is not None

    def give(self, task: Task) -> RunOutput:
        """Sends a task; returns where its output will be. A worker that died says so by its sentinel."""
        return give(self.connection, self.output, task)

    def ask_where_it_is(self) -> None:
        """Ends the process so that it prints the stacks of its threads first, if it can."""
        if self.pid is not None and not self.is_gone():
            with suppress(OSError):
                os.kill(self.pid, signal.SIGABRT)

    def signal_to_end(self) -> None:
        if self.pid is not None and not self.is_gone():  # its id is its own until the sentinel is closed
            with suppress(OSError):
                os.killpg(self.pid, signal.SIGKILL)
        self._close_parent_pipe()

    def is_gone(self) -> bool:
        """Whether the process has ended."""
        return self._is_gone_in(0)

    def wait_until_gone(self) -> None:
        """Waits until the process has ended; one that no server has forked yet is not there."""
        if self.server.is_ready:
            self._is_gone_in(_MILLISECONDS_TO_BE_GONE)

    def _note_exit(self) -> None:
        with suppress(BlockingIOError, ConnectionError):
            data = self.sentinel.recv(struct.calcsize('i'), socket.MSG_DONTWAIT)
            self.exit_code = struct.unpack('i', data)[0] if data else None

    def _is_gone_in(self, milliseconds: int) -> bool:
        poll = select.poll()
        poll.register(self.sentinel, select.POLLIN)
        return bool(poll.poll(milliseconds))
