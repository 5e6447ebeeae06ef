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
from ...problem.sources import ProblemSources, read_sources

_PREFIX = 'sweeper-problem-'
_INSTALLED = ('site-packages', 'dist-packages')


@dataclass(frozen=True)
class Package:
    """A problem on its way.

    Attributes:
        reference: Where it is, in the process that sweeps.
        folder: The folder that it is imported from, there.
        files: The bytes of each by its path in that folder; empty if the problem is installed everywhere.
        fingerprint: Of its sources; None if these are not known.
    """

    reference: ProblemReference
    folder: str = ''
    files: tuple[tuple[str, bytes], ...] = ()
    fingerprint: str | None = None


def pack(reference: ProblemReference, is_installed: bool) -> Package:
    """Returns a problem to be sent, or, if it is installed there, only with its fingerprint."""
    path, package = reference.location()
    sources = None if path is None else read_sources(Path(path), package, whole=True)
    fingerprint = fingerprint_here(reference)
    if path is None or sources is None:  # which the worker that loads it says better
        return Package(reference)
    folder = sources.folder.parent if package else sources.folder  # which it is imported from
    if is_installed or folder.name in _INSTALLED:
        return Package(reference, fingerprint=fingerprint)
    files = {str(path.relative_to(folder)): content for path, content in _files(sources, folder)}
    return Package(reference, str(folder), tuple(sorted(files.items())), fingerprint)


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
    if reference.module is None and reference.path is not None:
        inside = Path(reference.path).resolve().relative_to(package.folder)
        reference = replace(reference, path=str(folder / inside))
    return reference, folder


def fingerprint_here(reference: ProblemReference) -> str | None:
    """Returns the fingerprint of a problem as it is on this node; None if it is not there."""
    try:
        return fingerprint_of(reference.sources())
    except ProblemError:
        return None


def _files(sources: ProblemSources, folder: Path) -> Iterator[tuple[Path, bytes]]:
    """The sources, and the `__init__.py` of every package in the folder that one of them is in."""
    for source in sources.files():
        yield source.path, source.content
        for package in source.path.relative_to(folder).parents:
            init = folder / package / '__init__.py'
            if package.name and init.is_file():
                yield init, init.read_bytes()


def _is_here(package: Package) -> bool:
    try:
        return all(Path(package.folder, name).read_bytes() == content for name, content in package.files)
    except OSError:
        return False
