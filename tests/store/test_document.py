"""The comparison as a document."""

import copy
import csv
import io
import json

import pytest
from typer.testing import CliRunner

from sweeper.cli import app
from sweeper.report.document import FORMATS, everything, markdown, table
from sweeper.store.store import Store

HOSTILE = '<script>alert(1)</script>', 'a|b', '*bold*\n# title'


@pytest.fixture
def filled(folder, store, example):
    example.fill(store)
    return Store.read(folder)


def test_markdown_has_the_answer_every_architecture_and_the_failure(filled):
    text = markdown(filled)
    assert text.startswith('# problem\n\nwidth=16 nonlinearity=relu is the only one with trials')
    rows = [line for line in text.splitlines() if line.startswith('|')]
    assert len(rows) == 2 + 3 and len({row.count('|') for row in rows}) == 1
    assert '- `trial_diverged`: ' in text
    assert 'failed: 8 "": ValueError in trial 1: no such layer' in text


def test_csv_has_a_row_per_architecture(filled):
    rows = list(csv.DictReader(io.StringIO(table(filled))))
    assert [row['width'] for row in rows] == ['16', '32', '8']
    assert (
        rows[0]['trials'] == '3' and float(rows[0]['best']) == 0.25 and rows[0]['flags'] == 'trial_diverged'
    )
    assert rows[2]['error'].startswith('ValueError')


def test_json_has_it_all_and_is_strict(filled):
    told = json.loads(everything(filled), parse_constant=pytest.fail)
    assert [one['params']['width'] for one in told['architectures']] == ['16', '32', '8']
    assert told['architectures'][0]['loss_val'] is None, 'a trial diverged'
    assert told['compared'] == told['tied_for_first'] == ['width=16 nonlinearity=relu']
    assert told['settings']['tuning_budget'] == 2.0


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
    assert wrong.exit_code == 2 and 'valid are md, csv, json' in wrong.output
    nowhere = invoke(folder, '--out', tmp_path / 'missing' / 'file')
    assert nowhere.exit_code == 2 and 'cannot write' in nowhere.output
