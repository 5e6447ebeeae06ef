"""OptunaSelector asks Optuna's samplers, and keeps the contract of selectors."""

import math
from pathlib import Path

import pytest

pytest.importorskip('optuna')
import optuna
from optuna.trial import TrialState

from sweeper import (
    DONE,
    Categorical,
    Float,
    Integer,
    InvalidArgument,
    MissingExtra,
    OptunaSelector,
    Proposal,
    Space,
    events,
    sweep,
)
from sweeper.metric import MetricInfo
from sweeper.results import ModelCost, PointError, TrialResult, Tuned
from sweeper.selectors.optuna import SAMPLERS
from sweeper.testing import SelectorContract

SPACE = Space(
    {
        'width': Integer(1, 100, log=True),
        'depth': Integer(1, 9, step=2),
        'units': Integer(1, 9, log=True, step=2),
        'rate': Float(0.0, 0.5),
        'decay': Float(0.0, 1.0, step=0.25),
        'kernel': Categorical([3, (3, 5), len]),
        'version': Categorical(['v1']),
        'momentum': Float(0.1, 1.0, log=True),
    },
    conditions={'momentum': 'depth > 3'},
    forbidden=['depth == 9'],
)


class TestTPE(SelectorContract):
    def make_selector(self):
        return OptunaSelector(SPACE, points=14, trials=2, in_flight=3)


class TestNSGA(SelectorContract):
    def make_selector(self):
        return OptunaSelector(SPACE, points=14, sampler='nsga2', objectives='performance,parameters')


class TestASamplerOfOnesOwn(SelectorContract):
    def make_selector(self):
        return OptunaSelector({'a': (0.0, 1.0)}, points=14, sampler=optuna.samplers.RandomSampler(seed=3))


def search(selector, evaluate, fails=lambda point: False, metric=None):
    if metric is not None:
        selector.tell(events.SweepStarted(Path('nowhere'), (), (metric,)))
    points, waiting = [], []
    while True:
        answer = selector.ask()
        if isinstance(answer, Proposal):
            waiting.append(answer.point)
        elif not waiting:
            assert answer is DONE
            return points
        else:
            point = waiting.pop(0)
            points.append(point)
            if fails(point):
                selector.tell(events.PointFailed(point, PointError('E', 'm', 'tuning')))
                continue
            value = evaluate(point)
            cost = ModelCost(7, 7, 7)
            selector.tell(events.PointTuned(point, Tuned(0.1, 0.1, 8, 1, 1, cost=cost)))
            trial = TrialResult(0, 1, 1.0, False, value, 0.0, value, 0.0)
            selector.tell(events.TrialsDone(point, {0: trial}))


@pytest.mark.parametrize('sampler', ['tpe', 'nsga2', 'random', 'qmc'])
def test_every_point_is_legal_and_new(sampler):
    points = search(OptunaSelector(SPACE, points=30, sampler=sampler), lambda point: point['rate'])
    assert len(points) == len({*points}) == 30
    assert all(SPACE.contains(point) for point in points)
    assert any('momentum' in point for point in points) and not all('momentum' in point for point in points)


def test_a_finite_space_is_tried_as_a_whole():
    space = Space({'a': Integer(1, 3), 'b': Categorical(['x', 'y'])})
    assert {*search(OptunaSelector(space, points=50), lambda _: 0.5)} == {*space.points()}


def test_the_study_has_what_was_measured_under_the_names_of_the_objectives():
    selector = OptunaSelector(SPACE, points=12, objectives='performance,parameters')
    points = search(
        selector, lambda point: 2 * point['rate'], lambda point: point['depth'] == 5,
        MetricInfo('error', higher=False),
    )  # fmt: skip
    study = selector.study
    assert study.metric_names == ['performance', 'parameters']
    assert [direction.name for direction in study.directions] == ['MINIMIZE', 'MINIMIZE']
    values = [tuple(trial.values) for trial in study.get_trials(states=[TrialState.COMPLETE])]
    expected = {(2 * point['rate'], 7.0) for point in points if point['depth'] != 5}
    assert {*values} == expected


def test_it_learns():
    space = Space({'x': Float(0.0, 1.0), 'y': Float(0.0, 1.0)})
    selector = OptunaSelector(space, points=60, in_flight=2)
    points = search(selector, lambda point: 1 - abs(point['x'] - 0.7) - abs(point['y'] - 0.2))
    late = [abs(point['x'] - 0.7) + abs(point['y'] - 0.2) for point in points[40:]]
    assert sum(late) / 20 < 0.3


def test_infinite_values_are_results():
    selector = OptunaSelector(SPACE, points=15)
    search(selector, lambda point: math.inf if point['depth'] == 1 else 0.1, metric=MetricInfo('e', False))
    assert len(selector.study.get_trials(states=[TrialState.COMPLETE])) >= 15


def test_optunas_own_log_is_as_it_was():
    before = optuna.logging.get_verbosity()
    search(OptunaSelector(SPACE, points=3), lambda _: 0.1)
    assert optuna.logging.get_verbosity() == before


@pytest.mark.parametrize('sampler', ['tpes', 3, None])
def test_an_unknown_sampler_is_named_with_those_there_are(sampler):
    with pytest.raises(InvalidArgument, match=f'sampler={sampler!r}: must be tpe, gp, cmaes'):
        OptunaSelector(SPACE, sampler=sampler)


def test_what_a_sampler_needs_is_asked_for_by_name(monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'cmaes', None)
    with pytest.raises(MissingExtra, match=r'fair-sweeper\[optuna\]'):
        OptunaSelector(SPACE, sampler='cmaes')


def test_every_sampler_with_a_name_is_there():
    for name, (kind, _) in SAMPLERS.items():
        assert hasattr(optuna.samplers, kind), name


@pytest.mark.slow
def test_the_study_is_in_the_folder_made_anew_at_each_start(write_problem, tiny, tmp_path):
    problem, space = write_problem().path, {'width': (2, 30)}

    def run(points):
        selector = OptunaSelector(space, points=points, in_flight=2)
        return sweep(problem, selector, 1, tiny, tmp_path / 'out', executor='inline', progress='none')

    first = run(3)
    assert [*tmp_path.glob('out/optuna.log')]
    results = run(5)
    assert [result.params for result in results][:3] == [result.params for result in first]
    storage = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str(tmp_path / 'out/optuna.log'))
    )
    study = optuna.load_study(study_name='sweeper', storage=storage)
    trials = study.get_trials(states=[TrialState.COMPLETE])
    values = {trial.params['width']: trial.value for trial in trials}
    assert values == {result.params['width']: result.perf_val.mean() for result in results}
    assert not [*tmp_path.glob('out/optuna.log.lock')]
