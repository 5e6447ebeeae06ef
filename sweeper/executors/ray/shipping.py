"""How a problem's sources come to other nodes: read here, written to a folder there, and compared.

What counts is what `problem.sources` finds: the problem's module and the local modules that it leads to. Data
files are no sources; they must be there, or go by Ray's `working_dir`.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ...errors import ProblemError
from ...problem.fingerprint import fingerprint_of
from ...problem.reference import ProblemReference
from ...problem.sources import ProblemSources

_PREFIX = 'sweeper-problem-'
_INSTALLED = ('site-packages', 'dist-packages')


@dataclass(frozen=True)
class Package:
    """A problem on its way.

    Attributes:
        reference: Where it is, in the process that sweeps.
        folder: The folder that its files are in, there.
        files: The bytes of each by its path in that folder; empty if the problem is installed everywhere.
        fingerprint: Of its sources; None if these are not known.
    """

    reference: ProblemReference
    folder: str = ''
    files: tuple[tuple[str, bytes], ...] = ()
    fingerprint: str | None = None


def pack(reference: ProblemReference, is_installed: bool) -> Package:
    """Returns a problem to be sent, or, if it is installed there, only with its fingerprint."""
    try:
        sources = reference.sources()
    except ProblemError:  # which the worker that loads it says better
        return Package(reference)
    fingerprint = fingerprint_of(sources)
    if is_installed or sources.folder.name in _INSTALLED:
        return Package(reference, fingerprint=fingerprint)
    files = {str(path.relative_to(sources.folder)): content for path, content in _files(sources)}
    return Package(reference, str(sources.folder), tuple(sorted(files.items())), fingerprint)


def unpack(package: Package) -> tuple[ProblemReference, Path | None]:
    """Makes a problem ready to be loaded on this node, by this process and those that it starts.

    Returns:
        Where it is; and the folder that was made for it, to be removed in the end. There is none if the same
        files are here at the same place, as they are on the same machine or a shared file system.
    """
    reference = package.reference
    if not package.files or _is_here(package):
        return reference, None
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    for name, content in package.files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    sys.path.insert(0, str(folder))
    if reference.path is not None:
        inside = Path(reference.path).resolve().relative_to(package.folder)
        reference = replace(reference, path=str(folder / inside))
    return reference, folder


def fingerprint_here(reference: ProblemReference) -> str | None:
    """Returns the fingerprint of a problem as it is on this node; None if it is not there."""
    try:
        return fingerprint_of(reference.sources())
    except ProblemError:
        return None


def _files(sources: ProblemSources) -> Iterator[tuple[Path, bytes]]:
    """The sources, and the `__init__.py` of every package that one of them is in."""
    for source in sources.files():
        yield source.path, source.content
        for folder in source.path.relative_to(sources.folder).parents:
            init = sources.folder / folder / '__init__.py'
            if folder.name and init.is_file():
                yield init, init.read_bytes()


def _is_here(package: Package) -> bool:
    try:
        return all(Path(package.folder, name).read_bytes() == content for name, content in package.files)
    except OSError:
        return False
