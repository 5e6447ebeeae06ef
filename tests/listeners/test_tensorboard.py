"""A sweep in TensorBoard, as its own readers find it."""

import sys
from importlib.util import find_spec

import numpy as np
import pytest
from typer.testing import CliRunner

from sweeper.cli import WRONG_INPUT, app
from sweeper.errors import InvalidArgument, MissingExtra
from sweeper.events import PointFailed, PointTuned, TrialsDone
from sweeper.listeners.tensorboard import TensorBoardListener
from sweeper.points import NamedPoint
from sweeper.results import PointError, TrialResult, Tuned

_IS_THERE = find_spec('tensorboard') is not None
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not _IS_THERE, reason='TensorBoard is not installed')]

ERROR = PointError('ValueError', 'no such layer', 'tuning', 'Traceback (most recent call last):\n  …')


def runs_in(log_dir):
    from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer

    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(log_dir))
    multiplexer.Reload()
    return {name: multiplexer.GetAccumulator(name) for name in multiplexer.Runs()}


def scalars(run):
    return {tag: [event.value for event in run.Scalars(tag)] for tag in run.Tags()['scalars']}


def hparams_tab(log_dir):
    """What the HPARAMS tab is sent: for each architecture its hyperparameters, mean scores and statuses."""
    from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
    from tensorboard.context import RequestContext
    from tensorboard.plugins.base_plugin import TBContext
    from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups

    multiplexer = plugin_event_multiplexer.EventMultiplexer().AddRunsFromDirectory(str(log_dir))
    multiplexer.Reload()
    provider = data_provider.MultiplexerDataProvider(multiplexer, str(log_dir))
    backend = backend_context.Context(TBContext(data_provider=provider))
    request = api_pb2.ListSessionGroupsRequest(
        start_index=0,
        slice_size=100,
        allowed_statuses=[api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE],
        aggregation_type=api_pb2.AGGREGATION_AVG,
    )
    handler = list_session_groups.Handler(RequestContext(), backend, '', request)
    return [
        (
            {name: getattr(value, value.WhichOneof('kind')) for name, value in group.hparams.items()},
            {metric.name.tag: metric.value for metric in group.metric_values},
            [api_pb2.Status.Name(session.status) for session in group.sessions],
        )
        for group in handler.run().session_groups
    ]


def test_every_trial_is_a_run_with_its_scores(logged, tmp_path):
    results = logged(TensorBoardListener(tmp_path / 'runs'), [((2, 'relu'), 2), ((4, 'tanh'), 1)])
    runs = runs_in(tmp_path / 'runs')
    assert sorted((name.partition('/')[0][:-13], name.partition('/')[2]) for name in runs) == [
        ('width=2, kind=relu', 'trial 0'),
        ('width=2, kind=relu', 'trial 1'),
        ('width=4, kind=tanh', 'trial 0'),
    ]
    for result in results:
        for trial in range(len(result.perf_val)):
            (run,) = [
                run for name, run in runs.items()
                if name.startswith(f'width={result.params[0]}') and name.endswith(str(trial))
            ]  # fmt: skip
            for tag, values in scalars(run).items():
                assert values == [pytest.approx(getattr(result, tag)[trial], rel=1e-6)]
            assert scalars(run).keys() == {'perf_train', 'loss_train', 'perf_val', 'loss_val'}


def test_the_hparams_tab_has_a_row_per_architecture_with_the_mean_of_its_trials(logged, tmp_path):
    points = [((2, 'relu'), 2), ((4, 'tanh'), 1), ((9, 'relu'), 1)]
    results = logged(TensorBoardListener(tmp_path / 'runs'), points)
    rows = {row[0]['width']: row for row in hparams_tab(tmp_path / 'runs')}
    assert rows.keys() == {2, 4, 9}
    for result in results:
        hparams, scores, statuses = rows[result.params[0]]
        assert hparams == {
            'width': result.params[0], 'kind': result.params[1],
            'lr_min': result.lr_min, 'lr_max': result.lr_max, 'batch_size': result.bs,
            'epochs': results.trials[result.params][0].epochs,
        }  # fmt: skip
        assert scores['perf_val'] == pytest.approx(result.perf_val.mean(), rel=1e-6)
        assert statuses == ['STATUS_SUCCESS'] * len(result.perf_val)
    hparams, scores, statuses = rows[9]
    assert hparams == {'width': 9, 'kind': 'relu'} and statuses == ['STATUS_FAILURE']
    (failed,) = [run for name, run in runs_in(tmp_path / 'runs').items() if name.endswith('/failed')]
    (told,) = failed.Tensors('error')
    text = told.tensor_proto.string_val[0].decode()
    assert text.startswith('ValueError in tuning: nine is too many') and '\n    Traceback' in text


def test_a_point_that_fails_after_some_trials_is_one_row(tmp_path):
    listener = TensorBoardListener(tmp_path)
    listener.handle(TrialsDone((1,), trials(0.5)))  # as of a tuning that was forgotten
    listener.handle(PointTuned((1,), Tuned(0.1, 0.2, 8, 1, 1)))
    listener.handle(PointFailed((1,), ERROR))
    ((_, found, statuses),) = hparams_tab(tmp_path)
    assert found['perf_val'] == 0.5 and sorted(statuses) == ['STATUS_FAILURE', 'STATUS_SUCCESS']


def test_a_resumed_sweep_has_every_run_once(logged, tmp_path):
    points = [((2, 'relu'), 2), ((4, 'tanh'), 1)]
    with pytest.raises(KeyboardInterrupt):
        logged(TensorBoardListener(tmp_path / 'runs'), points, interrupted=True)
    before = set(runs_in(tmp_path / 'runs'))
    assert 0 < len(before) < 3
    for _ in range(2):
        results = logged(TensorBoardListener(tmp_path / 'runs'), points)
        runs = runs_in(tmp_path / 'runs')
        assert len(runs) == 3 and before <= set(runs)
        found = sorted(scalars(run)['perf_val'][0] for run in runs.values())
        expected = sorted(perf for result in results for perf in result.perf_val)
        assert found == pytest.approx(expected, rel=1e-6)
        assert all(len(values) == 1 for run in runs.values() for values in scalars(run).values())


def trials(*values, first=0):
    """Trials, all of whose scores are the same."""
    scores = ((index, (value, value, value, value)) for index, value in enumerate(values, first))
    return {index: TrialResult(0, 1, 0.0, False, *four) for index, four in scores}


def test_what_is_no_longer_so_is_gone(tmp_path):
    for count, fails in ((3, True), (2, False)):
        listener = TensorBoardListener(tmp_path)
        listener.handle(PointTuned((1,), Tuned(0.1, 0.2, 8, 1, 1)))
        listener.handle(TrialsDone((1,), trials(*np.linspace(0.1, 0.9, count))))
        if fails:
            listener.handle(PointFailed((1,), ERROR))
    assert sorted(name.rpartition('/')[2] for name in runs_in(tmp_path)) == ['trial 0', 'trial 1']


def test_any_point_and_any_score_can_be_kept(tmp_path):
    listener = TensorBoardListener(tmp_path)
    points = [
        NamedPoint({'a/../b': '<script>', 'lr_min': None, 'layers': (8, 8)}), NamedPoint(x='n' * 999),
        NamedPoint(x='n' * 998), NamedPoint(x=True), NamedPoint(x=1.5), NamedPoint(),
    ]  # fmt: skip
    for point in points:
        listener.handle(PointTuned(point, Tuned(0.1, 0.2, 8, 1, 1)))
        listener.handle(TrialsDone(point, trials(0.0, np.inf)))
    assert len(runs_in(tmp_path)) == 12
    rows = [hparams for hparams, _, _ in hparams_tab(tmp_path)]
    assert len(rows) == 6
    (row,) = [row for row in rows if 'layers' in row]
    assert row['a/../b'] == '<script>' and row['layers'] == '[8, 8]' and row['param_lr_min'] == 'null'
    assert {path.parent.parent.parent for path in tmp_path.rglob('*tfevents*')} == {tmp_path}


def test_files_of_others_are_left_alone(tmp_path):
    listener = TensorBoardListener(tmp_path)
    listener.handle(TrialsDone((1,), trials(0.5)))
    (run,) = {path.parent for path in tmp_path.rglob('*tfevents*')}
    (run / 'events.out.tfevents.1.mine').write_text('')
    again = TensorBoardListener(tmp_path)
    again.handle(PointFailed((1,), ERROR))
    assert [path.name for path in run.iterdir()] == ['events.out.tfevents.1.mine']


def test_what_to_install_is_said_before_anything_is_done(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, 'tensorboard.plugins.hparams.summary_v2', None)
    with pytest.raises(MissingExtra, match=r"pip install 'fair-sweeper\[tensorboard\]'"):
        TensorBoardListener(tmp_path / 'runs')
    assert not (tmp_path / 'runs').exists()


def test_a_folder_that_is_none_is_refused(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(InvalidArgument, match='log_dir='):
        TensorBoardListener(tmp_path / 'file' / 'runs')


def test_the_command_line_says_what_to_install_before_it_does_anything(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, 'tensorboard.plugins.hparams.summary_v2', None)
    command = ['run', 'no_such_module', '--out', tmp_path / 'out', '--tensorboard', tmp_path / 'runs']
    done = CliRunner().invoke(app, [str(one) for one in command])
    assert done.exit_code == WRONG_INPUT and "pip install 'fair-sweeper[tensorboard]'" in done.output
    assert not list(tmp_path.iterdir())
