"""Who is best, who may be, and by how much others are behind: the same in every output."""

import csv
import io
import json
import math
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from sweeper.report.document import everything, markdown, table
from sweeper.report.figures.board import board
from sweeper.report.figures.differences import differences
from sweeper.report.findings import Findings
from sweeper.report.page.content import overview
from sweeper.report.table import comparison_table

from .conftest import trial

SEVERAL = st.lists(st.integers(0, 360), min_size=1, max_size=4)


@pytest.fixture
def mixed(write_sweep):
    """Two that may be the best, others that are not, one that diverged once, one that diverged always."""
    diverged = trial(0.0, diverged=True)
    return write_sweep({
        (16, 'relu'): [0.91, 0.92, 0.93, 0.92],
        (16, 'tanh'): [0.92, 0.91, 0.925, 0.93],
        (32, 'relu'): [0.5, 0.52, 0.51, 0.5],
        (32, 'tanh'): [0.61, diverged, 0.6, 0.62],
        (64, 'relu'): [diverged, diverged, diverged, diverged],
        (64, 'tanh'): [0.71, 0.7, 0.71, 0.72],
    }, failures=[(-1, 'relu')])  # fmt: skip


def printed(findings):
    console = Console(width=250, record=True, file=io.StringIO())
    console.print(comparison_table(findings.summaries, findings.columns, measure=findings.measure))
    return console.export_text()


def same(one, other):
    """Whether two numbers are the same; None, '' and NaN are."""
    one, other = (math.nan if value in (None, '') else float(value) for value in (one, other))
    return math.isclose(one, other, rel_tol=1e-4, abs_tol=1e-9) or (math.isnan(one) and math.isnan(other))


def check_agreement(findings):
    """Compares all outputs with the verdict, architecture by architecture."""
    verdict, points = findings.comparison.verdict, findings.comparison.points
    index_of = {point: index for index, point in enumerate(points)}
    told, page = json.loads(everything(findings.store, findings.measure.name)), overview(findings)
    rows = [*csv.DictReader(io.StringIO(table(findings.store, findings.measure.name)))]
    lines = [line.split(' | ') for line in markdown(findings.store, findings.measure.name).splitlines()
             if line.startswith('| ')]  # fmt: skip
    header, *lines = [line for line in lines if line[0] != '| ---']
    behind_column, best_column = header.index('behind the best'), header.index('may be the best')
    drawn = differences(findings)
    figure = {name: place for place, name in enumerate(drawn.names)}
    leaders = dict(zip(board(findings).names, board(findings).is_first, strict=True))
    shown = printed(findings)
    outputs = zip(findings.summaries, told['architectures'], rows, page['rows'], lines, strict=True)
    for summary, in_json, in_csv, on_page, in_markdown in outputs:
        index = index_of.get(summary.params)
        if index is None or index not in verdict.order:
            assert in_json['tied_for_first'] is None and in_csv['tied_for_first'] == ''
            assert in_json['behind_best'] is None and in_csv['behind_best'] == ''
            assert on_page['behind'] is None and not on_page['first']
            assert in_markdown[behind_column] == '' and findings.name(summary) not in figure
            continue
        behind, is_candidate, name = (
            verdict.behind[index],
            index in verdict.candidates,
            findings.name(summary),
        )
        place = figure[name]
        for key, value, end in (
            ('mean', behind.mean, ''), ('low', behind.low, '_low'), ('high', behind.high, '_high'),
        ):  # fmt: skip
            assert same(value, in_json[f'behind_best{end}']) and same(value, in_csv[f'behind_best{end}'])
            assert same(value, on_page['behind'][key])
        assert same(behind.mean, drawn.differences[place]) and same(behind.low, drawn.lows[place])
        assert in_json['tied_for_first'] == is_candidate == (in_csv['tied_for_first'] == 'True')
        assert on_page['first'] == is_candidate == drawn.is_first[place] == leaders[name]
        assert in_markdown[best_column] == 'yes' * is_candidate
        is_best = index == verdict.best
        text = findings.measure.shown(behind)
        assert in_markdown[behind_column] == ('\u2013' if is_best else str(text))
        assert on_page['behind_text'] == summary.behind_text == ('\u2013' if is_best else text.text)
        if len(verdict.order) > 1:
            assert re.search(
                rf'(?m)^.*{re.escape(summary.cells[0])}.*{re.escape(summary.behind_text)}', shown
            )
    names = [findings.comparison.names[index] for index in verdict.candidates]
    assert told['candidates'] == told['tied_for_first'] == names
    assert told['winner'] == (None if verdict.winner is None else names[0])
    assert told['answer'] == page['answer'] and page['answer'].startswith(page['headline'])
    assert told['equivalent'] == [findings.comparison.names[index] for index in verdict.equivalent]
    assert same(told['margin'], verdict.margin) and same(told['level'], verdict.design.level)
    assert same(told['smallest_gap'], verdict.advice.smallest_gap)
    assert told['details'] == findings.comparison.details()


def test_all_outputs_agree(mixed):
    assert len(mixed.comparison.first) == 2 and len(mixed.comparison.verdict.order) == 5
    check_agreement(mixed)


def test_all_outputs_agree_by_another_metric(by_cost):
    for metric in (None, 'auc', 'loss'):
        check_agreement(Findings.read(by_cost, metric))


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(SEVERAL, min_size=1, max_size=6))
def test_all_outputs_agree_whatever_the_scores(write_sweep, tmp_path_factory, monkeypatch, rows):
    import shutil

    findings = write_sweep(
        {(index, 'relu'): [count / 360 for count in row] for index, row in enumerate(rows)}
    )
    check_agreement(findings)
    shutil.rmtree(findings.store.layout.folder)


def test_the_table_marks_who_may_be_the_best_beside_the_best(mixed):
    lines = printed(mixed).splitlines()
    assert [line[0] for line in lines[1:7]] == [' ', '=', ' ', ' ', ' ', '?']
    assert any(line.startswith('=: may be the best, too') for line in lines)
    assert 'behind the best' in lines[0]


def test_where_all_may_be_the_best_none_is_marked(write_sweep):
    shown = printed(write_sweep({(1, 'a'): [0.9, 0.91], (2, 'a'): [0.9, 0.92]}))
    assert '=:' not in shown and 'behind the best' in shown


def test_a_single_architecture_is_behind_nothing(write_sweep):
    assert 'behind' not in printed(write_sweep({(1, 'a'): [0.9, 0.91]}))
