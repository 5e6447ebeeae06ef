"""What the figures show, without drawing them."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.errors import InvalidArgument
from sweeper.points import NamedPoint
from sweeper.report.figures.axis import axis, swept
from sweeper.report.figures.board import board
from sweeper.report.figures.cost import against_cost, pareto_front
from sweeper.report.figures.heat_map import heat_map
from sweeper.report.figures.parallel import parallel_coordinates
from sweeper.report.figures.parameter import by_parameter
from sweeper.report.figures.training import training
from sweeper.report.figures.tuning import tuning
from sweeper.results import ModelCost
from sweeper.stats.intervals import mean_interval

from ..conftest import trial


def test_the_board_ranks_by_mean_and_marks_who_may_be_first(grid):
    found = board(grid)
    assert (
        found.names[0] == 'hidden=64 nonlinearity=relu' and found.names[-1] == 'hidden=16 nonlinearity=tanh'
    )
    assert found.means == sorted(found.means, reverse=True)
    expected = grid.comparison.verdict.intervals[grid.comparison.verdict.best]
    assert (found.means[0], found.lows[0], found.highs[0]) == expected[:3]
    assert expected.high - expected.low < 2 * mean_interval(found.trials[0]).half_width
    assert found.is_first[0] and len(found.is_first) == 6


def test_a_single_trial_has_no_interval_on_the_board(write_sweep):
    found = board(write_sweep({(16, 'relu'): [0.9], (32, 'relu'): [0.8, 0.8]}))
    assert found.lows == [None, None] == found.highs


def test_failed_and_unfinished_architectures_are_not_on_the_board(write_sweep):
    findings = write_sweep({(16, 'relu'): [0.9], (32, 'relu'): []}, failures=[(-1, 'relu')])
    assert board(findings).names == ['hidden=16 nonlinearity=relu']
    assert len(findings.summaries) == 3


def test_numbers_are_places_and_words_are_labels_in_a_stable_order(grid):
    hidden, kind = axis(grid, 'hidden'), axis(grid, 'nonlinearity')
    assert hidden.labels is None and hidden.values == ['16', '32', '64'] and not hidden.is_log
    assert kind.labels == ['relu', 'tanh']
    assert [kind.labels[int(place)] for place in kind.places] == [one.cells[1] for one in grid.compared]


@pytest.mark.parametrize(
    ('values', 'is_log'),
    [((0.001, 0.1), True), ((1, 16), True), ((1, 15), False), ((0, 100), False), ((-1, 100), False)],
)
def test_a_wide_span_of_positive_numbers_is_logarithmic(write_sweep, values, is_log):
    assert axis(write_sweep({(value, 'relu'): [0.5] for value in values}), 'hidden').is_log is is_log


def test_numbers_among_words_are_labels_numbers_first(write_sweep):
    found = axis(write_sweep({(value, 'relu'): [0.5] for value in ('auto', 10, 9, True, None)}), 'hidden')
    assert found.labels == ['9', '10', 'auto', 'null', 'true']


def test_an_architecture_without_the_parameter_has_no_place(write_sweep):
    points = {NamedPoint(width=1): [0.5], NamedPoint(width=2, depth=3): [0.4]}
    assert axis(write_sweep(points), 'depth').places == [None, 3.0]


def test_an_unknown_parameter_is_named_with_those_there_are(grid):
    with pytest.raises(InvalidArgument, match='there is no parameter depth; valid are hidden, nonlinearity'):
        axis(grid, 'depth')


def test_a_constant_is_not_swept(write_sweep):
    assert swept(write_sweep({(1, 'relu'): [0.5], (2, 'relu'): [0.6]})) == ['hidden']


def test_groups_differ_in_one_parameter_alone(grid):
    found = by_parameter(grid, 'hidden')
    assert set(found.groups) == {'nonlinearity=relu', 'nonlinearity=tanh'}
    assert len(found.groups) == len(found.board.names) == len(found.axis.places) == 6


def test_a_heat_map_has_means_per_pair_and_gaps(write_sweep):
    points = {(1, 'a'): [0.2, 0.4], (1, 'b'): [0.5], (2, 'a'): [0.6]}
    found = heat_map(write_sweep(points, perf=0.0), 'hidden', 'nonlinearity')
    assert (found.columns, found.rows) == (['1', '2'], ['a', 'b'])
    assert found.means == [[pytest.approx(0.3), 0.6], [0.5, None]]
    assert found.counts == [[1, 1], [1, 0]]


def test_a_heat_map_averages_over_what_it_does_not_show(write_sweep):
    points = {NamedPoint(a=1, b=1, c=c): [0.1 * c] for c in (1, 2, 3)}
    found = heat_map(write_sweep(points, perf=0.0), 'a', 'b')
    assert found.means == [[pytest.approx(0.2)]] and found.counts == [[3]]


def test_parallel_coordinates_have_an_axis_per_swept_parameter(grid):
    assert [one.name for one in parallel_coordinates(grid).axes] == ['hidden', 'nonlinearity']


def test_seconds_per_epoch_are_those_of_the_trials(write_sweep):
    found = against_cost(
        write_sweep({(1, 'a'): [trial(0.9, seconds=2.0), trial(0.9, seconds=4.0)]}), 'seconds'
    )
    assert found.costs == [pytest.approx(0.3)] and found.is_front == [True]


def test_what_a_network_costs_is_read_from_its_tuning(write_sweep):
    findings = write_sweep({(1, 'a'): [0.9]}, cost=ModelCost(120, 100, None))
    assert against_cost(findings, 'parameters').costs == [120]
    assert against_cost(findings, 'flops').costs == [None]


def test_an_unknown_cost_is_named(grid):
    with pytest.raises(InvalidArgument, match='there is no cost money; valid are parameters, flops, seconds'):
        against_cost(grid, 'money')


@given(st.lists(st.tuples(st.none() | st.integers(0, 5), st.integers(0, 5)), max_size=12))
def test_the_front_is_what_no_other_beats(pairs):
    costs, perfs = [cost for cost, _ in pairs], [perf for _, perf in pairs]
    expected = [
        cost is not None
        and not any(
            other is not None and other <= cost and better >= perf and (other, better) != (cost, perf)
            for other, better in pairs
        )
        for cost, perf in pairs
    ]
    assert pareto_front(costs, perfs) == expected


def test_the_range_test_is_shown_without_its_warm_up_up_to_where_it_diverged(write_sweep):
    findings = write_sweep({(1, 'a'): [0.9]}, diverges=True)
    found = tuning(findings, findings.summaries[0])
    assert found.lrs == [1e-5, 1e-4, 1e-3, 1e-2] and found.loss == [2.0, 1.5, 1.0, None]
    assert (found.lr_min, found.lr_max, found.batch_size, found.why) == (0.01, 0.1, 16, 'it is best')
    assert (found.epochs, found.probability_best) == (10, None)
    first = {'round': 0, 'lr': 0.1, 'batch_size': 16, 'steps': 5, 'loss': 1, 'perf': 0.5}
    assert found.candidates[0] == first and found.budget == 0.5


def test_what_candidates_were_scored_on_and_how_sure_the_choice_is_are_told(write_sweep):
    findings = write_sweep({(1, 'a'): [0.9]}, scored_on='held-out', probability_best=0.75)
    found = tuning(findings, findings.summaries[0])
    assert (found.scored_on, found.probability_best) == ('held-out training data', 0.75)


def test_candidates_that_differ_in_a_nuisance_parameter_are_in_groups_of_their_own(declared):
    found = tuning(declared, declared.summaries[0])
    assert found.nuisance == {'momentum': '0.9'} and found.scored_on == 'held-out training data'
    assert [one['nuisance_momentum'] for one in found.candidates] == [0.9, 0.5]
    assert [found.group(one) for one in found.candidates] == [(0, 16, 0.9), (0, 16, 0.5)]


def test_candidates_are_in_one_group_if_they_differ_in_the_learning_rate_alone(grid):
    found = tuning(grid, grid.summaries[0])
    assert found.nuisance == {} and found.scored_on == 'training data'
    assert len({found.group(one) for one in found.candidates}) == 1


@pytest.mark.parametrize(('told', 'names'), [(['depth'], ['depth']), ('depth', []), (None, []), ([5], ['5'])])
def test_which_parameters_no_code_asked_for_is_read_whatever_is_there(write_sweep, told, names):
    findings = write_sweep({(1, 'a'): [0.9]}, unread=told)
    assert tuning(findings, findings.summaries[0]).unread == names


def test_what_is_not_tuned_has_no_tuning_to_show(write_sweep):
    findings = write_sweep({}, failures=[(-1, 'relu')])
    assert tuning(findings, findings.summaries[0]) is None


def test_courses_have_every_trial_with_mean_and_band(write_sweep):
    findings = write_sweep({(1, 'a'): [0.8, 0.9, 0.85]})
    found = training(findings, findings.summaries[0])
    course = found.courses['perf_val']
    assert found.epochs == [5, 10] and [one[-1] for one in course.trials] == [0.8, 0.9, 0.85]
    expected = mean_interval([0.8, 0.9, 0.85])
    assert (course.mean[-1], course.low[-1], course.high[-1]) == expected[:3]


def test_a_trial_that_ended_early_counts_as_far_as_it_went(write_sweep):
    findings = write_sweep({(1, 'a'): [trial(0.4, epochs=(5,)), trial(0.8)]})
    course = training(findings, findings.summaries[0]).courses['perf_val']
    assert course.trials == [[0.2, None], [0.4, 0.8]]
    assert course.mean == [pytest.approx(0.3), 0.8] and course.low[1] is None


def test_all_of_it_can_be_told_as_strict_json(grid):
    one = grid.summaries[0]
    shown = [
        by_parameter(grid, 'hidden'),
        heat_map(grid, 'hidden', 'nonlinearity'),
        training(grid, one),
        tuning(grid, one),
    ]
    for value in shown:
        assert json.loads(json.dumps(asdict(value), allow_nan=False))


def test_a_wide_range_test_is_thinned_out(write_sweep, monkeypatch):
    from sweeper.report.figures import tuning as module

    curve = {name: np.linspace(1, 2, 511) for name in ('lrs', 'loss', 'perf')}
    lrs, loss, perf = module._range_test(curve)
    assert len(lrs) == len(loss) == len(perf) == 102 and lrs == sorted(lrs)


def test_intervals_of_performances_over_epochs_stay_within_what_can_be_and_those_of_losses_do_not(
    write_sweep,
):
    findings = write_sweep({(1, 'a'): [0.05, 0.99]})
    courses = training(findings, findings.summaries[0]).courses
    perf, loss = courses['perf_val'], courses['loss_val']
    assert (perf.low, perf.high) == ([0.0, 0.0], [1.0, 1.0])
    assert loss.low[-1] < 0 < 1 < loss.high[-1]
