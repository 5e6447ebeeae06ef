"""A sweep's folder, as the one process that writes in it sees it, and as anyone may read it."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ..errors import FolderError
from ..io.checksums import json_bytes, sealed_json
from ..io.files import AtomicWriter, append_text, npz_bytes
from ..points import Point, are_named, has_reference
from ..results import (
    PointError,
    PointFailure,
    PointResult,
    SweepResults,
    TrialRecord,
    TrialResult,
    Tuned,
    results_header,
    scores_of,
)
from ..text import reason
from . import collation
from .damage import DamagedFile, set_aside
from .layout import PointLayout, SweepLayout
from .lock import locked
from .lookup import Lookup
from .manifest import Manifest, claim, read_manifest, write_manifest
from .origin import Origin, added_by, command_numbers
from .reading import failure_order, read_all, read_run
from .saving import Save
from .tidying import tidy
from .trial_files import result_content, with_shared_texts
from .tuned_files import final_content, misc_content


class Store:
    """What is in a sweep's folder, kept in memory and on disk.

    What each point's own files say is the truth; `params_lookup.pt`, `funcres.pt`, `results.csv` and
    `results.npz` are rebuilt from it.

    Open one for writing with `Store.opened`, for reading with `Store.read`. What is in memory is what is on
    disk: the methods `saving_…` return what is to be written, which is taken in when that is done.
    """

    def __init__(
        self,
        layout: SweepLayout,
        manifest: Manifest,
        parameter_names: Sequence[str] = (),
        writer: AtomicWriter | None = None,
        origin: Sequence[Origin] = (),
    ) -> None:
        self.layout = layout
        self.manifest = manifest
        self._origin = origin
        self._writer = writer
        named = bool(manifest.named_points)
        try:
            if writer is not None:
                tidy(layout, writer)
            found = read_all(
                layout, named, parameter_names, writer is not None, self._set_aside, self._keep_lookup
            )
        except OSError as error:
            raise FolderError(f'cannot read {layout.folder}: {reason(error, layout.folder)}') from error
        self._lookup = found.lookup
        for point_id, (first, *_) in found.errors.items():
            if writer is not None and first.trial is None:  # it was interrupted between the two
                writer.remove(layout.point(point_id).hparams)
        self._tuned, self._trials, self._errors = found.tuned, found.trials, found.errors
        self._errors_ahead: dict[int, list[PointError]] = {}  # with those that are being written
        self._uncollated, self._is_collating = 0, False
        trials = sum(len(trials) for trials in self._trials.values())
        self._done = len(self._tuned) + trials + len(self._errors)

    def _keep_lookup(self, lookup: Lookup) -> None:
        """Writes it before anything else that tells the points is set aside."""
        if self._writer is not None and lookup.points:
            lookup.write(self._writer)

    @classmethod
    @contextmanager
    def opened(
        cls,
        folder: str | Path,
        manifest: Manifest | None = None,
        parameter_names: Sequence[str] = (),
        if_changed: str = 'stop',
    ) -> Iterator[Store]:
        """Opens a folder to write in it; no one else can, for as long as it is open.

        What is damaged is set aside, with a `DamagedFileWarning`, and counts as not there.

        Args:
            folder: Made if need be.
            manifest: The sweep that it is for; None opens whatever sweep is there.
            parameter_names: Names for the parameters of points that are tuples.
            if_changed: As for `manifest.claim`.

        Raises:
            FolderError: It cannot be written, is in use, or holds another sweep or something else.
        """
        layout = SweepLayout(Path(folder))
        if manifest is None:
            read_manifest(layout)  # before the folder would be made
        with locked(layout.folder):
            writer = AtomicWriter(layout.folder)
            asked = read_manifest(layout) if manifest is None else manifest
            claimed, origin = (
                claim(layout, asked, writer, if_changed),
                () if manifest is None else asked.origin,
            )
            yield cls(layout, claimed, parameter_names, writer, origin)

    @classmethod
    def read(cls, folder: str | Path) -> Store:
        """Opens a folder to read what is in it.

        Raises:
            FolderError: It holds no sweep, or cannot be read, or something in it is damaged.
        """
        layout = SweepLayout(Path(folder))
        return cls(layout, read_manifest(layout))

    # What is there

    @property
    def points(self) -> list[Point]:
        """All points, in the order in which they were proposed."""
        return list(self._lookup.points)

    @property
    def parameter_names(self) -> list[str]:
        """The names of the parameters of points that are tuples, as far as they are known."""
        return list(self._lookup.names)

    def points_by(self, selector: str) -> list[Point]:
        """The points that selectors of this class added, in order, and those that nobody knows who added."""
        points = self._lookup.points
        added = zip(points, added_by(self.manifest.origin, len(points)), strict=True)
        return [point for point, origin in added if origin.selector in (selector, None)]

    def command_numbers(self) -> dict[Point, int | None]:
        """Which command added each point, counted from 1 on; None where that is not known."""
        points = self._lookup.points
        return dict(zip(points, command_numbers(self.manifest.origin, len(points)), strict=True))

    def as_kept(self, point: Point) -> Point:
        """The point that is there and equal to this one, to Python: 1 for True, say."""
        return self._lookup.points[self._lookup.ids[point]]

    def id_of(self, point: Point) -> int:
        """The number of a point's folder."""
        return self._lookup.ids[point]

    def parameter_columns(self) -> list[str]:
        """The names of the points' parameters, as the CSV files have them."""
        return list(self._lookup.columns)

    def parameter_cells(self, point: Point) -> list[str]:
        """A point's values as text, one per parameter column."""
        return self._lookup.cells(point)

    def nuisance_names(self) -> list[str]:
        """The names of what is tuned beside learning rates and batch sizes, of whatever point."""
        return list(dict.fromkeys(name for _, one in sorted(self._tuned.items()) for name in one.nuisance))

    def tuned(self, point: Point) -> Tuned | None:
        """What a point's tuning came to, or None; read back from disk it has no curves."""
        return self._tuned.get(self._lookup.ids.get(point, -1))

    def trials(self, point: Point) -> dict[int, TrialResult]:
        """A point's trials so far, by index, rising."""
        return dict(sorted(self._trials.get(self._lookup.ids.get(point, -1), {}).items()))

    def errors(self, point: Point) -> list[PointError]:
        """Which runs of a point failed, that which counts first."""
        return list(self._errors.get(self._lookup.ids.get(point, -1), []))

    def error(self, point: Point) -> PointError | None:
        """Why a point failed, or None."""
        return next(iter(self.errors(point)), None)

    def flags(self, point: Point) -> list[str]:
        """What is suspicious about a point: the flags of its tuning, and what its trials show of it."""
        tuned = self.tuned(point)
        return tuned.flags_with(self.trials(point).values()) if tuned else []

    def results(self) -> SweepResults:
        """Everything that is there, as `sweep` returns it."""
        results, failures, flags, nuisance, kept = [], [], {}, {}, {}
        for point in self._lookup.points:
            tuned, error, trials = self.tuned(point), self.error(point), self.trials(point)
            if error is not None:
                failures.append(PointFailure(point, error))
            elif tuned is not None:
                scores = scores_of(list(trials.values()))
                results.append(PointResult(point, tuned.lr_min, tuned.lr_max, tuned.batch_size, *scores))
                flags[point], nuisance[point] = self.flags(point), tuned.nuisance
                kept[point] = trials
        return SweepResults(
            results, failures, flags, self.parameter_columns(), nuisance, self._lookup.ids, kept
        )

    def files(self, point: Point) -> PointLayout:
        """Where a point's files are."""
        return self.layout.point(self._lookup.ids[point])

    # Writing

    @property
    def writer(self) -> AtomicWriter:
        """Writes in the folder."""
        assert self._writer is not None, 'opened to read'
        return self._writer

    def add_points(self, points: Sequence[Point]) -> None:
        """Takes new points in and writes the lookup, before anything is done for them.

        Raises:
            InvalidPoint: Named points and tuples would be mixed.
        """
        new = list(dict.fromkeys(point for point in points if point not in self._lookup.ids))
        if not new:
            return
        named = are_named(new, self.manifest.named_points)
        self._note_origin()
        if self.manifest.named_points is None:  # the first points: from now on the folder is this sweep's
            self._write_manifest(dataclasses.replace(self.manifest, named_points=named))
        lookup = self._lookup.copy()
        lookup.add(new)
        lookup.write(self.writer)
        self._lookup = lookup

    def _write_manifest(self, manifest: Manifest) -> None:
        write_manifest(self.layout, self.writer, manifest)
        self.manifest = manifest

    def _note_origin(self) -> None:
        """Records whose points or results are added now, unless it is who added the last; once."""
        for origin in self._origin:
            if not (self.manifest.origin and self.manifest.origin[-1].is_same(origin)):
                ours = dataclasses.replace(origin, first_point=len(self._lookup.points))
                self._write_manifest(dataclasses.replace(self.manifest, origin=(*self.manifest.origin, ours)))
        self._origin = ()

    def saving_run(
        self, point: Point, stage: int, index: int, request: str, value: Mapping[str, object]
    ) -> Save:
        """A run of a tuning that goes on, to be found if the sweep is interrupted.

        Args:
            point: The point being tuned.
            stage: Number of the tuning's stage.
            index: Number of the run in the stage.
            request: Tells this run from any other that might be asked for in its place.
            value: What it measured, as named arrays or numbers.
        """
        self._note_origin()
        path = self.files(point).run(stage, index)

        def write() -> None:
            arrays = {
                'request': np.array(request),
                **{name: np.asarray(array) for name, array in value.items()},
            }
            self.writer.write_npz(path, arrays)

        return Save(point, write, alone=False)

    def saved_run(self, point: Point, stage: int, index: int, request: str) -> dict[str, np.ndarray] | None:
        """Returns what was written as `saving_run` says, or None."""
        layout = self.files(point)
        try:
            return read_run(layout, stage, index, request)
        except DamagedFile as damage:
            self._set_aside(damage, damage.path)
            return None

    def saving_tuned(self, point: Point, tuned: Tuned) -> Save:
        """What a point's tuning came to; `final.json` last, and then its single runs are removed."""
        self._note_origin()
        layout, record = self.files(point), self._lookup.record(point)

        def write() -> None:
            curves = {layout.curve(name): npz_bytes(arrays) for name, arrays in tuned.curves.items()}
            final = {layout.final: json_bytes(final_content(tuned))}
            misc = sealed_json({'params': record, **misc_content(tuned)}, {**curves, **final})
            self.writer.write_together({**curves, layout.misc: misc, **final})
            self.writer.remove(layout.runs)

        def take_in() -> None:
            self._tuned[self._lookup.ids[point]] = tuned.without_report()
            self._count()

        return Save(point, write, take_in)

    def saving_trial(self, point: Point, index: int, record: TrialRecord) -> Save:
        """A trial; `result.json` last."""
        self._note_origin()
        layout = self.files(point).trial(index)

        def write() -> None:
            files = {
                layout.model_init: record.model_init,
                layout.model: record.model,
                layout.throughtime: npz_bytes(record.throughtime),
            }
            result = sealed_json(result_content(record.result), files)
            self.writer.write_together({**files, layout.result: result})

        def take_in() -> None:
            result = with_shared_texts(record.result)
            self._trials.setdefault(self._lookup.ids[point], {})[index] = result
            self._count()

        return Save(point, write, take_in, alone=False, size=len(record.model_init) + len(record.model))

    def saving_error(self, point: Point, error: PointError) -> Save:
        """That a run of a point failed, besides others that did."""
        self._note_origin()
        layout, point_id = self.files(point), self._lookup.ids[point]
        earlier = self._errors_ahead.get(point_id) or self._errors.get(point_id, [])
        errors = self._errors_ahead[point_id] = sorted([*earlier, error], key=failure_order)
        record = {
            'params': self._lookup.record(point),
            **asdict(errors[0]),
            'others': [asdict(other) for other in errors[1:]],
        }

        def write() -> None:
            self.writer.write_sealed(layout.error, record)
            if error.trial is None:
                self.writer.remove(layout.hparams)

        def take_in() -> None:
            self._errors[point_id] = errors
            self._count()

        return Save(point, write, take_in)

    @staticmethod
    def now(save: Save | None) -> None:
        """Writes something and takes it in, at once."""
        if save is not None:
            save.write()
            save.take_in()

    def forget_failures(self) -> None:
        """Removes what is written of failures, so that these runs are tried again."""
        for point_id in list(self._errors):
            self.writer.remove(self.layout.point(point_id).error)
            del self._errors[point_id]
        self._errors_ahead.clear()

    def append_log(self, point: Point | None, text: str) -> None:
        """Appends to a point's log, or to the sweep's; may be called from any thread.

        Raises:
            OSError: It cannot be written.
        """
        if point is not None:
            self.files(point).folder.mkdir(exist_ok=True)
        append_text(self.layout.log if point is None else self.files(point).log, text)

    def check_still_there(self) -> None:
        """Raises `FolderError` if the folder, or a result in it, disappeared while it was open."""
        self.writer.check_root()
        for point_id in range(len(self._lookup.points)):
            layout = self.layout.point(point_id)
            files = [layout.final] if point_id in self._tuned else []
            files += [layout.trial(index).result for index in self._trials.get(point_id, ())]
            missing = next((path for path in files if not path.exists()), None)
            if missing is not None:
                raise FolderError(f'{missing} disappeared while the sweep was running; run it again')

    def _count(self) -> None:
        self._done += 1
        self._uncollated += 1

    # Collation

    def collating_point(self, point: Point) -> Save:
        """A point's `results.npz`."""
        path, trials = self.files(point).results, self.trials(point)
        return Save(path, lambda: self.writer.write_npz(path, collation.final_arrays(trials)))

    def collating_if_due(self) -> Save | None:
        """The summaries, if a tenth more is there than at the last time: O(1) per trial."""
        if self._is_collating or not self._uncollated or 10 * self._uncollated < self._done:
            return None
        self._uncollated, self._is_collating = 0, True

        def take_in() -> None:
            self._is_collating = False

        return Save(self.layout.points, self._as_it_is_now()._write_summaries, take_in)

    def _as_it_is_now(self) -> Store:
        """A copy that stays so, to be looked at by another thread."""
        kept = copy.copy(self)
        kept._lookup = self._lookup.copy()
        kept._tuned, kept._errors = dict(self._tuned), dict(self._errors)
        kept._trials = {point_id: dict(trials) for point_id, trials in self._trials.items()}
        return kept

    def rebuild(self) -> None:
        """Rebuilds every summary: each point's `results.npz`, and what `collate` does."""
        for point in self._lookup.points:
            if self.tuned(point) is not None:
                self.now(self.collating_point(point))
        self.collate()

    def collate(self) -> None:
        """Rebuilds the lookup, `funcres.pt` and `results.csv` from what is there."""
        self._lookup.write(self.writer)
        self._write_summaries()
        self._uncollated = 0

    def _write_summaries(self) -> None:
        if not any(map(has_reference, self._lookup.points)):
            self.writer.write_pickle(self.layout.funcres, [tuple(result) for result in self.results()])
        nuisance = self.nuisance_names()
        header = results_header(self._lookup.columns, nuisance)
        records = (
            collation.PointRecord(point_id, self._lookup.cells(point), tuned, self.trials(point))
            for point_id, point in enumerate(self._lookup.points)
            if point_id not in self._errors and (tuned := self._tuned.get(point_id)) is not None
        )
        self.writer.write_csv(self.layout.results_csv, header, collation.results_rows(records, nuisance))

    def _set_aside(self, damage: DamagedFile, path: Path) -> None:
        """Sets `path` aside, of which a file is damaged.

        Raises:
            FolderError: The folder was opened to read.
        """
        if self._writer is None:
            raise FolderError(f'{damage}. Running the sweep again computes it anew') from damage
        set_aside(self.layout, self._writer, path, damage)
