"""Trials that diverged are told apart: in no mean, but beside it, wherever results are shown."""

import csv
import io
import json
import math

import pytest

from sweeper.metric import MetricInfo
from sweeper.report.collect import summarise
from sweeper.report.document import everything, markdown, table
from sweeper.report.figures.board import board
from sweeper.report.measure import Measure
from sweeper.report.page.content import overview
from sweeper.report.table import comparison_table
from sweeper.results import TrialResult, Tuned, convergence_flags
from sweeper.stats.intervals import mean_interval

from .conftest import trial
from .test_outputs import printed

GONE = trial(0.0, diverged=True)
TUNED = Tuned(0.01, 0.1, 8, 1, 10, performance=0.9)


def result(perf, diverged=False):
    loss = math.inf if diverged else 1 - perf
    return TrialResult(0, 10, 1.0, diverged, perf, loss, perf, loss)


def few_of(summaries):
    return {summary.params: summary for summary in summaries}


@pytest.fixture
def some(write_sweep):
    """The best diverges once in five times, another four times in five, a third never, a fourth always."""
    perfs = [0.97, 0.96, 0.98, 0.97]
    points = {
        (16, 'relu'): [*perfs[:2], GONE, *perfs[2:]],
        (32, 'relu'): [0.99, GONE, GONE, GONE, GONE],
        (64, 'relu'): [0.95, 0.94, 0.95, 0.95, 0.95],
        (8, 'relu'): [GONE] * 5,
    }
    return write_sweep(points)


def test_means_are_of_the_trials_that_converged(some):
    summaries = few_of(some.summaries)
    best = summaries[16, 'relu']
    assert best.perf_val.mean == pytest.approx(0.97) and best.loss_val.mean == pytest.approx(0.03)
    assert best.perf_val.low > 0.9, 'the interval, too'
    assert (best.trials, best.convergence[:2], best.convergence_text) == (5, (4, 5), '4 of 5 (0.38 to 0.96)')
    assert (best.flags, best.exclusions) == (['trial_diverged'], [])
    assert summaries[64, 'relu'].flags == [] and summaries[64, 'relu'].convergence[:2] == (5, 5)


def test_too_few_that_converged_are_not_compared(some):
    summaries = few_of(some.summaries)
    for point in ((32, 'relu'), (8, 'relu')):
        assert summaries[point].flags == ['trial_diverged', 'too_few_converged']
        assert summaries[point].exclusions == ['too_few_converged']
    assert str(summaries[8, 'relu'].perf_val) == 'diverged'
    assert 'fewer than two of its trials converged' in some.comparison.answer()


@pytest.mark.parametrize(
    ('converged', 'diverged', 'flags'),
    [
        (1, 0, []),
        (0, 0, []),
        (0, 1, ['trial_diverged', 'too_few_converged']),
        (1, 1, ['trial_diverged', 'too_few_converged']),
        (2, 1, ['trial_diverged']),
        (2, 2, ['trial_diverged']),
        (2, 3, ['trial_diverged', 'too_few_converged']),
        (9, 1, ['trial_diverged']),
    ],
)
def test_half_and_at_least_two_of_the_trials_have_to_converge(converged, diverged, flags):
    assert convergence_flags(converged, diverged) == flags
    trials = [result(0.9)] * converged + [result(0.0, diverged=True)] * diverged
    assert TUNED.flags_with(dict(enumerate(trials))) == flags, 'what diverged is not worse than tuned, too'


def test_trials_that_are_infinite_by_another_metric_count_as_diverged_by_that():
    costs = Measure(MetricInfo('cost', higher=False), 'cost', 'cost')
    trials = {
        index: TrialResult(0, 1, 1.0, False, 0.9, 0.1, 0.9, 0.1, metrics={'cost_val': value})
        for index, value in enumerate([1.0, math.inf, 2.0])
    }
    assert costs.flags(['sensitive'], trials) == ['sensitive', 'trial_diverged']
    assert Measure().flags(['sensitive'], trials) == ['sensitive']
    assert costs.flags([], dict(list(trials.items())[:2])) == ['trial_diverged', 'too_few_converged']


def test_one_that_is_better_and_diverges_more_often_is_not_called_better(write_sweep):
    """The rule (docs/statistics.md): better in the mean, and converging in no smaller share."""
    good, other = [0.97, 0.971, 0.972, 0.97, 0.971], [0.95, 0.951, 0.95, 0.952, 0.95]
    points = {(16, 'relu'): [*good, GONE], (64, 'relu'): [*other, 0.951]}
    comparison = write_sweep(points).comparison
    assert comparison.verdict.best == 0 and comparison.verdict.winner is None


def test_every_format_tells_how_many_converged(some):
    texts = [summary.convergence_text for summary in some.summaries]
    assert texts == [
        '4 of 5 (0.38 to 0.96)', '5 of 5 (0.57 to 1.00)', '1 of 5 (0.04 to 0.62)', '0 of 5 (0.00 to 0.43)',
    ]  # fmt: skip
    shown = printed(comparison_table(some.summaries, some.columns), 200)
    document = markdown(some.store)
    page = [row['converged'] for row in overview(some)['rows']]
    assert page == texts
    for text in texts:
        assert text in shown and f'| {text} |' in document
    assert 'with the 95% confidence interval of their share (Wilson)' in shown
    rows = [*csv.DictReader(io.StringIO(table(some.store)))]
    told = json.loads(everything(some.store))['architectures']
    for summary, row, values in zip(some.summaries, rows, told, strict=True):
        counted = summary.convergence
        assert (int(row['converged']), int(row['trials'])) == counted[:2]
        assert (values['converged'], values['trials']) == counted[:2]
        assert (float(row['converged_low']), float(row['converged_high'])) == pytest.approx(counted[2:])
        assert (values['converged_low'], values['converged_high']) == pytest.approx(counted[2:])
    assert [values['worst'] for values in told] == [0.96, 0.94, 0.99, None]


def test_where_all_converged_nothing_is_said_of_it(grid):
    assert 'converged' not in printed(comparison_table(grid.summaries, grid.columns), 200)
    assert 'converged' not in markdown(grid.store) and not overview(grid)['have_diverged']


def test_a_figure_has_no_dot_for_a_trial_that_diverged(some):
    assert [len(trials) for trials in board(some).trials] == [4, 5, 1, 0]
    assert [mean is not None and math.isfinite(mean) for mean in board(some).means] == [True] * 3 + [False]


def test_equal_trials_are_called_so_in_place_of_an_interval(write_sweep):
    found = write_sweep({(16, 'relu'): [1.0, 1.0, 1.0], (32, 'relu'): [1.0]})
    texts = {summary.params[0]: summary.perf_val.text for summary in found.summaries}
    assert texts == {16: '1.0000 (3 equal trials)', 32: '1.0000'}
    assert '1.0000 (3 equal trials)' in printed(comparison_table(found.summaries, found.columns), 200)
    assert '| 1.0000 (3 equal trials) |' in markdown(found.store)
    assert overview(found)['rows'][0]['perf']['text'] == texts[16]
    assert summarise(found.store)[0].perf_val.text == texts[16]


def test_intervals_of_equal_values_count_them():
    assert mean_interval([0.5] * 4).equal == 4
    assert (mean_interval([0.5]).equal, mean_interval([0.5, 0.6]).equal, mean_interval([]).equal) == (0, 0, 0)
