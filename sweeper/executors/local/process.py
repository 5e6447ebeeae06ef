"""A process that the parent starts anew, as the parent sees it; and a worker that is one."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from socket import socket
from threading import Thread
from typing import Any
from weakref import WeakSet

from ...work import WorkerSpec
from ..base import RunError, Task
from ..gpus.memory import GpuMemory
from ..gpus.visible import VISIBLE
from . import worker
from .output import OutputSink, RunOutput, WorkerOutput

SECONDS_TO_PASS_ON = 1.0
# One thread each; and sets of strings in one order in all workers, so that data built from them is the same.
_ENVIRONMENT = dict.fromkeys(('OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'OPENBLAS_NUM_THREADS'), '1')
_ENVIRONMENT['PYTHONHASHSEED'] = '0'
# torch then looks for GPUs without taking hold of them: a process that has could not be forked.
_ENVIRONMENT['PYTORCH_NVML_BASED_CUDA_CHECK'] = '1'


class ChildProcess(ABC):
    """A process that ends with this one; its connection, its sentinel and what it prints.

    Attributes:
        connection: For messages, pickled.
        sentinel: Becomes readable when the process has ended.
        output: What it prints.
    """

    connection: Connection
    sentinel: Connection | socket
    output: WorkerOutput
    _parent_pipe: int

    @abstractmethod
    def signal_to_end(self) -> None:
        """Kills the process and what the user's code has started in it, without waiting."""

    @abstractmethod
    def wait_until_gone(self) -> None:
        """Waits until the process has ended."""

    def kill(self, seconds: float = SECONDS_TO_PASS_ON) -> None:
        """Ends the process, whatever it does, and waits until it is gone.

        Args:
            seconds: How long to wait until what it printed is passed on.
        """
        self.signal_to_end()
        self.wait_until_gone()
        self._note_exit()
        HELD.discard(self)
        self.let_go()
        if self.output.join(seconds):  # else it needs the sentinel still
            self.sentinel.close()

    def _note_exit(self) -> None:  # noqa: B027
        """Notes how it ended, if that must be asked for while the sentinel is open."""

    def let_go(self) -> None:
        """Closes what tells the process that this one lives."""
        self.connection.close()
        self._close_parent_pipe()

    def _close_parent_pipe(self) -> None:
        with suppress(OSError):  # closed already
            os.close(self._parent_pipe)
        self._parent_pipe = -1


class OwnProcess(ChildProcess):
    """A process of its own, started.

    Args:
        program: The module whose `main` it runs.
        spec: Sent as the first message.
        sink: Where its output goes.
        descriptors: More that it inherits, by the name of the argument of `main`.
        environment: Variables that it has beside those of this process.
        arguments: Further arguments of `main`.
    """

    sentinel: Connection

    def __init__(
        self,
        program: str,
        spec: WorkerSpec,
        sink: OutputSink,
        descriptors: Mapping[str, int] | None = None,
        environment: Mapping[str, str] | None = None,
        **arguments: Any,
    ) -> None:
        token = os.urandom(8).hex()
        self.connection, child = Pipe()
        parent_pipe, self._parent_pipe = os.pipe()
        printed, printing = os.pipe()
        try:
            inherited = {'descriptor': child.fileno(), 'parent_pipe': parent_pipe, **(descriptors or {})}
            self._process = subprocess.Popen(
                _command(program, **inherited, token=token, **arguments),
                pass_fds=list(inherited.values()),
                stdin=subprocess.DEVNULL,
                stdout=printing,
                stderr=printing,
                env={**os.environ, **_ENVIRONMENT, **(environment or {})},
                process_group=0,  # the terminal's Ctrl-C is the parent's to handle
            )
        finally:
            child.close()
            os.close(parent_pipe)
            os.close(printing)
        self.sentinel, ended = Pipe(duplex=False)
        self._reaper = Thread(target=_reap, args=(self._process, ended), daemon=True)
        self._reaper.start()
        self.output = WorkerOutput(printed, self.sentinel, token, sink)
        HELD.add(self)
        with suppress(OSError):  # it died already; its sentinel says so
            worker.send(self.connection, spec)

    @property
    def exit_code(self) -> int:
        """The exit code, or minus the signal that killed it; of a process that is gone."""
        code = self._process.returncode
        assert code is not None
        return code

    def signal_to_end(self) -> None:
        _kill_group(self._process)

    def is_gone(self) -> bool:
        """Whether the process has ended; only its reaper may ask the system, so this asks the sentinel."""
        return self.sentinel.poll()

    def wait_until_gone(self) -> None:
        self._reaper.join()


class WorkerProcess(OwnProcess):
    """A worker that loads the problem itself.

    Attributes:
        number: The lowest that no other worker has; says which device to use.
        gpus: Those that it was given, as `CUDA_VISIBLE_DEVICES` has them; None for those of this process.
        gpu_memory: That of its GPU, once it is ready; set by the pool.
        is_ready: Whether it has loaded the problem; set by the executor.
        is_leaving: The run that it does is its last; set by the executor.
        broken: Why it could not; set by the executor.
    """

    def __init__(
        self, number: int, spec: WorkerSpec, memory: int | None, sink: OutputSink, gpus: str | None = None
    ) -> None:
        environment = None if gpus is None else {VISIBLE: gpus}
        program = f'{__package__}.rank_worker' if spec.has_ranks else worker.__name__
        super().__init__(program, spec, sink, environment=environment, number=number, memory=memory)
        self.number, self.gpus = number, gpus
        self.gpu_memory: GpuMemory | None = None
        self.is_ready = False
        self.is_leaving = False
        self.broken: RunError | None = None

    def give(self, task: Task) -> RunOutput:
        """Sends a task; returns where its output will be. A worker that died says so by its sentinel."""
        return give(self.connection, self.output, task)

    def ask_where_it_is(self) -> None:
        """Ends the process so that it prints the stacks of its threads first, if it can."""
        with suppress(OSError):  # gone already
            os.kill(self._process.pid, signal.SIGABRT)


def give(connection: Connection, output: WorkerOutput, task: Task) -> RunOutput:
    """Sends a task to a worker; returns where its output will be."""
    number, printed = output.expect(task)
    with suppress(OSError):
        worker.send(connection, (number, pickle.dumps(task)))
    return printed


HELD: WeakSet[ChildProcess] = WeakSet()
"""What ends with this process, and must not wait for one that it forks."""


def _let_go_of_all() -> None:
    for handle in list(HELD):
        handle.let_go()


# A child that the parent forks (for loading data, say) may outlive it, but not keep its workers alive.
os.register_at_fork(after_in_child=_let_go_of_all)


def _command(program: str, **arguments: Any) -> list[str]:
    """Returns the command line that calls a program's `main` with the parent's import path."""
    paths = [path for path in sys.path if isinstance(path, str)]
    code = f'import sys; sys.path[:] = {paths!r}; from {program} import main; main(**{arguments!r})'
    return [sys.executable, '-c', code]


def _reap(process: subprocess.Popen[bytes], ended: Connection) -> None:
    """Waits for the process to end, ends what it has started (it may hold the connection), says so."""
    with ended:
        if hasattr(os, 'waitid'):  # until it is reaped, its id is no one else's
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            _kill_group(process)
        process.wait()


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(OSError):  # gone already
        os.killpg(process.pid, signal.SIGKILL)
