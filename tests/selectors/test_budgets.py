"""A budget ends any selector, and what the time decided is decided again."""

import json

import pytest

from sweeper import (
    DONE,
    WAIT,
    BudgetedSelector,
    EvolutionSweep,
    FixedSweep,
    GridSweep,
    Integer,
    InvalidArgument,
    Proposal,
    RacingSweep,
    Selector,
    Space,
    events,
    load,
    sweep,
)
from sweeper.metric import MetricInfo
from sweeper.options import budgeted
from sweeper.results import PointError, TrialResult
from sweeper.selectors.budgets import Timer, searching
from sweeper.testing import SelectorContract

SPACE = Space({'width': Integer(1, 90), 'depth': Integer(1, 3)})


class Clock:
    """Each look at it takes a second; `now` may be set."""

    def __init__(self, step=1.0):
        self.now, self._step = 0.0, step

    def __call__(self):
        self.now += self._step
        return self.now


def evolution(points=40):
    return EvolutionSweep(SPACE, points=points, population=5, trials=2)


class TestWithTrialsAndPoints(SelectorContract):
    def make_selector(self):
        return BudgetedSelector(evolution(), points=12, trials=17)


class TestWithResults(SelectorContract):
    def make_selector(self):
        return BudgetedSelector(evolution(), samples=1_000_000, patience=9, in_flight=3)


class TestWithTime(SelectorContract):
    def make_selector(self):
        return BudgetedSelector(evolution(), minutes=0.5, in_flight=3, clock=Clock())


class TestOfAGrid(SelectorContract):
    def make_selector(self):
        return BudgetedSelector(GridSweep(SPACE, counts=3), trials=10)


class TestOfAGridWithResults(SelectorContract):
    def make_selector(self):
        return BudgetedSelector(GridSweep(SPACE, counts=3), patience=3)


def result(value=0.5, epochs=2.0, seconds=1.0):
    return TrialResult(0, epochs, seconds, False, value, 1 - value, value, 1 - value)


def proposals(selector, values=lambda index: 0.5, train_size=100, epochs=2.0):
    """Runs a selector to its end, one proposal at a time; returns what it proposed."""
    selector.tell(events.SweepStarted(None, (), (MetricInfo('accuracy'),), train_size=train_size))
    proposed, waiting = [], []
    while True:
        answer = selector.ask()
        if isinstance(answer, Proposal):
            proposed.append(answer)
            waiting.append(answer)
        elif not waiting:
            assert answer is DONE
            return proposed
        else:
            done = waiting.pop(0)
            trials = {i: result(values(len(proposed) - len(waiting) - 1), epochs) for i in range(done.trials)}
            selector.tell(events.TrialsDone(done.point, trials, done.fraction))


def grid(trials=2, points=10):
    return FixedSweep([((index,), trials) for index in range(points)])


@pytest.mark.parametrize(
    ('limits', 'expected'),
    [
        ({'points': 4}, 4),
        ({'trials': 7}, 3),
        ({'points': 4, 'trials': 100}, 4),
        ({'samples': 1200.0, 'in_flight': 1}, 3),  # of 400 each
        ({'samples': 1201, 'in_flight': 1}, 4),
        ({'samples': 1200, 'in_flight': 2}, 4),  # one more was under way
        ({'patience': 3, 'in_flight': 1}, 4),  # the first was an improvement
        ({'minutes': 0.2, 'in_flight': 1, 'clock': Clock(2.0)}, 3),
        ({'points': 100}, 10),
    ],
)
def test_nothing_is_proposed_beyond_a_limit(limits, expected):
    assert len(proposals(BudgetedSelector(grid(), **limits))) == expected


def test_an_improvement_starts_the_patience_anew():
    values = [0.1, 0.1, 0.3, 0.2, 0.2, 0.4, 0.4, 0.4, 0.4, 0.9]
    selector = BudgetedSelector(grid(), patience=3, in_flight=1)
    assert len(proposals(selector, values.__getitem__)) == 9


def test_points_that_fail_are_no_improvement_and_free_their_places():
    selector = BudgetedSelector(grid(), patience=2, in_flight=1)
    for _ in range(2):
        answer = selector.ask()
        assert selector.ask() is WAIT
        selector.tell(events.PointFailed(answer.point, PointError('E', 'm', 'tuning')))
    assert selector.ask() is DONE


class Growing(Selector):
    """Trains one point's trials further and further."""

    def __init__(self):
        self.fractions = [0.25, 0.5, 1.0]

    def ask(self):
        return Proposal((1,), 2, self.fractions.pop(0)) if self.fractions else DONE

    def tell(self, event):
        pass


@pytest.mark.parametrize(('trials', 'expected'), [(1, 2), (2, 3)])
def test_trials_that_go_on_count_for_what_is_added(trials, expected):
    assert len(proposals(BudgetedSelector(Growing(), trials=trials))) == expected


def test_samples_are_counted_once_where_trials_go_on():
    selector = BudgetedSelector(Growing(), samples=401, in_flight=1)  # 2 trials of 2 epochs of 100
    assert len(proposals(selector)) == 3


def test_a_place_is_free_again_when_a_point_is_rejected():
    selector = BudgetedSelector(evolution(), points=2, trials=4)
    first, second = selector.ask(), selector.ask()
    assert selector.ask() is DONE
    selector.tell(events.PointRejected(first.point, PointError('Rejected', 'large', 'tuning')))
    third = selector.ask()
    assert isinstance(third, Proposal) and third.point not in (first.point, second.point)
    assert selector.ask() is DONE


def test_what_was_in_time_is_in_time_at_every_start_whatever_the_clock_says():
    kept = {}
    timer = Timer(10, Clock(3.0))
    timer.attach({}, kept.update)
    in_time = 0
    while not timer.is_out():
        timer.keep()
        in_time += 1
    assert in_time > 1 and kept['in_time'] == in_time and kept['seconds'] >= 10
    again = Timer(10, Clock(100.0))
    again.attach(kept, lambda _: None)
    assert [again.is_out() for _ in range(in_time + 1)] == [False] * in_time + [True]
    longer = Timer(40, Clock(0.0))
    longer.attach(kept, lambda _: None)
    assert not any(longer.is_out() for _ in range(in_time + 5))


@pytest.mark.parametrize(
    ('limits', 'message'),
    [
        ({}, 'needs a limit: points, trials, samples, minutes, patience'),
        ({'points': 0}, 'points=0'),
        ({'trials': 1.5}, 'trials=1.5'),
        ({'samples': -1}, 'samples=-1: must be a positive number'),
        ({'minutes': float('inf')}, 'minutes=inf'),
        ({'minutes': '3'}, "minutes='3'"),
        ({'patience': True}, 'patience=True'),
        ({'points': 1, 'in_flight': 0}, 'in_flight=0'),
    ],
)
def test_wrong_limits_are_named(limits, message):
    with pytest.raises(InvalidArgument, match=message):
        BudgetedSelector(grid(), **limits)


def test_the_command_lines_limits():
    selector = budgeted(grid(), ['trials=4', 'patience=2'])
    assert isinstance(selector, BudgetedSelector) and type(searching(selector)) is FixedSweep
    assert len(proposals(budgeted(lambda: grid(), ['trials=4'])())) == 2
    with pytest.raises(InvalidArgument, match='--budget time=3: valid are points, trials'):
        budgeted(grid(), ['time=3'])
    with pytest.raises(InvalidArgument, match='--budget points=0: must be'):
        budgeted(grid(), ['points=0'])


@pytest.mark.slow
def test_a_sweep_whose_time_is_out_is_resumed_to_the_same_points_or_goes_on(write_problem, tiny, tmp_path):
    problem, out = write_problem().path, tmp_path / 'out'

    def run(minutes, step):
        selector = BudgetedSelector(evolution(), minutes=minutes, in_flight=2, clock=Clock(step))
        results = sweep(problem, selector, 1, tiny, out, executor='inline', progress='none')
        return [result.params for result in results]

    first = run(0.2, 1.0)
    assert 2 < len(first) < 40
    content = json.loads((out / 'budget.json').read_text())['selectors']['EvolutionSweep']
    assert content['seconds'] >= 12
    assert run(0.2, 1000.0) == first == [result.params for result in load(out)]
    more = run(0.4, 1.0)
    assert more[: len(first)] == first and len(more) > len(first)
    (out / 'budget.json').write_text('{}')
    with pytest.warns(UserWarning, match=r'budget\.json is set aside'):
        run(10.0, 0.001)


@pytest.mark.slow
def test_a_grid_within_a_budget_adds_to_the_folder_of_a_grid(write_problem, tiny, tmp_path):
    problem, out = write_problem().path, tmp_path / 'out'
    for selector in (
        FixedSweep.with_grid({'width': [2, 4]}, 1),
        BudgetedSelector(GridSweep({'width': [3, 5, 7]}, 1), points=2),
        BudgetedSelector(GridSweep({'width': [3, 5, 7]}, 1), patience=3),
    ):
        results = sweep(problem, selector, 1, tiny, out, executor='inline', progress='none')
    assert [result.params['width'] for result in results] == [2, 4, 3, 5, 7]


def test_it_stands_for_the_selector_within_it():
    race = RacingSweep([(1,), (2,)], trials=5)
    selector = BudgetedSelector(race, trials=7)
    assert (selector.planned_looks, selector.looks_made) == (race.planned_looks, 0)
    assert BudgetedSelector(evolution(), trials=7).in_flight == evolution().in_flight
    assert len(proposals(selector)) == 2  # three trials each
    assert selector.looks_made == race.looks_made == 1
