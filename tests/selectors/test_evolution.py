"""EvolutionSweep: what becomes a parent, who leaves, and what is reached."""

import math

import pytest

from sweeper import DONE, WAIT, EvolutionSweep, Float, Integer, InvalidArgument, Proposal, Space, events
from sweeper.metric import MetricInfo
from sweeper.results import ModelCost, PointError, TrialResult, Tuned
from sweeper.space.pareto import on_front

SPACE = Space({'x': Float(0.0, 1.0), 'y': Float(0.0, 1.0)})


def finish(selector, point, value, parameters=1):
    cost = ModelCost(parameters, parameters, parameters)
    selector.tell(events.PointTuned(point, Tuned(0.1, 0.1, 8, 1, 1, cost=cost)))
    selector.tell(events.TrialsDone(point, {0: TrialResult(0, 1, 1.0, False, value, 0.0, value, 0.0)}))


def search(selector, evaluate):
    """Runs a search; returns all points with their values, in order."""
    done, waiting = [], []
    while True:
        answer = selector.ask()
        if isinstance(answer, Proposal):
            waiting.append(answer.point)
        elif not waiting:
            assert answer is DONE
            return done
        else:
            point = waiting.pop(0)
            done.append((point, evaluate(point)))
            finish(selector, *done[-1][:1], *done[-1][1])


def test_as_many_are_in_flight_as_it_says():
    selector = EvolutionSweep(SPACE, points=5, in_flight=2)
    proposals = [selector.ask() for _ in range(3)]
    assert proposals[2] is WAIT
    finish(selector, proposals[0].point, 0.5)
    assert isinstance(selector.ask(), Proposal) and selector.ask() is WAIT


def height(point):
    return (1 - (point['x'] - 0.7) ** 2 - (point['y'] - 0.3) ** 2,)


@pytest.mark.parametrize('seed', range(5))
def test_it_climbs_where_random_points_do_not(seed):
    values = [value for _, (value,) in search(EvolutionSweep(SPACE, points=150, seed=seed), height)]
    assert max(values) > 1 - 1e-3
    assert sum(values[-50:]) / 50 > 0.94 > 0.9 > sum(values[:20]) / 20


@pytest.mark.parametrize('seed', range(3))
def test_lower_is_better_where_the_metric_says_so(seed):
    selector = EvolutionSweep(SPACE, points=150, seed=seed)
    selector.tell(events.SweepStarted(None, (), (MetricInfo('error', higher=False),)))
    values = [value for _, (value,) in search(selector, lambda point: (-height(point)[0],))]
    assert min(values) < -1 + 1e-3


def test_children_differ_from_a_member_in_one_parameter():
    selector = EvolutionSweep(SPACE, points=60, population=10, sample=3, crossover=0.0, in_flight=1)
    done = [point for point, _ in search(selector, height)]
    for index, child in enumerate(done[10:], 10):
        members = done[index - 10 : index]
        assert any((child['x'] == old['x']) != (child['y'] == old['y']) for old in members)


def test_the_oldest_leaves_however_good_it_is():
    selector = EvolutionSweep(SPACE, points=40, population=5, sample=5, crossover=0.0, in_flight=1)
    first = selector.ask().point
    finish(selector, first, 1.0)
    done = search(selector, lambda _: (0.5,))
    late = [point for point, _ in done[10:]]
    assert all(child['x'] != first['x'] and child['y'] != first['y'] for child in late[20:])


def test_a_point_that_fails_is_no_parent_and_is_not_proposed_again():
    selector = EvolutionSweep(Space({'x': Integer(0, 9)}), points=10, population=2, in_flight=1)
    points = []
    while isinstance(answer := selector.ask(), Proposal):
        points.append(answer.point['x'])
        if answer.point['x'] % 2:
            selector.tell(events.PointFailed(answer.point, PointError('E', 'm', 'tuning')))
        else:
            finish(selector, answer.point, 0.1)
    assert sorted(points) == [*range(10)]


def trade_off(point):
    parameters = 1 + int(1000 * point['x'])
    return 0.5 + 0.5 * math.sqrt(point['x']) - abs(point['y'] - 0.5), parameters


def test_several_objectives_reach_the_whole_front():
    selector = EvolutionSweep(SPACE, points=300, objectives='performance,parameters', seed=1)
    done = search(selector, trade_off)
    gains = [(value, -parameters) for _, (value, parameters) in done]
    front = [point for point, is_on in zip([p for p, _ in done], on_front(gains), strict=True) if is_on]
    assert {*selector.archive.front} == {g for g, is_on in zip(gains, on_front(gains), strict=True) if is_on}
    late = [point for point, _ in done[200:]]
    assert sum(abs(point['y'] - 0.5) for point in late) / 100 < 0.1  # the same as along the front
    assert min(point['x'] for point in front) < 0.05 and max(point['x'] for point in front) > 0.9


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'population': 1}, 'population=1'),
        ({'sample': 0}, 'sample=0'),
        ({'crossover': 1.5}, r'crossover=1.5: must be in \[0, 1\]'),
        ({'points': 0}, 'points=0'),
        ({'trials': 0}, 'trials=0'),
        ({'in_flight': 0}, 'in_flight=0'),
        ({'objectives': ()}, 'at least one'),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(InvalidArgument, match=message):
        EvolutionSweep(SPACE, **arguments)


def test_an_unknown_objective_is_named_when_the_sweep_starts():
    selector = EvolutionSweep(SPACE, objectives='performance,memory')
    with pytest.raises(InvalidArgument, match="no objective 'memory'"):
        selector.tell(events.SweepStarted(None, (), (MetricInfo('accuracy'),)))
