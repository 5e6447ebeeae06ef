"""Where everything is in a sweep's folder. Nothing else in the package joins a path in it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from ..errors import FolderError, InvalidArgument
from ..text import reason

_GROUP = re.compile(r'(\d+)-\d+', re.ASCII)
CURVE_NAMES = ('lr_vs_perf', 'candidates')


@dataclass(frozen=True)
class TuningLayout:
    """The files of what one tuning came to, in `points/<id>/hparams/`, or in `tunings/<k>/` there."""

    folder: Path

    @property
    def final(self) -> Path:
        return self.folder / 'final.json'

    @property
    def misc(self) -> Path:
        return self.folder / 'misc.json'

    def curve(self, name: str) -> Path:
        assert name in CURVE_NAMES, name
        return self.folder / f'{name}.npz'


@dataclass(frozen=True)
class PointLayout:
    """The files of one point, in `points/<id>/`."""

    folder: Path

    @property
    def final(self) -> Path:
        return self.tuning(0).final

    @property
    def misc(self) -> Path:
        return self.tuning(0).misc

    @cached_property  # joining paths is most of what many points take
    def hparams(self) -> Path:
        return self.folder / 'hparams'

    def curve(self, name: str) -> Path:
        return self.tuning(0).curve(name)

    @property
    def tunings(self) -> Path:
        """What tunings after the first came to, if there are any."""
        return self.hparams / 'tunings'

    def tuning(self, number: int) -> TuningLayout:
        return TuningLayout(self.tunings / str(number) if number else self.hparams)

    @property
    def runs(self) -> Path:
        """Finished runs of a tuning that is not finished itself."""
        return self.hparams / 'runs'

    def run(self, stage: int, index: int) -> Path:
        return self.runs / f'{stage}-{index}.npz'

    @property
    def checkpoints(self) -> Path:
        """States of trials in progress: `<i>.pt`, or `<i>-<j>.pt` of trials side by side."""
        return self.folder / 'checkpoints'

    def checkpoint(self, index: int) -> Path:
        return self.checkpoints / f'{index}.pt'

    @property
    def parts(self) -> Path:
        """Results of trials after a fraction of the training."""
        return self.folder / 'parts'

    def part(self, fraction: float, index: int) -> Path:
        return self.parts / f'{fraction!r}' / f'{index}.json'

    @cached_property
    def trials(self) -> Path:
        return self.folder / 'trials'

    def trial(self, index: int) -> TrialLayout:
        return TrialLayout(self.trials / str(index))

    @property
    def results(self) -> Path:
        return self.folder / 'results.npz'

    @property
    def error(self) -> Path:
        return self.folder / 'error.json'

    @property
    def log(self) -> Path:
        return self.folder / 'log.txt'


@dataclass(frozen=True)
class TrialLayout:
    """The files of one trial, in `points/<id>/trials/<i>/`."""

    folder: Path

    @property
    def result(self) -> Path:
        return self.folder / 'result.json'

    @property
    def model(self) -> Path:
        return self.folder / 'model.pt'

    @property
    def model_init(self) -> Path:
        return self.folder / 'model_init.pt'

    @property
    def throughtime(self) -> Path:
        return self.folder / 'throughtime.npz'


@dataclass(frozen=True)
class SweepLayout:
    """The files of a sweep.

    Attributes:
        folder: Where it is.
        points_per_folder: How many points' folders there are in one; None: all are in `points/`. Only what is
            in there depends on it.
    """

    folder: Path
    points_per_folder: int | None = None

    def grouped(self, points_per_folder: int | None) -> SweepLayout:
        """Returns the same with so many points to a folder."""
        return replace(self, points_per_folder=points_per_folder)

    @property
    def manifest(self) -> Path:
        return self.folder / 'sweep.json'

    @property
    def manifest_copy(self) -> Path:
        return self.folder / 'copies' / 'sweep.json'

    def holds_sweep(self) -> bool:
        """Whether there is a manifest, or what was one."""
        return self.manifest.exists() or self.manifest_copy.exists()

    @property
    def params_csv_copy(self) -> Path:
        return self.folder / 'copies' / 'params.csv'

    @property
    def running(self) -> Path:
        """Says who holds the folder; there while a sweep runs."""
        return self.folder / 'running.json'

    @property
    def log(self) -> Path:
        return self.folder / 'log.txt'

    @property
    def constraints(self) -> Path:
        """Which points were not trained because of limits; there if there are limits that some exceed."""
        return self.folder / 'constraints.json'

    @property
    def damaged(self) -> Path:
        """What was found damaged, under its own path."""
        return self.folder / 'damaged'

    @property
    def page(self) -> Path:
        """The report, if one was asked for."""
        return self.folder / 'report.html'

    @property
    def budget(self) -> Path:
        """What a budget of time decided; there only if there is one."""
        return self.folder / 'budget.json'

    @property
    def optuna_study(self) -> Path:
        """The study of the sweep that ran last, if Optuna chose the points: a copy, nothing reads it."""
        return self.folder / 'optuna.log'

    @property
    def earlier(self) -> Path:
        """Sweeps that were in this folder before, numbered."""
        return self.folder / 'earlier'

    @cached_property
    def points(self) -> Path:
        return self.folder / 'points'

    @property
    def params_lookup(self) -> Path:
        return self.points / 'params_lookup.pt'

    @property
    def params_csv(self) -> Path:
        return self.points / 'params.csv'

    @property
    def funcres(self) -> Path:
        return self.points / 'funcres.pt'

    @property
    def results_csv(self) -> Path:
        return self.points / 'results.csv'

    @property
    def results_parquet(self) -> Path:
        return self.points / 'results.parquet'

    def point(self, point_id: int) -> PointLayout:
        return PointLayout(self._group_of(point_id) / str(point_id))

    def _group_of(self, point_id: int) -> Path:
        """The folder that a point's folder is in: `points/`, or one in it that is called `200-299`, say."""
        size = self.points_per_folder
        if size is None:
            return self.points
        first = point_id - point_id % size
        return self.points / f'{first}-{first + size - 1}'

    def groups(self, points: int) -> list[Path]:
        """The folders in `points/` for the folders of so many points; none if these are all in `points/`."""
        size = self.points_per_folder
        return [] if size is None else [self._group_of(first) for first in range(0, points, size)]

    def is_group(self, name: str) -> bool:
        """Whether something in `points/` has the name of a folder for points' folders."""
        match = _GROUP.fullmatch(name)
        return match is not None and self._group_of(int(match[1])) == self.points / name

    def point_ids(self) -> list[int]:
        """The points that have a folder, in any order."""
        folders = [self.points]
        if self.points_per_folder is not None:
            folders = [self.points / name for name in _folders_in(self.points) if self.is_group(name)]
        return [int(name) for folder in folders for name in _folders_in(folder) if name.isdecimal()]


def _folders_in(folder: Path) -> Iterator[str]:
    """The names of folders in one, which need not be there; of no links."""
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield entry.name


def checked_folder(folder: object) -> Path:
    """Returns the path of a sweep's folder that a user names; what is no path is an `InvalidArgument`."""
    if not isinstance(folder, str | os.PathLike):
        raise InvalidArgument(f'folder={folder!r}: must be a path')
    return Path(os.path.expanduser(folder))


def holds_sweep(folder: Path) -> bool:
    """Whether a sweep is in the folder; one that cannot be looked into is a `FolderError`."""
    try:
        return SweepLayout(folder).holds_sweep()
    except OSError as error:
        raise FolderError(f'cannot read the folder {str(folder)!r}: {reason(error, folder)}') from error
