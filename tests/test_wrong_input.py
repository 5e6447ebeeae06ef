"""What a user can get wrong in a call of `sweep` is refused before a model is built.

What can be wrong with the problem itself is in `training/test_checks.py`.
"""

import os
import warnings

import numpy as np
import pytest
import torch

from sweeper import FixedSweep, HyperparameterSettings, NamedPoint, ParamSelector, SweepListener, load
from sweeper.errors import FolderError, InvalidArgument, InvalidPoint, SelectorError
from sweeper.store.lock import locked

pytestmark = pytest.mark.slow

ONE_POINT = [((4,), 1)]


class Proposing(ParamSelector):
    """Proposes whatever it is given; `...` waits for a result."""

    def __init__(self, *proposals):
        self.proposals = list(proposals)
        self.told = []

    def has_more_trials(self):
        return bool(self.proposals)

    def get_next_trials(self):
        if self.proposals[0] is ...:
            return None
        return self.proposals.pop(0)

    def on_trials_completed(self, values, *_):
        self.told.append(values)
        if self.proposals[:1] == [...]:
            self.proposals.pop(0)


@pytest.fixture
def assert_refused(write_problem, sweep_inline, tmp_path):
    """Asserts that a sweep is refused with a message that has all `fragments`, and nothing was trained."""

    def check(error, fragments, selector=None, folder=tmp_path / 'out', **options):
        problem = write_problem()
        with pytest.raises(error) as caught:
            sweep_inline(problem.path, selector or FixedSweep(ONE_POINT), folder, **options)
        missing = [fragment for fragment in fragments if fragment not in str(caught.value)]
        assert not missing, str(caught.value)
        assert problem.calls == []
        if folder == tmp_path / 'out':
            assert not folder.exists() or os.listdir(folder) == []
        return caught.value

    return check


def refuses(**cases):
    """Parametrises with `(argument, value, what the message says is valid)`."""
    return pytest.mark.parametrize(
        ('argument', 'value', 'valid'),
        [
            pytest.param(argument, value, valid, id=f'{argument}-{number}')
            for argument, (values, valid) in cases.items()
            for number, value in enumerate(values)
        ],
    )


@refuses(
    sweep_cores=([0, -1, 1.5, True, '2', None], 'an integer of at least 1'),
    cores=([0, -1, 1.5, True, '2', np.float64(2)], 'an integer of at least 1'),
    retries=([-1, 1.5, True, '2', None], 'an integer of at least 0'),
    seed=([-1, 2**63, 1.5, True, '0', None], 'an integer in [0, 2**63)'),
    executor=(['threads', '', None, 5, ['local']], "'local', 'ray', 'inline'"),
    on_error=(['ignore', None, True, ['record']], "'record', 'raise'"),
    progress=(['fancy', None, True, ['none']], "'auto', 'rich', 'plain', 'none'"),
    timeout=([0, -1, 0.0, '5', float('nan'), [5]], 'a positive number of seconds'),
    device=(['gpu', 'cpuu', 'cuda:4096', '', None, 4096], "'auto' or a torch device"),
    memory=([0, -1, '', '2 XB', 'much', True, [5]], "a number of bytes, a text such as '2GB', or None"),
    if_changed=(['ask', 'accept', None, True, ['stop']], "'stop', 'restart', or 'accept:' with"),
    listeners=([5, None, [5], [SweepListener], 'plain', SweepListener()], 'SweepListener'),
)
def test_an_argument_with_an_impossible_value_is_refused(argument, value, valid, assert_refused):
    error = assert_refused(InvalidArgument, [valid, argument], **{argument: value})
    assert argument == 'listeners' or repr(value) in str(error)


@pytest.mark.parametrize(
    'hparams', ['quick', '', 5, None, True, {}, {'lr_start': 1.0}, HyperparameterSettings]
)
def test_hparams_that_are_neither_a_preset_nor_settings_are_refused(hparams, assert_refused):
    assert_refused(InvalidArgument, [repr(hparams), 'fastest, fast, slow, slowest'], hparams=hparams)


@pytest.mark.parametrize('limit', [{'timeout': 5}, {'memory': '2GB'}], ids=lambda limit: next(iter(limit)))
def test_a_limit_that_cannot_be_kept_is_refused(limit, assert_refused):
    assert_refused(InvalidArgument, [*limit, "executor='local'"], **limit)


def test_an_argument_is_refused_before_any_worker_is_started(monkeypatch, assert_refused):
    monkeypatch.setattr('sweeper.executors.local.executor.LocalExecutor.start', None)
    assert_refused(InvalidArgument, ['seed=-1'], seed=-1, executor='local')


# Selectors and points


@pytest.mark.parametrize('selector', [[(4,)], (4,), 5, 'random', FixedSweep, SweepListener()])
def test_what_is_no_selector_is_refused(selector, assert_refused):
    assert_refused(InvalidArgument, [repr(selector), 'must be a ParamSelector', 'FixedSweep'], selector)


@pytest.mark.parametrize('garbage', [5, (4,), ((4,), 1, 2), [], object()])
def test_a_proposal_that_is_no_pair_is_refused(garbage, assert_refused):
    fragments = ['Proposing.get_next_trials()', '(params, trials)', repr(garbage)]
    assert_refused(InvalidPoint, fragments, Proposing(garbage))


@pytest.mark.parametrize('trials', [-1, 1.0, True, '1', None, np.int64(-2)])
def test_a_number_of_trials_that_is_none_is_refused(trials, assert_refused):
    selector = Proposing(((4,), trials))
    assert_refused(InvalidPoint, [repr(trials), '(4,)', 'an integer of at least 0'], selector)


@pytest.mark.parametrize('params', [5, '4', None, {4, 5}, 4.0])
def test_params_that_are_no_point_are_refused(params, assert_refused):
    assert_refused(InvalidPoint, [repr(params), 'tuple', 'mapping'], Proposing((params, 1)))


class NotImportable:
    def __reduce__(self):
        raise TypeError('not to be pickled')


@pytest.mark.parametrize(
    ('value', 'problem'),
    [
        (bytearray(b'a'), 'unhashable'),
        ({'a': bytearray(b'a')}, 'unhashable'),
        ({b'a': 1}, 'is a key of a dict: valid are None, bool'),
        (np.ones(2), 'unhashable'),
        (lambda: 4, 'unpicklable'),
        (NotImportable(), 'unpicklable'),
        (torch.ones(2), 'cannot be written as text'),
        (object(), 'cannot be written as text'),
        (float('nan'), 'cannot be written as text'),
    ],
)
def test_a_value_that_cannot_be_kept_is_refused(value, problem, assert_refused):
    for params in ((value,), {'width': value}):
        fragments = [repr(value), problem, 'valid values are None, bool, int, float, str']
        assert_refused(InvalidPoint, fragments, Proposing((params, 1)))


@pytest.mark.parametrize(
    ('params', 'fragments'),
    [
        ((), ['`width`']),
        ((4, 1, 2), ['4, 1, 2', 'too many']),
        ({'wide': 4}, ['wide=4', '`width`']),
        ({'width': 4, 'wide': 5}, ['width=4, wide=5', '`wide`']),
        (NamedPoint(depth=1), ['depth=1', '`width`']),
        ({}, ['`width`']),
    ],
)
def test_params_that_model_cannot_take_are_refused_before_the_others_are_trained(
    params, fragments, assert_refused
):
    healthy = {'width': 4} if isinstance(params, dict | NamedPoint) else (4,)
    selector = FixedSweep([(healthy, 1), (params, 1)])
    assert_refused(InvalidPoint, ['model(width, depth=1)', *fragments], selector)


def test_tuples_and_named_points_in_one_sweep_are_refused(assert_refused):
    assert_refused(InvalidPoint, ['named', 'tuples'], FixedSweep([((4,), 1), ({'width': 5}, 1)]))


def test_a_selector_that_waits_though_it_does_not_adapt_is_refused(write_problem, sweep_inline, tmp_path):
    class Waiting(FixedSweep):
        def get_next_trials(self):
            return None

    with pytest.raises(SelectorError, match='adaptive = False'):
        sweep_inline(write_problem().path, Waiting(ONE_POINT), tmp_path / 'out')


def test_a_selector_that_waits_while_nothing_runs_is_refused(assert_refused):
    assert_refused(SelectorError, ['Proposing', 'nothing is running'], Proposing(...))


class Broken(Proposing):
    def get_next_trials(self):
        raise KeyError('lost')


def test_an_exception_of_the_selector_ends_the_sweep_as_it_is(assert_refused):
    assert_refused(KeyError, ['lost'], Broken(((4,), 1)))


# Errors in a later proposal keep what was computed


@pytest.mark.parametrize(
    ('later', 'error'),
    [
        (((4, 5, 6), 1), InvalidPoint),
        (((bytearray(4),), 1), InvalidPoint),
        (((5,), -1), InvalidPoint),
        (({'width': 5}, 1), InvalidPoint),
        (5, InvalidPoint),
        (..., SelectorError),
    ],
)
def test_an_error_in_a_later_proposal_keeps_what_was_computed(
    later, error, write_problem, sweep_inline, tmp_path
):
    problem, folder = write_problem(), tmp_path / 'out'
    selector = Proposing(((4,), 1), ..., later)
    with pytest.raises(error):
        sweep_inline(problem.path, selector, folder)
    assert selector.told == [(4,)]
    (found,) = load(folder)
    assert found.params == (4,)
    assert found.perf_val.shape == (1,)
    # it goes on from there
    trained = len(problem.calls)
    results = sweep_inline(problem.path, FixedSweep(ONE_POINT), folder)
    assert len(problem.calls) == trained
    assert [tuple(map(str, result)) for result in results] == [tuple(map(str, found))]


# Folders


@pytest.mark.parametrize('below', ['', 'sub', 'sub/sub'])
def test_a_folder_that_cannot_be_written_is_refused(below, assert_refused, tmp_path):
    file = tmp_path / 'file'
    file.write_text('mine')
    assert_refused(FolderError, ['cannot write', str(file / below)], folder=file / below)
    assert file.read_text() == 'mine'


@pytest.mark.parametrize('folder', [5, None, ['out'], b'out'])
def test_what_is_no_path_is_refused_as_folder(folder, assert_refused):
    assert_refused(InvalidArgument, [f'folder={folder!r}', 'must be a path'], folder=folder)


def test_a_folder_with_other_files_is_refused_and_left_alone(assert_refused, tmp_path):
    folder = tmp_path / 'mine'
    folder.mkdir()
    (folder / 'thesis.tex').write_text('text')
    assert_refused(FolderError, ['mine', 'thesis.tex', 'empty folder'], folder=folder)
    assert os.listdir(folder) == ['thesis.tex']


def test_a_folder_in_use_is_refused_and_who_uses_it_is_named(write_problem, sweep_inline, tmp_path):
    problem, folder = write_problem(), tmp_path / 'out'
    with locked(folder):
        with pytest.raises(FolderError, match='another sweep is running in') as caught:
            sweep_inline(problem.path, FixedSweep(ONE_POINT), folder)
        assert f'process {os.getpid()} on ' in str(caught.value)
        assert os.listdir(folder) == ['running.json']
    assert problem.calls == []


@pytest.mark.parametrize(
    ('changes', 'fragment'),
    [
        ({'seed': 1}, 'seed: 0 there, 1 asked'),
        ({'sweep_cores': 2}, 'sweep cores: 1 there, 2 asked'),
        ({'hparams': 'fast'}, 'setting cycle_epochs: 1 there, 10 asked'),
        ({'other': True}, 'module: '),
    ],
)
def test_a_folder_of_another_sweep_is_refused_and_left_alone(
    changes, fragment, write_problem, sweep_inline, tmp_path
):
    folder, problem, other = tmp_path / 'out', write_problem(), write_problem()
    expected = sweep_inline(problem.path, FixedSweep(ONE_POINT), folder)
    before = {path: path.read_bytes() for path in folder.rglob('*') if path.is_file()}
    module = other.path if changes.pop('other', False) else problem.path
    trained = len(problem.calls)
    with pytest.raises(FolderError) as caught:
        sweep_inline(module, FixedSweep([((9,), 1)]), folder, **changes)
    assert fragment in str(caught.value)
    assert len(problem.calls) == trained
    assert other.calls == []
    assert {path: path.read_bytes() for path in folder.rglob('*') if path.is_file()} == before
    assert str(load(folder)) == str(expected)


# What changed since the sweep was started


@pytest.fixture
def started(write_problem, sweep_inline, tmp_path):
    """A problem and the folder of a finished sweep of it."""
    problem, folder = write_problem(), tmp_path / 'out'
    sweep_inline(problem.path, FixedSweep([((4,), 1), ((5,), 1)]), folder)
    return problem, folder


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob('*') if path.is_file()}


def change(problem):
    problem.path.write_text(problem.text.replace('manual_seed(0)', 'manual_seed(1)'))


def test_what_changed_is_put_to_the_user_and_nothing_is_touched(started, sweep_inline):
    problem, folder = started
    change(problem)
    calls = len(problem.calls)
    before = contents(folder)
    with pytest.raises(FolderError, match='the source of') as caught:
        sweep_inline(problem.path, FixedSweep([((4,), 1), ((5,), 1)]), folder)
    for words in (str(folder), "if_changed='accept:source'", 'Name another folder'):
        assert words in str(caught.value)
    assert {path: data for path, data in contents(folder).items() if path in before} == before
    assert len(problem.calls) == calls


@pytest.mark.parametrize('widths', [(4, 5), (4,), (6,)], ids=['the same', 'fewer', 'others'])
def test_what_changed_can_be_accepted_and_what_is_there_is_kept(started, sweep_inline, widths):
    problem, folder = started
    change(problem)
    before, done = load(folder), contents(folder)
    selector = FixedSweep([((width,), 1) for width in widths])
    results = sweep_inline(problem.path, selector, folder, if_changed='accept:source')
    assert str(results[:2]) == str(before)
    assert {*done} <= {*contents(folder)}
    again = sweep_inline(problem.path, FixedSweep([((4,), 1), ((5,), 1)]), folder)
    assert str(again) == str(results)


@pytest.mark.parametrize('seed', [0, 1])
def test_after_a_change_one_can_start_anew_and_what_was_there_is_kept(started, sweep_inline, tmp_path, seed):
    problem, folder = started
    before = {path.relative_to(folder): data for path, data in contents(folder).items()}
    change(problem)
    selector = [((6,), 1)]
    results = sweep_inline(problem.path, FixedSweep(selector), folder, if_changed='restart', seed=seed)
    assert [result.params for result in results] == [(6,)]
    fresh = sweep_inline(problem.path, FixedSweep(selector), tmp_path / 'fresh', seed=seed)
    assert str(results) == str(fresh) == str(load(folder))
    earlier = folder / 'earlier/0'
    assert {path.relative_to(earlier): data for path, data in contents(earlier).items()} == before
    assert [result.params for result in load(earlier)] == [(4,), (5,)]


def test_what_makes_no_difference_to_the_problem_is_no_change(started, sweep_inline):
    problem, folder = started
    problem.path.write_text('# a comment\n' + problem.text + '\n\n')
    calls = len(problem.calls)
    with warnings.catch_warnings():
        warnings.simplefilter('error', UserWarning)
        results = sweep_inline(problem.path, FixedSweep([((4,), 1), ((5,), 1)]), folder)
    assert len(results) == 2
    assert len(problem.calls) == calls


def test_more_points_and_more_trials_are_no_change(started, sweep_inline):
    problem, folder = started
    results = sweep_inline(problem.path, FixedSweep([((6,), 1), ((4,), 2), ((5,), 1)]), folder)
    assert {result.params: len(result.perf_val) for result in results} == {(4,): 2, (5,): 1, (6,): 1}


def test_loading_what_is_no_sweep_is_refused(tmp_path):
    for folder in (tmp_path, tmp_path / 'missing'):
        with pytest.raises(FolderError, match='holds no sweep'):
            load(folder)
