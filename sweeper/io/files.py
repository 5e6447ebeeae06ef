"""Files that appear whole or not at all, and how each kind of them is read.

`AtomicWriter` is the one way in which anything of a sweep is written, from any thread: the bytes first, to a
temporary file in the same folder, flushed to the disk, then renamed over the target, and the folder flushed
too. The temporary name is fixed (nobody else writes the same file at that time), so what an interrupted write
leaves behind is taken over by its repetition or removed at the next start.
"""

from __future__ import annotations

import csv
import io
import math
import os
import pickle
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import chain
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

import numpy as np

from ..errors import FolderError
from ..text import reason
from .checksums import json_bytes, sealed_json
from .opening import SAFELY, check_own_folder, kind_of, open_file, open_plain, read_file, remove

TEMPORARY_SUFFIX = '.partial'
_BLOCK = 2**16


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
        self._seen = {str(root)}  # folders that are there
        self._inside: dict[str, set[str]] = {}  # those that are in one
        self._lock = Lock()

    def write_bytes(self, path: Path, data: bytes) -> None:
        """Writes `data` to `path`, unless that is its content; makes the folders on the way."""
        if not _holds(path, data):
            self._write({path: data}, path.parent)

    def write_together(self, files: Mapping[Path, bytes]) -> None:
        """Writes files of one folder, the last of which is there only if all the others are.

        The folder may be new; that it was written in is not remembered.
        """
        self._write(files, next(iter(files)).parent.parent)

    def _write(self, files: Mapping[Path, bytes], remembered: Path) -> None:
        """Writes files of one folder: all aside and flushed, then renamed, and the last of them last.

        Args:
            files: Their contents, by path.
            remembered: Their folder, or the one that it is in; must not disappear from now on.
        """
        *others, last = files
        path, folder = last, last.parent
        try:
            if str(folder) not in self._seen:
                self._make_folders(remembered)
                if folder != remembered:
                    make_folder(folder)
            for path, data in files.items():
                with open(f'{path}{TEMPORARY_SUFFIX}', 'wb', opener=open_temporary) as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
            for path in others:
                os.replace(f'{path}{TEMPORARY_SUFFIX}', path)
            if others:
                _flush_folder(folder)
            os.replace(f'{last}{TEMPORARY_SUFFIX}', last)
            _flush_folder(folder)
        except OSError as error:
            raise self._unwritable(path, error) from error

    def write_json(self, path: Path, data: Mapping[str, Any]) -> None:
        """Writes strict JSON: a number that is not finite becomes null."""
        self.write_bytes(path, json_bytes(data))

    def write_sealed(self, path: Path, data: Mapping[str, Any]) -> None:
        """Writes strict JSON with its checksum."""
        self.write_bytes(path, sealed_json(data))

    def write_npz(self, path: Path, arrays: Mapping[str, np.ndarray]) -> None:
        """Writes named arrays; equal arrays give equal bytes."""
        self.write_bytes(path, npz_bytes(arrays))

    def write_csv(self, path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Writes a CSV file with a header row, piece by piece."""
        self.write_pieces(path, lambda file: _csv_to(file, header, rows))

    def write_pickle(self, path: Path, value: object) -> None:
        """Writes `value` pickled, for users who want it; `sweeper` itself never reads it back.

        Equal values give equal bytes, whether or not they share objects; sets are the exception.
        """
        self.write_pieces(path, lambda file: _pickle_to(file, value))

    def write_pieces(self, path: Path, fill: Callable[[BinaryIO], None]) -> None:
        """Writes what `fill` writes, which need not fit into memory, unless that is the file's content."""
        temporary = Path(f'{path}{TEMPORARY_SUFFIX}')
        try:
            self._make_folders(path.parent)
            with open(temporary, 'wb', opener=open_temporary) as file:
                fill(file)
                file.flush()
                is_new = not _are_equal(temporary, path)
                if is_new:
                    os.fsync(file.fileno())
            if is_new:
                os.replace(temporary, path)
                _flush_folder(path.parent)
            else:
                temporary.unlink()
        except OSError as error:
            raise self._unwritable(path, error) from error

    def remove(self, path: Path) -> None:
        """Removes a file, or a folder with all that is in it; it need not be there."""
        try:
            remove(path)
            self._forget(path)
        except OSError as error:
            raise self._unwritable(path, error) from error

    def move(self, path: Path, target: Path) -> None:
        """Moves a file or folder to a name that is free."""
        try:
            self._make_folders(target.parent)
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

    def _make_folders(self, folder: Path) -> None:
        """Makes a folder and those on the way to it, unless they are known to be there."""
        if str(folder) in self._seen:
            return
        with self._lock:
            missing = []
            while str(folder) not in self._seen:
                missing.append(folder)
                folder = folder.parent
            for new in reversed(missing):
                make_folder(new)
                self._inside.setdefault(str(new.parent), set()).add(str(new))
                self._seen.add(str(new))

    def _forget(self, path: Path) -> None:
        """A folder may be there no more, and those in it."""
        with self._lock:
            self._inside.get(str(path.parent), set()).discard(str(path))
            gone = [str(path)]
            while gone:
                self._seen.discard(gone[-1])
                gone += self._inside.pop(gone.pop(), ())

    def _unwritable(self, path: Path, error: OSError) -> FolderError:
        self.check_root()
        if isinstance(error, FileNotFoundError):
            return FolderError(f'{path.parent} was deleted while the sweep was running')
        return FolderError(
            f'cannot write {path}: {reason(error, error.filename)}. What was finished before is kept: '
            f'fix this, then run the same again'
        )


def csv_bytes(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """A CSV file with a header row."""
    buffer = io.BytesIO()
    _csv_to(buffer, header, rows)
    return buffer.getvalue()


def npz_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Named arrays as an `.npz` file; equal arrays give equal bytes.

    `np.savez` takes twice as long for small ones, since it makes every header anew.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w') as archive:
        for name, values in arrays.items():
            array = np.asarray(values)
            assert not array.dtype.hasobject, 'would need pickle'
            content = _npy_header(array.dtype, array.shape) + array.tobytes()
            archive.writestr(zipfile.ZipInfo(f'{name}.npy'), content)
    return buffer.getvalue()


@lru_cache(maxsize=1024)
def _npy_header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    described = {'descr': np.lib.format.dtype_to_descr(dtype), 'fortran_order': False, 'shape': shape}
    np.lib.format.write_array_header_1_0(buffer, described)
    return buffer.getvalue()


def _csv_to(file: BinaryIO, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    text = io.TextIOWrapper(file, 'utf-8', newline='')
    plain = csv.writer(text, lineterminator='\n')
    quoted = csv.writer(text, lineterminator='\n', quoting=csv.QUOTE_ALL)
    for row in chain([header], rows):
        # csv leaves a bare carriage return unquoted: a reader's end of the row
        has_return = any('\r' in cell for cell in row if isinstance(cell, str))
        (quoted if has_return else plain).writerow(row)
    text.flush()
    text.detach()


def _pickle_to(file: BinaryIO, value: object) -> None:
    # CPython's own loses count of what is nested how deeply after fifty frozensets: a KeyError
    for kind in (pickle.Pickler, pickle._Pickler):
        pickler = kind(file)
        pickler.fast = True  # no references to what came before
        with suppress(KeyError):
            pickler.dump(value)
            return
        file.seek(0)
        file.truncate()


def _holds(path: Path, data: bytes) -> bool:
    try:
        return os.lstat(path).st_size == len(data) and read_file(path) == data
    except (OSError, ValueError):
        return False


def _are_equal(path: Path, other: Path) -> bool:
    try:
        if os.lstat(path).st_size != os.lstat(other).st_size:
            return False
        with open_file(path) as first, open_file(other) as second:
            return all(block == second.read(_BLOCK) for block in iter(lambda: first.read(_BLOCK), b''))
    except (OSError, ValueError):
        return False


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def make_folder(folder: Path) -> None:
    """Makes a folder, unless it is there, and flushes its name; something else of the name is an error."""
    try:
        folder.mkdir()
    except FileExistsError:
        check_own_folder(folder)
    _flush_folder(folder.parent)


def _flush_folder(folder: Path) -> None:
    """Makes the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_temporary(path: str, flags: int) -> int:
    """Opens a temporary file to write it, as an `opener`; what else has its name is removed."""
    try:
        descriptor = os.open(path, flags | SAFELY, 0o666)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return descriptor
        os.close(descriptor)
    except OSError:
        if kind_of(Path(path)) in (None, 'a file'):
            raise
    remove(Path(path))
    return os.open(path, flags | SAFELY | os.O_EXCL, 0o666)


def write_report(path: Path, data: bytes) -> None:
    """Writes a file that a user names, whole or not at all; a link in its place is replaced, not followed.

    What is no file, such as `/dev/stdout`, is just written to.

    Raises:
        OSError: It cannot be written.
    """
    if kind_of(path) not in (None, 'a file', 'a link') or path.parent == Path('/dev'):
        path.write_bytes(data)
        return
    write_whole(path, data)


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file whole or not at all, whichever process does; a link in its place is replaced.

    Raises:
        OSError: It cannot be written.
    """
    temporary = path.with_name(f'{path.name}.{os.getpid()}{TEMPORARY_SUFFIX}')
    try:
        with open(temporary, 'wb', opener=open_temporary) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def append_text(path: Path, text: str) -> None:
    """Appends to a log, the one kind of file that grows; from any thread, and not flushed to the disk.

    Raises:
        OSError: It cannot be written.
    """
    with open(path, 'a', encoding='utf-8', errors='replace', opener=open_plain) as file:
        file.write(text)


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Reads named arrays, without pickle; damage is a `ValueError`."""
    try:
        with open_file(path) as opened:
            _check_claims(opened)
            with np.load(opened, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise
    except (
        OSError,
        RuntimeError,
        MemoryError,
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        AttributeError,
        KeyError,
    ) as error:
        raise ValueError(f'{path} holds no arrays: {reason(error, path)}') from error


def _check_claims(file: BinaryIO) -> None:
    """Raises `ValueError` if arrays of an `.npz` file say that they are larger than they are."""
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            if member.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f'{member.filename} is compressed, which none of ours is')
            with archive.open(member) as array:
                version = np.lib.format.read_magic(array)
                if version != (1, 0):
                    raise ValueError(f'{member.filename} has format {version}')
                shape, _, kind = np.lib.format.read_array_header_1_0(array)
                claimed = math.prod(shape) * kind.itemsize
                if not kind.hasobject and claimed != member.file_size - array.tell():
                    raise ValueError(f'{member.filename} claims {claimed} bytes, which it does not have')
    file.seek(0)


def check_archive(path: Path) -> None:
    """Raises `ValueError` if an `.npz` or `.pt` file that is there is no archive or has a wrong CRC."""
    try:
        with open_file(path) as file, zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                if member.compress_type != zipfile.ZIP_STORED:
                    raise ValueError(f'{path}: {member.filename} is compressed, which none of ours is')
            damaged = archive.testzip()
        if damaged is not None:
            raise ValueError(f'{path}: the CRC of {damaged} is wrong')
    except FileNotFoundError:
        pass
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError) as error:
        raise ValueError(f'{path}: {reason(error, path)}') from error
