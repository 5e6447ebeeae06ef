"""The program that loads a problem once and then forks a worker for each request (Linux).

    parent ── spec ─────────────────────────> fork server ── READY, BROKEN or UNFIT ──> parent
       ├───── a request, with a worker's descriptors ──> │ forks
       │                                                 └──> worker (see `worker`) <──> parent
       └<──── how a worker ended ── fork server    (a socket for each worker)

Workers share all memory that nobody writes to: libraries, and the problem's data. What can be shared only
at a risk (threads, open files, a GPU's state) makes the process unfit to fork; it says so, and the parent
starts one that loads nothing: its workers load the problem themselves, and end as those of any server. To
stay fit, the server has one thread and touches no GPU.

A worker that ended keeps its process id until the parent closes that worker's socket, so that the parent
can end what is left of its group without hitting another's. Nobody but the parent has the other end of a
worker's `parent_pipe`, and nobody but the server that of its `server_pipe`: the system ends the worker
when either is gone.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import struct
import sys
import traceback
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ...work import isolate, on_device, open_workspace_to_share
from ..gpus.visible import VISIBLE
from ..preload import import_for_runs
from . import limits
from .streams import WorkerStreams
from .worker import BROKEN, READY, WorkTogether, opened, prepare, receive, send, work

if TYPE_CHECKING:
    from ...training.facts import ProblemFacts
    from ...training.isolation import Isolation
    from ...training.workspace import Workspace
    from ...work import WorkerSpec

UNFIT = 'unfit'
LONGEST_REQUEST = 4096

# Of the allocator that comes with pyarrow, and so with pandas: it sees to it itself after a fork.
_THREADS_WITHOUT_RISK = ('jemalloc_bg_thd',)
_SHARED_WITHOUT_RISK = ('/dev/null', '/dev/zero', '/dev/random', '/dev/urandom')


class Request(NamedTuple):
    """A worker to fork. Its connection, parent-death pipe, output pipe and status socket come with it.

    Attributes:
        number: The worker's number.
        token: See `WorkerStreams`.
        memory: The most bytes that the worker may use; None for no limit.
        gpus: What it sees of the GPUs, as `CUDA_VISIBLE_DEVICES` has it; None for what this process sees.
    """

    number: int
    token: str
    memory: int | None
    gpus: str | None = None


@dataclass
class _Child:
    """A worker, in the server.

    Attributes:
        pid: Its process, which leads a group.
        pidfd: Becomes readable when it ended; None once that was noticed.
        status: Where the parent hears how it ended; closed by the parent when it is done with it.
        server_pipe: The end of a pipe that keeps the worker alive.
        is_let_go: The parent has closed its end of `status`.
    """

    pid: int
    pidfd: int | None
    status: socket.socket
    server_pipe: int
    is_let_go: bool = False


def main(
    descriptor: int,
    parent_pipe: int,
    requests: int,
    token: str,
    loads: bool,
    together: WorkTogether | None = None,
) -> None:
    """Loads the problem, then forks workers until the parent is gone; does not return.

    Args:
        descriptor: The file descriptor of this side of the connection.
        parent_pipe: See `limits.end_with_parent`.
        requests: The file descriptor of the socket that requests come from.
        token: See `WorkerStreams`.
        loads: Whether it loads the problem; else its workers do.
        together: What its workers do if each works by other processes, see `ranks`.
    """
    for inherited in (descriptor, parent_pipe, requests):
        os.set_inheritable(inherited, False)
    limits.end_with_parent(parent_pipe)
    limits.adopt_orphans()
    limits.leave_no_core()
    limits.go_before_parent(limits.SERVER_BEFORE_PARENT)
    try:
        streams, connection = WorkerStreams(token), Connection(descriptor)
        spec: WorkerSpec = receive(connection)
        loaded = _load(spec, connection) if loads else _Loaded(None, None)
        if loaded is not None:
            isolation = None if loaded.workspace is None else isolate(loaded.workspace)
            streams.keep()
            streams.flush()
            gc.collect()
            limits.outlive_parent(parent_pipe)  # by as long as it takes to end what workers have started
            gc.freeze()  # a collection would write to every object, and so copy every page
            send(connection, (READY, loaded.facts))
            _Server(
                socket.socket(fileno=requests),
                [descriptor, parent_pipe],
                streams,
                spec,
                loaded.workspace,
                isolation,
                together,
            ).serve()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


class _Loaded(NamedTuple):
    """What a server has loaded, if it loads anything."""

    workspace: Workspace | None
    facts: ProblemFacts | None


def _load(spec: WorkerSpec, connection: Connection) -> _Loaded | None:
    """Loads the problem on the CPU; None if it cannot, or may not be forked, which the parent is told."""
    from ..base import run_error

    try:
        import_for_runs()
        files = _open_files()
        prepare(spec)
        workspace, facts = open_workspace_to_share(spec)
    except BaseException as error:
        send(connection, (BROKEN, run_error(error)))
        return None
    reasons = _reasons_not_to_fork(files)
    if reasons:
        print(f'[sweeper] each worker loads the problem itself, since loading {" and ".join(reasons)}')
        sys.stdout.flush()
        send(connection, (UNFIT, _processes_have_descriptors()))
        return None
    return _Loaded(workspace, facts)


def _open_files() -> dict[str, str]:
    """Returns what each descriptor of this process is."""
    files = {}
    for descriptor in os.listdir('/proc/self/fd'):
        with suppress(OSError):  # that of the listing itself
            files[descriptor] = os.readlink(f'/proc/self/fd/{descriptor}')
    return files


def _reasons_not_to_fork(files_before: dict[str, str]) -> list[str]:
    """Says why forked processes would get into each other's way, or break; empty if they would not."""
    import torch

    reasons = []
    if len([name for name in _thread_names() if name not in _THREADS_WITHOUT_RISK]) > 1:
        reasons.append('starts threads')
    opened = sorted({path for _, path in _open_files().items() - files_before.items()})
    reasons += [f'leaves {path} open' for path in opened if path not in _SHARED_WITHOUT_RISK][:1]
    if torch.version.cuda is not None and _cuda_breaks_in_a_child():
        reasons.append('uses a GPU')
    return reasons if _processes_have_descriptors() else [*reasons, 'is all that this system allows']


def _processes_have_descriptors() -> bool:
    with suppress(OSError):  # not every kernel or sandbox has them
        os.close(os.pidfd_open(os.getpid()))
        return True
    return False


def _thread_names() -> list[str]:
    return [path.read_text().strip() for path in Path('/proc/self/task').glob('*/comm')]


def _cuda_breaks_in_a_child() -> bool:
    import torch

    pid = os.fork()
    if pid == 0:
        os._exit(torch.cuda._is_in_bad_fork())
    return os.waitpid(pid, 0)[1] != 0


class _Server:
    """Forks, and ends what is left of what it has forked.

    Args:
        requests: Where the parent's requests come from.
        own: Other descriptors that no worker may keep.
        streams: Standard output and error of this process.
        spec: The problem, the seed and the device.
        workspace: On the CPU; None if each worker is to load it itself.
        isolation: Keeps runs apart in each worker; None like the workspace.
        together: As for `main`.
    """

    def __init__(
        self, requests: socket.socket, own: list[int], streams: WorkerStreams, spec: WorkerSpec,
        workspace: Workspace | None, isolation: Isolation | None, together: WorkTogether | None = None,
    ) -> None:  # fmt: skip
        self._requests, self._own, self._streams = requests, own, streams
        self._spec, self._workspace, self._isolation = spec, workspace, isolation
        self._together = together
        self._children: dict[int, _Child] = {}  # by status socket and, while it lives, by pidfd
        self._loaded = limits.children()  # started when the problem was loaded
        self._poll = select.poll()
        self._poll.register(requests, select.POLLIN)

    def serve(self) -> None:
        """Returns when the parent is gone; in a worker, never."""
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor == self._requests.fileno():
                    data, descriptors, _, _ = socket.recv_fds(
                        self._requests, LONGEST_REQUEST, 4, socket.MSG_CMSG_CLOEXEC
                    )
                    if not data:
                        self._end_all()
                        return
                    self._fork(Request(*json.loads(data)), *descriptors)
                elif (child := self._children.get(descriptor)) is None:
                    continue  # done with in this round
                elif descriptor == child.pidfd:
                    self._note_end(child, child.pidfd)
                else:
                    self._let_go(child)

    def _fork(self, request: Request, connection: int, parent_pipe: int, printing: int, status: int) -> None:
        held, server_pipe = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                self._close_all(server_pipe, status)
                self._work(request, connection, (parent_pipe, held), printing)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(1)  # without waiting for threads that the user's code has started
        with suppress(OSError):  # as the child does: whoever is first
            os.setpgid(pid, pid)
        for descriptor in (connection, parent_pipe, printing, held):
            os.close(descriptor)
        pidfd = os.pidfd_open(pid)
        child = _Child(pid, pidfd, socket.socket(fileno=status), server_pipe)
        for descriptor in (pidfd, status):
            self._children[descriptor] = child
            self._poll.register(descriptor, select.POLLIN)

    def _close_all(self, *more: int) -> None:
        """Closes, in a worker, what is the server's."""
        server_pipes = {child.server_pipe for child in self._children.values() if child.pidfd is not None}
        for descriptor in {*self._children, *server_pipes, *self._own, *more, self._requests.fileno()}:
            os.close(descriptor)

    def _work(self, request: Request, connection: int, pipes: tuple[int, ...], printing: int) -> None:
        """What the forked process does."""
        os.setpgid(0, 0)
        for pipe in pipes:
            limits.end_with_parent(pipe)
        limits.adopt_orphans()  # while it lives; then they are the server's
        limits.go_before_parent()
        self._streams.move(printing, request.token)
        if request.gpus is not None:  # CUDA reads it when the process first asks for a GPU
            os.environ[VISIBLE] = request.gpus
        workspace, isolation, spec, number = self._workspace, self._isolation, self._spec, request.number
        if self._together is not None:
            self._together(Connection(connection), self._streams, spec, request.memory)
            return

        def load() -> tuple[Workspace, Isolation]:
            if workspace is None or isolation is None:
                return opened(spec, number)
            return on_device(workspace, spec, number), isolation

        work(Connection(connection), self._streams, load, request.memory)

    def _note_end(self, child: _Child, pidfd: int) -> None:
        """Ends what a worker has started (it may hold the connection), and says how the worker ended."""
        ended = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert ended is not None
        code = ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
        with suppress(OSError):  # nothing is left
            os.killpg(child.pid, signal.SIGKILL)
        limits.end_orphans({*self._loaded, *(child.pid for child in self._children.values())})
        self._forget(pidfd)
        os.close(pidfd)
        os.close(child.server_pipe)
        child.pidfd = None
        with suppress(OSError):  # the parent has let go
            child.status.sendall(struct.pack('i', code))
            child.status.shutdown(socket.SHUT_WR)
        if child.is_let_go:
            os.waitpid(child.pid, 0)

    def _let_go(self, child: _Child) -> None:
        """The parent is done with a worker, alive or not."""
        self._forget(child.status.fileno())
        child.status.close()
        child.is_let_go = True
        if child.pidfd is None:
            os.waitpid(child.pid, 0)
        else:
            with suppress(OSError):
                os.killpg(child.pid, signal.SIGKILL)

    def _end_all(self) -> None:
        """Ends all workers and what they have started, wherever that is."""
        for child in {id(child): child for child in self._children.values()}.values():
            with suppress(OSError):
                os.killpg(child.pid, signal.SIGKILL)
            os.waitpid(child.pid, 0)
        limits.end_orphans(())

    def _forget(self, descriptor: int) -> None:
        self._poll.unregister(descriptor)
        del self._children[descriptor]
