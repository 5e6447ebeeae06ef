"""`sweep.json`: which sweep a folder holds, so that no folder ever mixes two."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ..annotations import check_types
from ..errors import FolderError
from ..io.checksums import read_json, read_sealed
from ..io.files import AtomicWriter
from ..io.opening import kind_of
from ..metric import PERFORMANCE, MetricInfo
from ..stats.design import Design
from ..text import reason
from ..version import RESULTS_VERSION
from .declaration import declarations
from .layout import SweepLayout
from .looks import Look, check_looks
from .origin import Origin, read_origin
from .storage import Storage

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
        tuned_space: What of a space is tuned for every point, as text by name: values and conditions.
        val_size: Samples that a trial is validated on; 0 without data, or in folders of earlier versions.
        paired: Whether trials of the same index are compared with each other; None: as the problem is.
        planned_looks: How often the results are to be looked at in all; None if that is open.
        margin: The largest difference in the objective that does not matter; None for the default.
        looks: How many trials there were at each look, as `recorded_look` has it; None in folders of earlier
            versions.
        tunings: How often each architecture is tuned, from other seeds; trial `i` uses number `i % tunings`.
        storage: How the folder keeps results, as far as that was chosen, by the names of `Storage`.
        processes_per_run: How many processes train a model together.
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
    tuned_space: Mapping[str, str] = field(default_factory=dict)
    val_size: int = 0
    paired: bool | None = None
    planned_looks: int | None = None
    margin: float | None = None
    looks: Sequence[str] | None = None
    tunings: int = 1
    storage: Mapping[str, Any] = field(default_factory=dict)
    processes_per_run: int = 1
    format: int = FORMAT

    @property
    def objective(self) -> MetricInfo:
        """What architectures are compared by."""
        return self.metrics[0]

    @cached_property  # asked for each of thousands of trials
    def kept(self) -> Storage:
        """How the folder keeps results."""
        return Storage.of(self.storage)

    @property
    def val_to_train(self) -> float:
        """Validation samples per training sample if trials are resamples; 0 if all have the same data."""
        return float(self.resample.get('val_to_train', 0.0))

    @property
    def is_paired(self) -> bool:
        """Whether trials of the same index are compared with each other: by default if they share splits."""
        return bool(self.resample) if self.paired is None else self.paired

    def design(self, look: Look) -> Design:
        """How trials are compared when their results are looked at, as far as a sweep's folder says."""
        return Design(
            paired=self.is_paired,
            val_to_train=self.val_to_train,
            look=look.number,
            planned_looks=self.planned_looks,
            is_interim=look.interim,
            margin=self.margin,
            resolution=1 / self.val_size if self.val_size else 0.0,
            tunings=self.tunings,
        )

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
    manifest, problems = find_manifest(layout)
    if manifest is None:
        if problems:
            raise FolderError(listed_damage(problems))
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


def find_manifest(
    layout: SweepLayout, of_any_format: bool = False
) -> tuple[Manifest | None, dict[Path, Exception]]:
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
            _check_plan(data)
            Storage.of(data.get('storage', {}))
            lists = {'origin': origin, 'changes': tuple(data.get('changes', ())), 'metrics': metrics}
            looks = None if (recorded := data.get('looks')) is None else tuple(recorded)
            return Manifest(**{**data, **lists, 'looks': looks}), problems
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


def _check_plan(data: Mapping[str, Any]) -> None:
    """Raises `ValueError` if results cannot be looked at or compared like this."""
    check_looks(data.get('looks'))
    margin, planned, val_size = data.get('margin'), data.get('planned_looks'), data.get('val_size', 0)
    if margin is not None and not 0 < margin < math.inf:
        raise ValueError(f'margin is {margin!r}')
    if planned is not None and planned < 1:
        raise ValueError(f'planned_looks is {planned!r}')
    if val_size < 0:
        raise ValueError(f'val_size is {val_size!r}')
    for name in ('tunings', 'processes_per_run'):
        if data.get(name, 1) < 1:
            raise ValueError(f'{name} is {data[name]!r}')


def write_manifest(layout: SweepLayout, writer: AtomicWriter, manifest: Manifest) -> None:
    """Writes `sweep.json` and its copy, unless that is what they hold."""
    for path in (layout.manifest_copy, layout.manifest):
        writer.write_sealed(path, manifest_content(manifest))


def manifest_content(manifest: Manifest) -> dict[str, Any]:
    """What `sweep.json` says."""
    content = asdict(manifest)
    if not manifest.resample:
        del content['resample']
    if not manifest.tuned_space:
        del content['tuned_space']
    if manifest.looks is None:
        del content['looks']
    for name in ('tunings', 'processes_per_run'):
        if content[name] == 1:
            del content[name]
    if not manifest.storage:
        del content['storage']
    return content


def listed_damage(damaged: dict[Path, Exception]) -> str:
    """Says what cannot be read, and why."""
    return '; '.join(f'cannot read {path}: {reason(error, path)}' for path, error in damaged.items())
