"""What the page shows, as plain values for its script."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from itertools import combinations
from typing import Any, TypeVar

import numpy as np

from ...errors import FolderError
from ...results import TrialResult, Tuned
from ...stats.intervals import Interval
from ...store.origin import commands
from ...store.tuned_files import final_content
from ...text import one_line, printable, users_frames
from ..collect import PointSummary, have_differences, have_diverged
from ..figures.axis import axis, swept
from ..figures.cost import COSTS, against_cost
from ..figures.heat_map import heat_map
from ..figures.training import training
from ..figures.tuning import tuning
from ..findings import Findings
from ..flags import FLAG_MEANINGS
from ..measure import Measure, measures
from ..representations import Representations
from ..reproduction import reproduction

_MOST_HEAT_MAPS = 15
_DIGITS = 5
Content = TypeVar('Content')


def overview(findings: Findings) -> dict[str, Any]:
    """Returns everything but what is shown of a single architecture on demand.

    `rows` are all architectures, the best first, then the unfinished and the failed. What has one element per
    architecture besides follows the rows, as far as these have trials.
    """
    manifest, names = findings.store.manifest, swept(findings)
    content = {
        'title': manifest.module,
        'metrics': [measure.name for measure in measures(manifest.metrics)],
        'objective_higher': manifest.objective.higher,
        'columns': findings.columns,
        'nuisance': findings.nuisance,
        'units': findings.units,
        'parameters': [parameter.to_dict() for parameter in findings.parameters],
        'commands': findings.commands,
        'rows': [_row(findings, summary) for summary in findings.summaries],
        **_by_metric(findings, findings),
        'reproduce': _reproduce(findings),
    }
    axes = [_axis(findings, name) for name in names]
    return {**{name: rounded(value) for name, value in content.items()}, 'axes': axes}


def views(findings: Findings) -> list[dict[str, Any]]:
    """Returns, for each other metric, what of the overview is different by it.

    `rows` are in the order of the overview's; `order` has their indices, the best first.
    """
    rows = {summary.params: index for index, summary in enumerate(findings.summaries)}
    others = []
    for measure in measures(findings.store.manifest.metrics, findings.measure.val_to_train):
        if measure != findings.measure:
            by_other = findings.by(measure.name).only(findings.summaries)
            ordered = {summary.params: summary for summary in by_other.summaries}
            others.append(
                rounded(
                    {
                        **_by_metric(by_other, findings),
                        'order': [rows[point] for point in ordered],
                        'rows': [_scores_of(by_other, ordered[point]) for point in rows],
                    }
                )
            )
    return others


def _by_metric(findings: Findings, shown: Findings) -> dict[str, Any]:
    """What of the overview depends on the metric; in the order of the rows that are shown."""
    comparison, measure = findings.comparison, findings.measure
    of_tuning = findings.due_to_tuning
    sentences = ' '.join(comparison.details()), of_tuning, comparison.influence(), _left_out(shown)
    return {
        'metric': {
            **measure.to_dict(),
            'key': measure.key,
            'title': measure.title,
            'objective': measure.objective,
            'is_share': measure.info.is_share,
            'is_plain': measure.name == 'performance',
        },
        'answer': comparison.answer(),
        'headline': comparison.sentences.headline,
        'have_differences': have_differences(findings.summaries),
        'notes': [sentence for sentence in sentences if sentence],
        'all_tied': comparison.are_tied,
        'heat_maps': [
            _without_measure(heat_map(findings, *pair))
            for pair in list(combinations(swept(findings), 2))[:_MOST_HEAT_MAPS]
        ],
        'costs': [_cost(findings, shown, name) for name in COSTS],
        'effects': [
            {'name': effect.name, 'share': effect.share, 'method': effect.method, 'p': effect.p}
            for effect in comparison.influences.significant
        ],
        'effects_scope': comparison.influences.scope,
        'effects_without': comparison.influences.outlier,
        'effects_within_noise': [effect.name for effect in comparison.effects() if not effect.is_significant],
        'flags': dict(FLAG_MEANINGS),
        'have_diverged': have_diverged(findings.summaries),
        'has_test': any(summary.perf_test is not None for summary in findings.summaries),
    }


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
    return [_details(findings, summary, damaged) for summary in findings.summaries], damaged


def left_out_as_damaged(damaged: Sequence[str]) -> list[str]:
    """Says what the page lacks since files are damaged; nothing if none is."""
    if not damaged:
        return []
    more = f' and {len(damaged) - 1} more' if len(damaged) > 1 else ''
    message = f'Left out, since a file is damaged: {damaged[0]}{more}.'
    return [f'{message} Running the sweep again sets it aside and computes it anew.']


def _whole(
    find: Callable[[Findings, PointSummary], Content],
    findings: Findings,
    summary: PointSummary,
    damaged: list[str],
) -> Content | None:
    """Returns what there is to show, or None if a file of it is damaged, which is noted."""
    try:
        return find(findings, summary)
    except FolderError as error:
        damaged.append(printable(error))
        return None


def _details(findings: Findings, summary: PointSummary, damaged: list[str]) -> dict[str, Any]:
    tuned, course = _whole(tuning, findings, summary, damaged), _whole(training, findings, summary, damaged)
    data = _without_measure(tuned) if tuned is not None else {}
    columns = (
        {name: [row[name] for row in data['candidates']] for name in data['candidates'][0]}
        if (data and data['candidates'])
        else {}
    )
    trials = findings.store.trials(summary.params)
    settings = findings.store.tuned(summary.params)
    final = final_content(settings) if settings is not None else None
    if final is not None and tuned is not None and tuned.nuisance:
        final['nuisance'] = tuned.nuisance
    return {
        'tuning': rounded({**data, 'candidates': columns}) if data else None,
        'training': rounded({'epochs': course.epochs, 'courses': _courses(course.courses)})
        if course is not None
        else {'epochs': [], 'courses': {}},
        'settings': rounded(final),
        'tunings': [rounded(_tuning(number, tuned)) for number, tuned in enumerate(summary.tunings)],
        'trials': [
            {
                'index': index,
                **({'tuning': index % number} if (number := len(summary.tunings)) else {}),
                'seed': str(trial.seed),
                **rounded(_scores(trial)),
            }
            for index, trial in trials.items()
        ],
    }  # fmt: skip


def _tuning(number: int, tuned: Tuned) -> dict[str, Any]:
    """One of several tunings of an architecture, as a row of a table."""
    content = {name: value for name, value in final_content(tuned).items() if name != 'training'}
    nuisance = content.pop('nuisance', {})
    return {
        'tuning': number,
        **content,
        **{f'nuisance_{name}': str(value) for name, value in nuisance.items()},
        'flags': ' '.join(tuned.flags) or None,
    }


def _without_measure(figure: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(figure).items() if name != 'measure'}


def _courses(courses: Mapping[str, Any]) -> dict[str, Any]:
    return {name: vars(course) for name, course in courses.items() if any(course.trials)}


def _scores(trial: TrialResult) -> dict[str, Any]:
    names = (
        field.name
        for field in fields(trial)
        if field.name not in ('seed', 'step', 'step_reason', 'lanes', 'metrics', 'split')
    )
    return {**{name: getattr(trial, name) for name in names}, **trial.split, **trial.metrics}


def represented(findings: Findings, representations: Representations) -> list[dict[str, Any]]:
    """Returns what the layers of chosen architectures make of the data, as the page's script takes it."""
    names = {summary.params: findings.name(summary) for summary in findings.summaries}
    return [
        {
            'name': names[representation.point],
            'trial': representation.trial,
            'labels': rounded(representations.labels.tolist()),
            'are_classes': representations.are_classes,
            'layers': [
                {
                    'name': one_line(' '.join(filter(None, (layer.name, layer.kind)))),
                    'points': rounded(layer.coordinates.tolist()),
                    'explained': rounded(layer.explained.tolist()),
                }
                for layer in representation.layers
            ],
            'skipped': [
                one_line(f'{layer.name} {layer.kind}: {layer.reason}') for layer in representation.skipped
            ],
        }
        for representation in representations.points
    ]


def _row(findings: Findings, summary: PointSummary) -> dict[str, Any]:
    error = summary.error
    return {
        'name': findings.name(summary),
        'cells': summary.cells,
        **_scores_of(findings, summary),
        'lr': list(summary.lr_range) if summary.lr_range is not None else None,
        'batch': summary.batch_size,
        'epochs': summary.epochs or None,
        'nuisance': summary.nuisance_cells(findings.nuisance),
        'costs': [of(summary) for _, of in COSTS.values()],
        'command': summary.command,
        'error': None
        if error is None
        else {**asdict(error), 'traceback': users_frames(error.traceback), 'text': str(error)},
    }


def _scores_of(findings: Findings, summary: PointSummary) -> dict[str, Any]:
    """What of a row depends on the metric."""
    number = findings.measure.number
    return {
        'trials': summary.perfs,
        'perf': _interval(summary.perf_val),
        'test': _interval(summary.perf_test) if summary.perf_test is not None else None,
        'median': (median := float(np.median(converged)) if (converged := summary.converged) else None),
        # Rounded once, as in the terminal: rounded for the page and again by its script they might differ.
        'median_text': '' if median is None else number(median),
        'trial_texts': [number(perf) for perf in summary.perfs],
        'converged': summary.convergence_text,
        'best': None if summary.best is None else _best(findings.measure, *summary.best),
        'behind': _interval(summary.behind) if summary.behind is not None else None,
        'behind_text': summary.behind_text,
        'first': summary.may_be_best,
        'comparable': not summary.exclusions,
        'flags': summary.flags,
        'shown_flags': summary.shown_flags,
    }


def _best(measure: Measure, mean: float, epoch: float) -> dict[str, Any]:
    return {'mean': mean, 'text': f'{measure.number(mean)} (epoch {epoch:.3g})'}


def _interval(interval: Interval) -> dict[str, Any]:
    low, mean, high = interval.low, interval.mean, interval.high
    return {'mean': mean, 'low': low, 'high': high, 'method': interval.method, 'text': interval.text}


def _axis(findings: Findings, name: str) -> dict[str, Any]:
    """Its places are exact: rounded, two values could become one."""
    data = axis(findings, name)
    return {**rounded({'name': name, 'labels': data.labels, 'log': data.is_log}), 'places': data.places}


def _cost(findings: Findings, shown: Findings, name: str) -> dict[str, Any]:
    data = against_cost(findings, name)
    points = (summary.params for summary in findings.compared)
    is_front = dict(zip(points, data.is_front, strict=True))
    return {'label': data.label, 'front': [is_front.get(summary.params, False) for summary in shown.compared]}


def _reproduce(findings: Findings) -> dict[str, Any]:
    manifest = findings.store.manifest
    machines = [f'{machine.processor}, {machine.system}' for machine in manifest.origin if machine.processor]
    return {
        'commands': commands(manifest.origin),
        'note': reproduction(manifest),
        'problem': manifest.path or manifest.module,
        'preset': manifest.preset or manifest.method or 'changed',
        'seed': manifest.seed,
        'sweep_cores': manifest.sweep_cores,
        'device': manifest.device,
        'training samples': manifest.train_size,
        **({'resample': manifest.resample.get('splits')} if manifest.resample else {}),
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
        return {printable(name): rounded(item) for name, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list | tuple) else value
