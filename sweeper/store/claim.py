"""Sees that a folder is new, or holds the very sweep that it is opened for."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import FolderError
from ..io.files import TEMPORARY_SUFFIX, AtomicWriter
from ..metric import PERFORMANCE
from .acceptance import ACCEPT, accepted_kinds
from .damage import set_aside
from .layout import SweepLayout
from .manifest import Manifest, find_manifest, listed_damage, manifest_content, write_manifest
from .tidying import set_aside_strange

_IDENTITY = (
    'format', 'module', 'seed', 'sweep_cores', 'train_size', 'preset', 'minutes_per_trial', 'tunings',
    'processes_per_run',
)  # fmt: skip

_GROUPS = 'points_per_folder'


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
    recorded, damaged = find_manifest(layout, of_any_format=if_changed == 'restart')
    if recorded is None:
        if damaged:
            raise FolderError(f'cannot tell which sweep {layout.folder} holds: {listed_damage(damaged)}')
        _check_nothing_unexpected(layout)
        return requested
    for path, error in damaged.items():
        set_aside(layout, writer, path, error)
    set_aside_strange(layout, writer)
    different, changed = _differences(recorded, requested), _changes(recorded, requested)
    layout = layout.grouped(recorded.kept.points_per_folder)
    replanned = _other_plan(recorded, requested) if _has_trials(layout) else []
    regrouped = {**recorded.storage, **requested.storage}.get(_GROUPS) != recorded.storage.get(_GROUPS)
    accepted = accepted_kinds(if_changed) or frozenset()
    if (different or changed or replanned or regrouped) and if_changed == 'restart':
        _move_to_earlier(layout, writer, recorded)
        return requested
    if different:
        raise FolderError(
            f'{layout.folder} holds another sweep ({"; ".join(different)}). Name another folder, run it as '
            f"it was, or set what is there aside with if_changed='restart'"
        ).naming(('if_changed', 'restart'))
    for (recorded_option, option), (recorded_command, command) in replanned:
        was = f'{layout.folder} has trials, and how they are compared is fixed before: this sweep was started'
        advice = 'Leave that out, or name another folder'
        if 'looks' in option:
            advice += '; RacingSweep, which plans its looks itself, needs one of its own'
        error = FolderError(f'{was} with {recorded_option}, not {option}. {advice}')
        raise error.on_command_line(f'{was} {recorded_command}, not with {command}. {advice}')
    if regrouped:
        size, wanted = recorded.kept.points_per_folder, requested.kept.points_per_folder
        raise FolderError(
            f'{_GROUPS}={wanted!r}: {layout.folder} has the folders of its points '
            f'{"all in one" if size is None else f"in folders of {size}"}, where they stay. Leave that out, '
            f'or name another folder'
        ).naming((_GROUPS, wanted))
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
        requested,
        named_points=recorded.named_points,
        origin=recorded.origin,
        changes=changes,
        storage={**recorded.storage, **requested.storage},
        **_plan(recorded, requested),
    )
    write_manifest(layout, writer, continued)
    return continued


def _check_nothing_unexpected(layout: SweepLayout) -> None:
    copies = layout.manifest_copy.parent  # with nothing in it yet
    written = (layout.log, layout.optuna_study, layout.budget, layout.constraints)
    kept = (layout.running, layout.earlier, layout.damaged, *written, copies)
    known = {path.name for path in kept}
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
    writer.write_sealed(target / layout.manifest.name, manifest_content(recorded))
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
        for name in _IDENTITY
        if (there := getattr(recorded, name)) != (here := getattr(requested, name))
    ]
    if not recorded.resample and recorded.val_size != requested.val_size and recorded.val_size:
        different.append(f'val size: {recorded.val_size} there, {requested.val_size} asked')
    if recorded.path != requested.path and recorded.source != requested.source:
        different.append(
            f'path of another file: {_shown(recorded.path)} there, {_shown(requested.path)} asked'
        )
    different += _compared('value of the parameter ', recorded.values, requested.values)
    different += _compared('tuned parameter ', recorded.tuned_space, requested.tuned_space)
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


def _plan(recorded: Manifest, requested: Manifest) -> dict[str, Any]:
    """How results are compared, as a sweep that is continued has it: as before where nothing is said."""
    plan = {
        name: getattr(recorded, name) if (value := getattr(requested, name)) is None else value
        for name in ('paired', 'planned_looks', 'margin')
    }
    return {**plan, 'looks': requested.looks if recorded.looks is None else recorded.looks}


def _other_plan(recorded: Manifest, requested: Manifest) -> list[tuple[tuple[str, str], tuple[str, str]]]:
    """How results are compared otherwise than planned: both plans, as arguments and on the command line.

    Nothing is known of the plans of folders of earlier versions.
    """
    if recorded.looks is None:
        return []
    other = []
    before, paired = recorded.is_paired, requested.paired
    if paired is not None and paired != before:
        commands = f'with {_option(before)}' if recorded.paired is not None else f'without {_option(paired)}'
        other.append(((f'paired={before}', f'paired={paired}'), (commands, _option(paired))))
    planned, looks = recorded.planned_looks, requested.planned_looks
    if looks is not None and looks != planned:
        command = 'without --looks' if planned is None else f'with --looks {planned}'
        other.append(((f'looks={planned}', f'looks={looks}'), (command, f'--looks {looks}')))
    return other


def _option(is_paired: bool) -> str:
    return '--paired' if is_paired else '--unpaired'


def _has_trials(layout: SweepLayout) -> bool:
    folders = (layout.point(point_id).trials for point_id in layout.point_ids())
    return any(next(folder.glob('*/result.json'), None) is not None for folder in folders)


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
