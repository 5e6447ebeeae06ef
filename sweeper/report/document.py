"""The comparison as a document: Markdown to read, CSV and JSON to go on with."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict
from math import isfinite
from typing import Any

import numpy as np

from ..io.checksums import json_bytes
from ..points import by_name, to_json
from ..results import Tuned
from ..store.origin import commands
from ..store.records import Records
from ..tables import TUNED_COLUMNS, nuisance_columns
from ..text import one_line
from .collect import ABSENT, PointSummary, have_diverged, have_own_lengths
from .figures.cost import COSTS, against_cost
from .findings import Findings
from .flags import EXCLUSIONS, FLAG_MEANINGS
from .measure import Measure, measures
from .methods.writing import report_methods
from .stats.comparison import Comparison

_COLUMNS = (
    'trials', 'converged', 'converged_low', 'converged_high', 'perf_val', 'perf_val_low', 'perf_val_high',
    'interval', 'median', 'best', 'worst', 'tied_for_first', 'behind_best', 'behind_best_low',
    'behind_best_high', 'loss_val', 'perf_test', 'perf_test_low', 'perf_test_high', 'lr_start', 'lr_end',
    'batch_size', 'epochs', 'seconds', 'flags',
)  # fmt: skip


def markdown(store: Records, metric: str | None = None, margin: float | None = None) -> str:
    """Returns the answer, a table of all architectures, what its parts mean, and the failures."""
    findings, manifest = Findings(store, metric, margin), store.manifest
    comparison, rows = findings.comparison, _rows(findings)
    lines = [f'# {_escaped(manifest.module)}', '', _answer(comparison), '']
    for said in filter(None, (' '.join(comparison.details()), comparison.influence())):
        lines += [_escaped(said), '']
    lengths = ['epochs'] * have_own_lengths(findings.summaries)
    converged = ['converged'] * have_diverged(findings.summaries)
    shown = (
        _escaped(findings.measure.title), 'behind the best', 'may be the best', 'trials', *converged,
        'learning rates', 'batch size',
    )  # fmt: skip
    last = [*['command'] * bool(findings.commands), 'flags']
    header = [*map(_escaped, findings.columns), *shown, *lengths, *map(_escaped, findings.nuisance), *last]
    lines += [_row(header), _row(['---'] * len(header))]
    for summary, row in rows:
        place = 'not comparable' if summary.exclusions else 'yes' if row['tied_for_first'] else ''
        behind = ABSENT if summary.is_best else str(summary.behind or '')
        cells = [str(summary.perf_val), behind, place, str(summary.trials)]
        cells += [summary.convergence_text] * len(converged)
        rates = '{:.3g} to {:.3g}'.format(*summary.lr_range) if summary.lr_range else ''
        cells += [rates, str(summary.batch_size or '')]
        cells += [f'{summary.epochs:.3g}' if summary.epochs else ''] * len(lengths)
        cells += [
            *map(_escaped, summary.nuisance_cells(findings.nuisance)),
            *[str(summary.command or '')] * bool(findings.commands),
            one_line(', '.join(summary.shown_flags)).replace('|', '\\|'),
        ]
        lines.append(_row([*map(_escaped, summary.shown_cells), *cells]))
    lines += [
        '',
        f'Mean{findings.measure.direction} or difference, and 95% confidence interval over {findings.units}'
        f'{_correction(findings)}. The best is one of those that may be the best, with 95% confidence.',
        *filter(None, [findings.due_to_tuning]),
        '',
        *_parameters(findings),
    ]
    made = [f'- command {number}: {_escaped(command)}' for number, command in enumerate(findings.commands, 1)]
    lines += [*made, ''] if made else []
    flags = sorted({flag for summary, _ in rows for flag in summary.flags})
    lines += [f'- `{one_line(flag)}`: {FLAG_MEANINGS.get(flag, "")}' for flag in flags] + [''] * bool(flags)
    for summary, _ in rows:
        if summary.error is not None:
            lines.append(f'- failed: {_escaped(" ".join(summary.cells))}: {_escaped(str(summary.error))}')
    settings = f'{_escaped(manifest.tuning)}, seed {manifest.seed}'
    text = '\n'.join([*lines, '', f'{settings}, {manifest.train_size} training samples.']).strip() + '\n'
    return re.sub('\n{3,}', '\n\n', text)


def _answer(comparison: Comparison) -> str:
    """Returns the answer with the verdict in bold."""
    verdict, text = comparison.sentences.headline, comparison.answer()
    rest = _escaped(text[len(verdict) :])
    return f'**{_escaped(verdict)}**{" " * text[len(verdict) :].startswith(" ")}{rest}' if verdict else rest


def _correction(findings: Findings) -> str:
    """What the interval is corrected for, if trials are resamples."""
    return ', corrected for resampling (Nadeau and Bengio 2003)' if findings.measure.val_to_train else ''


def table(store: Records, metric: str | None = None, margin: float | None = None) -> str:
    """Returns CSV: a row per architecture, best first, the failed last."""
    stream, findings = io.StringIO(), Findings(store, metric, margin)
    tuned, names = findings.nuisance, _names(findings.measure)
    writer, after = csv.writer(stream, lineterminator='\n'), names.index('epochs') + 1
    columns = [*names[:after], *nuisance_columns(tuned), *names[after:]]
    writer.writerow([*findings.columns, *columns, 'not_comparable', 'error', 'unread', 'command'])
    for summary, row in _rows(findings):
        cells = ['' if row[name] is None else row[name] for name in names]
        cells[-1] = ' '.join(summary.flags)
        cells[after:after] = summary.nuisance_cells(tuned)
        exclusions = ' '.join(summary.exclusions)
        last = [exclusions, summary.error or '', ' '.join(summary.unread), summary.command or '']
        writer.writerow([*summary.cells, *cells, *last])
    return stream.getvalue()


def everything(store: Records, metric: str | None = None, margin: float | None = None) -> str:
    """Returns JSON: the answer, architectures, differences, effects, settings; NaN and infinity are null."""
    findings = Findings(store, metric, margin)
    comparison, pairs = findings.comparison, findings.comparison.pairwise
    tables = pairs.tables._asdict() if pairs.has_tables else {}  # of very many architectures there are none
    document: dict[str, Any] = {
        'module': store.manifest.module,
        'preset': store.manifest.preset,
        'settings': dict(store.manifest.settings),
        'seed': store.manifest.seed,
        **({'resample': dict(resample)} if (resample := store.manifest.resample) else {}),
        **_repeated_tuning(findings),
        'metric': findings.measure.to_dict(),
        'metrics': [measure.name for measure in measures(store.manifest.metrics)],
        'answer': comparison.answer(),
        'details': comparison.details(),
        'on_test_data': comparison.on_test_data(),
        **_verdict(comparison),
        'not_comparable': comparison.not_comparable(),
        'architectures': [
            {
                'params': _params(findings, summary),
                **row,
                'not_comparable': {flag: EXCLUSIONS[flag]._asdict() for flag in summary.exclusions},
                'nuisance': {name: to_json(value) for name, value in summary.nuisance.items()},
                'unread': list(summary.unread),
                **({'tunings': [*map(_tuning, summary.tunings)]} if summary.tunings else {}),
                'error': _text(summary.error),
                'command': summary.command,
            }
            for summary, row in _rows(findings)
        ],
        'parameters': [parameter.to_dict() for parameter in findings.parameters],
        'commands': commands(store.manifest.origin),
        'compared': comparison.names,
        'differences': tables.get('difference'),
        'p': tables.get('p'),
        'p_adjusted': tables.get('p_adjusted'),
        'effects': [
            {
                'parameters': effect.parameters,
                'share': effect.share,
                'method': effect.method,
                'p': effect.p,
                'is_significant': effect in comparison.influences.significant,
            }
            for effect in comparison.effects()
        ],
        'influence': comparison.influence(),
        'pareto_front': {cost: _front(findings, cost) for cost in COSTS},
    }
    return json_bytes(document).decode()


def _front(findings: Findings, cost: str) -> list[str]:
    """The names of the architectures than which nothing is both cheaper and better, the cheapest first."""
    data = against_cost(findings, cost)
    rows = zip(data.costs, data.board.names, data.is_front, strict=True)
    return [name for _, name in sorted((cost or 0.0, name) for cost, name, is_front in rows if is_front)]


def methods(store: Records, metric: str | None = None, margin: float | None = None) -> str:
    """Returns paragraphs for the methods section of a paper, and what they cite."""
    return report_methods(Findings(store, metric, margin))


FORMATS: dict[str, Callable[[Records, str | None, float | None], str]] = {
    'md': markdown,
    'csv': table,
    'json': everything,
    'methods': methods,
}


def _repeated_tuning(findings: Findings) -> dict[str, Any]:
    """How often architectures were tuned, and what share of the variance is due to that; nothing if once."""
    tunings, share = findings.store.manifest.tunings, findings.tuning_share
    if tunings == 1:
        return {}
    return {'tunings': tunings, 'due_to_tuning': None if share is None else asdict(share)}


def _tuning(tuned: Tuned) -> dict[str, Any]:
    """One of several tunings of an architecture."""
    values = tuned.lr_min, tuned.lr_max, tuned.batch_size
    nuisance = {name: to_json(value) for name, value in tuned.nuisance.items()}
    others = {'epochs': tuned.epochs, 'nuisance': nuisance, 'flags': tuned.flags}
    return {**dict(zip(TUNED_COLUMNS, values, strict=True)), **others}


def _verdict(comparison: Comparison) -> dict[str, Any]:
    """What follows from the scores: names of architectures, and what the answer relies on."""
    verdict, design = comparison.verdict, comparison.verdict.design
    candidates = [comparison.names[index] for index in verdict.candidates]
    return {
        'winner': None if verdict.winner is None else comparison.names[verdict.winner],
        'candidates': candidates,
        'tied_for_first': candidates,  # their name in earlier versions
        'equivalent': [comparison.names[index] for index in verdict.equivalent],
        'margin': verdict.margin,
        'look': {'number': design.look, 'planned': design.planned_looks, 'is_interim': design.is_interim},
        'level': design.level,
        'smallest_gap': verdict.advice.smallest_gap,
    }


def _rows(findings: Findings) -> list[tuple[PointSummary, dict[str, Any]]]:
    measure = findings.measure
    return [(summary, _numbers(summary, measure)) for summary in findings.summaries]


def _names(measure: Measure) -> list[str]:
    """The columns: scores of the objective are called `perf_…`, those of another metric by its name."""
    return list(dict.fromkeys(_keys(measure)))


def _keys(measure: Measure) -> list[str]:
    """The name of each of `_COLUMNS`; by the loss, some are the same."""
    return [re.sub('^perf_', f'{measure.key}_', name) for name in _COLUMNS]


def _numbers(summary: PointSummary, measure: Measure) -> dict[str, Any]:
    perfs = sorted(summary.converged, key=lambda perf: -measure.sign * perf)
    low, high = summary.lr_range or (None, None)
    tied = None if summary.exclusions or summary.error or not perfs else summary.may_be_best
    values: Sequence[Any] = (
        summary.trials, len(perfs), *(summary.convergence[2:] if summary.convergence else (None, None)),
        *summary.perf_val[:3], summary.perf_val.method,
        *((float(np.median(perfs)), perfs[0], perfs[-1]) if perfs else (None, None, None)), tied,
        *(summary.behind[:3] if summary.behind else [None] * 3), summary.loss_val.mean,
        *(summary.perf_test[:3] if summary.perf_test else [None] * 3), low, high,
        summary.batch_size, summary.epochs or None, summary.seconds, summary.flags,
    )  # fmt: skip
    return dict(zip(_keys(measure), values, strict=True))


def _params(findings: Findings, summary: PointSummary) -> dict[str, Any]:
    """The parameters that it has, as JSON; one that is no finite number as its text."""
    cells = dict(zip(findings.columns, summary.cells, strict=True))
    values = by_name(summary.params, findings.columns)
    return {
        name: cells[name] if isinstance(value, float) and not isfinite(value) else to_json(value)
        for name, value in values.items()
    }


def _parameters(findings: Findings) -> list[str]:
    """What is done with each parameter and where it is declared; nothing if none is."""
    if all(parameter.declaration is None and not parameter.is_tuned for parameter in findings.parameters):
        return []
    lines = []
    for parameter in findings.parameters:
        details = [
            parameter.role,
            *(parameter.declaration.places if parameter.declaration is not None else [parameter.place]),
        ]
        if parameter.declaration is not None and parameter.declaration.default is not None:
            details.insert(1, f'default {parameter.declaration.default}')
        lines.append(f'- {_escaped(parameter.name)}: {_escaped("; ".join(details))}')
    return [*lines, '']


def _row(cells: Sequence[str]) -> str:
    return f'| {" | ".join(cells)} |'


def _escaped(text: str) -> str:
    """Makes a user's text harmless in Markdown, and keeps it on its line."""
    text = one_line(' '.join(text.split())).replace('&', '&amp;').replace('<', '&lt;')
    return ''.join(f'\\{letter}' if letter in '\\|*_`[]#' else letter for letter in text)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
