"""A sweep in MLflow, as its own client finds it."""

import sys
from importlib.util import find_spec
from itertools import chain

import numpy as np
import pytest

from sweeper.errors import InvalidArgument, MissingExtra
from sweeper.events import PointFailed, PointFlagged, PointTuned, SweepEnded, SweepStarted, TrialsDone
from sweeper.listeners.mlflow import MLflowListener
from sweeper.points import NamedPoint
from sweeper.results import PointError, TrialResult, Tuned

# Looked for, not imported: that takes seconds, also where these tests are left out.
_IS_THERE = all(map(find_spec, ('mlflow', 'sqlalchemy')))
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not _IS_THERE, reason='MLflow is not installed')]

ERROR = PointError('ValueError', 'no such layer', 'tuning', 'Traceback (most recent call last):\n  …')
SCORES = {'perf_train', 'loss_train', 'perf_val', 'loss_val'}


@pytest.fixture(scope='module')
def database(tmp_path_factory):
    """A folder for a database that all tests share, each in its own experiment: to make one takes long."""
    return tmp_path_factory.mktemp('mlflow')


def runs_of(database, experiment):
    """Runs of architectures and, by these, those of their trials."""
    from mlflow import MlflowClient

    client = MlflowClient(f'sqlite:///{database}/mlflow.db')
    found = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    parents = [run for run in found if 'mlflow.parentRunId' not in run.data.tags]
    children = {
        parent.info.run_id: [r for r in found if r.data.tags.get('mlflow.parentRunId') == parent.info.run_id]
        for parent in parents
    }
    assert len(found) == len(parents) + sum(map(len, children.values()))
    return parents, children


def test_every_architecture_is_a_run_with_its_trials_nested(logged, database, tmp_path):
    results = logged(MLflowListener('every', database), [((2, 'relu'), 2), ((4, 'tanh'), 1)])
    parents, children = runs_of(database, 'every')
    assert {run.info.run_name for run in parents} == {'width=2, kind=relu', 'width=4, kind=tanh'}
    for result in results:
        (parent,) = [run for run in parents if run.data.params['width'] == str(result.params[0])]
        assert parent.data.params == {
            'width': str(result.params[0]), 'kind': result.params[1], 'lr_min': str(result.lr_min),
            'lr_max': str(result.lr_max), 'batch_size': str(result.bs),
            'epochs': str(results.trials[result.params][0].epochs),
        }  # fmt: skip
        assert parent.info.status == 'FINISHED' and parent.info.end_time
        assert parent.data.tags['sweeper.folder'] == str((tmp_path / 'out').resolve())
        assert parent.data.metrics == {name: pytest.approx(getattr(result, name).mean()) for name in SCORES}
        trials = sorted(children[parent.info.run_id], key=lambda run: run.info.run_name)
        assert [run.info.run_name for run in trials] == [f'trial {i}' for i in range(len(result.perf_val))]
        for index, trial in enumerate(trials):
            assert trial.data.metrics == {name: getattr(result, name)[index] for name in SCORES}
            assert trial.data.params == parent.data.params and trial.info.status == 'FINISHED'


def test_runs_are_found_by_what_people_search_for(logged, database):
    import mlflow

    logged(MLflowListener('searched', database), [((2,), 1), ((4,), 1)])
    mlflow.set_tracking_uri(f'sqlite:///{database}/mlflow.db')
    try:
        found = mlflow.search_runs(
            experiment_names=['searched'], filter_string="params.width = '4' and metrics.perf_val >= 0",
            output_format='list',
        )  # fmt: skip
    finally:
        mlflow.set_tracking_uri(None)
    assert [run.info.run_name for run in found] == ['trial 0', 'width=4']


def test_a_resumed_sweep_has_every_run_once(logged, database):
    points = [((2, 'relu'), 2), ((4, 'tanh'), 1)]
    with pytest.raises(KeyboardInterrupt):
        logged(MLflowListener('resumed', database), points, interrupted=True)
    parents, children = runs_of(database, 'resumed')
    before = {run.info.run_id for run in (*parents, *chain(*children.values()))}
    assert len(before) in range(2, 5)
    for _ in range(2):
        results = logged(MLflowListener('resumed', database), points)
        parents, children = runs_of(database, 'resumed')
        trials = list(chain(*children.values()))
        assert len(parents) == 2 and len(trials) == 3
        assert before <= {run.info.run_id for run in (*parents, *trials)}
        found = sorted(run.data.metrics['perf_val'] for run in trials)
        assert found == sorted(perf for result in results for perf in result.perf_val)
        assert {run.info.status for run in (*parents, *trials)} == {'FINISHED'}


def test_a_point_that_failed_says_why_until_it_no_longer_fails(logged, database):
    logged(MLflowListener('failed', database), [((2,), 1), ((9,), 1)])
    for _ in range(2):
        parents, children = runs_of(database, 'failed')
        (failed,) = [run for run in parents if run.info.status == 'FAILED']
        assert failed.data.params == {'width': '9'} and children[failed.info.run_id] == []
        assert failed.data.tags['sweeper.error'] == 'ValueError in tuning: nine is too many'
        assert 'raise ValueError' in failed.data.tags['sweeper.traceback']
        logged(MLflowListener('failed', database), [((2,), 1), ((9,), 1)])  # the same, told again


def trials(*values, first=0):
    """Trials, all of whose scores are the same."""
    scores = ((index, (value, value, value, value)) for index, value in enumerate(values, first))
    return {index: TrialResult(0, 1, 0.0, False, *four) for index, four in scores}


def started(database, experiment, folder):
    listener = MLflowListener(experiment, database)
    listener.handle(SweepStarted(folder, ('width',)))
    return listener


def test_a_point_that_is_tried_again_is_no_longer_failed(database, tmp_path):
    first = started(database, 'retried', tmp_path)
    first.handle(PointFailed((1,), ERROR))
    first.handle(SweepEnded())
    again = started(database, 'retried', tmp_path)
    again.handle(PointTuned((1,), Tuned(0.1, 0.2, 8, 1, 1)))
    again.handle(TrialsDone((1,), trials(0.5)))
    again.handle(SweepEnded())
    (run,), children = runs_of(database, 'retried')
    assert run.info.status == 'FINISHED' and not {'sweeper.error', 'sweeper.traceback'} & run.data.tags.keys()
    assert run.data.params['batch_size'] == '8' and len(children[run.info.run_id]) == 1


def test_flags_are_a_tag_as_long_as_they_hold(database, tmp_path):
    for flags, expected in ((('sensitive', 'trial_diverged'), 'sensitive trial_diverged'), ((), None)):
        for _ in range(2):  # told again when it is resumed
            listener = started(database, 'flagged', tmp_path)
            listener.handle(PointTuned((1,), Tuned(0.1, 0.2, 8, 1, 1)))
            listener.handle(PointFlagged((1,), flags))
            listener.handle(SweepEnded())
            (run,), _ = runs_of(database, 'flagged')
            assert run.data.tags.get('sweeper.flags') == expected


def test_a_sweep_that_was_killed_is_no_longer_running_when_it_is_resumed(database, tmp_path):
    killed = started(database, 'killed', tmp_path)
    killed.handle(PointTuned((1,), Tuned(0.1, 0.2, 8, 1, 1)))
    killed.handle(TrialsDone((1,), trials(0.5, 0.6)))
    (run,), _ = runs_of(database, 'killed')
    assert run.info.status == 'RUNNING'
    again = started(database, 'killed', tmp_path)
    again.handle(PointTuned((1,), Tuned(0.1, 0.2, 8, 1, 1)))
    again.handle(TrialsDone((1,), trials(0.7, first=2)))  # of several processes, another was first
    again.handle(TrialsDone((1,), trials(0.5, 0.6)))
    again.handle(SweepEnded())
    (run,), children = runs_of(database, 'killed')
    assert run.info.status == 'FINISHED' and run.data.metrics['perf_val'] == pytest.approx(0.6)
    assert sorted(one.data.metrics['perf_val'] for one in children[run.info.run_id]) == [0.5, 0.6, 0.7]


def test_means_are_those_of_all_trials_in_whatever_order_they_are_told_again(database, tmp_path):
    for order in ((0.5, 0.6), (0.6, 0.5)):
        listener = started(database, 'means', tmp_path)
        listener.handle(PointTuned((1,), Tuned(0.1, 0.2, 8, 1, 1)))
        for score in order:
            listener.handle(TrialsDone((1,), trials(score, first=int(score == 0.6))))
        listener.handle(SweepEnded())
        (run,), _ = runs_of(database, 'means')
        assert run.data.metrics['perf_val'] == pytest.approx(0.55)


def test_many_runs_are_found_again(monkeypatch, database, tmp_path):
    monkeypatch.setattr('sweeper.listeners.mlflow._PAGE', 2)
    for _ in range(2):
        listener = started(database, 'many', tmp_path)
        for point in range(3):
            listener.handle(PointTuned((point,), Tuned(0.1, 0.2, 8, 1, 1)))
            listener.handle(TrialsDone((point,), trials(0.5, 0.6)))
        listener.handle(SweepEnded())
    parents, children = runs_of(database, 'many')
    assert [len(children[run.info.run_id]) for run in parents] == [2, 2, 2]


def test_an_architecture_that_was_deleted_is_there_again_with_its_trials(database, tmp_path):
    from mlflow import MlflowClient

    for _ in range(2):
        listener = started(database, 'deleted run', tmp_path)
        listener.handle(PointTuned((1,), Tuned(0.1, 0.2, 8, 1, 1)))
        listener.handle(TrialsDone((1,), trials(0.5)))
        listener.handle(SweepEnded())
        client = MlflowClient(f'sqlite:///{database}/mlflow.db')
        found = client.search_runs([client.get_experiment_by_name('deleted run').experiment_id])
        (run,) = [one for one in found if 'mlflow.parentRunId' not in one.data.tags]
        assert any(one.data.tags.get('mlflow.parentRunId') == run.info.run_id for one in found)
        client.delete_run(run.info.run_id)


def test_sweeps_in_other_folders_and_sweeps_begun_anew_have_runs_of_their_own(database, tmp_path):
    for folder, lr in (('a', 0.1), ('b', 0.1), ('b', 0.3)):
        listener = started(database, 'shared', tmp_path / folder)
        listener.handle(PointTuned((1,), Tuned(lr, 0.4, 8, 1, 1)))
        listener.handle(TrialsDone((1,), trials(lr)))
        listener.handle(SweepEnded())
    parents, children = runs_of(database, 'shared')
    assert sorted(run.data.params['lr_min'] for run in parents) == ['0.1', '0.1', '0.3']
    for run in parents:
        (trial,) = children[run.info.run_id]
        assert trial.data.metrics['perf_val'] == float(run.data.params['lr_min'])


def test_any_point_and_any_score_can_be_kept(database, tmp_path):
    for _ in range(2):
        listener = started(database, 'any', tmp_path / "it's")
        for point in (NamedPoint({'a:b"c\'': '<x>', 'lr_min': None}), NamedPoint(x='n' * 9999), NamedPoint()):
            listener.handle(PointTuned(point, Tuned(0.1, 0.2, 8, 1, 1)))
            listener.handle(TrialsDone(point, trials(0.5, np.inf)))
        listener.handle(SweepEnded())
    parents, children = runs_of(database, 'any')
    assert [len(children[run.info.run_id]) for run in parents] == [2, 2, 2]
    (odd,) = [run for run in parents if 'param_lr_min' in run.data.params]
    assert odd.data.params['a_b_c_'] == '<x>' and odd.data.params['lr_min'] == '0.1'
    assert odd.data.metrics['loss_val'] > 1e308, 'as near as a database comes to infinity'


@pytest.mark.parametrize('missing', ['mlflow', 'sqlalchemy'])
def test_what_to_install_is_said_before_anything_is_done(monkeypatch, tmp_path, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingExtra, match=r"pip install 'fair-sweeper\[mlflow\]'"):
        MLflowListener('any', tmp_path / 'runs')
    assert not (tmp_path / 'runs').exists()


def test_what_mlflow_cannot_use_is_refused(database, tmp_path):
    from mlflow import MlflowClient

    (tmp_path / 'file').write_text('')
    with pytest.raises(InvalidArgument, match='tracking_uri='):
        MLflowListener('any', tmp_path / 'file' / 'runs')
    with pytest.raises(InvalidArgument, match='nonsense'):
        MLflowListener('any', 'nonsense://here')
    MLflowListener('deleted', database)
    client = MlflowClient(f'sqlite:///{database}/mlflow.db')
    client.delete_experiment(client.get_experiment_by_name('deleted').experiment_id)
    with pytest.raises(InvalidArgument, match='was deleted'):
        MLflowListener('deleted', database)


def test_a_file_store_works_where_mlflow_allows_it(monkeypatch, tmp_path):
    monkeypatch.setenv('MLFLOW_ALLOW_FILE_STORE', 'true')
    for _ in range(2):
        listener = MLflowListener('files', f'file:{tmp_path}/runs')
        listener.handle(SweepStarted(tmp_path, ('width',)))
        listener.handle(PointTuned((1,), Tuned(0.1, 0.2, 8, 1, 1)))
        listener.handle(TrialsDone((1,), trials(0.5, np.inf)))
        listener.handle(SweepEnded())
    from mlflow import MlflowClient

    client = MlflowClient(f'file:{tmp_path}/runs')
    found = client.search_runs([client.get_experiment_by_name('files').experiment_id])
    assert sorted(run.info.run_name for run in found) == ['trial 0', 'trial 1', 'width=1']
    assert sorted(run.data.metrics['loss_val'] for run in found) == [0.5, np.inf, np.inf]
