"""Reads a folder in which a sweep runs again and again, each time only what is new in it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeAlias, TypeVar

from ..errors import FolderError
from ..metric import PERFORMANCE, MetricInfo
from ..points import Point
from ..results import PointError, TrialResult, Tuned
from ..text import reason
from .damage import DamagedFile
from .layout import PointLayout, SweepLayout
from .lock import is_locked
from .manifest import Manifest, read_manifest
from .reading import read_errors, read_lookup, read_trial, read_tuned, trial_indices

_SURE_AFTER_NS = 2 * 10**9  # a change this soon after another may leave a folder's time as it was

Times: TypeAlias = tuple[int | None, ...]
_T = TypeVar('_T')


@dataclass(frozen=True)
class News:
    """What is new of a point.

    Attributes:
        point: The point.
        tuned: What its tuning came to, if that is new.
        trials: New trials, by index.
        error: Why it failed, if that is new.
        flags: All its flags, if they are others than before.
    """

    point: Point
    tuned: Tuned | None
    trials: Mapping[int, TrialResult]
    error: PointError | None
    flags: list[str] | None


@dataclass
class _Known:
    """What was read of a point.

    Attributes:
        layout: Its files.
        folders: The names of its folders of which each change of it changes one.
        unfinished: Trials that have a folder and no result.
        times: Of the point's folders when they were read; None if they may have changed since without a sign.
    """

    layout: PointLayout
    folders: Sequence[str] = field(init=False)
    tuned: Tuned | None = None
    trials: dict[int, TrialResult] = field(default_factory=dict)
    unfinished: set[int] = field(default_factory=set)
    errors: list[PointError] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    times: Times | None = None

    def __post_init__(self) -> None:
        self.folders = [str(path) for path in (self.layout.folder, self.layout.hparams, self.layout.trials)]


class Follower:
    """Reads a folder again and again. It writes nothing; files may appear meanwhile, or not be there yet.

    A look costs three questions to the file system per point, and the reading of what is new.

    Args:
        folder: The folder of the sweep; it need not exist yet.
        now: Returns nanoseconds since 1970.

    Attributes:
        manifest: Which sweep it is; None as long as there is none.
        generation: Counts how often something was gone that had been there, as when a sweep is started anew
            or failures are forgotten. Everything that is there is then news once more.
        damaged: Files that could not be understood, and why.
    """

    def __init__(self, folder: Path, now: Callable[[], int] = time.time_ns) -> None:
        self._layout = SweepLayout(folder)
        self._now = now
        self.generation = 0
        self._start_over()

    def _start_over(self) -> None:
        self.manifest: Manifest | None = None
        self.damaged: dict[Path, str] = {}
        self._lookup_times: Times = ()
        self._points: list[Point] = []
        self._known: list[_Known] = []

    @property
    def is_running(self) -> bool:
        """Whether a sweep is running in the folder right now."""
        try:
            return is_locked(self._layout.folder)
        except OSError:
            return False

    @property
    def points(self) -> list[Point]:
        """All points, by id."""
        return self._points

    @property
    def tuned(self) -> int:
        """How many points are tuned."""
        return sum(known.tuned is not None for known in self._known)

    @property
    def trials_done(self) -> int:
        """How many trials are done or failed."""
        failed = sum(error.trial is not None for known in self._known for error in known.errors)
        return failed + sum(len(known.trials) for known in self._known)

    @property
    def failed(self) -> int:
        """How many points failed."""
        return sum(bool(known.errors) for known in self._known)

    def look(self) -> list[News]:
        """Returns what is new since the last look, in the order of the points.

        Raises:
            FolderError: The folder holds something else, or cannot be read.
        """
        try:
            if not self._look_at_points():
                return []
            try:
                return self._look_at_results()
            except _Gone:
                self.generation += 1
                self._start_over()
                return self._look_at_results() if self._look_at_points() else []
        except OSError as error:
            folder = self._layout.folder
            raise FolderError(f'cannot read {folder}: {reason(error, folder)}') from error

    @property
    def _objective(self) -> MetricInfo:
        return PERFORMANCE if self.manifest is None else self.manifest.objective

    def _look_at_points(self) -> bool:
        """Reads which sweep it is and its points; returns whether there is one."""
        if self.manifest is None:
            if not self._layout.holds_sweep():
                return False
            self.manifest = read_manifest(self._layout)
            self._layout = self._layout.grouped(self.manifest.kept.points_per_folder)
        times = _times([str(self._layout.params_csv), str(self._layout.params_csv_copy)])
        if times != self._lookup_times:
            points = self._read_points()
            if points[: len(self._points)] != self._points:
                self.generation += 1
                self._start_over()
                return self._look_at_points()
            self._lookup_times, self._points = times, points
            new = range(len(self._known), len(points))
            self._known += [_Known(self._layout.point(point_id)) for point_id in new]
        return True

    def _read_points(self) -> list[Point]:
        """Reads the points from `params.csv` and its copy, as whoever opens the folder does."""
        assert self.manifest is not None
        named = bool(self.manifest.named_points)
        return read_lookup(self._layout, named, (), False, self._note_damage).points

    def _note_damage(self, damage: DamagedFile, path: Path) -> None:
        self.damaged[path] = str(damage)

    def _look_at_results(self) -> list[News]:
        news = (self._look_at_point(point_id, known) for point_id, known in enumerate(self._known))
        return [change for change in news if change is not None]

    def _look_at_point(self, point_id: int, known: _Known) -> News | None:
        times = _times(known.folders)
        if times == known.times and not known.unfinished:
            return None
        is_sure = all(time is None or time < self._now() - _SURE_AFTER_NS for time in times)
        known.times = times if is_sure else None
        tuned, trials, errors = self._read(known)
        known.tuned = tuned or known.tuned
        known.trials |= trials
        is_new_error = errors[:1] != known.errors[:1]
        known.errors = errors
        flags = known.tuned.flags_with(known.trials) if known.tuned else []
        has_new_flags, known.flags = flags != known.flags, flags
        if not (tuned or trials or is_new_error or has_new_flags):
            return None
        error = errors[0] if is_new_error else None
        return News(self._points[point_id], tuned, trials, error, flags if has_new_flags else None)

    def _read(self, known: _Known) -> tuple[Tuned | None, dict[int, TrialResult], list[PointError]]:
        """Reads what of a point is not known yet.

        Raises:
            _Gone: What is known is not there any more.
        """
        layout = known.layout
        tuned = self._whole(partial(read_tuned, layout)) if known.tuned is None else None
        indices = set(self._whole(partial(trial_indices, layout)) or ())
        trials, known.unfinished = {}, set()
        for index in sorted(indices - known.trials.keys()):
            trial = self._whole(partial(read_trial, layout.trial(index), objective=self._objective))
            if trial is None:
                known.unfinished.add(index)
            else:
                trials[index] = trial
        errors = self._whole(partial(read_errors, layout)) or []
        is_tuned = known.tuned is None or bool(errors) or layout.final.exists()
        if not (is_tuned and known.trials.keys() <= indices and len(known.errors) <= len(errors)):
            raise _Gone
        return tuned, trials, errors

    def _whole(self, read: Callable[[], _T | None]) -> _T | None:
        try:
            return read()
        except DamagedFile as damage:
            self._note_damage(damage, damage.path)
            return None


class _Gone(Exception):
    """Something that had been read is not there any more."""


def _times(paths: Sequence[str]) -> Times:
    """When each was changed last; None for what is not there."""
    times: list[int | None] = []
    for path in paths:
        try:
            times.append(os.stat(path).st_mtime_ns)
        except FileNotFoundError:
            times.append(None)
    return tuple(times)
