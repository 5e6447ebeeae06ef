"""Reports speak in the metric's unit and direction, whichever it is."""

import csv
import io
import json
import math
import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from sweeper.errors import InvalidArgument
from sweeper.events import SweepStarted, TrialsDone
from sweeper.metric import PERFORMANCE, PREDEFINED, MetricInfo
from sweeper.report.document import everything, markdown, table
from sweeper.report.findings import Findings
from sweeper.report.live.board import Board
from sweeper.report.live.snapshot import SnapshotBuilder
from sweeper.report.measure import Measure, measure_of, measures
from sweeper.report.stats.comparison import Comparison, compare
from sweeper.report.stats.statistics import number
from sweeper.report.table import comparison_table
from sweeper.results import TrialRecord, TrialResult
from sweeper.store.manifest import Manifest
from sweeper.store.store import Store

from .conftest import tuned

RETURN = MetricInfo('return')
LOWER = MetricInfo('cost', higher=False)


def comparison(scores, info, cells=None):
    scores = np.asarray(scores, dtype=float)
    cells = cells or [[str(index)] for index in range(len(scores))]
    points = [tuple(row) for row in cells]
    names = ['x', 'y'][: len(cells[0])]
    return Comparison(points, names, cells, scores, measure=measure_of([info, RETURN]))


def tables():
    rows = st.integers(2, 6)
    value = st.integers(-50, 50).map(lambda number: number / 8)
    return rows.flatmap(
        lambda count: st.lists(st.lists(value, min_size=4, max_size=4), min_size=count, max_size=count)
    )


@given(tables())
def test_a_mirrored_objective_gives_the_same_order_and_p_values_and_mirrored_intervals(scores):
    plain, mirrored = comparison(scores, RETURN), comparison(-np.array(scores), LOWER)
    assert plain.first == mirrored.first
    assert np.array_equal(plain.pairwise.p_adjusted, mirrored.pairwise.p_adjusted)
    assert np.array_equal(plain.pairwise.difference, -mirrored.pairwise.difference)
    shares = [[(effect.parameters, effect.share) for effect in each.effects()] for each in (plain, mirrored)]
    assert shares[0] == shares[1]
    for row in scores:
        one, other = plain.measure.interval(row), mirrored.measure.interval([-value for value in row])
        assert [one.mean, one.low, one.high] == pytest.approx(
            [-other.mean, -other.high, -other.low], nan_ok=True
        )


@given(tables(), st.sampled_from([1e-6, 0.01, 3.0, 1e7]), st.sampled_from([-1.0, 0.0, 5.0]))
def test_another_unit_changes_neither_order_nor_p_values(scores, factor, shift):
    scores = np.array(scores)
    plain, other = comparison(scores, RETURN), comparison(factor * (scores + shift), RETURN)
    assert plain.first == other.first
    assert np.allclose(plain.pairwise.p, other.pairwise.p, rtol=1e-5, atol=1e-12)
    assert plain.are_tied == other.are_tied


@given(tables())
def test_the_live_board_has_the_same_order_mirrored(scores):
    boards = [Board(measure_of([info, RETURN])) for info in (RETURN, LOWER)]
    for board, sign in zip(boards, (1, -1), strict=True):
        for index, row in enumerate(scores):
            board.add((index,), [sign * value for value in row])
    leaders = [[(leader.point, leader.is_tied) for leader in board.leaders(len(scores))] for board in boards]
    assert leaders[0] == leaders[1]


def test_parameters_matter_as_much_mirrored():
    pytest.importorskip('optuna')
    generator = np.random.default_rng(0)
    cells = [[str(generator.integers(9)), str(generator.choice(['a', 'b', 'c']))] for _ in range(30)]
    scores = [[10.0 * ord(y) - 7 * int(x) + trial for trial in range(3)] for x, y in cells]
    effects = [
        [
            (effect.parameters, effect.share)
            for effect in comparison(sign * np.array(scores), info, cells).effects()
        ]
        for sign, info in ((1, RETURN), (-1, LOWER))
    ]
    assert effects[0] and effects[0] == effects[1]


def test_an_answer_names_the_objective_and_which_direction_is_better():
    scores = [[12.0, 12.5, 12.25, 12.5], [15.0, 15.5, 15.375, 15.5]]
    answer = comparison(scores, replace(PREDEFINED['mae'], name='euros')).answer()
    assert answer.startswith('x=0 is the better of 2: euros 12.3125 (lower is better); 3.0312 ahead of x=1')
    tied = comparison([[12.0, 12.5], [12.25, 12.5]], LOWER).answer()
    assert tied.startswith('x=0 has the lowest mean (cost 12.2500 (lower is better)), but x=1 cannot be')
    assert 'A trial of x=0 beats one of x=1 with probability 0.62' in tied


@pytest.mark.parametrize('info', [RETURN, LOWER])
def test_what_is_infinite_is_worst_and_named_and_no_warning_is_given(info):
    worst = info.diverged
    scores = [[worst, worst, worst], [1.0, 2.0, worst], [1.0, 1.5, 1.25]]
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        found = comparison(scores, info)
        assert found.first == [2]
        assert 'nan' not in found.answer() and 'inf' not in found.answer()
        assert found.measure.interval(scores[0]).text == found.measure.interval(scores[1]).text == 'diverged'
        board = Board(found.measure)
        for index, row in enumerate(scores):
            board.add((index,), row)
        leaders = board.leaders(3)
        assert leaders[0].point == (2,) and [leader.is_tied for leader in leaders] == [True, False, False]


def test_limits_are_those_that_there_can_be():
    assert Measure(PERFORMANCE).interval([0.9, 1.0, 1.0]).high == 1
    assert measure_of([PREDEFINED['mae']]).interval([0.0, 1.0]).low == 0
    assert measure_of([PREDEFINED['r2']]).interval([0.9, 1.0, 1.0]).high == 1
    assert measure_of([PREDEFINED['r2']]).interval([-3.0, 1.0, 0.0]).low < -3


def test_an_accuracy_style_is_a_performance_and_a_metric_has_its_name():
    for name in ('accuracy', 'inv-loss', 'performance'):
        assert [each.name for each in measures([replace(PERFORMANCE, name=name)])] == ['performance', 'loss']
    several = measures([replace(PERFORMANCE, name='accuracy'), LOWER])
    assert [each.name for each in several] == ['accuracy', 'loss', 'cost']
    assert [each.is_objective for each in several] == [True, False, False]
    assert [each.name for each in measures([PREDEFINED['loss']])] == ['loss']
    with pytest.raises(InvalidArgument, match='there is no metric f1; valid are accuracy, loss, cost'):
        measure_of([replace(PERFORMANCE, name='accuracy'), LOWER], 'f1')


@pytest.mark.parametrize(
    ('value', 'text'),
    [(0.5, '0.5000'), (-1.2, '-1.2000'), (12345.678, '12345.7'), (3e8, '3.0000e+08'), (2e-6, '2.000e-06'),
     (0.0, '0.0000'), (math.inf, 'diverged')],
)  # fmt: skip
def test_numbers_are_readable_in_every_unit(value, text):
    assert number(value) == text


AUC = replace(PREDEFINED['auc'], name='auc')
METRICS = (LOWER, AUC)


@pytest.fixture
def folder(tmp_path):
    """Costs of three architectures, with another metric by which the order is reversed; one has diverged."""
    costs = {(2,): [30.0, 31.0, 30.5], (16,): [12.0, 12.5, 12.75], (99,): [11.0, math.inf, 11.5]}
    manifest = Manifest('money', 'fastest', {}, 4, 0, 100, metrics=METRICS)
    with Store.opened(tmp_path / 'sweep', manifest, ['hidden']) as store:
        store.add_points([*costs])
        for point, values in costs.items():
            store.write_tuned(point, tuned())
            for index, cost in enumerate(values):
                result = TrialResult(
                    0, 10, 2.0, math.isinf(cost), cost, 0.5, cost, 0.25 + index, best_val=cost - 1,
                    best_epoch=5.0, metrics={'auc_train': cost / 100, 'auc_val': min(cost, 99) / 100},
                )  # fmt: skip
                epochs = {'epochs': np.array([5, 10])}
                store.write_trial(point, index, TrialRecord(result, b'', b'', epochs))
        store.collate()
    return tmp_path / 'sweep'


def test_the_order_is_by_the_objective_or_by_another_metric(folder):
    assert [summary.params for summary in Findings.read(folder).summaries] == [(16,), (2,), (99,)]
    by_auc = Findings.read(folder, 'auc')
    assert [summary.params for summary in by_auc.summaries] == [(2,), (16,), (99,)]
    assert (
        compare(folder, metric='auc')
        .answer()
        .startswith('hidden=2 is the better of 2 comparable architectures: auc 0.305')
    )
    assert 'Learning rates were tuned by cost, not by auc.' in by_auc.comparison.answer()
    assert 'hidden=99 (cost diverged) is not comparable' in compare(folder).answer()


def test_documents_say_which_metric_they_are_about(folder):
    store = Store.read(folder)
    assert '| validation cost |' in markdown(store) and 'Mean (lower is better), and' in markdown(store)
    told = json.loads(everything(store, 'auc'))
    assert told['metric'] == {'name': 'auc', 'higher': True, 'is_objective': False}
    assert told['metrics'] == ['cost', 'loss', 'auc']
    assert told['architectures'][0]['auc_val'] == pytest.approx(0.305)
    (best, *_) = csv.DictReader(io.StringIO(table(store)))
    assert (best['hidden'], best['best'], best['worst']) == ('16', '12.0', '12.75')
    (best, *_) = csv.DictReader(io.StringIO(table(store, 'loss')))
    assert float(best['loss_val']) == 1.25 and 'perf_val' not in best


def test_the_table_has_the_metrics_name(folder):
    findings = Findings.read(folder)
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(comparison_table(findings.summaries, findings.columns, measure=findings.measure))
    text = console.export_text()
    assert 'val cost' in text and 'lower cost is better' in text and 'diverged' in text
    assert 'counts as infinitely bad' in text and 'performance' not in text


def test_a_display_is_told_the_direction(folder):
    builder = SnapshotBuilder()
    builder.handle(SweepStarted(folder, (), METRICS))
    for point, trials in Store.read(folder).by_point.items():
        builder.handle(TrialsDone(point, trials.trials))
    snapshot = builder.snapshot(0.0)
    assert [leader.point for leader in snapshot.leaders] == [(16,), (2,), (99,)]
    assert snapshot.measure.title == 'validation cost'
