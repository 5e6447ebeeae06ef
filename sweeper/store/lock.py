"""Keeps a second sweep out of a folder, and says who is in it."""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from ..errors import FolderError
from ..io.checksums import read_json
from ..io.files import TEMPORARY_SUFFIX, AtomicWriter
from ..io.opening import kind_of, remove
from ..text import reason
from .damage import set_aside
from .layout import SweepLayout

_ATTEMPTS, _SECONDS_BETWEEN = 20, 0.01


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds `folder` (made if need be), which no other process can then hold.

    The lock is the system's (`flock` on the folder): it ends with the process, however that ends.
    `running.json` only says who has it; what a killed process leaves of it is no obstacle.

    Raises:
        FolderError: The folder cannot be made, written or locked, or another process holds it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise FolderError(f'cannot write in the folder {folder}: {reason(error, error.filename)}') from error
    try:
        try:
            _lock(descriptor)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise FolderError(f'cannot lock {folder}: {reason(error, error.filename)}') from error
            raise FolderError(
                f'another sweep is running in {folder}{_described(holder(folder))}; '
                'wait for it to finish, or stop it'
            ) from None
        _check_writable(folder)
        me, writer = SweepLayout(folder).running, AtomicWriter(folder)
        if kind_of(me) == 'a folder':  # which no file can take the place of
            set_aside(SweepLayout(folder), writer, me, f'{me} is a folder')
        writer.write_json(me, _myself())
        try:
            yield
        finally:
            with suppress(OSError):  # the folder may be gone; what is left says nothing without the lock
                me.unlink()
    finally:
        os.close(descriptor)


def _check_writable(folder: Path) -> None:
    probe = folder / f'probe{TEMPORARY_SUFFIX}'
    try:
        remove(probe)
        os.close(os.open(probe, os.O_CREAT | os.O_EXCL))
        probe.unlink()
    except OSError as error:
        raise FolderError(f'cannot write in the folder {folder}: {reason(error, error.filename)}') from error


def _lock(descriptor: int) -> None:
    """Locks; tries for a moment, since who looks whether it is locked holds it for an instant."""
    import fcntl  # not on Windows, where folders can be read

    for _ in range(_ATTEMPTS - 1):
        with suppress(OSError):
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        time.sleep(_SECONDS_BETWEEN)
    return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_locked(folder: Path) -> bool:
    """Whether a sweep is running in `folder` right now."""
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except OSError:
        return True
    finally:
        os.close(descriptor)


def holder(folder: Path) -> dict[str, object]:
    """What the process that holds `folder` said of itself: `pid`, `host`, `since`, `command`; or nothing."""
    try:
        return read_json(SweepLayout(folder).running)
    except (OSError, ValueError):
        return {}


def _myself() -> dict[str, object]:
    return {
        'pid': os.getpid(),
        'host': socket.gethostname(),
        'since': datetime.now().astimezone().isoformat(timespec='seconds'),
        'command': json.dumps(sys.argv),
    }


def _described(who: dict[str, object]) -> str:
    if not {'pid', 'host', 'since'} <= who.keys():
        return ''
    return ' (process {pid} on {host}, since {since})'.format_map(who)
