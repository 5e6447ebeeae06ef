"""Source files: which there are, their text, and a line of it in its context."""

from __future__ import annotations

import io
import os
import re
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import DeclarationError, MissingSource, SourceError, SourceSyntaxError
from ..text import reason

UNKNOWN = '<unknown>'
_LINE_END = re.compile(r'\r\n|\r')


class SourceHelper:
    """A source text that shows its lines.

    Args:
        source: The text.
        filename: The name to show for it.
        path: The file's true path, if it is one.
    """

    def __init__(self, source: str, filename: str = UNKNOWN, path: str | None = None) -> None:
        self.source = _LINE_END.sub('\n', source.removeprefix('\ufeff'))
        self.filename = filename
        self.path = path

    @classmethod
    def from_file(cls, filename: str | os.PathLike[str]) -> SourceHelper:
        """Reads a file in the encoding that it declares.

        Raises:
            SourceError: It cannot be read or decoded.
        """
        return cls.from_bytes(read_bytes(filename), filename)

    @classmethod
    def from_bytes(cls, data: bytes, filename: str | os.PathLike[str] = UNKNOWN) -> SourceHelper:
        """Decodes what `filename` holds, in the encoding that it declares.

        Raises:
            SourceError: It cannot be decoded.
        """
        name = os.fspath(filename)
        try:
            encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
            return cls(data.decode(encoding), name, os.path.realpath(name))
        except SyntaxError as error:
            raise SourceSyntaxError(f'{name}: {error.msg}') from error
        except (
            UnicodeError,
            LookupError,
            ValueError,
        ) as error:  # a declared encoding may be no text encoding
            raise SourceError(f'{name} cannot be decoded: {error}') from error

    @classmethod
    def format_given_source_and_lineno(cls, source: str, lineno: int, around: int = 5) -> str:
        """As `format`, of a text; a name of hpman's, as the next."""
        return cls(source).format(lineno, around)

    @classmethod
    def format_given_filepath_and_lineno(cls, path: str | None, lineno: int | None, around: int = 5) -> str:
        """As `format`, of a file, below its name; what is known from run time has no file, so no lines."""
        if path is None or path == UNKNOWN:
            return f'{path}:{lineno}'
        return f'{path}:{lineno}\n{cls.from_file(path).format(lineno or 1, around)}'

    def lines(self) -> list[str]:
        """The lines as Python counts them."""
        return self.source.split('\n')

    def format(self, lineno: int, around: int = 5) -> str:
        """Returns line `lineno` with those around it, numbered, an arrow before the line itself."""
        lines = self.lines()
        shown = range(max(1, lineno - around), min(len(lines), lineno + around) + 1)
        width = len(str(shown[-1])) if shown else 1
        return ''.join(
            f'{"==>" if number == lineno else "   "} {number:{width}}: {lines[number - 1]}'.rstrip() + '\n'
            for number in shown
        )


@dataclass(frozen=True)
class SourceFile:
    """A file to parse.

    Attributes:
        name: Its path as given, or below the folder that was given.
        path: Its true path.
        is_asked_for: It was named itself, not found in a folder.
    """

    name: str
    path: str
    is_asked_for: bool


Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


def as_paths(paths: Paths) -> list[str]:
    """Returns one path or several as a list of texts."""
    if isinstance(paths, str | os.PathLike):
        return [os.fspath(paths)]
    listed = list(paths)
    if wrong := [path for path in listed if not isinstance(path, str | os.PathLike)]:
        raise DeclarationError(f'{wrong[0]!r} is no path; valid are files, folders and lists of them')
    return [os.fspath(path) for path in listed]


def find_sources(paths: Paths) -> Iterator[SourceFile]:
    """Yields every file once, those of a folder in order; hidden folders and environments are left out.

    Raises:
        MissingSource: Nothing is there.
    """
    seen: set[str] = set()
    for path in as_paths(paths):
        is_folder = os.path.isdir(path)
        if not is_folder and not os.path.exists(path):
            raise MissingSource(f'{path}: there is no such file or folder (looked in {Path.cwd()})')
        for name in _python_files(path) if is_folder else [path]:
            real = os.path.realpath(name)
            if real not in seen:
                seen.add(real)
                yield SourceFile(name, real, not is_folder)


def _python_files(folder: str) -> Iterator[str]:
    def refuse(error: OSError) -> None:
        raise SourceError(f'{error.filename} cannot be read: {reason(error, error.filename)}') from error

    entered: set[str] = set()
    for root, folders, files in os.walk(folder, onerror=refuse, followlinks=True):
        real = os.path.realpath(root)
        if real in entered or (root != folder and 'pyvenv.cfg' in files):
            folders.clear()
            continue
        entered.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith('.') and name != '__pycache__')
        for name in sorted(files):
            if name.endswith('.py'):
                yield os.path.join(root, name)


def read_bytes(filename: str | os.PathLike[str]) -> bytes:
    """Returns a file's content; that it cannot be read is a `SourceError`."""
    try:
        return Path(filename).read_bytes()
    except FileNotFoundError as error:
        raise MissingSource(f'{os.fspath(filename)}: there is no such file') from error
    except (OSError, ValueError) as error:
        name = os.fspath(filename)
        raise SourceError(f'{name} cannot be read: {reason(error, name)}') from error
