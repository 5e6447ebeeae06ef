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
from sweeper.events import PointFlagged, SweepStarted, TrialsDone
from sweeper.metric import PERFORMANCE, PREDEFINED, MetricInfo
from sweeper.report.document import everything, markdown, table
from sweeper.report.figures.cost import pareto_front
from sweeper.report.figures.plotting import plot
from sweeper.report.figures.training import training
from sweeper.report.findings import Findings
from sweeper.report.live.board import Board
from sweeper.report.live.snapshot import SnapshotBuilder
from sweeper.report.live.view import SweepView
from sweeper.report.measure import Measure, measure_of, measures
from sweeper.report.stats.comparison import Comparison, compare
from sweeper.report.table import comparison_table
from sweeper.results import TrialRecord, TrialResult
from sweeper.stats.intervals import number
from sweeper.store.manifest import Manifest
from sweeper.store.store import Store

from .conftest import CURVES, LOWER, METRICS, tuned

RETURN = MetricInfo('return')


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
    assert np.array_equal(plain.pairwise.tables.p_adjusted, mirrored.pairwise.tables.p_adjusted)
    assert np.array_equal(plain.pairwise.tables.difference, -mirrored.pairwise.tables.difference)
    shares = [[(effect.parameters, effect.share) for effect in each.effects()] for each in (plain, mirrored)]
    assert shares[0] == shares[1]
    for row in scores:
        one, other = plain.measure.interval(row), mirrored.measure.interval([-value for value in row])
        assert [one.mean, one.low, one.high] == pytest.approx(
            [-other.mean, -other.high, -other.low], nan_ok=True
        )


@given(tables(), st.sampled_from([2.0**-20, 0.25, 8.0, 2.0**23]), st.sampled_from([-1.0, 0.0, 5.0]))
def test_another_unit_changes_neither_order_nor_p_values(scores, factor, shift):
    scores = np.array(scores)
    plain, other = comparison(scores, RETURN), comparison(factor * (scores + shift), RETURN)
    assert plain.first == other.first
    assert np.allclose(plain.pairwise.tables.p, other.pairwise.tables.p, rtol=1e-5, atol=1e-12)
    assert plain.are_tied == other.are_tied


@given(tables())
def test_the_live_board_has_the_same_order_mirrored(scores):
    boards = [Board(measure_of([info, RETURN])) for info in (RETURN, LOWER)]
    for board, sign in zip(boards, (1, -1), strict=True):
        for index, row in enumerate(scores):
            board.add((index,), {trial: sign * value for trial, value in enumerate(row)})
    leaders = [[(leader.point, leader.is_tied) for leader in board.leaders(len(scores))] for board in boards]
    assert leaders[0] == leaders[1]


def test_parameters_matter_as_much_mirrored():
    generator = np.random.default_rng(0)
    cells = [[str(generator.integers(9)), str(generator.choice(['a', 'b', 'c']))] for _ in range(30)]
    noise = generator.normal(0, 0.1, (30, 8))
    scores = [10.0 * ord(y) - 7 * int(x) + trials for (x, y), trials in zip(cells, noise, strict=True)]
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
    assert answer.startswith(
        'x=0 is the better of 2: euros 12.3125 (lower is better; 4 trials), 3.0312 below x=1 (95% interval '
    )
    tied = comparison([[12.0, 12.5], [12.25, 12.5]], LOWER).answer()
    assert tied.startswith(
        'No clear winner among 2 (2 trials each). x=0 has the lowest mean, cost 12.2500; its'
    )


@pytest.mark.parametrize('info', [RETURN, LOWER])
def test_what_is_infinite_is_worst_and_named_and_no_warning_is_given(info):
    worst = info.diverged
    scores = [[worst, worst, worst], [1.0, 2.0, worst], [1.0, 1.5, 1.25]]
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        found = comparison(scores, info)
        assert sorted(found.first) == [1, 2], 'of what converged something is known'
        assert 'nan' not in found.answer() and 'inf' not in found.answer()
        assert found.measure.interval(scores[0]).text == found.measure.interval(scores[1]).text == 'diverged'
        board = Board(found.measure)
        for index, row in enumerate(scores):
            board.add((index,), {n: value if abs(value) < 9 else math.nan for n, value in enumerate(row)})
        leaders = board.leaders(3)
        assert leaders[2].point == (0,) and [leader.is_tied for leader in leaders] == [True, True, False]


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


@pytest.fixture
def write_two(tmp_path):
    """Two parameters; one of the architectures has diverged."""
    costs = {(1, 'a'): -3.0, (1, 'b'): -2.0, (2, 'a'): -1.0, (2, 'b'): math.inf}
    manifest = Manifest('money', 'fastest', {}, 4, 0, 100, metrics=METRICS)
    with Store.opened(tmp_path / 'two', manifest, ['n', 'kind']) as store:
        store.add_points([*costs])
        for point, cost in costs.items():
            store.write_tuned(point, tuned())
            metrics = {'auc_train': 0.5, 'auc_val': 0.5}
            result = TrialResult(0, 10, 2.0, math.isinf(cost), cost, cost, cost, cost, metrics=metrics)
            store.write_trial(point, 0, TrialRecord(result, b'', b'', CURVES))
    return tmp_path / 'two'


def test_the_order_is_by_the_objective_or_by_another_metric(by_cost):
    assert [summary.params for summary in Findings.read(by_cost).summaries] == [(16,), (2,), (99,)]
    by_auc = Findings.read(by_cost, 'auc')
    assert [summary.params for summary in by_auc.summaries] == [(2,), (16,), (99,)]
    assert (
        compare(by_cost, metric='auc')
        .answer()
        .startswith('hidden=2 is the better of 2 comparable architectures: auc 0.3050 (3 trials), ')
    )
    assert 'Learning rates were tuned by cost, not by auc.' in by_auc.comparison.details()
    assert 'Not comparable: hidden=99 (cost ' in compare(by_cost).answer()


def test_documents_say_which_metric_they_are_about(by_cost):
    store = Store.read(by_cost)
    assert '| validation cost |' in markdown(
        store
    ) and 'Mean (lower is better) or difference, and' in markdown(store)
    told = json.loads(everything(store, 'auc'))
    assert told['metric'] == {'name': 'auc', 'higher': True, 'is_objective': False}
    assert told['metrics'] == ['cost', 'loss', 'auc']
    assert told['architectures'][0]['auc_val'] == pytest.approx(0.305)
    (best, *_) = csv.DictReader(io.StringIO(table(store)))
    assert (best['hidden'], best['best'], best['worst']) == ('16', '12.0', '12.75')
    (best, *_) = csv.DictReader(io.StringIO(table(store, 'loss')))
    assert float(best['loss_val']) == 1.25 and 'perf_val' not in best


def test_the_table_has_the_metrics_name(by_cost):
    findings = Findings.read(by_cost)
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(comparison_table(findings.summaries, findings.columns, measure=findings.measure))
    text = console.export_text()
    assert 'val cost' in text and 'lower cost is better' in text and 'diverged' in text
    assert 'so that it is in no mean' in text and 'performance' not in text


def test_a_display_is_told_the_direction(by_cost):
    builder = SnapshotBuilder()
    builder.handle(SweepStarted(by_cost, (), METRICS))
    for point, trials in Store.read(by_cost).by_point.items():
        builder.handle(PointFlagged(point, ['too_few_converged'] if point == (99,) else []))
        builder.handle(TrialsDone(point, trials.trials))
    snapshot = builder.snapshot(0.0)
    assert [leader.point for leader in snapshot.leaders] == [(16,), (2,), (99,)]
    assert snapshot.measure.title == 'validation cost'
    for width, text in (
        (80, 'by validation cost, lower is better'),
        (40, 'the best so far'),
    ):
        console = Console(width=width, record=True, file=io.StringIO())
        console.print(SweepView(snapshot))
        assert text in console.export_text()


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(-5, 5)), min_size=1, max_size=8))
def test_the_front_is_of_those_that_are_cheaper_and_better_in_the_direction_of_the_metric(points):
    costs = [cost for cost, _ in points]
    front = pareto_front(costs, [-float(perf) for _, perf in points])
    for (cost, perf), is_front in zip(points, front, strict=True):
        beaten = any(c <= cost and p <= perf and (c, p) != (cost, perf) for c, p in points)
        assert is_front == (not beaten)


@pytest.mark.parametrize('kind', ['board', 'parameter', 'cost'])
@pytest.mark.parametrize(
    ('metric', 'label'), [(None, 'validation cost (lower is better)'), ('auc', 'validation auc')]
)
@pytest.mark.filterwarnings('error')
def test_figures_have_the_metrics_name_and_the_best_where_they_always_are(by_cost, kind, metric, label):
    pytest.importorskip('matplotlib')
    (axes,) = plot(by_cost, kind, cost='seconds' if kind == 'cost' else None, metric=metric).axes
    is_level = kind == 'board'
    text = axes.get_xlabel() if is_level else axes.get_ylabel()
    assert text == label
    low, high = axes.get_xlim() if is_level else axes.get_ylim()
    assert (low < high) == (metric == 'auc')
    texts = [axes.get_xlabel(), *(tick.get_text() for tick in axes.get_yticklabels())]
    assert any('diverged' in text for text in texts)


@pytest.mark.filterwarnings('error')
def test_the_courses_of_every_metric_are_there(by_cost):
    pytest.importorskip('matplotlib')
    data = training(Findings.read(by_cost, 'auc'), Findings.read(by_cost).compared[0])
    assert [*data.courses] == [
        f'{kind}_{split}' for kind in ('perf', 'loss', 'auc') for split in ('val', 'train')
    ]
    labels = [axes.get_ylabel() for axes in plot(by_cost, 'training', metric='auc').axes]
    assert labels == ['auc', 'loss']
    assert plot(by_cost, 'training', metric='loss').axes[0].get_ylabel() == 'cost (lower is better)'


@pytest.mark.filterwarnings('error')
def test_parallel_coordinates_and_heat_maps_take_what_is_infinite_and_negative(write_two):
    pytest.importorskip('matplotlib')
    (axes,) = plot(write_two, 'parallel').axes
    heights = [line.get_ydata() for line in axes.lines if len(line.get_ydata()) == 3]
    assert [line[-1] for line in heights[::-1]] == [1.0, pytest.approx(0.5), 0.0, 0.0], 'the best is up'
    axes, bar = plot(write_two, 'heatmap').axes
    assert bar.get_ylabel() == 'validation cost\n(lower is better)'
    assert sorted(text.get_text() for text in axes.texts) == ['-1', '-2', '-3']
