"""A sweep's folder: what the one process that writes in it writes, and how it is read."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np

from ..errors import FolderError
from ..io.checksums import json_bytes, sealed_json
from ..io.files import AtomicWriter, append_text, npz_bytes
from ..points import Point, are_named
from ..results import PointError, TrialRecord, TrialResult, Tuned
from ..text import reason
from .budget import read_budget, write_budget
from .claim import claim
from .damage import DamagedFile, set_aside
from .layout import PointLayout, SweepLayout
from .lock import locked
from .looks import has_more, recorded_look
from .manifest import Manifest, read_manifest, write_manifest
from .origin import Origin
from .parquet import check_parquet
from .reading import read_all, read_points, read_run
from .records import PointRecord, Records
from .rejections import Rejections, write_rejections
from .summaries import write_scores, write_tables
from .tidying import tidy
from .trial_files import result_content
from .tuned_files import final_content, misc_content
from .weights import is_best, surplus_weights, weight_files


class Store:
    """Writes in a sweep's folder, which no one else does while it is open (`Store.opened`), and reads it.

    What each point's own files say is the truth; `params_lookup.pt`, `funcres.pt`, `results.csv`,
    `results.npz` and `results.parquet` are rebuilt from it. Single results may be written by any thread,
    those of one point one after another; everything else by the one that opened it. What is written is not
    remembered: the sweep's ledger keeps `records` up to date.

    Attributes:
        records: What is in the folder, as read when it was opened; the points are those there are by now.
    """

    def __init__(self, records: Records, writer: AtomicWriter, origin: Sequence[Origin] = ()) -> None:
        self.records, self.writer = records, writer
        self.layout = records.layout
        self._origin = origin
        self._manifest_lock = RLock()

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
            if_changed: As for `claim.claim`.

        Raises:
            FolderError: It cannot be written, is in use, or holds another sweep or something else.
        """
        layout = SweepLayout(Path(folder))
        if manifest is None:
            read_manifest(layout)  # before the folder would be made
        with locked(layout.folder):
            writer = AtomicWriter(layout.folder)
            requested = read_manifest(layout) if manifest is None else manifest
            claimed = claim(layout, requested, writer, if_changed)
            layout = layout.grouped(claimed.kept.points_per_folder)
            if claimed.kept.summaries == 'parquet':
                check_parquet()
            with _readable(layout):
                lookup = read_points(layout, claimed, parameter_names, writer)
                tidy(layout, writer)
                records = read_all(layout, claimed, lookup, writer)
            for point, record in records.by_point.items():
                if record.errors and record.errors[0].trial is None:  # interrupted between the two
                    writer.remove(records.files(point).hparams)
            store = cls(records, writer, () if manifest is None else requested.origin)
            for point, record in records.by_point.items():
                store.drop_surplus_weights(point, record.trials)
            yield store

    @staticmethod
    def read(folder: str | Path) -> Records:
        """Returns what is in a folder.

        Raises:
            FolderError: It holds no sweep, or cannot be read, or something in it is damaged.
        """
        layout = SweepLayout(Path(folder))
        manifest = read_manifest(layout)
        layout = layout.grouped(manifest.kept.points_per_folder)
        with _readable(layout):
            return read_all(layout, manifest, read_points(layout, manifest))

    @property
    def manifest(self) -> Manifest:
        """Which sweep it is."""
        return self.records.manifest

    # Points

    def add_points(self, points: Sequence[Point]) -> None:
        """Writes the lookup with new points, before anything is done for them.

        Raises:
            InvalidPoint: Named points and tuples would be mixed.
        """
        lookup = self.records.lookup
        new = list(dict.fromkeys(point for point in points if point not in lookup.ids))
        if not new:
            return
        named = are_named(new, self.manifest.named_points)
        self._write_origin()
        if self.manifest.named_points is None:  # the first points: from now on the folder is this sweep's
            self._write_manifest(dataclasses.replace(self.manifest, named_points=named))
        longer = lookup.copy()
        longer.add(new)
        longer.write(self.writer)
        self.records.lookup = longer
        self.records.by_point.update((point, PointRecord()) for point in new)

    def _write_manifest(self, manifest: Manifest) -> None:
        write_manifest(self.layout, self.writer, manifest)
        self.records.manifest = manifest

    def _write_origin(self) -> None:
        """Writes whose points or results are added now, unless it is who added the last; once.

        Any thread may be the first to write a result.
        """
        with self._manifest_lock:
            for origin in self._origin:
                known = self.manifest.origin
                if not (known and known[-1].is_same(origin)):
                    ours = dataclasses.replace(origin, first_point=len(self.records.lookup.points))
                    self._write_manifest(dataclasses.replace(self.manifest, origin=(*known, ours)))
            self._origin = ()

    def record_look(self, times: int = 1) -> None:
        """Notes that the sweep has ended, and that its results are looked at; once as long as none is new.

        Args:
            times: How often they were, if the selector did that before.
        """
        counts, looks = self.records.trial_counts, self.manifest.looks or ()
        if has_more(counts, looks):
            new = (recorded_look(counts),) * max(times, 1)
            self._write_manifest(dataclasses.replace(self.manifest, looks=(*looks, *new)))

    # Results

    def _files_to_write(self, point: Point) -> PointLayout:
        """Where a point's files are, of which one is to be written."""
        if self._origin:
            self._write_origin()
        return self.layout.point(self.records.lookup.ids[point])

    def write_run(
        self, point: Point, stage: int, index: int, request: str, value: Mapping[str, object]
    ) -> None:
        """Writes a run of a tuning that goes on, to be found if the sweep is interrupted.

        Args:
            point: The point being tuned.
            stage: Number of the tuning's stage.
            index: Number of the run in the stage.
            request: Tells this run from any other that might be asked for in its place.
            value: What it measured, as named arrays or numbers.
        """
        path = self._files_to_write(point).run(stage, index)
        arrays = {name: np.asarray(array) for name, array in value.items()}
        self.writer.write_npz(path, {'request': np.array(request), **arrays})

    def saved_run(self, point: Point, stage: int, index: int, request: str) -> dict[str, np.ndarray] | None:
        """Returns what `write_run` wrote, or None."""
        try:
            return read_run(self.records.files(point), stage, index, request)
        except DamagedFile as damage:
            set_aside(self.layout, self.writer, damage.path, damage)
            return None

    def write_tuned(self, point: Point, tuned: Tuned) -> None:
        """Writes what a point's tuning came to, `final.json` last; then its single runs are removed.

        Of several tunings the first is the last to be written.
        """
        layout = self._files_to_write(point)
        for number, tuning in reversed([*enumerate(tuned.tunings)]):
            own = layout.tuning(number)
            curves = {own.curve(name): npz_bytes(arrays) for name, arrays in tuning.curves.items()}
            final = {own.final: json_bytes(final_content(tuning))}
            content = {'params': self.records.lookup.record(point), **misc_content(tuning)}
            misc = {own.misc: sealed_json(content, {**curves, **final})}
            self.writer.write_together({**curves, **misc, **final})
        self.writer.remove(layout.runs)

    def wants_weights(self, point: Point, index: int, result: TrialResult) -> bool:
        """Whether the weights of a trial that is done are to be written.

        Not if a better one is on disk already and only those of the best are kept.
        """
        if self.manifest.kept.keep_weights != 'best':
            return True
        return is_best(index, result, self.records.by_point[point].by_index, self.manifest.objective)

    def write_trial(self, point: Point, index: int, trial: TrialRecord, with_weights: bool = True) -> None:
        """Writes a trial, `result.json` last.

        That has checksums of its weights whether or not they are written, so that it does not depend on the
        order in which trials are done.
        """
        of_point = self._files_to_write(point)
        layout = of_point.trial(index)
        weights = dict(zip(weight_files(layout), (trial.model_init, trial.model), strict=True))
        known = {path: data for path, data in weights.items() if data is not None}
        scores = {layout.throughtime: npz_bytes(trial.throughtime)}
        result = {layout.result: sealed_json(result_content(trial.result), {**known, **scores})}
        self.writer.write_together({**(known if with_weights else {}), **scores, **result})
        self.writer.remove(of_point.checkpoint(index))

    def drop_surplus_weights(self, point: Point, trials: Mapping[int, TrialResult]) -> None:
        """Removes weights of all but a point's best trial, if only those are kept."""
        if self.manifest.kept.keep_weights == 'best':
            layout = self.layout.point(self.records.lookup.ids[point])
            for path in surplus_weights(layout, trials, self.manifest.objective):
                self.writer.remove(path)

    def write_part(self, point: Point, fraction: float, index: int, trial: TrialRecord) -> None:
        """Writes what a trial scored after a fraction of the training."""
        path = self._files_to_write(point).part(fraction, index)
        self.writer.write_sealed(path, result_content(trial.result))

    def checkpoints(self, point: Point, seconds: float | None) -> dict[str, Any] | None:
        """Says where workers keep the states of a point's trials, and how often, as a `CheckpointPlan` does.

        These files are no results. Only here they are named and removed; what is in them is of use to the
        same version of the sweep alone.
        """
        if seconds is None:
            return None
        manifest, layout = self.manifest, self.layout.point(self.records.lookup.ids[point])
        identity = [manifest.source, manifest.device, *sorted(manifest.versions.items())]
        return {
            'folder': str(layout.checkpoints.absolute()),
            'seconds': seconds,
            'identity': json.dumps(identity),
        }

    def write_errors(self, point: Point, errors: Sequence[PointError]) -> None:
        """Writes which runs of a point failed, that which counts first; a failed tuning leaves no runs."""
        layout = self._files_to_write(point)
        record = {'params': self.records.lookup.record(point), **asdict(errors[0])}
        record['others'] = [asdict(other) for other in errors[1:]]
        self.writer.write_sealed(layout.error, record)
        if errors[0].trial is None:
            self.writer.remove(layout.hparams)

    def write_rejections(self, rejections: Rejections) -> None:
        """Writes which points are not trained because of limits."""
        write_rejections(self.layout, self.writer, rejections)
        self.records.rejections = rejections

    def read_budget(self, selector: str) -> dict[str, float]:
        """Returns what `write_budget` wrote of a selector's time; empty if nothing."""
        return read_budget(self.layout, self.writer, selector)

    def write_budget(self, selector: str, kept: Mapping[str, float]) -> None:
        """Keeps what was decided by a selector's time."""
        write_budget(self.layout, self.writer, selector, kept)

    def forget_failures(self) -> None:
        """Removes what is written of failures, so that these runs are tried again."""
        for point, record in self.records.by_point.items():
            if record.errors:
                self.writer.remove(self.records.files(point).error)
                record.errors = []

    def append_log(self, point: Point | None, text: str) -> None:
        """Appends to a point's log, or to the sweep's; may be called from any thread.

        Raises:
            OSError: It cannot be written.
        """
        path = self.layout.log
        if point is not None:
            path = self.records.files(point).log
            path.parent.mkdir(exist_ok=True)
        append_text(path, text)

    def check_still_there(self) -> None:
        """Raises `FolderError` if the folder, or a result in it, disappeared while it was open."""
        self.writer.check_root()
        for point_id, record in enumerate(self.records.by_point.values()):
            layout = self.layout.point(point_id)
            files = [layout.final] if record.tuned is not None else []
            files += [layout.trial(index).result for index in record.trials]
            missing = next((path for path in files if not path.exists()), None)
            if missing is not None:
                raise FolderError(f'{missing} disappeared while the sweep was running; run it again')

    # Summaries

    def write_scores(self, point: Point, trials: Mapping[int, TrialResult]) -> None:
        """Writes a point's `results.npz`, if the summaries have one."""
        layout = self.layout.point(self.records.lookup.ids[point])
        write_scores(layout, self.writer, self.manifest.kept, trials)

    def complete(self, point: Point, trials: Mapping[int, TrialResult], goes_on: bool = False) -> None:
        """Writes the scores of a point of which all that was asked for is there.

        No state is left then, unless a trial that was trained in part may go on, and no weights but those
        that are kept.
        """
        self.write_scores(point, trials)
        self.drop_surplus_weights(point, trials)
        if not goes_on:
            self.writer.remove(self.layout.point(self.records.lookup.ids[point]).checkpoints)

    def write_summaries(self, records: Records) -> None:
        """Writes `funcres.pt` and the table of all trials; in another thread, of what stays as it is."""
        write_tables(self.layout, self.writer, records)

    def collate(self) -> None:
        """Writes the lookup and the sweep's summaries anew."""
        self.records.lookup.write(self.writer)
        self.write_summaries(self.records)

    def rebuild(self, summaries: str | None = None) -> None:
        """Writes every summary anew: each point's `results.npz`, and what `collate` does.

        Args:
            summaries: As which files, from now on; None: as before. See `Storage`.
        """
        if summaries is not None:
            storage = {**self.manifest.storage, 'summaries': summaries}
            self._write_manifest(dataclasses.replace(self.manifest, storage=storage))
        for point, record in self.records.by_point.items():
            if record.tuned is not None:
                self.write_scores(point, record.trials)
        self.collate()


@contextmanager
def _readable(layout: SweepLayout) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FolderError(f'cannot read {layout.folder}: {reason(error, layout.folder)}') from error
