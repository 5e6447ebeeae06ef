"""What the files of a sweep say; a file that says nothing of the kind is a `DamagedFile`."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ..annotations import check_types
from ..errors import FolderError
from ..io.checksums import OF_FILES, check_files, read_json, read_sealed
from ..io.files import AtomicWriter, check_archive, read_npz
from ..io.opening import check_own_folder, kind_of
from ..metric import PERFORMANCE, MetricInfo
from ..results import PointError, TrialResult, Tuned
from .damage import DamagedFile, set_aside
from .layout import CURVE_NAMES, PointLayout, SweepLayout, TrialLayout, TuningLayout
from .lookup import Lookup
from .manifest import Manifest
from .records import PointRecord, Records
from .rejections import read_rejections
from .trial_files import result_from, with_infinities
from .tuned_files import facts_from_misc, tuned_from, tunings_from_misc

TakeDamage: TypeAlias = Callable[[DamagedFile, Path], None]


def read_points(
    layout: SweepLayout,
    manifest: Manifest,
    parameter_names: Sequence[str] = (),
    writer: AtomicWriter | None = None,
) -> Lookup:
    """Reads which points there are.

    Args:
        layout: The folder.
        manifest: Which sweep it is.
        parameter_names: Names for the parameters of points that are tuples.
        writer: Writes in it: what is damaged is set aside and restored at once. So nothing else that tells
            the points may be set aside or removed before.

    Raises:
        FolderError: Nothing tells which point is which, or something is damaged and there is no writer.
        OSError: The folder cannot be read.
    """
    take_damage = _damage_taker(layout, writer)
    lookup = read_lookup(
        layout, bool(manifest.named_points), parameter_names, writer is not None, take_damage
    )
    if writer is not None and lookup.points:
        lookup.write(writer)
    return lookup


def read_all(
    layout: SweepLayout, manifest: Manifest, lookup: Lookup, writer: AtomicWriter | None = None
) -> Records:
    """Reads what there is of points.

    Args:
        layout: The folder.
        manifest: Which sweep it is.
        lookup: What `read_points` returned.
        writer: Writes in it: files that are not read are checked, too, and what is damaged is set aside and
            counts as not there.

    Raises:
        FolderError: Something is damaged and there is no writer.
        OSError: The folder cannot be read.
    """
    take_damage, thoroughly = _damage_taker(layout, writer), writer is not None
    records = Records(layout, manifest, lookup)
    try:
        records.rejections = read_rejections(layout)
    except DamagedFile as damage:
        take_damage(damage, damage.path)
    for point_id, record in enumerate(records.by_point.values()):
        _read_point(layout.point(point_id), record, thoroughly, manifest.objective, take_damage)
    return records


def _damage_taker(layout: SweepLayout, writer: AtomicWriter | None) -> TakeDamage:
    """What is done about damage: it is set aside, or ends the reading if nothing may be written."""

    def take_damage(damage: DamagedFile, path: Path) -> None:
        if writer is None:
            raise FolderError(f'{damage}. Running the sweep again computes it anew') from damage
        set_aside(layout, writer, path, damage)

    return take_damage


def read_lookup(
    layout: SweepLayout,
    named: bool,
    parameter_names: Sequence[str],
    thoroughly: bool,
    take_damage: TakeDamage,
) -> Lookup:
    """Takes the points from `params.csv`; if that is damaged from its copy, else from the points' results."""
    check_own_folder(layout.points)
    # The folders first: if a sweep is running here, the lookup is always ahead of them.
    ids = layout.point_ids()
    whole: dict[Path, Lookup] = {}
    for path in (layout.params_csv, layout.params_csv_copy):
        lookup = Lookup(layout, parameter_names)
        try:
            lookup.read(path, named)
        except FileNotFoundError:
            continue
        except DamagedFile as damage:
            if thoroughly:
                take_damage(damage, path)
            continue
        if len(lookup.points) > max(ids, default=-1):
            whole[path] = lookup
    for path, disagreement in _disagreements(layout, whole):
        del whole[path]
        if thoroughly or not whole:
            take_damage(disagreement, path)
    if whole:
        lookup = max(whole.values(), key=lambda lookup: len(lookup.points))
        if not thoroughly:  # else what is none was set aside, or will be
            for folder in layout.groups(len(lookup.points)):
                check_own_folder(folder)
        return lookup
    lookup = Lookup(layout, parameter_names)
    records = {point_id: read_params(layout.point(point_id)) for point_id in ids}
    lookup.restore({key: value for key, value in records.items() if value is not None}, named)
    return lookup


def _disagreements(layout: SweepLayout, whole: dict[Path, Lookup]) -> list[tuple[Path, DamagedFile]]:
    """Which lists of points can be read and are not what was written.

    `params.csv` has no checksum, since it is for users: it is compared with its copy, which has one. Where
    that is missing or of an earlier version, and the two differ, they are compared with what the points'
    results say.
    """
    lookup, copy = whole.get(layout.params_csv), whole.get(layout.params_csv_copy)
    if lookup is not None and copy is not None:
        if lookup.is_behind(copy):
            return []
        if copy.is_verified:
            reason = f'it differs from {layout.params_csv_copy}, whose checksum is right'
            return [(layout.params_csv, DamagedFile(layout.params_csv, reason))]
    damaged = []
    for path, result in whole.items():
        point_id = None if result.is_verified else _first_of_another_point(layout, result)
        if point_id is not None:
            reason = f'the results of point {point_id} are of another point'
            damaged.append((path, DamagedFile(path, reason)))
    return damaged


def _first_of_another_point(layout: SweepLayout, lookup: Lookup) -> int | None:
    """The id of the first point whose results say that they are of another one."""
    for point_id, point in enumerate(lookup.points):
        record = read_params(layout.point(point_id))
        if record is not None and record != lookup.record(point):
            return point_id
    return None


def _read_point(
    layout: PointLayout,
    record: PointRecord,
    thoroughly: bool,
    objective: MetricInfo,
    take_damage: TakeDamage,
) -> None:
    try:
        record.tuned = read_tuned(layout, thoroughly)
    except DamagedFile as damage:
        take_damage(damage, layout.hparams)
    try:
        indices = trial_indices(layout)
    except DamagedFile as damage:
        take_damage(damage, layout.trials)
        indices = []
    for index in indices:
        try:
            if (trial := read_trial(layout.trial(index), thoroughly, objective)) is not None:
                record.trials[index] = trial
        except DamagedFile as damage:
            take_damage(damage, layout.trial(index).folder)
    for fraction, index, path in part_files(layout):
        try:
            record.parts.setdefault(fraction, {})[index] = _read_result(path, objective)[0]
        except DamagedFile as damage:
            take_damage(damage, path)
    if thoroughly:
        for path in sorted(layout.checkpoints.glob('*.pt')):
            try:
                _check_whole(path, None)
            except DamagedFile as damage:
                take_damage(damage, path)
    try:
        record.errors = read_errors(layout)
    except DamagedFile as damage:
        take_damage(damage, layout.error)


def read_tuned(layout: PointLayout, thoroughly: bool = False) -> Tuned | None:
    """Reads what a point's tuning came to, without its curves; None if it is not done.

    Args:
        layout: The point's files.
        thoroughly: Look whether the curves are whole, too.
    """
    if kind_of(layout.final) is None:
        return None
    with _damage_of(layout.misc):
        _check_no_link(layout.folder)
    tuned, tunings = _read_tuning(layout.tuning(0), thoroughly)
    if tunings == 1:
        return tuned
    with _damage_of(layout.tunings):
        _check_no_link(layout.tunings)
    others = (_read_tuning(layout.tuning(number), thoroughly)[0] for number in range(1, tunings))
    return replace(tuned, alternatives=tuple(others))


def _read_tuning(layout: TuningLayout, thoroughly: bool) -> tuple[Tuned, int]:
    """Reads what one of a point's tunings came to, and how many there are."""
    with _damage_of(layout.misc):
        _check_no_link(layout.folder)
        misc = read_sealed(layout.misc)
        checksums = _checksums(misc)
        facts, tunings = facts_from_misc(misc), tunings_from_misc(misc)
    with _damage_of(layout.final):
        if checksums is not None:
            check_files(checksums, [layout.final])
        tuned = tuned_from(read_json(layout.final), facts)
    if thoroughly:
        for name in CURVE_NAMES:
            _check_whole(layout.curve(name), checksums)
    return tuned, tunings


def read_trial(
    layout: TrialLayout, thoroughly: bool = False, objective: MetricInfo = PERFORMANCE
) -> TrialResult | None:
    """Reads a trial's result; None if it is not done.

    Args:
        layout: The trial's files.
        thoroughly: Look whether its other files are whole, too.
        objective: What is known of the metric that is its performance.
    """
    result_json = layout.result
    if kind_of(result_json) is None:
        return None
    result, checksums = _read_result(result_json, objective)
    if thoroughly:
        for path in (layout.model, layout.model_init, layout.throughtime):
            _check_whole(path, checksums)
    return result


def _read_result(path: Path, objective: MetricInfo) -> tuple[TrialResult, dict[str, str] | None]:
    """Reads a trial's result, and the checksums of the files beside it."""
    with _damage_of(path):
        _check_no_link(path.parent)
        data = read_sealed(path)
        checksums = _checksums(data)
        data = with_infinities(data)
        check_types(TrialResult, data)
        _check_scores(data, objective)
        return result_from(data), checksums


def part_files(layout: PointLayout) -> list[tuple[float, int, Path]]:
    """The results of trials that were trained in part: the fraction, the trial, and the file."""
    files = []
    for path in layout.parts.glob('*/*.json'):
        with suppress(ValueError):
            files.append((float(path.parent.name), int(path.stem), path))
    return sorted(files)


def _checksums(data: dict[str, Any]) -> dict[str, str] | None:
    """Takes out of a file's content the checksums of others; None if it is of a version without."""
    checksums = data.pop(OF_FILES, None)
    if checksums is not None and not isinstance(checksums, dict):
        raise ValueError(f'{OF_FILES} are {checksums!r}')
    return checksums


def _check_whole(path: Path, checksums: dict[str, str] | None) -> None:
    """Raises `DamagedFile` if something in a file that is there was changed."""
    with _damage_of(path):
        if checksums is None:
            check_archive(path)
        else:
            check_files(checksums, [path])


def _check_no_link(*folders: Path) -> None:
    for folder in folders:
        if kind_of(folder) == 'a link':
            raise ValueError(f'{folder} is a link, which could lead anywhere')


def _check_scores(data: dict[str, Any], objective: MetricInfo) -> None:
    """Raises `ValueError` if no trial can have such scores."""
    for name, value in data.items():
        is_valid = True
        if name in ('perf_train', 'perf_val', 'perf_test', 'best_val') and value is not None:
            is_valid = objective.is_valid(value)
        elif name.startswith('loss_') and value is not None:
            is_valid = value > -math.inf  # infinite if it diverged, but not NaN
        elif name in ('seconds', 'epochs'):
            is_valid = 0 <= value < math.inf
        if not is_valid:
            raise ValueError(f'{name} is {value!r}, which it cannot be')


def trial_indices(layout: PointLayout) -> list[int]:
    """The trials that have a folder, done or not, rising.

    Raises:
        DamagedFile: Their folder is a link.
    """
    with _damage_of(layout.trials):
        _check_no_link(layout.trials)
    try:
        return sorted(int(name) for name in os.listdir(layout.trials) if name.isdecimal())
    except FileNotFoundError:
        return []


def read_errors(layout: PointLayout) -> list[PointError]:
    """Reads which runs of a point failed, that which counts first; empty if none did."""
    if kind_of(layout.error) is None:
        return []
    with _damage_of(layout.error):
        data = read_sealed(layout.error)
        first = {key: value for key, value in data.items() if key not in ('params', 'others')}
        for error in (first, *data['others']):
            check_types(PointError, error)
        errors = [PointError(**error) for error in (first, *data['others'])]
        return sorted(errors, key=failure_order)


def failure_order(error: PointError) -> int:
    """The failure that counts, of several of a point: the tuning's, else that of the lowest trial."""
    return -1 if error.trial is None else error.trial


def read_run(layout: PointLayout, stage: int, index: int, request: str) -> dict[str, np.ndarray] | None:
    """Reads a run of an unfinished tuning; None if it is not there, or answers another request."""
    path = layout.run(stage, index)
    if not path.exists():
        return None
    with _damage_of(path):
        arrays = read_npz(path)
        recorded = str(arrays.pop('request'))
    return arrays if recorded == request else None


def read_params(layout: PointLayout) -> dict[str, str] | None:
    """Reads from its results which point it is, as `Lookup.record` wrote it; None if that cannot be told."""
    for path in (layout.misc, layout.error):
        try:
            _check_no_link(layout.folder.parent, layout.folder, path.parent)
            return {str(name): str(cell) for name, cell in read_sealed(path)['params'].items()}
        except (OSError, ValueError, LookupError, AttributeError):
            continue
    return None


@contextmanager
def _damage_of(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise DamagedFile(path, 'it is missing') from error
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError) as error:
        raise DamagedFile(path, error) from error
