"""A sweep's folder, as the one process that writes in it sees it, and as anyone may read it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FolderError
from ..points import Point, are_named
from . import files
from .layout import PointLayout, SweepLayout
from .lookup import Lookup
from .manifest import Manifest, claim, locked, read_manifest, write_manifest
from .results import PointError, PointFailure, PointResult, SweepResults, TrialRecord, TrialResult, Tuned

_SCORES = ('perf_train', 'loss_train', 'perf_val', 'loss_val', 'perf_test', 'loss_test')
_TRIAL_COLUMNS = ('epochs', 'seed', 'seconds', 'diverged', *_SCORES)
_TUNED_COLUMNS = ('lr_start', 'lr_end', 'batch_size')


class Store:
    """What is in a sweep's folder, kept in memory and on disk.

    What each point's own files say is the truth; the lookup, `funcres.pt`, `results.csv` and
    `results.npz` are rebuilt from it.

    Open one for writing with `Store.opened`, for reading with `Store.read`.
    """

    def __init__(self, layout: SweepLayout, manifest: Manifest, parameter_names: Sequence[str] = ()) -> None:
        self.layout = layout
        self.manifest = manifest
        self._lookup = Lookup(layout, parameter_names)
        self._tuned: dict[int, Tuned] = {}
        self._trials: dict[int, dict[int, TrialResult]] = {}
        self._errors: dict[int, PointError] = {}
        self._read_points()
        self._uncollated = 0
        trials = sum(len(trials) for trials in self._trials.values())
        self._done = len(self._tuned) + trials + len(self._errors)

    @classmethod
    @contextmanager
    def opened(
        cls, folder: str | Path, manifest: Manifest | None = None, parameter_names: Sequence[str] = ()
    ) -> Iterator[Store]:
        """Opens a folder to write in it; no one else can, for as long as it is open.

        Args:
            folder: Made if need be.
            manifest: The sweep that it is for; None opens whatever sweep is there.
            parameter_names: Names for the parameters of points that are tuples.

        Raises:
            FolderError: It cannot be written, is in use, or holds another sweep or something else.
        """
        layout = SweepLayout(Path(folder))
        if manifest is None:
            read_manifest(layout)  # before the folder would be made
        with locked(layout.folder):
            held = read_manifest(layout) if manifest is None else claim(layout, manifest)
            yield cls(layout, held, parameter_names)

    @classmethod
    def read(cls, folder: str | Path) -> Store:
        """Opens a folder to read what is in it.

        Raises:
            FolderError: It holds no sweep, or cannot be read.
        """
        layout = SweepLayout(Path(folder))
        return cls(layout, read_manifest(layout))

    # What is there

    @property
    def points(self) -> list[Point]:
        """All points, in the order in which they were proposed."""
        return list(self._lookup.points)

    def parameter_columns(self) -> list[str]:
        """The names of the points' parameters, as the CSV files have them."""
        return list(self._lookup.columns)

    def parameter_cells(self, point: Point) -> list[str]:
        """A point's values as text, one per parameter column."""
        return self._lookup.cells(point)

    def tuned(self, point: Point) -> Tuned | None:
        """What a point's tuning came to, or None; read back from disk it has no curves."""
        return self._tuned.get(self._lookup.ids.get(point, -1))

    def trials(self, point: Point) -> dict[int, TrialResult]:
        """A point's trials so far, by index, rising."""
        return dict(sorted(self._trials.get(self._lookup.ids.get(point, -1), {}).items()))

    def error(self, point: Point) -> PointError | None:
        """Why a point failed, or None."""
        return self._errors.get(self._lookup.ids.get(point, -1))

    def flags(self, point: Point) -> list[str]:
        """What is suspicious about a point: the flags of its tuning, and `trial_diverged`."""
        tuned = self.tuned(point)
        diverged = any(trial.diverged for trial in self.trials(point).values())
        return (tuned.flags if tuned else []) + ['trial_diverged'] * diverged

    def results(self) -> SweepResults:
        """Everything that is there, as `sweep` returns it."""
        results, failures, flags = [], [], {}
        for point_id, point in enumerate(self._lookup.points):
            if point_id in self._errors:
                failures.append(PointFailure(point, self._errors[point_id]))
            elif point_id in self._tuned:
                tuned = self._tuned[point_id]
                scores = [self._scores(point_id, name) for name in _SCORES[:4]]
                results.append(PointResult(point, tuned.lr_start, tuned.lr_end, tuned.batch_size, *scores))
                if suspicious := self.flags(point):
                    flags[point] = suspicious
        return SweepResults(results, failures, flags)

    def _scores(self, point_id: int, name: str) -> np.ndarray:
        trials = sorted(self._trials.get(point_id, {}).items())
        return np.array([getattr(trial, name) for _, trial in trials], dtype=float)

    # Writing

    def add_points(self, points: Sequence[Point]) -> None:
        """Takes new points in and writes the lookup, before anything is done for them.

        Raises:
            InvalidPoint: Named points and tuples would be mixed.
        """
        new = list(dict.fromkeys(point for point in points if point not in self._lookup.ids))
        if not new:
            return
        named = are_named(new, self.manifest.named_points)
        if self.manifest.named_points is None:  # the first points: from now on the folder is this sweep's
            self.manifest = dataclasses.replace(self.manifest, named_points=named)
            write_manifest(self.layout, self.manifest)
        self._lookup.add(new)

    def save_tuned(self, point: Point, tuned: Tuned) -> None:
        """Writes what a point's tuning came to; `final.json` last."""
        point_id = self._lookup.ids[point]
        layout = self.layout.point(point_id)
        for name, arrays in tuned.curves.items():
            files.write_npz(layout.curve(name), arrays)
        files.write_json(layout.misc, {'params': self._lookup.record(point), **tuned.misc})
        files.write_json(layout.final, tuned.final())
        self._tuned[point_id] = dataclasses.replace(tuned, misc={'flags': tuned.flags}, curves={})
        self._count()

    def save_trial(self, point: Point, index: int, record: TrialRecord) -> None:
        """Writes a trial; `result.json` last."""
        point_id = self._lookup.ids[point]
        layout = self.layout.point(point_id).trial(index)
        files.write_bytes(layout.model_init, record.model_init)
        files.write_bytes(layout.model, record.model)
        files.write_npz(layout.throughtime, record.throughtime)
        files.write_json(layout.result, asdict(record.result))
        self._trials.setdefault(point_id, {})[index] = record.result
        self._count()

    def save_error(self, point: Point, error: PointError) -> None:
        """Writes why a point failed."""
        point_id = self._lookup.ids[point]
        record = {'params': self._lookup.record(point), **asdict(error)}
        files.write_json(self.layout.point(point_id).error, record)
        self._errors[point_id] = error
        self._count()

    def forget_failures(self) -> None:
        """Removes what is written of failures, so that these points are tried again."""
        for point_id in self._errors:
            self.layout.point(point_id).error.unlink()
        self._errors.clear()

    def _count(self) -> None:
        self._done += 1
        self._uncollated += 1

    # Collation

    def collate_point(self, point: Point) -> None:
        """Rebuilds a point's `results.npz`."""
        point_id = self._lookup.ids[point]
        arrays = {
            f'final_{kind}_{split}': self._scores(point_id, f'{kind}_{split}')
            for split in ('train', 'val', 'test')
            for kind in ('loss', 'perf')
        }
        if np.isnan(arrays['final_loss_test']).any() or not len(arrays['final_loss_test']):
            arrays = {name: array for name, array in arrays.items() if not name.endswith('_test')}
        files.write_npz(self.layout.point(point_id).results, arrays)

    def collate_if_due(self) -> None:
        """Rebuilds the summaries once a tenth more is there than at the last time: O(1) per trial."""
        if self._uncollated and 10 * self._uncollated >= self._done:
            self.collate()

    def rebuild(self) -> None:
        """Rebuilds every summary: each point's `results.npz`, and what `collate` does."""
        for point in self._lookup.points:
            if self.tuned(point) is not None:
                self.collate_point(point)
        self.collate()

    def collate(self) -> None:
        """Rebuilds the lookup, `funcres.pt` and `results.csv` from what is there."""
        self._lookup.add([])
        files.write_pickle(self.layout.funcres, [tuple(result) for result in self.results()])
        columns = [f'param_{c}' if c in _RESERVED else c for c in self._lookup.columns]
        files.write_csv(
            self.layout.results_csv,
            ['id', *columns, *_TUNED_COLUMNS, 'trial', *_TRIAL_COLUMNS, 'flags'],
            self._result_rows(),
        )
        self._uncollated = 0

    def _result_rows(self) -> Iterator[list[object]]:
        for point_id, point in enumerate(self._lookup.points):
            tuned = self._tuned.get(point_id)
            if tuned is None or point_id in self._errors:
                continue
            hparams = [getattr(tuned, name) for name in _TUNED_COLUMNS]
            flags = ' '.join(tuned.flags)
            for index, trial in self.trials(point).items():
                scores = [getattr(trial, name) for name in _TRIAL_COLUMNS]
                cells = self._lookup.cells(point)
                yield [point_id, *cells, *hparams, index, *scores, flags]

    # Reading

    def _read_points(self) -> None:
        named = bool(self.manifest.named_points)
        if self.layout.params_csv.exists():
            self._lookup.read(named)
        else:
            self._lookup.restore(list(self._read_records()), named)
        for point_id in range(len(self._lookup.points)):
            layout = self.layout.point(point_id)
            try:
                if layout.final.exists() and layout.misc.exists():
                    misc = {'flags': files.read_json(layout.misc)['flags']}
                    self._tuned[point_id] = Tuned(**files.read_json(layout.final), misc=misc)
                self._trials[point_id] = dict(_read_trials(layout))
                if layout.error.exists():
                    error = files.read_json(layout.error)
                    self._errors[point_id] = PointError(**{k: v for k, v in error.items() if k != 'params'})
            except (OSError, ValueError, TypeError, LookupError) as error:
                raise FolderError(f'cannot read the point in {layout.folder}: {error}') from error

    def _read_records(self) -> Iterator[dict[str, str]]:
        """Yields every point's parameters from its own files: `params.csv` is lost, or was never written."""
        known = {}
        for path in self.layout.points.iterdir() if self.layout.points.exists() else ():
            if path.name.isdigit():
                layout = self.layout.point(int(path.name))
                for source in (layout.misc, layout.error):
                    if source.exists():
                        known[int(path.name)] = _read_record(source)
        for point_id in range(max(known, default=-1) + 1):
            if point_id not in known:
                raise FolderError(
                    f'{self.layout.params_csv} is missing, and nothing in '
                    f'{self.layout.point(point_id).folder} tells which point that was'
                )
            yield known[point_id]

    def read_curve(self, point: Point, name: str) -> dict[str, np.ndarray] | None:
        """Reads one of a point's tuning curves (`layout.CURVE_NAMES`), or None if it has none."""
        path = self.layout.point(self._lookup.ids[point]).curve(name)
        return files.read_npz(path) if path.exists() else None


_RESERVED = {'id', 'trial', 'flags', *_TUNED_COLUMNS, *_TRIAL_COLUMNS}


def _read_record(path: Path) -> dict[str, str]:
    try:
        record: dict[str, str] = files.read_json(path)['params']
        return record
    except (OSError, ValueError, LookupError) as error:
        raise FolderError(f'cannot tell from {path} which point that was: {error}') from error


def _read_trials(layout: PointLayout) -> Iterator[tuple[int, TrialResult]]:
    if layout.trials.exists():
        for index in sorted(int(path.name) for path in layout.trials.iterdir() if path.name.isdigit()):
            path = layout.trial(index).result
            if path.exists():
                yield index, TrialResult(**_with_infinities(files.read_json(path)))


def _with_infinities(data: dict[str, Any]) -> dict[str, Any]:
    """Restores the losses that strict JSON cannot hold."""
    has_test = data.get('perf_test') is not None
    for name in ('loss_train', 'loss_val', *(['loss_test'] if has_test else [])):
        if data[name] is None:
            data[name] = math.inf
    return data
