import dataclasses
import io
import itertools
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from sweeper import FixedSweep
from sweeper.report.collect import PointSummary, summarise
from sweeper.report.columns import Column, fitting
from sweeper.report.flags import FLAG_MEANINGS
from sweeper.report.parameters import TUNED, Parameter
from sweeper.report.table import comparison_table
from sweeper.results import PointError
from sweeper.stats.intervals import STUDENT, Interval
from sweeper.store.declaration import Declaration
from sweeper.store.store import Store

GOOD = Interval(0.9, 0.89, 0.91, STUDENT)


def summary(cells, perf=GOOD, trials=3, **changes):
    values = {
        'params': tuple(cells), 'cells': cells, 'lr_range': (0.01, 0.5), 'batch_size': 32,
        'perf_val': perf, 'loss_val': Interval(0.2, 0.17, 0.23, STUDENT), 'perf_test': None, 'seconds': 1.5,
        'flags': [], 'error': None, 'perfs': [0.9] * trials, 'epochs': 10, 'cost': None,
    }  # fmt: skip
    return PointSummary(**values | changes)


def text(summaries, columns=('width',), parameters=()):
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(comparison_table(summaries, columns, parameters))
    return console.export_text()


def test_table_has_what_was_promised():
    shown = text([summary(['16'])])
    for cell in ('16', '0.01 .. 0.5', '32', '0.9000 ± 0.0100', '0.2000 ± 0.0300', '1.50'):
        assert cell in shown


def test_test_scores_are_shown_if_there_are_any():
    assert 'test perf' not in text([summary(['16'])])
    assert '0.8000 ± 0.0200' in text([summary(['16'], perf_test=Interval(0.8, 0.78, 0.82, STUDENT))])


DECLARED = [
    Parameter('width', 'compared', False, Declaration('scientific', '8', ['layers.py:18'])),
    Parameter('depth', 'compared', False, None),
    Parameter('momentum', TUNED, True, Declaration('nuisance', '0.0', ['cnn.py:30', 'cnn.py:9', 'm.py:1'])),
]


def test_what_was_tuned_for_each_has_a_column_after_the_batch_size_and_is_said_to_be_tuned():
    rows = [summary(['16', '1'], nuisance={'momentum': 0.875}), summary(['4', '1'])]
    lines = text(rows, ['width', 'depth'], DECLARED).splitlines()
    assert lines[0].split()[4:7] == ['batch', 'momentum', 'trials']
    assert lines[1].split()[5:8] == ['32', '0.875', '3'] and lines[2].split()[5:7] == ['32', '3']
    assert 'tuned for each architecture, like lr and batch: momentum' in lines


def test_where_parameters_are_declared_is_told_below():
    shown = text([summary(['16', '1'])], ['width', 'depth'], DECLARED)
    assert (
        'width: layers.py:18   depth: argument of model()   momentum: cnn.py:30 (+2 more)'
        in shown.splitlines()
    )


def test_of_arguments_alone_nothing_is_told():
    arguments = [Parameter('width', 'compared', False, None)]
    assert text([summary(['16'])], ['width'], arguments) == text([summary(['16'])])


def test_what_is_declared_moves_no_cursor_and_is_no_markup():
    declaration = Declaration('nuisance', None, ['\x1b]0;title\x07.py:1', ''])
    hostile = [Parameter('[red]a\n', TUNED, True, declaration)]
    shown = text([summary(['16'], nuisance={'[red]a\n': '[blue]'})], ['width'], hostile)
    assert '\\x1b]0;title\\x07.py:1 (+1 more)' in shown and '\x1b' not in shown
    assert '[red]a\\n' in shown and '[blue]' in shown


@pytest.mark.parametrize('flag', FLAG_MEANINGS)
def test_every_flag_is_shown_and_explained(flag):
    shown = text([summary(['16'], flags=[flag])])
    assert shown.count(flag) == 2
    assert FLAG_MEANINGS[flag] in shown


def test_failed_points_are_listed_with_their_reason():
    error = PointError('ValueError', 'too wide', 'tuning')
    shown = text([summary(['16']), summary(['99'], error=error)])
    assert 'failed: width=99: ValueError in tuning: too wide' in shown


def test_diverged_and_single_and_missing_trials():
    nothing = Interval(math.nan)
    assert 'diverged' in text([summary(['1'], loss_val=Interval(math.inf))])
    assert '±' not in text([summary(['1'], perf=Interval(0.5), loss_val=nothing, trials=1)])
    assert 'nan' not in text([summary(['1'], perf=nothing, loss_val=nothing, seconds=math.nan, trials=0)])


def test_markup_in_values_and_errors_is_shown_as_it_is():
    error = PointError('ValueError', 'size [16] is [red]bad[/red]', 'tuning')
    shown = text([summary(['[1, 2]']), summary(['[bold]y']), summary(['[bold]x'], error=error)])
    assert '[1, 2]' in shown
    assert '[bold]y' in shown
    assert 'size [16] is [red]bad[/red]' in shown


def test_an_error_that_is_no_proper_text_is_shown_all_the_same(write_problem, tmp_path, sweep_inline):
    """Python puts bytes of a file's name that are no UTF-8 into messages as halves of characters."""
    problem = write_problem(model="def model(width): raise OSError('no such file: \\udcff.bin')")
    with pytest.warns(UserWarning, match='no such file'):
        sweep_inline(problem.path, FixedSweep([((3,), 1)]), tmp_path / 'out')
    terminal = io.TextIOWrapper(io.BytesIO(), 'utf-8')
    Console(file=terminal, width=200).print(
        comparison_table(summarise(Store.read(tmp_path / 'out')), ['width'])
    )
    terminal.flush()
    assert b'failed: width=3: OSError in tuning: no such file: ' in terminal.buffer.getvalue()


def test_a_narrow_terminal_keeps_the_parameters():
    console = Console(width=60, record=True, file=io.StringIO())
    console.print(comparison_table([summary(['16', 'relu'])], ['hidden', 'nonlinearity']))
    shown = console.export_text()
    assert 'hidden' in shown
    assert 'nonlinearity' in shown
    assert 'relu' in shown


def test_best_first_then_untrained_then_failed(write_problem, tmp_path, sweep_inline):
    problem = write_problem(
        model="""
def model(width):
    if width == 9:
        raise ValueError('nine')
    if width == 1:
        return torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.Dropout(0.999))
    return torch.nn.Linear(4, 2)
"""
    )
    selector = FixedSweep([((9,), 1), ((3,), 0), ((1,), 1), ((2,), 1)])
    with pytest.warns(UserWarning, match='nine'):
        sweep_inline(problem.path, selector, tmp_path / 'out')
    summaries = summarise(Store.read(tmp_path / 'out'))
    means = [one.perf_val.mean for one in summaries[:2]]
    assert means == sorted(means, reverse=True)
    assert [one.params for one in summaries[2:]] == [(3,), (9,)]


# Narrow terminals


def narrow(width, summaries, columns):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(comparison_table(summaries, columns))
    return console.export_text().splitlines()


WIDE = [
    summary(['16', 'relu', '3'], flags=['nothing_learned', 'sensitive'], seconds=12345.67),
    summary(['128', 'a_long_nonlinearity', '3'], perf=Interval(0.9, 0.6, 1.0, STUDENT)),
    summary(['1024', 'tanh', '3'], perf_test=GOOD),
]


@pytest.mark.parametrize('width', [40, 60, 80, 120, 200])
def test_every_row_is_a_line_and_no_number_is_wrapped_or_cropped(width):
    lines = narrow(width, WIDE, ['hidden', 'nonlinearity', 'depth'])
    assert all(len(line) <= width for line in lines)
    perfs = ['0.9000 ± 0.0100', '0.9000 (0.6000 to 1.0000)', '0.9000 ± 0.0100']
    for line, value, perf in zip(lines[1:4], ['16', '128', '1024'], perfs, strict=True):
        assert value in line.split() and perf in line
    assert lines[1].startswith('?') and any(line.startswith('?: not comparable') for line in lines[4:])


def test_what_is_left_out_is_said_the_least_important_first():
    columns = ['hidden', 'nonlinearity', 'depth']
    assert not any('left out' in line for line in narrow(200, WIDE, columns))
    told = ' '.join(narrow(100, WIDE, columns))
    assert 'left out for lack of width: ' in told and 'depth' in told.split('left out')[1]


@given(
    st.lists(
        st.tuples(st.text('ab', max_size=12), st.lists(st.text('x1', max_size=9), min_size=2, max_size=2)),
        max_size=6,
    ),
    st.lists(st.integers(0, 3), min_size=6, max_size=6),
    st.integers(20, 90),
)
def test_columns_that_are_shown_fit_and_numbers_are_whole(names, ranks, width):
    columns = [
        Column(name, cells, rank) for (name, cells), rank in zip(names, ranks[: len(names)], strict=True)
    ]
    kept, widths = fitting(columns, width)
    assert sum(widths) + 2 * max(0, len(widths) - 1) <= width
    for column, given_width in zip(kept, widths, strict=True):
        assert all(len(cell) <= given_width for cell in column.cells if cell.isdigit())
        assert column.rank == 0 or given_width == column.width


NAMES = (
    'learning_rate_schedule', 'num_hidden_units', 'activation_function', 'dropout_probability', 'n_layers',
    'w', 'use_batch_normalization', 'kernel_size_of_the_first_convolution', 'optimizer', 'embedding.size',
)  # fmt: skip
MANY = [
    summary(
        ['cosine', '1024', 'gelu', '0.12345678', '12', '3.5', 'True', '7', 'adamw', '17'], perf_test=GOOD
    ),
    summary(
        ['triangular', '322848', 'leaky_relu_with_slope', '0.1', '3', '1e-05', 'False', '11', 'sgd', '42424'],
        perf=Interval(0.9, 0.6, 1.0, STUDENT), flags=['nothing_learned'], lr_range=(0.000123, 0.0456),
        batch_size=1024, trials=30, seconds=12345.67, command=1,
    ),
    summary(['', '16', '', '0.3', '2', '100000.5', '', '3', '', '0'], command=2),
]  # fmt: skip


@pytest.mark.parametrize('width', [40, 60, 80, 100, 200])
@pytest.mark.parametrize('count', [1, 2, 5, 10])
def test_words_of_headings_are_whole_at_every_width_and_columns_say_something(width, count):
    rows = [dataclasses.replace(one, cells=one.cells[:count]) for one in MANY]
    names = NAMES[:count]
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(comparison_table(rows, names, (), ['sweeper run a', 'sweeper run b'], {rows[2].params}))
    lines = console.export_text().splitlines()
    assert all(len(line) <= width for line in lines)
    first = next(index for index, line in enumerate(lines) if 'cosine' in line)
    own = (
        'lr',
        'range',
        '..',
        'batch',
        'trials',
        'command',
        'val',
        'perf',
        'loss',
        'test',
        's/trial',
        'flags',
    )
    words = {*own, *(word for name in names for word in re.findall(r'[^\W_]+[\W_]*', name))}
    for line in lines[:first]:
        for heading in line.split():
            assert re.fullmatch(f'({"|".join(map(re.escape, words))})+', heading), heading
    for row, told in zip(lines[first : first + 3], rows, strict=True):
        assert told.perf_val.text in row
        for cell in re.split(r'\s{2,}', row.strip()):
            assert cell != '…'
            assert not re.search(r'\d…', cell) or cell[0].isalpha()


@given(st.text('ab_ .', max_size=30), st.integers(3, 40))
def test_a_heading_breaks_only_between_words_and_fits_if_its_words_do(name, width):
    lines = Column(name, [], 0).heading(width).split('\n')
    assert ''.join(lines) == name
    for line, following in itertools.pairwise(lines):
        assert not (line[-1].isalnum() and following[0].isalnum())
    assert max(map(len, map(str.rstrip, lines))) <= max(width, *map(len, re.findall(r'[^\W_]*[\W_]*', name)))


@given(st.lists(st.text('xyz1', max_size=20), max_size=5))
def test_texts_are_cropped_no_further_than_they_differ(cells):
    column = Column('name', cells, 0)
    cropped = {cell if len(cell) <= column.narrowest else cell[: column.narrowest - 1] for cell in cells}
    assert len(cropped) == len(set(cells))
