"""What the system is told about a worker process: how it ends, and how much memory it may take."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import re
import resource
import select
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ...text import reason
from ..base import RunError

MEMORY_LIMIT_EXCEEDED = 'MemoryLimitExceeded'

FILES_PER_WORKER, OTHER_FILES = 5, 40  # in the parent, counted
WORKER_BEFORE_PARENT = 500
SERVER_BEFORE_PARENT = 400
_PR_SET_CHILD_SUBREAPER = 36
# How the exceptions of Python, numpy, torch and the system say that memory was refused. The second last is
# what is left of torch's message if memory for the message was refused. (CUDA's OutOfMemoryError is about
# the memory of the device.)
_REFUSED = re.compile(
    r"^(?:[\w.]*\b_?(?:Array)?MemoryError\b|\S.*(?:can't allocate memory|Cannot allocate memory|bad_alloc"
    r"|can't start new thread|failed to map segment|\[enforce fail a$|Failed to allocate a Tensor))",
    re.MULTILINE,
)


class MemoryLimitTooLow(Exception):
    """The problem alone takes more than a worker may use."""


def end_with_parent(pipe: int) -> None:
    """Has the system kill this process's group when the parent is gone, whatever the process does then.

    Other than `prctl(PR_SET_PDEATHSIG)` this also ends what the user's code has started, and does not
    depend on the thread that started the worker. On macOS, the reader thread of the worker must do.

    Args:
        pipe: The read end of a pipe in which nothing is ever written; only the parent has the other end.
    """
    if sys.platform == 'linux':
        with suppress(OSError):  # not every sandbox has it
            fcntl.fcntl(pipe, fcntl.F_SETOWN, -os.getpgrp())
            fcntl.fcntl(pipe, fcntl.F_SETSIG, signal.SIGKILL)
            fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)
    poll = select.poll()  # `select` takes no descriptor from 1024 on
    poll.register(pipe, select.POLLIN)
    if poll.poll(0):  # it has gone already
        os._exit(1)


def outlive_parent(pipe: int) -> None:
    """Undoes `end_with_parent`, in a process that sees to it itself."""
    with suppress(OSError):
        fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) & ~os.O_ASYNC)


def adopt_orphans() -> None:
    """From now on, what was started below this process stays below it when its own parent ends (Linux).

    So a process that left its group (`setsid`) is found, too.
    """
    with suppress(Exception):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_orphans(known: Iterable[int]) -> None:
    """Kills the children of this process, which has one thread, that are not known, and theirs."""
    left = set(known)
    while orphans := children() - left:
        left |= orphans
        for pid in orphans:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


def children() -> set[int]:
    """Returns the processes below this one, which has one thread; none if the system does not tell."""
    with suppress(OSError):
        return set(map(int, Path(f'/proc/self/task/{os.getpid()}/children').read_text().split()))
    return set()


def leave_no_core() -> None:
    """A worker that crashes leaves its stack in its output, and no core file in the user's folder."""
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def go_before_parent(score: int = WORKER_BEFORE_PARENT) -> None:
    """When memory runs out, Linux is to kill a worker, which costs a run, and not the parent."""
    with suppress(OSError, ValueError):
        path = Path('/proc/self/oom_score_adj')
        path.write_text(str(max(int(path.read_text()), score)))


def allow_open_files(workers: int) -> None:
    """Raises the limit of open files to what so many workers need here, as far as that is allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_PER_WORKER * workers + OTHER_FILES
    if resource.RLIM_INFINITY not in (soft, hard) and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(wanted, hard)), hard))


def why_no_worker(error: OSError, workers: int) -> str:
    """Says why a worker could not be started, and what to do if too many files are open."""
    if error.errno != errno.EMFILE:
        return reason(error)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return (
        f'this process may have {limit} files open (`ulimit -n`), and {workers} workers need about '
        f'{FILES_PER_WORKER * workers + OTHER_FILES}: raise the limit, or use fewer cores'
    )


def limit_memory(limit: int) -> int:
    """Limits this process's private writable memory: what its heap, data, stacks and libraries take.

    A loaded worker takes about as much of that as is resident. Linux only: macOS does not enforce it.

    Args:
        limit: The limit, in bytes.

    Returns:
        The bytes in use; 0 if the system does not tell.

    Raises:
        MemoryLimitTooLow: More is in use already.
    """
    in_use = memory_in_use()
    if in_use >= limit:
        raise MemoryLimitTooLow(
            f'the memory limit of {in_units(limit)} for each worker process is too low: '
            f'with the problem loaded, one takes {in_units(in_use)} before any run'
        )
    if sys.platform == 'linux':
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        soft = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
    return in_use


def memory_in_use() -> int:
    """Returns the bytes that count for `limit_memory`; 0 if the system does not tell."""
    with suppress(OSError):
        match = re.search(r'^VmData:\s+(\d+) kB$', Path('/proc/self/status').read_text(), re.MULTILINE)
        return int(match[1]) * 1024 if match else 0
    return 0


def with_limit_named(error: RunError, limit: int, loaded: int) -> RunError:
    """Returns an error that says so if the run failed because memory was refused, else the same error.

    Args:
        error: How the run failed.
        limit: The worker's memory limit, in bytes.
        loaded: Bytes in use once the problem was loaded, before any run.
    """
    if not _REFUSED.search(error.traceback):
        return error
    message = (
        f"the run needed more than the worker's memory limit of {in_units(limit)}, of which "
        f'{in_units(loaded)} were taken once the problem was loaded: {error.kind}: {error.message}'
    )
    return replace(error, kind=MEMORY_LIMIT_EXCEEDED, message=message)


def in_units(size: int) -> str:
    """Returns a number of bytes to read: '1.5 GiB'."""
    return f'{size / 2**30:.3g} GiB' if size >= 2**30 else f'{size / 2**20:.0f} MiB'
