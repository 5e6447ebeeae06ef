"""Damages files of a sweep's folder, and knows which are damaged still."""

from __future__ import annotations

import os
import random
import re
from pathlib import Path

from .plan import Damage

_SET_ASIDE = 'damaged'
_UNIT = re.compile(
    r'points/(\d+-\d+/)?\d+/(hparams|trials/\d+)'
)  # what may be set aside for one of its files
_TWINS = {'sweep.json': 'copies/sweep.json', 'points/params.csv': 'copies/params.csv'}
_TWINS |= {copy: original for original, copy in _TWINS.items()}
_SPARED = re.compile(r'damaged/.*|(.*/)?log\.txt|.*\.partial')


class DamagedFiles:
    """The damage done to one folder; a file that was written anew since is whole again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._damaged: dict[Path, tuple[int, int, int]] = {}
        self._reported: set[Path] = set()

    def is_damaged(self, path: Path) -> bool:
        """Whether a file is as it was left by the damage."""
        return path in self._damaged and _identity(path) == self._damaged[path]

    def inflict(self, damage: Damage) -> str | None:
        """Damages a file of those that there are; returns what it did, or None if there are none."""
        kinds: dict[str, list[Path]] = {}
        for path in sorted(self._folder.rglob('*')):
            name = path.relative_to(self._folder).as_posix()
            if path.is_file() and not _SPARED.fullmatch(name) and self._may_be_damaged(path, name):
                kinds.setdefault(re.sub(r'\d+', '#', name), []).append(path)
        if not kinds:
            return None
        files = kinds[sorted(kinds)[int(damage.kind * len(kinds))]]
        path = files[int(damage.file * len(files))]
        size = path.stat().st_size
        _overwrite(path, damage, size)
        self._damaged[path] = _identity(path)
        return f'{path.relative_to(self._folder)} {damage.how}, {size} -> {path.stat().st_size} bytes'

    def _may_be_damaged(self, path: Path, name: str) -> bool:
        """Whether it is whole, and is not the last of two copies."""
        twin = self._folder / _TWINS[name] if name in _TWINS else None
        has_twin = twin is None or (twin.exists() and not self.is_damaged(twin))
        return has_twin and path.stat().st_size > 1 and not self.is_damaged(path)

    def set_aside_without_need(self) -> list[str]:
        """Returns what the sweep set aside since the last call although none of it was damaged by us.

        That is a file that was not written whole, or was not understood.
        """
        whole, broken = {}, set()
        for path in sorted(self._folder.joinpath(_SET_ASIDE).rglob('*')):
            if path in self._reported or not path.is_file():
                continue
            self._reported.add(path)
            name = path.relative_to(self._folder / _SET_ASIDE).as_posix()
            unit = match.group() if (match := _UNIT.match(name)) else name
            if _identity(path) in self._damaged.values():  # moving a file does not change that
                broken.add(unit)
            whole[unit] = name
        return [name for unit, name in whole.items() if unit not in broken]


def _overwrite(path: Path, damage: Damage, size: int) -> None:
    match damage.how:
        case 'truncated':  # by two bytes at least: a final newline is no loss
            os.truncate(path, int(damage.length * (size - 1)))
        case 'emptied':
            os.truncate(path, 0)
        case 'overwritten':
            path.write_bytes(random.Random(damage.seed).randbytes(size))


def _identity(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns
