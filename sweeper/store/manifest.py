"""`sweep.json`: which sweep a folder holds, so that no folder ever mixes two."""

from __future__ import annotations

import fcntl
import os
import platform
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ..errors import FolderError
from .files import TEMPORARY_SUFFIX, read_json, write_json
from .layout import SweepLayout

FORMAT = 1
_PACKAGES = ('sweeper', 'torch', 'numpy', 'pytorch-ignite')


@dataclass(frozen=True)
class Manifest:
    """What identifies a sweep, and what is good to know about it.

    Attributes:
        module: The problem's name.
        preset: The preset's name, or None for changed settings.
        settings: Every setting, by name.
        sweep_cores: The least number of initialisations behind each tuning curve.
        seed: The sweep's seed.
        named_points: Whether the points are named; None until the first is proposed.
        train_size: Samples in the training set.
        path: The problem's file, or None if it has none.
        source: A digest of that file.
        versions: Of the packages that results depend on.
    """

    module: str
    preset: str | None
    settings: Mapping[str, Any]
    sweep_cores: int
    seed: int
    train_size: int
    named_points: bool | None = None
    path: str | None = None
    source: str | None = None
    versions: Mapping[str, str] = field(default_factory=lambda: _versions())
    format: int = FORMAT


def _versions() -> dict[str, str]:
    found = {'python': platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = 'unknown'
    return found


def read_manifest(layout: SweepLayout) -> Manifest:
    """Reads the manifest of a sweep's folder.

    Raises:
        FolderError: There is none, or it cannot be read.
    """
    try:
        data = read_json(layout.manifest)
        return Manifest(**data)
    except FileNotFoundError:
        raise FolderError(f'{layout.folder} holds no sweep: there is no {layout.manifest.name}') from None
    except (OSError, ValueError, TypeError) as error:
        raise FolderError(f'cannot read {layout.manifest}: {error}') from error


def claim(layout: SweepLayout, manifest: Manifest) -> Manifest:
    """Sees that the folder is empty or already this sweep's; returns the manifest that holds for it.

    It writes nothing: the folder becomes this sweep's when its first points are added.

    Raises:
        FolderError: It holds another sweep, or something that is no sweep.
    """
    if not layout.manifest.exists():
        strangers = [path.name for path in layout.folder.iterdir() if path.suffix != TEMPORARY_SUFFIX]
        if strangers:
            some = ', '.join(sorted(strangers)[:3])
            raise FolderError(
                f'{layout.folder} is not empty and holds no sweep (it has {some}); '
                f'name a new or an empty folder'
            )
        return manifest
    found = read_manifest(layout)
    different = _differences(found, manifest)
    if different:
        raise FolderError(
            f'{layout.folder} holds another sweep ({"; ".join(different)}); '
            f'name another folder, or run it as it was'
        )
    if found.source != manifest.source:
        warnings.warn(
            f'{manifest.module} has changed since the sweep in {layout.folder} was started; results from '
            f'before and after the change are kept side by side',
            stacklevel=2,
        )
    return found


def write_manifest(layout: SweepLayout, manifest: Manifest) -> None:
    """Writes `sweep.json`."""
    write_json(layout.manifest, asdict(manifest))


def _differences(found: Manifest, asked: Manifest) -> list[str]:
    different = [
        f'{name}: {getattr(found, name)!r} there, {getattr(asked, name)!r} asked'
        for name in ('format', 'module', 'seed', 'sweep_cores', 'train_size', 'preset')
        if getattr(found, name) != getattr(asked, name)
    ]
    if found.path != asked.path and found.source != asked.source:
        different.append(f'path of another file: {found.path!r} there, {asked.path!r} asked')
    if found.preset != asked.preset and None not in (found.preset, asked.preset):
        return different
    different += [
        f'setting {name}: {found.settings.get(name)!r} there, {asked.settings.get(name)!r} asked'
        for name in sorted({*found.settings, *asked.settings})
        if found.settings.get(name) != asked.settings.get(name)
    ]
    return different


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keeps a second sweep out of `folder` (made if need be) for as long as it holds; no file is left.

    Raises:
        FolderError: The folder cannot be made or written, or another process holds it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f'probe{TEMPORARY_SUFFIX}'
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise FolderError(f'cannot write in the folder {str(folder)!r}: {error}') from error
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderError(f'another sweep is running in {folder}; wait for it, or end it') from None
        except OSError as error:
            raise FolderError(f'cannot lock {folder}: {error}') from error
        yield
    finally:
        os.close(descriptor)


def is_locked(folder: Path) -> bool:
    """Whether a sweep is running in `folder` right now."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
