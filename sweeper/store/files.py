"""Files that appear whole or not at all, and how each kind of them is read.

`AtomicWriter` is the one way in which anything of a sweep is written, from any thread: the bytes first, to a
temporary file in the same folder, flushed to the disk, then renamed over the target, and the folder flushed
too. The temporary name is fixed (nobody else writes the same file at that time), so what an interrupted write
leaves behind is taken over by its repetition or removed at the next start.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import pickle
import shutil
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from ..errors import FolderError

TEMPORARY_SUFFIX = '.partial'
_BLOCK = 2**20


class AtomicWriter:
    """Writes below one folder, whole files only; what cannot be written is a `FolderError`.

    It never makes `root` anew: if that, or a folder that it has written in, disappears while it is open, that
    is an error too, since other files of the sweep are gone with it.

    Args:
        root: A folder that exists.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._identity = _identity(root)
        self._seen: dict[str, set[str]] = {str(root): set()}  # folders that are there, and those in them
        self._lock = Lock()

    def write_bytes(self, path: Path, data: bytes | memoryview) -> None:
        """Writes `data` to `path`, unless that is its content; makes the folders on the way."""
        if _holds(path, data):
            return
        try:
            self._make_folder(path.parent)
            os.replace(_written_aside(path, data), path)
            _flush_folder(path.parent)
        except OSError as error:
            raise self._unwritable(path, error) from error

    def write_together(self, files: Mapping[Path, bytes]) -> None:
        """Writes files of one folder, the last of which is there only if all the others are.

        The folder may be new; that it was written in is not remembered.
        """
        *paths, last = files
        path, folder = last, last.parent
        try:
            if str(folder) not in self._seen:
                self._make_folder(folder.parent)
                folder.mkdir(exist_ok=True)
                _flush_folder(folder.parent)
            aside = {}
            for path in files:
                aside[path] = _written_aside(path, files[path])
            for path in paths:
                os.replace(aside[path], path)
            if paths:
                _flush_folder(folder)
            os.replace(aside[last], last)
            _flush_folder(folder)
        except OSError as error:
            raise self._unwritable(path, error) from error

    def write_json(self, path: Path, data: Mapping[str, Any]) -> None:
        """Writes strict JSON: a number that is not finite becomes null."""
        self.write_bytes(path, json_bytes(data))

    def write_npz(self, path: Path, arrays: Mapping[str, np.ndarray]) -> None:
        """Writes named arrays; equal arrays give equal bytes."""
        self.write_bytes(path, npz_bytes(arrays))

    def write_csv(self, path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Writes a CSV file with a header row."""
        buffer = io.BytesIO()
        text = io.TextIOWrapper(buffer, 'utf-8', newline='')
        plain = csv.writer(text, lineterminator='\n')
        quoted = csv.writer(text, lineterminator='\n', quoting=csv.QUOTE_ALL)
        for row in chain(
            [header], rows
        ):  # csv leaves a bare carriage return unquoted: a reader's end of the row
            (quoted if any('\r' in cell for cell in row if isinstance(cell, str)) else plain).writerow(row)
        text.flush()
        self.write_bytes(path, buffer.getbuffer())

    def write_pickle(self, path: Path, value: object) -> None:
        """Writes `value` pickled, for users who want it; `sweeper` itself never reads it back.

        Equal values give equal bytes, whether or not they share objects; sets are the exception.
        """
        try:
            data = _pickled(value, pickle.Pickler)
        except KeyError:  # CPython's own loses count of what is nested how deeply after fifty frozensets
            data = _pickled(value, pickle._Pickler)
        self.write_bytes(path, data)

    def remove(self, path: Path) -> None:
        """Removes a file, or a folder with all that is in it; it need not be there."""
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
            self._forget(path)
        except OSError as error:
            raise self._unwritable(path, error) from error

    def move(self, path: Path, target: Path) -> None:
        """Moves a file or folder to a name that is free."""
        try:
            self._make_folder(target.parent)
            os.replace(path, target)
            _flush_folder(path.parent)
            _flush_folder(target.parent)
            self._forget(path)
        except OSError as error:
            raise self._unwritable(path, error) from error

    def check_root(self) -> None:
        """Raises `FolderError` if the folder is gone, or is another one by now."""
        if _identity(self.root) != self._identity:
            raise FolderError(f'the folder {self.root} was deleted or replaced while the sweep was running')

    def _make_folder(self, folder: Path) -> None:
        if str(folder) in self._seen:
            return
        with self._lock:
            self._make_folders(folder)

    def _make_folders(self, folder: Path) -> None:
        name, parent = str(folder), str(folder.parent)
        if name in self._seen:
            return
        self._make_folders(folder.parent)
        folder.mkdir(exist_ok=True)
        _flush_folder(folder.parent)
        self._seen[parent].add(name)
        self._seen[name] = set()

    def _forget(self, path: Path) -> None:
        """A folder may be there no more, and those in it."""
        with self._lock:
            self._seen.get(str(path.parent), set()).discard(str(path))
            gone = [str(path)]
            while gone:
                gone += self._seen.pop(gone.pop(), ())

    def _unwritable(self, path: Path, error: OSError) -> FolderError:
        self.check_root()
        if isinstance(error, FileNotFoundError):
            return FolderError(f'{path.parent} was deleted while the sweep was running')
        return FolderError(
            f'cannot write {path}: {error.strerror or error}. What was finished before is kept: '
            f'see to that, then run the same again'
        )


def json_bytes(data: Mapping[str, Any]) -> bytes:
    """Strict JSON: a number that is not finite becomes null."""
    return json.dumps(_finite(data), indent=2, allow_nan=False).encode() + b'\n'


def npz_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Named arrays as an `.npz` file; equal arrays give equal bytes."""
    assert not any(np.asarray(array).dtype.hasobject for array in arrays.values()), 'would need pickle'
    buffer, named = io.BytesIO(), dict[str, Any](arrays)
    np.savez(buffer, **named)
    return buffer.getvalue()


def _pickled(value: object, kind: type[pickle.Pickler | pickle._Pickler]) -> memoryview:
    buffer = io.BytesIO()
    pickler = kind(buffer)
    pickler.fast = True  # no references to what came before
    pickler.dump(value)
    return buffer.getbuffer()


def _written_aside(path: Path, data: bytes | memoryview) -> Path:
    """Writes to a temporary file beside `path`, flushed to the disk, and returns its name."""
    temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
    with open(temporary, 'wb', opener=_open_no_link) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return temporary


def _open_no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


def _holds(path: Path, data: bytes | memoryview) -> bool:
    try:
        if path.stat().st_size != len(data):
            return False
        with path.open('rb') as file:
            return all(file.read(_BLOCK) == data[at : at + _BLOCK] for at in range(0, len(data), _BLOCK))
    except OSError:
        return False


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _flush_folder(folder: Path) -> None:
    """Makes the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def append_text(path: Path, text: str) -> None:
    """Appends to a log, the one kind of file that grows; from any thread, and not flushed to the disk.

    Raises:
        OSError: It cannot be written.
    """
    with open(path, 'a', encoding='utf-8', errors='replace', opener=_open_no_link) as file:
        file.write(text)


def read_json(path: Path) -> dict[str, Any]:
    """Reads what `write_json` wrote; anything else is a `ValueError`."""
    try:
        data = json.loads(path.read_bytes())
    except RecursionError:
        raise ValueError(f'{path} is nested too deeply') from None
    if not isinstance(data, dict):
        raise ValueError(f'{path} holds no JSON object')
    try:
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half a character, which could not be shown
        data = json.loads(json.dumps(data, ensure_ascii=False).encode(errors='replace'))
    return dict(data)


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Reads named arrays, without pickle; damage is a `ValueError`."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise
    except (
        OSError,
        RuntimeError,
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        AttributeError,
        KeyError,
    ) as error:
        raise ValueError(f'{path} holds no arrays: {error}') from error


def check_archive(path: Path) -> None:
    """Raises `ValueError` if an `.npz` or `.pt` file that is there is truncated or no archive at all."""
    try:
        with zipfile.ZipFile(path):
            pass
    except FileNotFoundError:
        pass
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise ValueError(f'{path}: {error}') from error


def _finite(data: Any) -> Any:
    if isinstance(data, Mapping):
        return {str(key): _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    if isinstance(data, np.generic | np.ndarray):
        return _finite(data.tolist())
    if isinstance(data, float) and not math.isfinite(data):
        return None
    return data
