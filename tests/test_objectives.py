"""Objectives are metrics and costs, with directions."""

import math

import pytest

from sweeper.errors import InvalidArgument
from sweeper.metric import MetricInfo
from sweeper.objectives import Goals, Objective, as_objectives
from sweeper.results import ModelCost, TrialResult

METRICS = (MetricInfo('error', higher=False), MetricInfo('f1'))


def trial(perf=0.2, loss=1.0, f1=0.5, seconds=6.0, epochs=3):
    return TrialResult(0, epochs, seconds, False, 0.9, 0.9, perf, loss, metrics={'f1_val': f1})


def gains(names, trials, cost=None, metrics=METRICS):
    return Goals(as_objectives(names), metrics).gains(trials, cost)


def test_higher_gains_are_better_whatever_the_direction():
    cost = ModelCost(100, 90, 500)
    names = 'performance, f1, loss, parameters, flops, seconds'
    assert gains(names, [trial(), trial(0.4)], cost) == (-0.30000000000000004, 0.5, -1.0, -100, -500, -2)


def test_the_objective_has_two_names():
    assert gains('error', [trial()]) == gains('performance', [trial()]) == (-0.2,)


def test_a_direction_may_be_given():
    assert gains([Objective('parameters', higher=True)], [trial()], ModelCost(7, 7, 7)) == (7.0,)


def test_what_is_unknown_or_diverged_is_worst():
    assert gains('parameters,flops', [trial()]) == (-math.inf, -math.inf)
    assert gains('flops', [trial()], ModelCost(1, 1, None, 'no counter')) == (-math.inf,)
    assert gains('performance', [trial(math.inf), trial()]) == (-math.inf,)
    assert gains('performance,seconds', []) == (-math.inf, -math.inf)


def test_a_metric_of_a_problem_hides_a_cost_of_that_name():
    assert gains('flops', [trial(0.7)], ModelCost(1, 1, 1), (MetricInfo('flops'),)) == (0.7,)


def test_gains_and_natural_values_are_each_others_inverse():
    goals = Goals(as_objectives('performance,f1'), METRICS)
    assert goals.natural(goals.gains([trial()])) == [0.2, 0.5]


def test_the_name_of_what_is_no_objective_is_told_with_those_that_are():
    with pytest.raises(InvalidArgument, match=r"no objective 'f2'; valid are performance, loss, parameters"):
        gains('f2', [])


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        ((), 'at least one'),
        ('', 'must be the name'),
        ('loss,loss', 'loss is given twice'),
        ([3], 'must be the name'),
    ],
)
def test_what_are_no_objectives_is_refused(given, message):
    with pytest.raises(InvalidArgument, match=message):
        as_objectives(given)
    with pytest.raises(InvalidArgument, match='higher=3'):
        Objective('loss', 3)
