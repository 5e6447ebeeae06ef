"""The comparison as a table for the terminal."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from ..points import Point
from ..text import one_line, printable
from .collect import ABSENT, PointSummary, have_differences, have_diverged, have_own_lengths, named
from .columns import Column, FittingTable
from .flags import FLAG_MEANINGS
from .measure import Measure
from .parameters import Parameter
from .wording import times

_MOST_ROWS, _MOST_COMMANDS, _LEAST = 100, 10, 10
_PERFORMANCE = Measure()
_TUNINGS = (
    'each tuned {}: lr range and epochs are of the first tuning; lr spread is the highest learning '
    'rate of all tunings divided by the lowest'
)


def comparison_table(
    summaries: Sequence[PointSummary],
    columns: Sequence[str],
    parameters: Sequence[Parameter] = (),
    commands: Sequence[str] = (),
    others: Collection[Point] = (),
    measure: Measure = _PERFORMANCE,
) -> RenderableType:
    """Returns the table of a sweep, below it what its columns and flags mean, and the failed points.

    In a narrow terminal, the least important columns are left out; no number is ever wrapped or cropped.

    Args:
        summaries: In the order to show them.
        columns: Names of the parameters, one per cell of a summary.
        parameters: What is known of them, and of those that were tuned.
        commands: Which added them, if it was more than one; then each row has the number of its own.
        others: Points to mark with +: those that the command that is over did not ask for.
        measure: What performances are.
    """
    shown = [summary for summary in summaries if summary.error is None]
    failed = [summary for summary in summaries if summary.error is not None]
    tuned = [parameter.name for parameter in parameters if parameter.is_tuned]
    parts: list[RenderableType] = []
    if shown:
        parts.append(
            FittingTable(_columns(shown[:_MOST_ROWS], columns, tuned, bool(commands), others, measure))
        )
    if len(shown) > _MOST_ROWS:
        parts.append(f'and {len(shown) - _MOST_ROWS} more; all are in points/results.csv')
    tunings = max((len(summary.tunings) for summary in shown), default=0)
    methods = sorted({summary.perf_val.method for summary in shown} - {''})
    if methods:
        note = f'mean{" or difference" * have_differences(shown)} ± half the 95% confidence interval '
        note += f'({", ".join(methods)}) over {"tunings" if tunings else "trials"}'
        note += f'; lower {measure.name} is better' * (not measure.info.higher)
        parts.append(Text(note, style='dim'))
    if have_diverged(shown):
        note = 'converged: how many trials did, with the 95% confidence interval of their share (Wilson); '
        parts.append(Text(f'{note}means are of these', style='dim'))
    if any(summary.exclusions for summary in shown):
        parts.append(Text('?: not comparable with the others, because of its flags', style='yellow'))
    if '=' in _marks(shown):
        parts.append(Text('=: may be the best, too (95% confidence)', style='dim'))
    explained = _notes(parameters, have_own_lengths(shown), tunings) if shown else []
    parts += [Text(one_line(note), style='dim') for note in explained]
    parts += [Text(line, style='dim') for line in _numbered(commands)] if shown else []
    for flag in sorted({flag for summary in shown for flag in summary.flags}):
        parts.append(Text(f'{one_line(flag)}: {FLAG_MEANINGS.get(flag, "")}', style='yellow'))
    for summary in failed:
        name = named(columns, summary.cells, ', ')
        parts.append(Text(f'failed: {name}: {printable(summary.error)}', style='red'))
    return Group(*parts)


def _spread(summaries: Sequence[PointSummary]) -> list[Column]:
    """How far several tunings of an architecture are apart; nothing if there is one of each."""
    spreads = [summary.lr_spread for summary in summaries]
    if not any(spreads):
        return []
    return [Column('lr spread', ['' if spread is None else f'{spread:.3g}' for spread in spreads], 7)]


def _batch_sizes(summary: PointSummary) -> str:
    """The batch size, or those of all tunings that differ."""
    sizes: list[int | None] = [tuned.batch_size for tuned in summary.tunings] or [summary.batch_size]
    return ', '.join(str(size or '') for size in dict.fromkeys(sizes))


def _notes(parameters: Sequence[Parameter], have_lengths: bool, tunings: int = 0) -> list[str]:
    """What was tuned, and where the parameters are declared; nothing if none is.

    Args:
        parameters: The parameters.
        have_lengths: Whether trials are not equally long for all architectures.
        tunings: How often each architecture was tuned, if more than once; else 0.
    """
    notes = ['epochs: the length of a trial, tuned for each architecture'] if have_lengths else []
    if tunings:
        notes.insert(0, _TUNINGS.format(times(tunings)))
    if tuned := [parameter.name for parameter in parameters if parameter.is_tuned]:
        notes.append(f'tuned for each architecture, like lr and batch: {", ".join(tuned)}')
    if any(parameter.declaration is not None for parameter in parameters):
        notes.append('   '.join(f'{parameter.name}: {parameter.place}' for parameter in parameters))
    return notes


def _numbered(commands: Sequence[str]) -> list[str]:
    """Returns the first commands, each after its number, as in the column `command`."""
    lines = [
        f'command {number}: {one_line(command)}'
        for number, command in enumerate(commands[:_MOST_COMMANDS], 1)
    ]
    if len(commands) > _MOST_COMMANDS:
        lines.append(f'commands {_MOST_COMMANDS + 1} to {len(commands)} are in sweep.json')
    return lines


def _marks(summaries: Sequence[PointSummary]) -> list[str]:
    """What to know of the places; who may be the best, too, only where that is not said of all."""
    are_tied = all(summary.may_be_best for summary in summaries if summary.behind is not None)
    return [
        '?' if summary.exclusions else '=' * (summary.may_be_best and not summary.is_best and not are_tied)
        for summary in summaries
    ]


def _columns(
    summaries: Sequence[PointSummary],
    columns: Sequence[str],
    tuned: Sequence[str],
    with_command: bool,
    others: Collection[Point],
    measure: Measure,
) -> list[Column]:
    """The columns of the table from left to right; those that are the same for all matter least."""
    name = 'perf' if measure.is_plain else measure.name
    values = [[summary.shown_cells[index] for summary in summaries] for index in range(len(columns))]
    shown = [
        Column(
            one_line(name),
            [*map(one_line, cells)],
            _LEAST if len(set(cells)) == 1 < len(cells) else 0,
            'bold',
            'left',
        )
        for name, cells in zip(columns, values, strict=True)
    ]
    nuisance = zip(
        tuned, zip(*(summary.nuisance_cells(tuned) for summary in summaries), strict=True), strict=True
    )
    marks = [
        mark + '+' * (summary.params in others)
        for mark, summary in zip(_marks(summaries), summaries, strict=True)
    ]
    if any(marks):
        shown.insert(0, Column('', marks, 0, 'yellow', 'left'))
    rates = [
        '{:.3g} .. {:.3g}'.format(*summary.lr_range) if summary.lr_range else 'tuning'
        for summary in summaries
    ]
    lengths = [f'{summary.epochs:.3g}' if summary.epochs else '' for summary in summaries]
    shown += [
        Column('lr range', rates, 6),
        *_spread(summaries),
        Column('batch', [_batch_sizes(summary) for summary in summaries], 5),
        *[Column('epochs', lengths, 4)] * have_own_lengths(summaries),
        *(Column(one_line(name), [*map(one_line, cells)], 7) for name, cells in nuisance),
        Column('trials', [str(summary.trials) for summary in summaries], 3),
        *[Column('converged', [summary.convergence_text for summary in summaries], 2)]
        * have_diverged(summaries),
        *[Column('command', [str(summary.command or ABSENT) for summary in summaries], 4)] * with_command,
        Column(f'val {name}', [summary.perf_val.text for summary in summaries], 1),
    ]
    if have_differences(summaries):
        shown.append(Column('behind the best', [summary.behind_text for summary in summaries], 2))
    if measure.name != 'loss':
        shown.append(Column('val loss', [summary.loss_val.text for summary in summaries], 8))
    if any(summary.perf_test for summary in summaries):
        tests = [summary.perf_test.text if summary.perf_test else '' for summary in summaries]
        shown.append(Column(f'test {name}', tests, 4))
    seconds = ['' if math.isnan(summary.seconds) else f'{summary.seconds:.2f}' for summary in summaries]
    shown.append(Column('s/trial', seconds, 9))
    if any(summary.flags for summary in summaries):
        shown.append(
            Column(
                'flags',
                [' '.join(map(one_line, summary.shown_flags)) for summary in summaries],
                2,
                'yellow',
                'left',
            )
        )
    return shown
