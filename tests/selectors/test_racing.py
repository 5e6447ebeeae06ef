"""Racing in a sweep: what it proposes, and that the order in which results are told makes no difference."""

import numpy as np
import pytest

from sweeper import DONE, WAIT, FixedSweep, InvalidArgument, Proposal, RacingSweep, events
from sweeper.metric import LOSS, PERFORMANCE
from sweeper.results import PointError, TrialResult

POINTS = [(n,) for n in range(6)]


def trial(value, diverged=False):
    return TrialResult(0, 1.0, 1.0, diverged, value, 1.0, value, 1.0)


def raced(selector, score, metric=PERFORMANCE, fails=()):
    """Answers a selector until it is done; returns how many trials each point had."""
    selector.tell(events.SweepStarted(None, (), (metric,)))
    trials, waiting = dict.fromkeys(selector.points, 0), []
    for _ in range(500):
        answer = selector.ask()
        if answer is DONE:
            return trials
        if isinstance(answer, Proposal):
            waiting.append(answer)
            continue
        assert answer is WAIT and waiting, 'it waits for nothing'
        done = waiting.pop(0)
        if done.point in fails:
            selector.tell(events.PointFailed(done.point, PointError('ValueError', 'no', 'tuning')))
            continue
        indices = range(trials[done.point], trials[done.point] + done.trials)
        trials[done.point] += done.trials
        selector.tell(events.TrialsDone(done.point, {i: score(done.point, i) for i in indices}))
    raise AssertionError('it does not end')


def noise(point, index):
    return 0.01 * np.random.default_rng([*point, index]).normal()


@pytest.mark.parametrize(('metric', 'best'), [(PERFORMANCE, 5), (LOSS, 0)])
def test_the_best_in_the_direction_of_the_objective_gets_the_most(metric, best):
    selector = RacingSweep(POINTS, trials=20)
    trials = raced(selector, lambda point, index: trial(0.1 * point[0] + noise(point, index)), metric)
    assert selector.race.contenders == [best] and trials[best,] == max(trials.values())
    assert min(trials.values()) == 3 and sum(trials.values()) < 50


def test_equals_get_all_trials_and_no_more():
    trials = raced(RacingSweep(POINTS, trials=8), lambda point, index: trial(0.5 + noise(point, index)))
    assert set(trials.values()) == {8}


def test_points_that_fail_or_diverge_do_not_hold_up_the_race():
    def score(point, index):
        return trial(0.0 if point == (4,) else 0.1 * point[0] + noise(point, index), diverged=point == (4,))

    selector = RacingSweep(POINTS, trials=20)
    trials = raced(selector, score, fails=[(5,)])
    assert selector.race.contenders == [3] and trials[5,] == 0 and trials[4,] == 3


def test_the_report_has_the_looks_of_the_race(write_problem, tmp_path):
    from sweeper import compare, sweep

    selector = RacingSweep([(2,), (12,)], trials=8)
    sweep(write_problem().path, selector, 1, 'fastest', tmp_path / 'out', executor='inline', progress='none')
    design = compare(tmp_path / 'out').design
    assert (design.look, design.planned_looks) == (selector.looks_made, 3) and not design.is_interim


def test_a_race_has_all_its_looks_and_a_folder_of_its_own(write_problem, tmp_path):
    from sweeper import FixedSweep, FolderError, InvalidArgument, sweep

    path = write_problem().path
    how = {'executor': 'inline', 'progress': 'none', 'folder': tmp_path / 'out'}
    with pytest.raises(InvalidArgument, match='looks=2: RacingSweep looks at the results up to 3 times'):
        sweep(path, RacingSweep([(2,), (12,)], trials=8), 1, 'fastest', looks=2, **how)
    sweep(path, FixedSweep([((2,), 1)]), 1, 'fastest', **how)
    with pytest.raises(FolderError, match='RacingSweep, which plans its looks itself, needs one of its own'):
        sweep(path, RacingSweep([(2,), (12,)], trials=8), 1, 'fastest', **how)


def test_what_is_raced_can_be_points_or_a_space():
    from sweeper import Integer, Space

    space = Space({'width': Integer(1, 4)})
    assert [point['width'] for point in RacingSweep(space).points] == [1, 2, 3, 4]
    assert len(RacingSweep({'width': Integer(1, 10**6)}, points=5).points) == 5
    listed = FixedSweep.with_fixed_trials(POINTS, 3).points_and_trials()
    assert RacingSweep(point for point, _ in listed).points == [point for point, _ in listed]


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'space': []}, 'must have points'),
        ({'space': POINTS, 'points': 3}, 'goes with a space'),
        ({'space': POINTS, 'first': 1}, 'first=1'),
        ({'space': POINTS, 'trials': 2}, 'trials=2'),
        ({'space': POINTS, 'margin': 0.0}, 'margin=0.0'),
        ({'space': {'rate': (0.0, 1.0)}}, 'say how many to draw'),
    ],
)
def test_bad_input_is_refused_before_any_work(arguments, message):
    with pytest.raises(InvalidArgument, match=message):
        RacingSweep(**arguments)
