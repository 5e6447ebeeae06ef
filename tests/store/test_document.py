"""The comparison as a document."""

import copy
import csv
import dataclasses
import io
import json

import pytest
from typer.testing import CliRunner

from sweeper.cli import app
from sweeper.points import NamedPoint
from sweeper.report.document import FORMATS, everything, markdown, table
from sweeper.report.stats.comparison import compare
from sweeper.store.store import Store

HOSTILE = '<script>alert(1)</script>', 'a|b', '*bold*\n# title'


@pytest.fixture
def filled(folder, store, example):
    example.fill(store)
    return Store.read(folder)


def test_markdown_has_the_answer_every_architecture_and_the_failure(filled):
    text = markdown(filled)
    assert text.startswith(
        '# problem\n\n**width=16 nonlinearity=relu is the only architecture with trials**: 0.1667'
    )
    rows = [line for line in text.splitlines() if line.startswith('|')]
    assert len(rows) == 2 + 3 and len({row.count('|') for row in rows}) == 1
    assert '- `trial_diverged`: ' in text and '| yes | 3 | 2 of 3 (0.21 to 0.94) |' in rows[2]
    assert 'failed: 8 "": ValueError in trial 1: no such layer' in text


def test_csv_has_a_row_per_architecture(filled):
    rows = list(csv.DictReader(io.StringIO(table(filled))))
    assert [row['width'] for row in rows] == ['16', '32', '8']
    assert (
        rows[0]['trials'] == '3' and float(rows[0]['best']) == 0.25 and rows[0]['flags'] == 'trial_diverged'
    )
    assert rows[2]['error'].startswith('ValueError')
    assert [row['not_comparable'] for row in rows] == [''] * 3
    assert [row['tied_for_first'] for row in rows] == ['True', '', '']


def test_json_has_it_all_and_is_strict(filled):
    told = json.loads(everything(filled), parse_constant=pytest.fail)
    assert [one['params']['width'] for one in told['architectures']] == [16, 32, 8]
    assert told['architectures'][0]['loss_val'] == 0.5, 'of those that converged'
    assert told['compared'] == told['tied_for_first'] == ['width=16 nonlinearity=relu']
    assert (told['p'], told['differences'], told['not_comparable']) == ([[1.0]], [[0.0]], '')
    assert [one['not_comparable'] for one in told['architectures']] == [{}] * 3
    assert [one['tied_for_first'] for one in told['architectures']] == [True, None, None]
    counted = [(one['converged'], one['trials']) for one in told['architectures']]
    assert counted == [(2, 3), (0, 0), (1, 1)]
    assert told['settings']['tuning_budget'] == 2.0


def test_parameters_keep_their_types_in_json(folder, example):
    values = {'a': 3, 'b': 0.5, 'c': True, 'd': None, 'e': 'relu', 'f': (8, 'x'), 'g': float('inf'), 'h': '3'}
    with example.opened(folder, dataclasses.replace(example.manifest)) as store:
        store.add_points([NamedPoint(values)])
    (told,) = json.loads(everything(Store.read(folder)), parse_constant=pytest.fail)['architectures']
    assert told['params'] == values | {'f': [8, 'x'], 'g': 'Infinity'}


def test_what_was_tuned_besides_and_where_it_is_declared_is_in_every_format(folder, example):
    places = ['cnn.py:30', 'layers_*.py:7']
    declared = {
        'width': {'role': 'scientific', 'default': '8', 'places': ['layers.py:18']},
        'momentum': {'role': 'nuisance', 'default': '0.0', 'places': places},
    }
    manifest = dataclasses.replace(example.manifest, declared=declared)
    points = {
        NamedPoint(width=4): {'momentum': 0.9},
        NamedPoint(width=8): {'momentum': 0.0, 'kind': ('a', 2)},
    }
    with example.opened(folder, manifest) as store:
        store.add_points([*points])
        for index, (point, values) in enumerate(points.items()):
            store.write_tuned(point, example.tuned(**values))
            store.write_trial(point, 0, example.record(0.9 - index / 10))
    filled = Store.read(folder)
    text = markdown(filled)
    assert '| batch size | momentum | kind | flags |' in text
    assert '| 32 | 0.9 |  |  |' in text and r'| 32 | 0.0 | \["a", 2\] |  |' in text
    assert '- width: compared; default 8; layers.py:18\n' in text
    assert r'- momentum: tuned for each architecture; default 0.0; cnn.py:30; layers\_\*.py:7' in text
    rows = [*csv.DictReader(io.StringIO(table(filled)))]
    assert [(row['nuisance_momentum'], row['nuisance_kind']) for row in rows] == [
        ('0.9', ''), ('0.0', '["a", 2]'),
    ]  # fmt: skip
    assert [row['batch_size'] for row in rows] == ['32', '32'] and all(float(row['seconds']) for row in rows)
    told = json.loads(everything(filled))
    assert [one['nuisance'] for one in told['architectures']] == [
        {'momentum': 0.9}, {'momentum': 0.0, 'kind': ['a', 2]},
    ]  # fmt: skip
    width, momentum, kind = told['parameters']
    assert (width['name'], width['role'], width['places']) == ('width', 'compared', ['layers.py:18'])
    assert (momentum['default'], momentum['places'], momentum['is_declared']) == ('0.0', places, True)
    assert (kind['name'], kind['is_declared']) == ('kind', False)


def test_test_performance_stands_beside_validation_performance_wherever_there_is_a_test_split(
    folder, store, example
):
    example.fill(store)
    assert 'On test data' not in markdown(Store.read(folder))
    example.fill(store, test=0.25)
    store.write_trial(example.points[0], 1, example.record(test=0.0))
    store.rebuild()
    filled = Store.read(folder)
    told = compare(filled).on_test_data()
    assert told.startswith(
        'On test data, by which nothing was chosen, width=16 nonlinearity=relu reaches 0.16'
    )
    assert told in markdown(filled).replace('\\', '')
    assert json.loads(everything(filled))['on_test_data'] == told
    row = next(csv.DictReader(io.StringIO(table(filled))))
    numbers = [float(row[name]) for name in ('perf_test', 'perf_test_low', 'perf_test_high')]
    assert numbers == pytest.approx([1 / 6, 0, 0.5252], abs=1e-4)
    assert told in ' '.join(CliRunner().invoke(app, ['status', str(folder)]).output.split())


@pytest.mark.parametrize('value', HOSTILE)
def test_values_of_users_are_shown_and_do_nothing(folder, example, value):
    hostile = copy.copy(example)
    hostile.names, hostile.points = ('<b>x', 'y'), tuple((number, value) for number in range(3))
    with hostile.opened(folder) as store:
        hostile.fill(store)
    text = markdown(Store.read(folder))
    assert '<script' not in text and '<b>' not in text
    assert not any(line.lstrip().startswith('# title') for line in text.splitlines())
    rows = [line.replace('\\|', '') for line in text.splitlines() if line.startswith('|')]
    assert len({row.count('|') for row in rows}) == 1
    assert value in json.loads(everything(Store.read(folder)))['architectures'][0]['params'].values()


def invoke(*arguments):
    return CliRunner().invoke(app, ['report', *map(str, arguments)])


@pytest.mark.parametrize('kind', FORMATS)
def test_the_command_prints_or_writes_it(filled, folder, tmp_path, kind):
    expected = FORMATS[kind](filled)
    assert invoke(folder, '--format', kind).output == expected
    out = tmp_path / 'report'
    assert invoke(folder, '--format', kind, '--out', out).exit_code == 0
    assert out.read_text() == expected


def test_a_wrong_format_or_file_is_wrong_input(filled, folder, tmp_path):
    wrong = invoke(folder, '--format', 'pdf')
    assert wrong.exit_code == 2 and 'valid are html, md, csv, json' in wrong.output
    nowhere = invoke(folder, '--out', tmp_path / 'missing' / 'file')
    assert nowhere.exit_code == 2 and 'cannot write' in nowhere.output
