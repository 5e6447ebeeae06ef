"""Files that appear whole or not at all, and how each kind of them is read.

`AtomicWriter` is the one way in which anything of a sweep is written: the bytes first, to a temporary file
in the same folder, flushed to the disk, then renamed over the target, and the folder flushed too. The
temporary name is fixed (there is one writer per folder), so what an interrupted write leaves behind is taken
over by its repetition or removed at the next start.
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
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FolderError

TEMPORARY_SUFFIX = '.partial'


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
        self._seen = {root}

    def write_bytes(self, path: Path, data: bytes) -> None:
        """Writes `data` to `path`, unless that is its content; makes the folders on the way."""
        if _holds(path, data):
            return
        temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
        try:
            self._make_folder(path.parent)
            with open(temporary, 'wb', opener=_open_no_link) as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
            _flush_folder(path.parent)
        except OSError as error:
            raise self._unwritable(path, error) from error

    def write_json(self, path: Path, data: Mapping[str, Any]) -> None:
        """Writes strict JSON: a number that is not finite becomes null."""
        text = json.dumps(_finite(data), indent=2, allow_nan=False)
        self.write_bytes(path, text.encode() + b'\n')

    def write_npz(self, path: Path, arrays: Mapping[str, np.ndarray]) -> None:
        """Writes named arrays; equal arrays give equal bytes."""
        assert not any(np.asarray(array).dtype.hasobject for array in arrays.values()), 'would need pickle'
        buffer, named = io.BytesIO(), dict[str, Any](arrays)
        np.savez(buffer, **named)
        self.write_bytes(path, buffer.getvalue())

    def write_csv(self, path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Writes a CSV file with a header row."""
        buffer = io.StringIO(newline='')
        plain = csv.writer(buffer, lineterminator='\n')
        quoted = csv.writer(buffer, lineterminator='\n', quoting=csv.QUOTE_ALL)
        for row in (header, *rows):  # csv leaves a bare carriage return unquoted: the row's end for a reader
            (quoted if any('\r' in cell for cell in row if isinstance(cell, str)) else plain).writerow(row)
        self.write_bytes(path, buffer.getvalue().encode())

    def write_pickle(self, path: Path, value: object) -> None:
        """Writes `value` pickled, for users who want it; `sweeper` itself never reads it back.

        Equal values give equal bytes, whether or not they share objects; sets are the exception.
        """
        buffer = io.BytesIO()
        pickler = pickle.Pickler(buffer)
        pickler.fast = True  # no references to what came before
        pickler.dump(value)
        self.write_bytes(path, buffer.getvalue())

    def remove(self, path: Path) -> None:
        """Removes a file, or a folder with all that is in it; it need not be there."""
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
            self._seen = {folder for folder in self._seen if not folder.is_relative_to(path)}
        except OSError as error:
            raise self._unwritable(path, error) from error

    def move(self, path: Path, target: Path) -> None:
        """Moves a file or folder to a name that is free."""
        try:
            self._make_folder(target.parent)
            os.replace(path, target)
            _flush_folder(path.parent)
            _flush_folder(target.parent)
            self._seen = {folder for folder in self._seen if not folder.is_relative_to(path)}
        except OSError as error:
            raise self._unwritable(path, error) from error

    def check_root(self) -> None:
        """Raises `FolderError` if the folder is gone, or is another one by now."""
        if _identity(self.root) != self._identity:
            raise FolderError(f'the folder {self.root} was deleted or replaced while the sweep was running')

    def _make_folder(self, folder: Path) -> None:
        if folder in self._seen:
            return
        self._make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _flush_folder(folder.parent)
        self._seen.add(folder)

    def _unwritable(self, path: Path, error: OSError) -> FolderError:
        self.check_root()
        if isinstance(error, FileNotFoundError):
            return FolderError(f'{path.parent} was deleted while the sweep was running')
        return FolderError(
            f'cannot write {path}: {error.strerror or error}. What was finished before is kept: '
            f'see to that, then run the same again'
        )


def _open_no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


def _holds(path: Path, data: bytes) -> bool:
    try:
        return path.stat().st_size == len(data) and path.read_bytes() == data
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
