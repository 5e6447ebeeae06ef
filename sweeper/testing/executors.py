"""What every executor must do, as tests."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ..errors import ProblemError
from ..executors.base import Executor, Outcome, Task
from ..executors.inline import InlineExecutor
from ..problem.reference import find_problem
from ..work import WorkerSpec

_PROBLEM = """
import os, random, sys
import numpy as np
import torch

accuracy_style = 'classification'
loss = torch.nn.CrossEntropyLoss


def dataset():
    inputs = torch.randn(32, 4)
    data = torch.utils.data.TensorDataset(inputs, (inputs[:, 0] > 0).long())
    return data, data


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError('no words')


def model(does='nothing', path=None, number=None):
    if does == 'raise':
        raise LookupError('no such architecture')
    if does == 'raise what cannot be printed':
        raise Unprintable
    if does == 'exit':
        sys.exit('enough')
    if does == 'print' and os.path.exists(path):
        print('printed by the model', flush=True)
        os.write(1, b'written by the model')
    if does == 'draw':
        torch.rand(3), np.random.rand(3), random.random()
    if does == 'count threads':
        raise RuntimeError(str(torch.get_num_threads()))
    if does == 'wait':
        with open(path):
            pass
    if does == 'die':
        os.kill(os.getpid(), number)
    return torch.nn.Linear(4, 2)
"""
_BROKEN = f"{_PROBLEM}\n\ndef dataset():\n    raise OSError('no data')\n"
_HPARAMS = {'lr_min': 0.01, 'lr_max': 0.3, 'batch_size': 8}


def _curve(*point: Any, seed: int = 1) -> Task:
    lrs = np.geomspace(0.001, 1, 6)
    return Task('run', 'measure_curve', point, {'seed': seed, 'lrs': lrs, 'batch_sizes': [4] * 6})


def _brief(*point: Any, seed: int = 1) -> Task:
    return Task('run', 'train_briefly', point, {'seed': seed, **_HPARAMS, 'steps': 20})


def _trial(*point: Any, seed: int = 1) -> Task:
    return Task('run', 'train_trial', point, {'seed': seed, **_HPARAMS, 'epochs': 4, 'cycle_size_epochs': 2})


def _outcomes(executor: Executor, tasks: Sequence[Task]) -> list[Outcome]:
    """Runs tasks, at most `cores` at once; returns their outcomes in order, each answered once."""
    answers: list[tuple[int, Outcome]] = []
    for key, task in enumerate(tasks):
        while key - len(answers) == executor.cores:
            answers += executor.wait()
        executor.submit(key, task)
    while len(answers) < len(tasks):
        answers += executor.wait()
    assert Counter(key for key, _ in answers) == Counter(range(len(tasks)))
    return [outcome for _, outcome in sorted(answers, key=lambda answer: answer[0])]


@contextmanager
def _started(executor: Executor, spec: WorkerSpec) -> Iterator[Executor]:
    try:
        executor.start(spec)
        yield executor
    finally:
        executor.close()


@contextmanager
def _problem(path: Path, text: str) -> Iterator[WorkerSpec]:
    """A problem's module, which this process forgets afterwards."""
    path.write_text(text)
    before = list(sys.path)
    try:
        yield WorkerSpec(find_problem(path), 0, 'cpu')
    finally:
        sys.path[:] = before
        sys.modules.pop(path.stem, None)


class ExecutorContract:
    """What every executor must do, as tests. Subclass it in a module of tests, and run pytest on that.

        class TestMyExecutor(ExecutorContract):
            def make(self, cores):
                return MyExecutor(cores)

    Attributes:
        survives: Whether a task that kills its process costs that task only, as it should. False is for an
            executor that cannot promise this.
    """

    survives = True

    def make(self, cores: int) -> Executor:
        """Returns a new executor, not started, that runs so many tasks at a time."""
        raise NotImplementedError

    @pytest.fixture(scope='class')
    @classmethod
    def spec(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerSpec]:
        """A problem whose models misbehave when they are told to."""
        with _problem(tmp_path_factory.mktemp('problem') / 'misbehaving_problem.py', _PROBLEM) as spec:
            yield spec

    @pytest.fixture(scope='class')
    @classmethod
    def executor(cls, spec: WorkerSpec) -> Iterator[Executor]:
        """An executor of two cores, started."""
        with _started(cls().make(2), spec) as executor:
            yield executor

    @pytest.fixture(scope='class')
    @classmethod
    def reference(cls, spec: WorkerSpec) -> Iterator[Executor]:
        """The executor whose values are right."""
        with _started(InlineExecutor(), spec) as executor:
            yield executor

    def test_it_says_how_many_tasks_run_at_a_time(self) -> None:
        assert [self.make(cores).cores for cores in (1, 3)] == [1, 3]

    def test_every_task_is_answered_exactly_once(self, executor: Executor) -> None:
        outcomes = _outcomes(executor, [_curve(seed=seed) for seed in range(9)])
        assert [outcome.error for outcome in outcomes] == [None] * 9
        assert len({outcome.value['loss'].tobytes() for outcome in outcomes}) == 9

    def test_tasks_beyond_its_cores_wait(self, executor: Executor) -> None:
        answers: list[tuple[int, Outcome]] = []
        for key in range(7):
            executor.submit(key, _brief(seed=key))
        while len(answers) < 7:
            answers += executor.wait()
        assert sorted(key for key, _ in answers) == list(range(7))
        assert [outcome.error for _, outcome in answers] == [None] * 7

    def test_a_task_gives_the_same_curve_as_inline(self, executor: Executor, reference: Executor) -> None:
        [expected] = _outcomes(reference, [_curve('linear')])
        _, _, outcome = _outcomes(executor, [_trial(), _brief(), _curve('linear')])
        assert outcome.value.keys() == expected.value.keys() >= {'loss', 'perf'}
        for name, values in expected.value.items():
            np.testing.assert_array_equal(outcome.value[name], values)

    def test_a_task_gives_the_same_score_as_inline_whatever_ran_before(
        self, executor: Executor, reference: Executor
    ) -> None:
        [expected] = _outcomes(reference, [_brief()])
        before, _, after = _outcomes(executor, [_brief(), _brief('draw'), _brief()])
        assert before.value == after.value == expected.value

    def test_a_task_gives_the_same_trial_as_inline_to_the_byte(
        self, executor: Executor, reference: Executor
    ) -> None:
        [expected] = _outcomes(reference, [_trial()])
        for outcome in _outcomes(executor, [_trial()] * 3):
            record = outcome.value
            assert record.model == expected.value.model
            assert record.model_init == expected.value.model_init
            assert replace(record.result, seconds=0.0) == replace(expected.value.result, seconds=0.0)
            assert record.throughtime.keys() == expected.value.throughtime.keys()
            for name, values in expected.value.throughtime.items():
                np.testing.assert_array_equal(record.throughtime[name], values)

    def test_a_trained_model_can_be_read_back(self, executor: Executor) -> None:
        import torch

        [outcome] = _outcomes(executor, [_trial()])
        weights = torch.load(io.BytesIO(outcome.value.model), weights_only=True)
        initial = torch.load(io.BytesIO(outcome.value.model_init), weights_only=True)
        assert weights.keys() == initial.keys() == {'weight', 'bias'}
        assert not torch.equal(weights['weight'], initial['weight'])

    def test_an_exception_becomes_an_outcome_and_it_goes_on(self, executor: Executor) -> None:
        bad, good = _outcomes(executor, [_trial('raise'), _trial()])
        assert bad.value is None and bad.error is not None
        assert (bad.error.kind, bad.error.message) == ('LookupError', 'no such architecture')
        assert 'in model' in bad.error.traceback and 'LookupError' in bad.error.traceback
        assert good.error is None

    @pytest.mark.parametrize(
        ('task', 'kind'),
        [
            (_trial('exit'), 'SystemExit'),
            (_trial('raise what cannot be printed'), 'Unprintable'),
            (_trial('linear', 1, 2, 3, 4), 'TypeError'),  # more than the model takes
        ],
        ids=['exit', 'unprintable', 'arguments'],
    )
    def test_whatever_is_raised_becomes_an_outcome(self, executor: Executor, task: Task, kind: str) -> None:
        bad, good = _outcomes(executor, [task, _trial()])
        assert bad.error is not None and bad.error.kind == kind
        assert good.error is None

    def test_a_model_that_prints_is_run_like_any_other(self, executor: Executor, tmp_path: Path) -> None:
        path = tmp_path / 'speak'
        [quiet] = _outcomes(executor, [_curve('print', str(path))])
        path.touch()
        [loud] = _outcomes(executor, [_curve('print', str(path))])
        np.testing.assert_array_equal(loud.value['loss'], quiet.value['loss'])

    def test_a_task_runs_on_one_thread(self, executor: Executor) -> None:
        for outcome in _outcomes(executor, [_brief('count threads')] * 4):
            assert outcome.error is not None and outcome.error.message == '1'

    def test_a_wait_ends_early_when_it_is_woken(self, executor: Executor, tmp_path: Path) -> None:
        if executor.in_process:
            pytest.skip('a wait ends with the task that it runs')
        path = tmp_path / 'fifo'
        os.mkfifo(path)
        executor.submit(0, _brief('wait', str(path)))
        waker = threading.Thread(target=executor.wake)
        waker.start()
        assert executor.wait() == []
        waker.join()
        executor.wake()
        executor.wake()
        assert executor.wait() == []
        path.open('w').close()
        while not (answers := executor.wait()):
            pass
        assert [(key, outcome.error) for key, outcome in answers] == [(0, None)]

    def test_a_task_that_kills_its_process_fails_alone(self, executor: Executor) -> None:
        if executor.in_process or not self.survives:
            pytest.skip('not promised by this executor')
        bad, *good = _outcomes(executor, [_brief('die', None, signal.SIGKILL), *[_brief()] * 3])
        assert bad.error is not None and bad.error.kind == 'WorkerDied'
        assert [outcome.error for outcome in good] == [None] * 3

    def test_one_that_was_never_started_can_be_closed(self) -> None:
        self.make(2).close()

    def test_it_may_be_closed_at_work_and_twice_and_started_again(self, spec: WorkerSpec) -> None:
        executor = self.make(1)
        with _started(executor, spec):
            for key in range(3):
                executor.submit(key, _brief())
            executor.close()
        with _started(executor, spec):
            [outcome] = _outcomes(executor, [_brief('raise')])
            assert outcome.error is not None and outcome.error.kind == 'LookupError'

    @pytest.mark.parametrize(
        'text', ["raise OSError('no data')\n", _PROBLEM + _BROKEN], ids=['module', 'data']
    )
    def test_a_problem_that_cannot_be_loaded_is_an_error(self, tmp_path: Path, text: str) -> None:
        with (
            _problem(tmp_path / 'broken_problem.py', text) as spec,
            _started(self.make(1), spec) as executor,
            pytest.raises(ProblemError, match='no data'),
        ):
            _outcomes(executor, [_trial()])
