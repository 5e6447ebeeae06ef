"""What is in a sweep's folder and does not belong there, put right in one walk before anything is read.

Two kinds: what is in the place of a file or folder and is none (links, folders, named pipes), which is set
aside; and what an interrupted sweep left half-written, which is removed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

from ..io.files import TEMPORARY_SUFFIX, AtomicWriter
from ..io.opening import check_own_folder, kind_of
from .damage import set_aside
from .layout import CURVE_NAMES, PointLayout, SweepLayout, TrialLayout

_POINT, _TRIAL = PointLayout(Path()), TrialLayout(Path())
_OF_TUNING = {path.name for path in (_POINT.final, _POINT.misc, *map(_POINT.curve, CURVE_NAMES))}
_OF_TRIAL = {path.name for path in (_TRIAL.result, _TRIAL.model, _TRIAL.model_init, _TRIAL.throughtime)}
_OF_POINT = {path.name for path in (_POINT.results, _POINT.error, _POINT.log)}
_TRIALS = _POINT.trials.name
_RUNS, _FINAL, _RESULT = _POINT.runs.name, _POINT.final.name, _TRIAL.result.name
_TUNINGS = _POINT.tunings.name

Entries: TypeAlias = 'dict[str, os.DirEntry[str]]'


def set_aside_strange(layout: SweepLayout, writer: AtomicWriter) -> None:
    """Sets aside what cannot be what its name says, except in the points' folders; links are not followed.

    Raises:
        FolderError: The folder of all points, or one that keeps what is set aside, is a link or a file.
    """
    for folder in (layout.points, layout.damaged, layout.earlier):
        check_own_folder(folder)
    has_copies = _check(layout, writer, layout.manifest_copy.parent, 'a folder')
    copies = (layout.manifest_copy, layout.params_csv_copy) if has_copies else ()
    top = [layout.manifest, layout.log, layout.page, layout.running, layout.constraints]
    top += [layout.budget, layout.optuna_study]
    of_points = (
        layout.params_csv,
        layout.params_lookup,
        layout.funcres,
        layout.results_csv,
        layout.results_parquet,
    )
    for path in (*top, *of_points, *copies):
        _check(layout, writer, path, 'a file')


def tidy(layout: SweepLayout, writer: AtomicWriter) -> None:
    """Sets aside what is strange in the points' folders, and removes what is left half-written anywhere."""
    walk = _Walk(layout, writer)
    for folder in (layout.folder, layout.manifest_copy.parent):
        if kind_of(folder) == 'a folder' or folder == layout.folder:  # which may be named by a link
            walk.without_temporary(folder)
    check_own_folder(layout.points)
    walk.look_at_points()


def _check(
    layout: SweepLayout, writer: AtomicWriter, path: Path, valid: str, unit: Path | None = None
) -> bool:
    """Whether there is something of a valid kind; anything else is set aside, with the unit it belongs to."""
    kind = kind_of(path)
    if kind in (None, valid):
        return kind is not None
    set_aside(layout, writer, unit or path, f'{path} is {kind}, not {valid}')
    return False


class _Walk:
    """Looks at points, each folder of which is listed once."""

    def __init__(self, layout: SweepLayout, writer: AtomicWriter) -> None:
        self._layout, self._writer = layout, writer

    def without_temporary(self, folder: str | Path) -> Entries:
        """Lists a folder after temporary files in it were removed; it need not be there."""
        try:
            with os.scandir(folder) as entries:
                by_name = {entry.name: entry for entry in entries}
        except (FileNotFoundError, NotADirectoryError):
            return {}
        for name in [name for name in by_name if name.endswith(TEMPORARY_SUFFIX)]:
            if not by_name[name].is_dir(follow_symlinks=False):
                self._writer.remove(Path(by_name.pop(name).path))
        return by_name

    def look_at_points(self) -> None:
        layout, inside = self._layout, self.without_temporary(self._layout.points)
        if layout.points_per_folder is not None:
            groups = [entry for name, entry in inside.items() if layout.is_group(name)]
            inside = {}
            for group in groups:
                if self._is_folder(group):
                    inside |= self.without_temporary(group.path)
        for name, entry in inside.items():
            if name.isdecimal():
                self._look_at_point(entry)

    def _look_at_point(self, entry: os.DirEntry[str]) -> None:
        if not self._is_folder(entry):
            return
        inside = self.without_temporary(entry.path)
        self._are_files(inside, _OF_POINT)
        hparams, trials = inside.get(_POINT.hparams.name), inside.get(_POINT.trials.name)
        checkpoints, parts = inside.get(_POINT.checkpoints.name), inside.get(_POINT.parts.name)
        if hparams is not None and self._is_folder(hparams):
            self._look_at_tuning(hparams)
        if trials is not None and self._is_folder(trials):
            for name, trial in self.without_temporary(trials.path).items():
                if name.isdecimal() and self._is_folder(trial):
                    self._look_at_trial(trial)

        if checkpoints is not None and self._is_folder(checkpoints):
            self._look_at_checkpoints(checkpoints)

        if parts is not None and self._is_folder(parts):
            for part in self.without_temporary(parts.path).values():
                if self._is_folder(part):
                    self._are_files(inside := self.without_temporary(part.path), inside)

    def _look_at_checkpoints(self, folder: os.DirEntry[str]) -> None:
        inside = self.without_temporary(folder.path)
        self._are_files(inside, inside)
        for path in map(Path, (entry.path for entry in inside.values())):
            if path.stem.isdecimal() and kind_of(path.parent.parent / _TRIALS / path.stem / _RESULT):
                self._writer.remove(path)

    def _look_at_tuning(self, folder: os.DirEntry[str]) -> None:
        inside = self.without_temporary(folder.path)
        if not self._are_files(inside, _OF_TUNING, folder):
            return
        others = inside.get(_TUNINGS)
        if others is not None and not self._are_tunings(others, folder):
            return
        runs = inside.pop(_RUNS, None)
        if runs is not None and not self._is_folder(runs, folder):
            return
        if _FINAL not in inside:
            for entry in inside.values():
                self._writer.remove(Path(entry.path))
            if runs is not None:
                self.without_temporary(runs.path)
        elif runs is not None:
            self._writer.remove(Path(runs.path))

    def _are_tunings(self, others: os.DirEntry[str], unit: os.DirEntry[str]) -> bool:
        """Whether what tunings after the first came to is in folders and files."""
        if not self._is_folder(others, unit):
            return False
        return all(
            self._is_folder(folder, unit)
            and self._are_files(self.without_temporary(folder.path), _OF_TUNING, unit)
            for folder in self.without_temporary(others.path).values()
        )

    def _look_at_trial(self, folder: os.DirEntry[str]) -> None:
        inside = self.without_temporary(folder.path)
        if self._are_files(inside, _OF_TRIAL, folder) and _RESULT not in inside:
            self._writer.remove(Path(folder.path))

    def _is_folder(self, entry: os.DirEntry[str], unit: os.DirEntry[str] | None = None) -> bool:
        return entry.is_dir(follow_symlinks=False) or self._check(entry, 'a folder', unit)

    def _are_files(self, inside: Entries, names: Iterable[str], unit: os.DirEntry[str] | None = None) -> bool:
        """Whether those that are there are files; else they, or once all of the unit, are set aside."""
        strange = [
            inside[name]
            for name in names
            if name in inside and not inside[name].is_file(follow_symlinks=False)
        ]
        for entry in strange[:1] if unit is not None else strange:
            self._check(entry, 'a file', unit)
        return not strange

    def _check(self, entry: os.DirEntry[str], valid: str, unit: os.DirEntry[str] | None) -> bool:
        aside = None if unit is None else Path(unit.path)
        return _check(self._layout, self._writer, Path(entry.path), valid, aside)
