"""One bad apple: a point that fails costs that point only, and says why."""

import json
import warnings
from typing import NamedTuple

import pytest

from sweeper import FixedSweep, SweepListener, load, sweep
from sweeper.errors import PointFailed, PointFailedWarning, ProblemError

pytestmark = pytest.mark.slow

MODEL = """
def model(kind):
    record(kind)
    if kind == 'raises':
        raise ZeroDivisionError('no such width')
    layer = torch.nn.Linear(4, 3 if kind == 'wide' else 2)
    if kind == 'nan':
        torch.nn.init.constant_(layer.weight, float('nan'))
    return torch.nn.Sequential(layer, torch.nn.Flatten(0)) if kind == 'flat' else layer
"""
POINTS = [('healthy',), ('raises',), ('nan',), ('flat',), ('wide',)]
REASONS = {
    ('raises',): ('ZeroDivisionError', 'no such width'),
    ('nan',): ('TuningFailed', 'NaN'),
    ('flat',): ('ValueError', 'target must have size'),
}


class Recorder(SweepListener):
    def __init__(self):
        self.tuned, self.trained, self.failed = [], [], []

    def on_hparams_found(self, values, *_):
        self.tuned.append(values)

    def on_trials_completed(self, values, *_):
        self.trained.append(values)

    def on_point_failed(self, values, error):
        self.failed.append((values, error))


class Swept(NamedTuple):
    results: object
    warned: list
    listener: Recorder
    folder: object
    again: object


@pytest.fixture(scope='module', params=['inline', 'local'])
def swept(request, tmp_path_factory, problem_file, tiny):
    """A sweep in which three of five points fail."""
    tmp_path = tmp_path_factory.mktemp('failures')
    problem, folder = problem_file(tmp_path, model=MODEL), tmp_path / 'out'

    def run():
        listener = Recorder()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter('always')
            results = sweep(
                problem.path, FixedSweep.with_fixed_trials(POINTS, 2), 1, tiny, folder,
                cores=2, executor=request.param, progress='none', listeners=[listener],
            )  # fmt: skip
        return Swept(results, [w for w in caught if w.category is PointFailedWarning], listener, folder, None)

    first, trained = run(), problem.calls
    again = run()
    assert problem.calls == trained, 'the second run trained something'
    assert set(trained) == {kind for (kind,) in POINTS}
    return first._replace(again=again)


def test_the_healthy_points_complete(swept):
    assert [result.params for result in swept.results] == [('healthy',), ('wide',)]
    for result in swept.results:
        assert result.perf_val.shape == result.loss_train.shape == (2,)
        assert (result.perf_val > 0).all()


def test_every_failure_has_its_reason(swept):
    assert [failure.params for failure in swept.results.failures] == list(REASONS)
    for point, error in swept.results.failures:
        kind, fragment = REASONS[point]
        assert error.kind == kind
        assert fragment in error.message
        assert error.phase == 'tuning'
        assert point == ('nan',) or fragment in error.traceback


def test_every_failure_is_written_down(swept):
    for point_id, point in enumerate(POINTS):
        file = swept.folder / 'points' / str(point_id) / 'error.json'
        assert file.exists() == (point in REASONS)
        if point in REASONS:
            written = json.loads(file.read_text())
            keys = {
                'params',
                'kind',
                'message',
                'phase',
                'traceback',
                'signal',
                'output',
                'others',
                'checksum',
            }
            assert written.keys() == keys
            assert written['params'] == {'kind': point[0]}
            assert (written['kind'], written['signal'], written['others']) == (REASONS[point][0], None, [])


def test_every_failure_is_warned_of_where_sweep_was_called(swept):
    assert len(swept.warned) == 3
    for warning, (kind,) in zip(swept.warned, REASONS, strict=True):
        assert f'the point ({kind}) failed: {REASONS[kind,][0]} in tuning' in str(warning.message)
        assert warning.filename == __file__


@pytest.mark.parametrize('which', ['first', 'again'])
def test_every_failure_is_told_once(swept, which):
    listener = swept.listener if which == 'first' else swept.again.listener
    assert sorted(point for point, _ in listener.failed) == sorted(REASONS)
    assert {point: error.kind for point, error in listener.failed} == {p: r[0] for p, r in REASONS.items()}
    assert sorted(listener.tuned) == [('healthy',), ('wide',)]
    assert set(listener.trained) == {('healthy',), ('wide',)}


def test_a_rerun_returns_the_same_and_warns_again(swept):
    for same in (swept.again.results, load(swept.folder)):
        assert str(same) == str(swept.results)
        assert same.failures == swept.results.failures
    assert [str(w.message) for w in swept.again.warned] == [str(w.message) for w in swept.warned]


def test_the_executors_agree(tmp_path, problem_file, swept, tiny):
    problem = problem_file(tmp_path, model=MODEL)
    healthy = sweep(
        problem.path, FixedSweep.with_fixed_trials([('healthy',), ('wide',)], 2), 1, tiny, tmp_path / 'out',
        cores=1, executor='inline', progress='none',
    )  # fmt: skip
    assert str(healthy) == str(swept.results)


# One at a time


def test_the_caller_can_ask_to_be_told_at_once(write_problem, sweep_inline, tmp_path):
    problem, folder = write_problem(model=MODEL), tmp_path / 'out'
    selector = FixedSweep.with_fixed_trials([('healthy',), ('raises',), ('wide',)], 1)
    with pytest.raises(
        PointFailed, match=r'the point \(raises\) failed: ZeroDivisionError in tuning'
    ) as caught:
        sweep_inline(problem.path, selector, folder, on_error='raise')
    assert 'Traceback' in str(caught.value)
    assert [failure.params for failure in load(folder).failures] == [('raises',)]
    assert 'wide' not in problem.calls


def test_a_point_of_which_a_trial_fails_says_which_and_its_other_trials_are_kept(
    write_failing, sweep_inline, tmp_path
):
    problem, _ = write_failing(4, 1)
    folder, listener = tmp_path / 'out', Recorder()
    with pytest.warns(PointFailedWarning, match="KeyError in trial 1: 'model 1 of the trials'"):
        results = sweep_inline(problem.path, FixedSweep([((4,), 3)]), folder, listeners=[listener])
    assert results == []
    assert [(point, error.phase, error.trial) for point, error in listener.failed] == [((4,), 'trial 1', 1)]
    assert listener.tuned == [(4,)]
    trials = sorted(path.name for path in (folder / 'points/0/trials').iterdir())
    assert trials == ['0', '2']
    assert all((folder / 'points/0/trials' / name / 'result.json').exists() for name in trials)


@pytest.mark.parametrize('cores', [1, 3])
def test_every_failed_trial_is_recorded_and_the_lowest_counts(cores, write_failing, sweep_inline, tmp_path):
    problem, tuning_runs = write_failing(4, 1, 3)
    folder, told, again = tmp_path / 'out', Recorder(), Recorder()
    with pytest.warns(PointFailedWarning) as warned:
        results = sweep_inline(problem.path, FixedSweep([((4,), 4)]), folder, cores=cores, listeners=[told])
    assert len(problem.calls) == tuning_runs + 4
    assert [(point, error.phase) for point, error in told.failed] == [((4,), 'trial 1')]
    assert [failure.error.phase for failure in results.failures] == ['trial 1']
    assert len(warned) == 1
    written = json.loads((folder / 'points/0/error.json').read_text())
    assert (written['phase'], written['message']) == ('trial 1', "'model 1 of the trials'")
    [other] = written['others']
    assert (other['phase'], other['message']) == ('trial 3', "'model 3 of the trials'")
    assert 'Traceback' in other['traceback']
    with pytest.warns(PointFailedWarning):
        sweep_inline(problem.path, FixedSweep([((4,), 4)]), folder, cores=cores, listeners=[again])
    assert (again.failed, again.trained) == (told.failed, [])
    assert len(problem.calls) == tuning_runs + 4


def test_the_failure_that_counts_is_that_of_the_lowest_trial_whichever_is_first(
    write_failing, sweep_inline, tmp_path, monkeypatch
):
    from sweeper.executors.inline import InlineExecutor

    submit = InlineExecutor.submit

    def last_goes_first(self, key, task):
        submit(self, key, task)
        self._tasks.rotate(1)

    errors = []
    for order in ('first', 'last'):
        if order == 'last':
            monkeypatch.setattr(InlineExecutor, 'submit', last_goes_first)
        (problem, _), folder = write_failing(4, 0, 1, 2), tmp_path / order
        with pytest.warns(PointFailedWarning, match='trial 0'):
            sweep_inline(problem.path, FixedSweep([((4,), 3)]), folder, cores=3)
        error = json.loads((folder / 'points/0/error.json').read_text())
        errors.append([error['phase'], *(other['phase'] for other in error['others'])])
    assert errors == [['trial 0', 'trial 1', 'trial 2']] * 2


BAD_MODELS = {
    'exits': ('import sys; sys.exit(3)', 'SystemExit', '3'),
    'returns no module': ('return 5', 'TypeError', 'not a torch.nn.Module'),
    'has no parameters': ('return torch.nn.Flatten()', 'ValueError', 'no trainable parameters'),
    'wrong input size': ('return torch.nn.Linear(5, 2)', 'RuntimeError', 'shapes cannot be multiplied'),
}


@pytest.mark.parametrize(('body', 'kind', 'fragment'), BAD_MODELS.values(), ids=BAD_MODELS)
def test_a_bad_model_is_a_failure_with_its_own_reason(
    body, kind, fragment, write_problem, sweep_inline, tmp_path
):
    problem = write_problem(model=f'def model(width):\n    {body}\n')
    with pytest.warns(PointFailedWarning):
        results = sweep_inline(problem.path, FixedSweep([((4,), 1)]), tmp_path / 'out')
    assert results == []
    (failure,) = results.failures
    assert failure.error.kind == kind
    assert fragment in failure.error.message


def test_an_optimizer_that_is_none_is_an_error_with_the_reason(write_problem, sweep_inline, tmp_path):
    problem = write_problem(optimizer='def optimizer(parameters, lr):\n    return None\n')
    with pytest.raises(ProblemError, match=r'optimizer\(parameters, lr\) of .* returned None'):
        sweep_inline(problem.path, FixedSweep([((4,), 1), ((5,), 1)]), tmp_path / 'out')
