"""What the page shows, as plain values for its script."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from itertools import combinations
from typing import Any, TypeVar

import numpy as np

from ...errors import FolderError
from ...results import TrialResult
from ...store.origin import commands
from ...store.tuned_files import final_content
from ...text import one_line, printable, users_frames
from ..collect import PointSummary
from ..figures.axis import axis, swept
from ..figures.cost import COSTS, against_cost
from ..figures.heat_map import heat_map
from ..figures.training import training
from ..figures.tuning import tuning
from ..findings import Findings
from ..flags import FLAG_MEANINGS
from ..representations import Representations
from ..reproduction import reproduction
from ..stats.statistics import Interval

_MOST_HEAT_MAPS = 15
_DIGITS = 5
Found = TypeVar('Found')


def overview(findings: Findings) -> dict[str, Any]:
    """Returns everything but what is shown of a single architecture on demand.

    `rows` are all architectures, the best first, then the unfinished and the failed. What has one element per
    architecture besides follows the rows, as far as these have trials.
    """
    comparison, manifest = findings.comparison, findings.store.manifest
    names, influence = swept(findings), comparison.influence()
    content = {
        'title': manifest.module,
        'answer': comparison.answer(),
        'notes': [told for told in (comparison.on_test_data(), influence, _left_out(findings)) if told],
        'all_tied': comparison.are_tied,
        'columns': findings.columns,
        'nuisance': findings.nuisance,
        'parameters': [one.told() for one in findings.parameters],
        'commands': findings.commands,
        'rows': [_row(findings, one) for one in findings.summaries],
        'heat_maps': [
            asdict(heat_map(findings, *pair)) for pair in list(combinations(names, 2))[:_MOST_HEAT_MAPS]
        ],
        'costs': [_cost(findings, name) for name in COSTS],
        'effects': [
            {'name': ' with '.join(effect.parameters), 'share': effect.share, 'method': effect.method}
            for effect in comparison.effects()
        ],
        'effects_scope': comparison.influences.scope,
        'flags': FLAG_MEANINGS,
        'has_test': any(one.perf_test is not None for one in findings.summaries),
        'reproduce': _reproduce(findings),
    }
    axes = [_axis(findings, name) for name in names]
    return {**{name: rounded(value) for name, value in content.items()}, 'axes': axes}


def _left_out(findings: Findings) -> str:
    """Says of how many architectures the page shows nothing; '' if it shows all."""
    points, shown = len(findings.store.points), len(findings.summaries)
    if shown == points:
        return ''
    return (
        f'This page shows the best {shown} of {points} architectures; the sentences above are about all of '
        f'them. The others are in points/results.csv, and in what `sweeper report --format csv` writes.'
    )


def details(findings: Findings) -> tuple[list[dict[str, Any]], list[str]]:
    """Returns for each of the rows how it was tuned and how its trials went; and which files are damaged."""
    damaged: list[str] = []
    return [_details(findings, one, damaged) for one in findings.summaries], damaged


def left_out_as_damaged(damaged: Sequence[str]) -> list[str]:
    """Says what the page lacks since files are damaged; nothing if none is."""
    if not damaged:
        return []
    more = f' and {len(damaged) - 1} more' if len(damaged) > 1 else ''
    told = f'Left out, since a file is damaged: {damaged[0]}{more}.'
    return [f'{told} Running the sweep again sets it aside and computes it anew.']


def _whole(
    find: Callable[[Findings, PointSummary], Found], findings: Findings, one: PointSummary, damaged: list[str]
) -> Found | None:
    """Returns what there is to show, or None if a file of it is damaged, which is noted."""
    try:
        return find(findings, one)
    except FolderError as error:
        damaged.append(printable(error))
        return None


def _details(findings: Findings, one: PointSummary, damaged: list[str]) -> dict[str, Any]:
    tuned, course = _whole(tuning, findings, one, damaged), _whole(training, findings, one, damaged)
    told = dict(vars(tuned)) if tuned is not None else {}
    columns = (
        {name: [row[name] for row in told['candidates']] for name in told['candidates'][0]}
        if (told and told['candidates'])
        else {}
    )
    trials = findings.store.trials(one.params)
    settings = findings.store.tuned(one.params)
    final = final_content(settings) if settings is not None else None
    if final is not None and tuned is not None and tuned.nuisance:
        final['nuisance'] = tuned.nuisance
    return {
        'tuning': rounded({**told, 'candidates': columns}) if told else None,
        'training': rounded({'epochs': course.epochs, 'courses': _courses(course.courses)})
        if course is not None
        else {'epochs': [], 'courses': {}},
        'settings': rounded(final),
        'trials': [
            {'index': index, 'seed': str(trial.seed), **rounded(_scores(trial))}
            for index, trial in trials.items()
        ],
    }  # fmt: skip


def _courses(courses: Mapping[str, Any]) -> dict[str, Any]:
    return {name: vars(course) for name, course in courses.items() if any(course.trials)}


def _scores(trial: TrialResult) -> dict[str, Any]:
    names = (
        field.name for field in fields(trial) if field.name not in ('seed', 'step', 'step_reason', 'lanes')
    )
    return {name: getattr(trial, name) for name in names}


def represented(findings: Findings, found: Representations) -> list[dict[str, Any]]:
    """Returns what the layers of chosen architectures make of the data, as the page's script takes it."""
    names = {one.params: findings.name(one) for one in findings.summaries}
    return [
        {
            'name': names[one.point],
            'trial': one.trial,
            'labels': rounded(found.labels.tolist()),
            'are_classes': found.are_classes,
            'layers': [
                {
                    'name': one_line(' '.join(filter(None, (layer.name, layer.kind)))),
                    'points': rounded(layer.coordinates.tolist()),
                    'explained': rounded(layer.explained.tolist()),
                }
                for layer in one.layers
            ],
            'skipped': [one_line(f'{layer.name} {layer.kind}: {layer.reason}') for layer in one.skipped],
        }
        for one in found.found
    ]


def _row(findings: Findings, one: PointSummary) -> dict[str, Any]:
    error = one.error
    return {
        'name': findings.name(one),
        'cells': one.cells,
        'trials': one.perfs,
        'perf': _interval(one.perf_val),
        'test': _interval(one.perf_test) if one.perf_test is not None else None,
        'median': (median := float(np.median(one.perfs)) if one.perfs else None),
        # Rounded once, as in the terminal: rounded for the page and again by its script they might differ.
        'median_text': '' if median is None else f'{median:.4f}',
        'trial_texts': [f'{perf:.4f}' for perf in one.perfs],
        'first': one.params in findings.first,
        'comparable': not one.exclusions,
        'lr': list(one.lr_range) if one.lr_range is not None else None,
        'batch': one.batch_size,
        'nuisance': one.nuisance_cells(findings.nuisance),
        'costs': [of(one) for _, of in COSTS.values()],
        'flags': one.flags,
        'shown_flags': one.shown_flags,
        'command': one.command,
        'error': None
        if error is None
        else {**asdict(error), 'traceback': users_frames(error.traceback), 'text': str(error)},
    }


def _interval(found: Interval) -> dict[str, Any]:
    return {**found._asdict(), 'text': found.text}


def _axis(findings: Findings, name: str) -> dict[str, Any]:
    """Its places are exact: rounded, two values could become one."""
    found = axis(findings, name)
    return {**rounded({'name': name, 'labels': found.labels, 'log': found.is_log}), 'places': found.places}


def _cost(findings: Findings, name: str) -> dict[str, Any]:
    found = against_cost(findings, name)
    return {'label': found.label, 'front': found.is_front}


def _reproduce(findings: Findings) -> dict[str, Any]:
    manifest = findings.store.manifest
    machines = [f'{one.processor}, {one.system}' for one in manifest.origin if one.processor]
    return {
        'commands': commands(manifest.origin),
        'note': reproduction(manifest),
        'problem': manifest.path or manifest.module,
        'preset': manifest.preset or manifest.method or 'changed',
        'seed': manifest.seed,
        'sweep_cores': manifest.sweep_cores,
        'device': manifest.device,
        'training samples': manifest.train_size,
        'machine': '; '.join(dict.fromkeys(machines)),
        **{f'version of {name}': version for name, version in manifest.versions.items()},
        'settings': dict(manifest.setting_values),
        'source fingerprint': manifest.source,
    }


def rounded(value: Any) -> Any:
    """Returns plain values with numbers as short as can be seen and texts that print.

    What is not finite becomes None.
    """
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, float):
        return float(f'{value:.{_DIGITS}g}') if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {printable(name): rounded(one) for name, one in value.items()}
    return [rounded(one) for one in value] if isinstance(value, list | tuple) else value
