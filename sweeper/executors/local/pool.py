"""The workers of an executor: how they are started, heard and replaced."""

from __future__ import annotations

import selectors
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import wait as wait_for_any

from ...errors import InvalidArgument, ProblemError, SweepError
from ...text import users_frames
from ...work import WorkerSpec
from .forked import ForkedWorker, ForkServer
from .forkserver import UNFIT
from .limits import MemoryLimitTooLow, allow_open_files, why_no_worker
from .output import OutputSink
from .process import SECONDS_TO_PASS_ON, WorkerProcess
from .worker import READY, Ready, receive

Worker = WorkerProcess | ForkedWorker

_SECONDS_TO_READ = 1.0
_MOST_WAKEUPS = 4096


class WorkerPool:
    """Starts workers, forked from one process that has loaded the problem where that is safe.

    Attributes:
        workers: Those there are, ready or not.
        server: Where they are forked, if they are.

    Args:
        cores: How many workers there are at most.
        spec: The problem, the seed and the device.
        memory: Bytes that a worker may use; None for no limit.
        retries: How often in a row loading the problem may fail, for each core.
        sink: Takes what workers print.
    """

    def __init__(
        self, cores: int, spec: WorkerSpec, memory: int | None, retries: int, sink: OutputSink
    ) -> None:
        self.workers: list[Worker] = []
        self._cores, self._spec, self._memory, self._retries = cores, spec, memory, retries
        self._sink = sink
        allow_open_files(cores)
        self._forks = sys.platform == 'linux'
        self._loads = True  # once for all workers, in the fork server
        self.server: ForkServer | None = None
        self._failed_loads = 0  # in a row
        self._selector = selectors.DefaultSelector()
        self._wakeup, self._waker = socket.socketpair()
        for end in (self._wakeup, self._waker):
            end.setblocking(False)
        self._selector.register(self._wakeup, selectors.EVENT_READ)

    def start(self, gpus: str | None = None) -> Worker:
        """Starts a worker; there must be fewer than `cores`.

        Args:
            gpus: The GPUs that it gets, as `CUDA_VISIBLE_DEVICES` has them; None for those of this process.

        Raises:
            SweepError: The system has no room for it.
        """
        taken = {worker.number for worker in self.workers}
        number = next(number for number in range(self._cores) if number not in taken)
        try:
            worker = self._started(number, gpus)
        except OSError as error:
            reason = why_no_worker(error, self._cores)
            raise SweepError(
                f'cannot start worker process {number + 1} of {self._cores}: {reason}'
            ) from error
        self.workers.append(worker)
        self._listen(worker)
        return worker

    def _started(self, number: int, gpus: str | None) -> Worker:
        if not self._forks:
            return WorkerProcess(number, self._spec, self._memory, self._sink, gpus)
        if self.server is None:
            self.server = ForkServer(self._spec, self._sink, self._loads)
            self._listen(self.server)
        return ForkedWorker(number, self.server, self._memory, self._sink, gpus)

    def wait(self, seconds: float | None) -> tuple[list[tuple[Worker | ForkServer, bool]], bool]:
        """Waits until a process has something to say or has ended, `wake` is called, or so long.

        Returns:
            All that have, each with whether it has ended (one may be there twice); and whether it was woken.
        """
        ready = [key.data for key, _ in self._selector.select(seconds)]
        is_woken = None in ready
        if is_woken:
            with suppress(BlockingIOError):
                self._wakeup.recv(_MOST_WAKEUPS)
        return [data for data in ready if data is not None], is_woken

    def wake(self) -> None:
        """Has `wait` return soon. May be called from any thread, also after `close`."""
        with suppress(OSError):  # it is full, and can be read from already; or closed
            self._waker.send(b'.')

    def remove(self, worker: Worker) -> None:
        """Ends a worker, dead or not, and waits until it is gone."""
        self._forget(worker)
        worker.kill()
        self.workers.remove(worker)

    def take_ready(self, worker: Worker, ready: Ready) -> None:
        """A worker says that it is ready."""
        self._failed_loads = 0
        worker.gpu_memory = ready.memory
        if isinstance(worker, ForkedWorker):
            worker.pid = ready.pid
            worker.server.has_served = True
        else:
            worker.is_ready = True

    def take_failed_load(self, process: Worker | ForkServer) -> None:
        """A process could not load the problem: that is no fault of a task; try `retries` times.

        Raises:
            SweepError: It has been tried often enough.
        """
        self._failed_loads += 1
        if process.broken is not None and process.broken.kind == MemoryLimitTooLow.__name__:
            raise InvalidArgument(process.broken.message)
        if process.broken is not None and self._failed_loads > self._retries:
            raise ProblemError(
                f'a worker process cannot load the problem: {process.broken.kind}: {process.broken.message}\n'
                f'{users_frames(process.broken.traceback)}'
            )
        if self._failed_loads > self._retries * self._cores:
            printed = process.output.loading.tail(_SECONDS_TO_READ)
            raise SweepError(
                f'a worker process {describe_exit(process.exit_code)} while it loaded the problem\n{printed}'
            )

    def server_has_ended(self) -> bool:
        """Takes what the fork server has sent; ends it if it can fork no worker, and says whether it did."""
        server = self.server
        assert server is not None
        try:
            while server.connection.poll():
                kind, content = receive(server.connection)
                if kind == READY:
                    server.is_ready, server.facts = True, content
                    continue
                if kind == UNFIT:
                    server.is_unfit, self._loads, self._forks = True, False, content
                else:
                    server.broken = content
                break
            else:
                if not server.is_gone():
                    return False
        except (EOFError, OSError):
            pass
        self._forget(server)
        server.kill()
        return True

    def workers_of(self, server: ForkServer) -> list[Worker]:
        """The workers that came from a fork server, or were to come."""
        return [
            worker for worker in self.workers if isinstance(worker, ForkedWorker) and worker.server is server
        ]

    def discard_server(self, server: ForkServer, lost: Sequence[Worker]) -> None:
        """Removes a fork server that ended; the next worker gets another.

        Args:
            server: The fork server that has ended.
            lost: The workers that ended with it; such as load by themselves are started in their place.

        Raises:
            SweepError: As `start` and `take_failed_load`.
        """
        self.server = None
        if server.is_unfit:
            for worker in lost:
                self.start(worker.gpus)
        elif not server.has_served:
            self.take_failed_load(server)

    def close(self) -> None:
        """Ends all processes at once, and waits until they are gone."""
        for worker in self.workers:
            worker.signal_to_end()
        for worker in self.workers:
            worker.wait_until_gone()
        if self.server is not None:
            self.server.signal_to_end()
        end = time.monotonic() + SECONDS_TO_PASS_ON
        for process in [*([self.server] if self.server else []), *self.workers]:
            process.kill(max(0.0, end - time.monotonic()))
        self.workers.clear()
        self.server = None
        self._selector.close()
        self._wakeup.close()
        self._waker.close()

    def _listen(self, process: Worker | ForkServer) -> None:
        self._selector.register(process.connection, selectors.EVENT_READ, (process, False))
        self._selector.register(process.sentinel, selectors.EVENT_READ, (process, True))

    def _forget(self, process: Worker | ForkServer) -> None:
        self._selector.unregister(process.connection)
        self._selector.unregister(process.sentinel)


def ask_where_they_are(workers: Sequence[Worker], seconds: float) -> None:
    """Ends workers so that they print the stacks of their threads first; waits so long at most."""
    end = time.monotonic() + seconds
    for worker in workers:
        worker.ask_where_it_is()
    left = [worker.sentinel for worker in workers]
    while left and (seconds_left := end - time.monotonic()) > 0:
        ended = wait_for_any(left, seconds_left)
        left = [sentinel for sentinel in left if sentinel not in ended]


def signal_name(exit_code: int | None) -> str | None:
    """Returns the signal that an exit code stands for, or None."""
    if exit_code is None or exit_code >= 0:
        return None
    try:
        return signal.Signals(-exit_code).name
    except ValueError:  # one of those for real time has no name
        return f'signal {-exit_code}'


def describe_exit(code: int | None) -> str:
    """Says how a process ended."""
    if code is None:
        return 'was lost with the process that it was forked from'
    if code >= 0:
        return f'ended with exit code {code}'
    hint = ', as the system does when memory runs out' if -code == signal.SIGKILL else ''
    return f'was killed by {signal_name(code)}{hint}'
