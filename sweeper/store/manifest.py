"""`sweep.json`: which sweep a folder holds, so that no folder ever mixes two."""

from __future__ import annotations

import dataclasses
import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ..annotations import check_types
from ..errors import FolderError
from ..io.checksums import read_json, read_sealed
from ..io.files import TEMPORARY_SUFFIX, AtomicWriter
from ..io.opening import kind_of
from ..metric import PERFORMANCE, MetricInfo
from ..text import reason
from ..version import RESULTS_VERSION
from .acceptance import ACCEPT, accepted_kinds
from .damage import set_aside
from .declaration import declarations
from .layout import SweepLayout
from .origin import Origin, read_origin
from .tidying import set_aside_strange

FORMAT = 2

_PACKAGES = ('torch', 'numpy', 'pytorch-ignite')


@dataclass(frozen=True)
class Manifest:
    """What identifies a sweep, and what is good to know about it.

    Attributes:
        module: The problem's name.
        preset: The preset's name, or None for changed settings and other methods of tuning.
        settings: Every setting, by name; of another method its name, `values` and, if it is a user's own,
            `source`.
        sweep_cores: The least number of initialisations behind each tuning curve.
        seed: The sweep's seed.
        named_points: Whether the points are named; None until the first is proposed.
        train_size: Samples in the training set.
        device: The kind of device that trains, such as `cpu`.
        step: The kind of step that was asked for.
        path: The problem's file, or None if it has none.
        source: A fingerprint of what the problem is made of.
        versions: Of Python and the packages that results depend on.
        origin: The commands that made it and their machines; they make no difference to it.
        changes: What changed meanwhile and was accepted, in order, so that earlier results may differ.
        declared: What the problem's code declares, by name and in plain values (see `declarations`); the code
            is told from another by `source`.
        values: Of declared parameters that were set before the sweep, as text, by name.
        metrics: What is known of the problem's metrics, the objective first.
        minutes_per_trial: How long a trial was to take; `trial_samples` of the settings is what this came to.
            None if the settings say it.
        stopping: How trials stop early: `stop` and `patience`; empty if they do not.
        resample: If each trial has a split of its own: `splits`, as `SweepConfig.resample` has it, how many
            `samples` are split, and `val_to_train`, validation samples per training sample. Else empty.
        format: The version of the folder's format.
    """

    module: str
    preset: str | None
    settings: Mapping[str, Any]
    sweep_cores: int
    seed: int
    train_size: int
    named_points: bool | None = None
    device: str = 'cpu'
    step: str = 'auto'
    path: str | None = None
    source: str | None = None
    versions: Mapping[str, str] = field(default_factory=lambda: _versions())
    origin: Sequence[Origin] = ()
    changes: Sequence[str] = ()
    declared: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    metrics: Sequence[MetricInfo] = (PERFORMANCE,)
    minutes_per_trial: float | None = None
    stopping: Mapping[str, Any] = field(default_factory=dict)
    resample: Mapping[str, Any] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def objective(self) -> MetricInfo:
        """What architectures are compared by."""
        return self.metrics[0]

    @property
    def val_to_train(self) -> float:
        """Validation samples per training sample if trials are resamples; 0 if all have the same data."""
        return float(self.resample.get('val_to_train', 0.0))

    @property
    def method(self) -> str | None:
        """The class of the tuning method; None if that is settings."""
        name = self.settings.get('method')
        return None if name is None else str(name)

    @property
    def setting_values(self) -> Mapping[str, Any]:
        """The settings of the tuning method by name, whatever method it is."""
        values = self.settings.get('values')
        return values if self.method is not None and isinstance(values, dict) else self.settings

    @property
    def tuning(self) -> str:
        """How architectures are tuned, in a few words."""
        return f'preset {self.preset or "changed"}' if self.method is None else f'tuning {self.method}'


def _versions() -> dict[str, str]:
    versions = {'python': '.'.join(platform.python_version_tuple()[:2]), 'sweeper': RESULTS_VERSION}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = 'unknown'
    return versions


def read_manifest(layout: SweepLayout) -> Manifest:
    """Reads the manifest of a sweep's folder: `sweep.json`, or its copy if that is lost.

    Raises:
        FolderError: There is none, or neither can be read.
    """
    manifest, problems = _read(layout)
    if manifest is None:
        if problems:
            raise FolderError(_listed(problems))
        raise FolderError(f'{layout.folder} holds no sweep: there is no {layout.manifest.name}')
    _check_format(layout.manifest, manifest.format)
    return manifest


def _check_format(path: Path, recorded: object) -> None:
    if recorded == FORMAT:
        return
    is_newer = isinstance(recorded, int) and recorded > FORMAT
    raise FolderError(
        f'{path} has format {recorded!r}; this version of sweeper reads format {FORMAT}'
        + ('. It was written by a newer version: update sweeper, or name another folder' if is_newer else '')
    )


def _read(layout: SweepLayout, of_any_format: bool = False) -> tuple[Manifest | None, dict[Path, Exception]]:
    """Returns the manifest, if there is one to be read, and what was found damaged on the way to it."""
    problems: dict[Path, Exception] = {}
    for path in (layout.manifest, layout.manifest_copy):
        if kind_of(path.parent) == 'a link' and path == layout.manifest_copy:
            continue
        try:
            data = read_json(path)
            if isinstance(data.get('format'), int) and not of_any_format:
                _check_format(path, data['format'])
            data = read_sealed(path)  # of another format it may be another checksum
            origin = read_origin(data.get('origin'))
            check_types(Manifest, {**data, 'origin': [], 'metrics': []})
            metrics = tuple(MetricInfo.from_dict(each) for each in data.get('metrics', ())) or (PERFORMANCE,)
            declarations(data.get('declared', {}))
            _check_resample(data.get('resample', {}))
            lists = {'origin': origin, 'changes': tuple(data.get('changes', ())), 'metrics': metrics}
            return Manifest(**{**data, **lists}), problems
        except FileNotFoundError:
            continue
        except NotADirectoryError as error:
            raise FolderError(f'{layout.folder} is a file; a sweep has a folder') from error
        except OSError as error:
            raise FolderError(f'cannot read {path}: {reason(error, path)}') from error
        except (ValueError, TypeError) as error:
            problems[path] = error
    return None, problems


def _check_resample(resample: Mapping[str, Any]) -> None:
    ratio = resample.get('val_to_train', 0.0)
    if isinstance(ratio, bool) or not isinstance(ratio, float | int) or not 0 <= ratio < math.inf:
        raise ValueError(f'val_to_train is {ratio!r}')


def claim(
    layout: SweepLayout, requested: Manifest, writer: AtomicWriter, if_changed: str = 'stop'
) -> Manifest:
    """Sees that the folder is empty or already this sweep's; returns the manifest that holds for it.

    A new folder becomes this sweep's only when its first points are added. A damaged manifest is set aside
    and restored from its copy.

    Args:
        layout: The folder, locked.
        requested: The sweep that it is for.
        writer: Writes in it.
        if_changed: If the folder's sweep is another than this: `stop`; accept what is named
            (`accept:source`, `accept:versions,device`), which need not change results; or `restart`, after
            moving what is there to `earlier/<n>`.

    Raises:
        FolderError: It holds another sweep, or something that is no sweep.
    """
    recorded, damaged = _read(layout, of_any_format=if_changed == 'restart')
    if recorded is None:
        if damaged:
            raise FolderError(f'cannot tell which sweep {layout.folder} holds: {_listed(damaged)}')
        _check_nothing_unexpected(layout)
        return requested
    for path, error in damaged.items():
        set_aside(layout, writer, path, error)
    set_aside_strange(layout, writer)
    different, changed = _differences(recorded, requested), _changes(recorded, requested)
    accepted = accepted_kinds(if_changed) or frozenset()
    if (different or changed) and if_changed == 'restart':
        _move_to_earlier(layout, writer, recorded)
        return requested
    if different:
        raise FolderError(
            f'{layout.folder} holds another sweep ({"; ".join(different)}). Name another folder, run it as '
            f"it was, or set what is there aside with if_changed='restart'"
        ).naming(('if_changed', 'restart'))
    if unaccepted := [(kind, text) for kind, text in changed if kind not in accepted]:
        accept = ACCEPT + ','.join(dict.fromkeys(kind for kind, _ in unaccepted))
        raise FolderError(
            f'{layout.folder}: changed since this sweep was started: '
            f'{"; ".join(text for _, text in unaccepted)}. Results from before and after are not mixed '
            f'unasked. Name another folder, run it as it was, say if_changed={accept!r} if that makes no '
            f"difference to results, or if_changed='restart' to move what is there to {layout.earlier.name}/ "
            f'and start anew'
        ).naming(('if_changed', accept), ('if_changed', 'restart'))
    changes = (*recorded.changes, *(text for _, text in changed))
    continued = dataclasses.replace(
        requested, named_points=recorded.named_points, origin=recorded.origin, changes=changes
    )
    write_manifest(layout, writer, continued)
    return continued


def write_manifest(layout: SweepLayout, writer: AtomicWriter, manifest: Manifest) -> None:
    """Writes `sweep.json` and its copy, unless that is what they hold."""
    for path in (layout.manifest_copy, layout.manifest):
        writer.write_sealed(path, _content(manifest))


def _content(manifest: Manifest) -> dict[str, Any]:
    content = asdict(manifest)
    if not manifest.resample:
        del content['resample']
    return content


def _listed(damaged: dict[Path, Exception]) -> str:
    return '; '.join(f'cannot read {path}: {reason(error, path)}' for path, error in damaged.items())


def _check_nothing_unexpected(layout: SweepLayout) -> None:
    copies = layout.manifest_copy.parent  # with nothing in it yet
    known = {path.name for path in (layout.running, layout.earlier, layout.damaged, layout.log, copies)}
    unexpected = [
        path.name
        for path in layout.folder.iterdir()
        if path.suffix != TEMPORARY_SUFFIX and path.name not in known and not _is_hollow(path)
    ]
    if unexpected:
        some = ', '.join(sorted(unexpected)[:3])
        raise FolderError(
            f'{layout.folder} is not empty and holds no sweep (it has {some}); name a new or an empty folder'
        )


def _is_hollow(folder: Path) -> bool:
    """Whether it is a folder without a whole file: an interrupted write left it."""
    inside = folder.rglob('*')
    return folder.is_dir() and all(path.is_dir() or path.suffix == TEMPORARY_SUFFIX for path in inside)


def _move_to_earlier(layout: SweepLayout, writer: AtomicWriter, recorded: Manifest) -> None:
    kept = (layout.running, layout.earlier)
    taken = [int(path.name) for path in layout.earlier.glob('*') if path.name.isdecimal()]
    target = layout.earlier / str(max(taken, default=-1) + 1)
    # The manifest stays until the rest is moved, so that the choice can be put to the user again.
    writer.write_sealed(target / layout.manifest.name, _content(recorded))
    last = (layout.manifest_copy.parent, layout.manifest)
    for path in sorted(layout.folder.iterdir(), key=lambda path: (path in last, path == layout.manifest)):
        if path == layout.manifest:
            writer.remove(path)
        elif path not in kept:
            writer.move(path, target / path.name)


def _differences(recorded: Manifest, requested: Manifest) -> list[str]:
    """What makes it another sweep."""
    different = [
        f'{name.replace("_", " ")}: {_shown(there)} there, {_shown(here)} asked'
        for name in ('format', 'module', 'seed', 'sweep_cores', 'train_size', 'preset', 'minutes_per_trial')
        if (there := getattr(recorded, name)) != (here := getattr(requested, name))
    ]
    if recorded.path != requested.path and recorded.source != requested.source:
        different.append(
            f'path of another file: {_shown(recorded.path)} there, {_shown(requested.path)} asked'
        )
    different += _compared('value of the parameter ', recorded.values, requested.values)
    different += _compared('option ', recorded.stopping, requested.stopping)
    options = ({'resample': manifest.resample.get('splits')} for manifest in (recorded, requested))
    different += _compared('option ', *options)
    if recorded.resample and requested.resample:
        samples = ({'samples': manifest.resample.get('samples')} for manifest in (recorded, requested))
        different += _compared('training and validation ', *samples)
    if recorded.objective not in (PERFORMANCE, requested.objective):
        names = (manifest.objective.name for manifest in (recorded, requested))
        different.append('objective: {} there, {} asked'.format(*names))
    if recorded.preset != requested.preset and None not in (recorded.preset, requested.preset):
        return different
    recorded_method, other = recorded.method, requested.method
    if recorded_method != other:
        return [
            *different,
            f'tuning method: {recorded_method or "settings"} there, {other or "settings"} asked',
        ]
    return different + _compared('setting ', recorded.setting_values, requested.setting_values)


def _changes(recorded: Manifest, requested: Manifest) -> list[tuple[str, str]]:
    """What may or may not make a difference to results, each after its kind; only the user can tell."""
    changed = [('source', f'the source of {requested.module}')] if recorded.source != requested.source else []
    if recorded.settings.get('source') != requested.settings.get('source'):
        changed.append(('source', f'the source of {requested.method}'))
    changed += [
        ('versions', text) for text in _compared('version of ', recorded.versions, requested.versions)
    ]
    for name in ('device', 'step'):
        values = ({name: getattr(manifest, name)} for manifest in (recorded, requested))
        changed += [(name, text) for text in _compared('', *values)]
    return changed


def _compared(what: str, recorded: Mapping[str, Any], requested: Mapping[str, Any]) -> list[str]:
    return [
        f'{what}{name}: {_shown(recorded.get(name))} there, {_shown(requested.get(name))} asked'
        for name in sorted({*recorded, *requested})
        if recorded.get(name) != requested.get(name)
    ]


def _shown(value: Any) -> str:
    return 'none' if value is None else str(value)
