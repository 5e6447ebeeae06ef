"""The comparison as a table for the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..printing import one_line, printable
from .collect import PointSummary, named
from .flags import FLAG_MEANINGS
from .parameters import Parameter
from .statistics import Interval

_MOST_ROWS = 100


def comparison_table(
    summaries: Sequence[PointSummary], columns: Sequence[str], parameters: Sequence[Parameter] = ()
) -> RenderableType:
    """Returns the table of a sweep, below it what its columns and flags mean, and the failed points.

    Args:
        summaries: In the order to show them.
        columns: Names of the parameters, one per cell of a summary.
        parameters: What is known of them, and of those that were tuned.
    """
    shown = [summary for summary in summaries if summary.error is None]
    failed = [summary for summary in summaries if summary.error is not None]
    tuned = [one.name for one in parameters if one.is_tuned]
    parts: list[RenderableType] = [_table(shown[:_MOST_ROWS], columns, tuned)] if shown else []
    if len(shown) > _MOST_ROWS:
        parts.append(f'and {len(shown) - _MOST_ROWS} more; all are in points/results.csv')
    methods = sorted({summary.perf_val.method for summary in shown} - {''})
    if methods:
        note = f'mean ± half the 95% confidence interval ({", ".join(methods)}) over trials'
        parts.append(Text(note, style='dim'))
    parts += [Text(one_line(note), style='dim') for note in _notes(parameters)] if shown else []
    for flag in sorted({flag for summary in shown for flag in summary.flags}):
        parts.append(Text(f'{one_line(flag)}: {FLAG_MEANINGS.get(flag, "")}', style='yellow'))
    for summary in failed:
        name = named(columns, summary.cells, ', ')
        parts.append(Text(f'failed: {name}: {printable(summary.error)}', style='red'))
    return Group(*parts)


def _notes(parameters: Sequence[Parameter]) -> list[str]:
    """What was tuned, and where the parameters are declared; nothing if none is."""
    notes = []
    if tuned := [one.name for one in parameters if one.is_tuned]:
        notes.append(f'tuned for each architecture, as lr and batch: {", ".join(tuned)}')
    if any(one.declaration is not None for one in parameters):
        notes.append('   '.join(f'{one.name}: {one.place}' for one in parameters))
    return notes


def _table(summaries: Sequence[PointSummary], columns: Sequence[str], tuned: Sequence[str]) -> Table:
    has_test = any(summary.perf_test for summary in summaries)
    has_flags = any(summary.flags for summary in summaries)
    table = Table(box=None, pad_edge=False, header_style='bold', padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(Text(one_line(column)), style='bold', no_wrap=True)
    for heading in ('lr range', 'batch', *map(one_line, tuned), 'trials', 'val perf', 'val loss'):
        table.add_column(Text(heading), justify='right')  # these wrap in a narrow terminal, not parameters
    if has_test:
        table.add_column('test perf', justify='right')
    table.add_column('s/trial', justify='right')
    if has_flags:
        table.add_column('flags', style='yellow')
    for summary in summaries:
        table.add_row(
            *(Text(one_line(cell)) for cell in summary.cells),
            '{:.3g} .. {:.3g}'.format(*summary.lr_range) if summary.lr_range else 'tuning',
            str(summary.batch_size or ''),
            *(Text(one_line(cell)) for cell in summary.nuisance_cells(tuned)),
            str(summary.trials),
            _interval(summary.perf_val),
            _interval(summary.loss_val),
            *([_interval(summary.perf_test) if summary.perf_test else ''] if has_test else []),
            '' if math.isnan(summary.seconds) else f'{summary.seconds:.2f}',
            *([Text(one_line(' '.join(summary.flags)))] if has_flags else []),
        )
    return table


def _interval(interval: Interval) -> str:
    if math.isnan(interval.mean):
        return ''
    if math.isinf(interval.mean):
        return 'diverged'
    if math.isnan(interval.half_width):
        return f'{interval.mean:.4f}'
    return f'{interval.mean:.4f} ± {interval.half_width:.4f}'
