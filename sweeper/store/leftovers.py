"""What an interrupted sweep leaves half-written, and how it is removed."""

from __future__ import annotations

import os
from pathlib import Path

from ..io.files import TEMPORARY_SUFFIX, AtomicWriter
from ..io.opening import kind_of
from .layout import PointLayout, SweepLayout
from .reading import trial_indices


def remove_leftovers(layout: SweepLayout, writer: AtomicWriter) -> None:
    """Removes temporary files, and what was written of results that lack the file which ends them."""
    for folder, folders, names in os.walk(layout.folder):
        if Path(folder) == layout.folder:
            folders[:] = [name for name in folders if name not in (layout.damaged.name, layout.earlier.name)]
        for name in names:
            if name.endswith(TEMPORARY_SUFFIX):
                writer.remove(Path(folder, name))
    is_ours = layout.points.exists() and not layout.points.is_symlink()
    for path in layout.points.iterdir() if is_ours else ():
        if path.name.isdecimal() and kind_of(path) == 'a folder':
            point = PointLayout(path)
            for index in trial_indices(point) if kind_of(point.trials) == 'a folder' else ():
                if not point.trial(index).result.exists():
                    writer.remove(point.trial(index).folder)
            _remove_tuning_leftovers(point, writer)


def _remove_tuning_leftovers(point: PointLayout, writer: AtomicWriter) -> None:
    if point.final.exists():
        writer.remove(point.runs)
    elif point.hparams.is_dir() and not point.hparams.is_symlink():
        for path in point.hparams.iterdir():
            if path != point.runs:
                writer.remove(path)
