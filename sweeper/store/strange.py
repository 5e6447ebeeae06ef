"""What is in the place of a file or folder of a sweep and is none: links, folders, named pipes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from ..io.files import AtomicWriter
from ..io.opening import check_own_folder, kind_of
from .damage import set_aside
from .layout import CURVE_NAMES, PointLayout, SweepLayout, TrialLayout

_POINT, _TRIAL = PointLayout(Path()), TrialLayout(Path())
_IN_UNIT = {
    path.name
    for path in (
        _POINT.final, _POINT.misc, *map(_POINT.curve, CURVE_NAMES), _POINT.runs,
        _TRIAL.result, _TRIAL.model, _TRIAL.model_init, _TRIAL.throughtime,
    )
}  # fmt: skip


def set_aside_strange(layout: SweepLayout, writer: AtomicWriter) -> None:
    """Sets aside what cannot be what its name says; a link is moved, and what it points to left alone.

    Raises:
        FolderError: The folder of all points, or one that keeps what is set aside, is a link or a file.
    """
    for folder in (layout.points, layout.damaged, layout.earlier):
        check_own_folder(folder)

    def check(path: Path, valid: str, unit: Path | None = None) -> bool:
        kind = kind_of(path)
        if kind in (None, valid):
            return kind is not None
        set_aside(layout, writer, unit or path, f'{path} is {kind}, not {valid}')
        return False

    has_copies = check(layout.manifest_copy.parent, 'a folder')
    copies = (layout.manifest_copy, layout.params_csv_copy) if has_copies else ()
    top = (layout.manifest, layout.log, layout.page, layout.running)
    of_points = (layout.params_csv, layout.params_lookup, layout.funcres, layout.results_csv)
    for path in (*top, *of_points, *copies):
        check(path, 'a file')
    for entry in _listed(layout.points):
        if entry.name.isdecimal():
            point = PointLayout(Path(entry.path))
            if not entry.is_dir(follow_symlinks=False):
                check(point.folder, 'a folder')
                continue
            for file in (point.results, point.error, point.log):
                check(file, 'a file')
            if check(point.hparams, 'a folder'):
                _check_unit(point.hparams, check)
            for trial in _listed(point.trials) if check(point.trials, 'a folder') else ():
                if trial.name.isdecimal() and check(Path(trial.path), 'a folder'):
                    _check_unit(TrialLayout(Path(trial.path)).folder, check)


def _check_unit(folder: Path, check: Callable[[Path, str, Path | None], bool]) -> None:
    """Looks at the files that make up one result, all of which are set aside with one."""
    for entry in _listed(folder):
        valid = 'a folder' if entry.name == _POINT.runs.name else 'a file'
        if entry.name in _IN_UNIT and not (entry.is_dir if valid == 'a folder' else entry.is_file)(
            follow_symlinks=False
        ):
            check(Path(entry.path), valid, folder)
            return


def _listed(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
