"""Architectures that a later command added to a folder are told apart in every form of the report."""

import csv
import dataclasses
import io
import json
import re

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from sweeper.report.document import everything, markdown, table
from sweeper.report.table import comparison_table
from sweeper.store.origin import Origin, command_numbers, commands

GRID, MORE = 'sweeper run digits --grid n=1,2', 'sweeper run digits --point n=3'
AGAIN = 'sweeper run digits --grid n=1,2 --trials 9'


def shown(findings, others=(), width=120):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(
        comparison_table(findings.summaries, findings.columns, findings.parameters, findings.commands, others)
    )
    return console.export_text().splitlines()


ROWS = (GRID, [(1, 'relu'), (2, 'relu')]), (MORE, [(3, 'relu')])


def test_rows_have_the_number_of_the_command_that_added_them(made_by):
    lines = shown(made_by(*ROWS))
    place = lines[0].split().index('command')
    rows = [re.split(r'\s{2,}', line.strip()) for line in lines[1:4]]
    assert place and [(row[0], row[-5]) for row in rows] == [('3', '2'), ('2', '1'), ('1', '1')]
    assert f'command 1: {GRID}' in lines and f'command 2: {MORE}' in lines


def test_one_command_has_no_column_of_its_own_nor_one_that_only_added_trials(made_by):
    findings = made_by(ROWS[0], (AGAIN, []))
    assert not any('command' in line for line in [*shown(findings), *markdown(findings.store).splitlines()])
    assert {row['command'] for row in csv.DictReader(io.StringIO(table(findings.store)))} == {'1'}


def test_what_this_command_did_not_ask_for_is_marked(made_by):
    lines = shown(made_by(*ROWS), others={(1, 'relu'), (2, 'relu')})
    assert [line.startswith('+') for line in lines[1:4]] == [False, True, True]
    assert not any(line.startswith('+') for line in shown(made_by(*ROWS)))


def test_documents_name_the_commands(made_by):
    store = made_by(*ROWS).store
    told = json.loads(everything(store))
    assert [one['command'] for one in told['architectures']] == [2, 1, 1] and told['commands'] == [GRID, MORE]
    assert [row['command'] for row in csv.DictReader(io.StringIO(table(store)))] == ['2', '1', '1']
    text = markdown(store)
    header, _, *rows = [line for line in text.splitlines() if line.startswith('|')]
    place = header.split(' | ').index('command')
    assert [row.split(' | ')[place] for row in rows] == ['2', '1', '1']
    assert f'- command 2: {MORE}' in text.splitlines()


def test_very_many_commands_are_not_all_listed(made_by):
    lines = shown(made_by(*((f'sweeper run digits --point n={n}', [(n, 'relu')]) for n in range(12))))
    assert lines[-1] == 'commands 11 to 12 are in sweep.json' and 'n=11' not in '\n'.join(lines)


def test_a_command_is_harmless_wherever_it_is_shown(made_by):
    hostile = 'sweeper run x --set a=\x1b[2J|<img src=x>[red]'
    findings = made_by(ROWS[0], (hostile, [(3, 'relu')]))
    for text in ('\n'.join(shown(findings)), markdown(findings.store)):
        assert '\x1b' not in text and '[2J' in text.replace('\\[', '[')
    assert '<img' not in markdown(findings.store)


@given(
    st.lists(st.tuples(st.sampled_from('abc'), st.integers(-2, 9), st.booleans()), max_size=5),
    st.integers(0, 8),
)
def test_every_point_has_the_number_of_a_command_that_is_known_or_none(told, points):
    origin = [Origin(command, selector='S' if known else None, first_point=at) for command, at, known in told]
    numbers = command_numbers(origin, points)
    assert len(numbers) == points
    for point, number in enumerate(numbers):
        before = [one for one in origin if one.first_point <= point] or origin[:1]
        if number is None:
            assert not before or before[-1].selector is None
        else:
            assert commands(origin)[number - 1] == before[-1].command
    same = [dataclasses.replace(one, command='a') for one in origin]
    assert {*command_numbers(same, points)} <= {1, None}
