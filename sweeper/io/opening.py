"""The one place where files of a sweep's folder are opened: no link is followed, only plain files are read.

A folder may come from anyone: a link would have something outside of it read or overwritten, and a named pipe
in place of a file would be waited for without end.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from pathlib import Path
from typing import BinaryIO

from ..errors import FolderError

_KINDS = (
    (stat.S_ISLNK, 'a link'), (stat.S_ISDIR, 'a folder'), (stat.S_ISFIFO, 'a named pipe'),
    (stat.S_ISSOCK, 'a socket'), (stat.S_ISREG, 'a file'),
)  # fmt: skip
SAFELY = getattr(os, 'O_NOFOLLOW', 0) | getattr(os, 'O_NONBLOCK', 0)  # 0 on Windows
_AS_BYTES = getattr(os, 'O_BINARY', 0)  # only there


def kind_of(path: Path) -> str | None:
    """Says what a path is, unfollowed: `a file`, `a folder`, `a link` …; None if it is not there."""
    try:
        mode = os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    return next((kind for is_kind, kind in _KINDS if is_kind(mode)), 'a device')


def open_file(path: Path) -> BinaryIO:
    """Opens a file to read it.

    Raises:
        FileNotFoundError: There is no file at `path`.
        ValueError: There is something else.
        OSError: It cannot be read.
    """
    if not SAFELY and kind_of(path) == 'a link':
        raise ValueError('it is a link, not a file')
    try:
        descriptor = os.open(path, os.O_RDONLY | SAFELY | _AS_BYTES)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENXIO):
            raise
        raise ValueError(f'it is {kind_of(path)}, not a file') from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError(f'it is {kind_of(path)}, not a file')
    return open(descriptor, 'rb')


def read_file(path: Path) -> bytes:
    """Returns a file's content; raises as `open_file` does."""
    with open_file(path) as file:
        return file.read()


def open_plain(path: str, flags: int) -> int:
    """Opens a file to write it, as an `opener`; never what a link points to, and never what is no file."""
    descriptor = os.open(path, flags | SAFELY, 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, f'it is {kind_of(Path(path))}, not a file')
    return descriptor


def remove(path: Path) -> None:
    """Removes a file, a link, or a folder with all that is in it; it need not be there."""
    if kind_of(path) == 'a folder':
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def check_own_folder(path: Path) -> None:
    """Raises `FolderError` unless a folder is one, so that nothing is written outside of the sweep's."""
    kind = kind_of(path)
    if kind not in (None, 'a folder'):
        raise FolderError(
            f'{path} is {kind}, not a folder: nothing is written outside of the folder of a sweep. Move it '
            f'away, or put the folder itself in its place'
        )
