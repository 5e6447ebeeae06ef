"""Runs that several processes train together: a worker like any other, whatever happens to one of them."""

import os
from pathlib import Path

import psutil
import pytest

from sweeper.executors.base import Task, run_all
from sweeper.executors.local import supervisor
from sweeper.executors.local.executor import LocalExecutor
from sweeper.testing import ExecutorContract

pytestmark = pytest.mark.slow

PROBLEM = """
import os, signal
import torch

accuracy_style = 'classification'
loss = torch.nn.CrossEntropyLoss


def dataset():
    inputs = torch.randn(64, 4)
    inputs[40] = float('nan') if os.environ.get('WITH_NAN') else inputs[40]
    return [torch.utils.data.TensorDataset(inputs, (inputs[:, 0] > 0).long())] * 2


def model(does='nothing', path=None):
    rank = torch.distributed.get_rank()
    print(f'{does} in {rank}')
    if does == f'raise in {rank}':
        raise LookupError(f'no such architecture in {rank}')
    if does == f'die in {rank}':
        os.kill(os.getpid(), signal.SIGSEGV)
    if does == f'tell in {rank}':
        raise RuntimeError(os.environ['CUDA_VISIBLE_DEVICES'])
    if does == f'wait in {rank}':
        with open(path) as file:
            file.read()  # until the other side closes it
    if does == f'leave a thread in {rank}':
        import threading
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    return torch.nn.Sequential(torch.nn.Linear(4, 6), Noting(path))


class Noting(torch.nn.Linear):
    def __init__(self, path):
        super().__init__(6, 2)
        self.path = path

    def forward(self, inputs):
        if self.path is not None and torch.is_grad_enabled():
            with open(f'{self.path}.{torch.distributed.get_rank()}', 'a') as file:
                file.write(f'{len(inputs)} ')
        return super().forward(inputs)
"""
PLAN = {'seed': 1, 'lr_min': 0.01, 'lr_max': 0.3, 'batch_size': 8, 'epochs': 1, 'cycle_size_epochs': 1}


def trial(*point):
    return Task('trial 0', 'train_trial', point, PLAN)


@pytest.fixture(scope='module')
def printed():
    return []


@pytest.fixture(scope='module')
def executor(spec, printed):
    executor = LocalExecutor(2, retries=0, processes_per_run=2)
    executor.start(spec, on_output=lambda task, text: printed.append((task, text)))
    yield executor
    executor.close()


@pytest.mark.long
class TestLocalRanks(ExecutorContract):
    """The contract of executors, as far as it is not tested below: failures start all processes anew."""

    def make(self, cores):
        return LocalExecutor(2 * cores, processes_per_run=2)

    test_a_task_gives_the_same_curve_as_inline = None
    test_a_task_gives_the_same_score_as_inline_whatever_ran_before = None
    test_a_task_gives_the_same_trial_as_inline_to_the_byte = None
    test_whatever_is_raised_becomes_an_outcome = None
    test_a_task_runs_on_one_thread = None
    test_a_task_that_kills_its_process_fails_alone = None


def test_as_many_runs_at_a_time_as_have_cores():
    cores = [LocalExecutor(cores, processes_per_run=2).cores for cores in (1, 2, 5, 8)]
    assert cores == [1, 1, 2, 4]


def test_each_process_has_half_of_a_batch_and_only_the_first_is_heard(executor, printed, tmp_path):
    path = tmp_path / 'shares'
    [outcome] = run_all(executor, [trial('nothing', str(path))])
    assert outcome.value.result.step_reason == '2 processes train it together'
    for rank in (0, 1):
        assert Path(f'{path}.{rank}').read_text().split() == ['4'] * 8
    assert [text for task, text in printed if task == trial('nothing', str(path))] == ['nothing in 0\n']


@pytest.mark.parametrize('rank', [0, 1])
def test_an_error_in_one_process_is_that_of_the_run(executor, rank):
    failed, after = run_all(executor, [trial(f'raise in {rank}'), trial()])
    assert (failed.error.kind, failed.error.message) == ('LookupError', f'no such architecture in {rank}')
    assert 'in model' in failed.error.traceback
    assert f'process {rank + 1} of 2, which train a model together, has failed' in failed.error.output
    assert f'raise in {rank} in {rank}' in failed.error.output
    assert after.error is None


@pytest.mark.parametrize('rank', [0, 1])
def test_a_process_that_dies_takes_the_run_with_it_and_no_other(executor, rank):
    failed, after = run_all(executor, [trial(f'die in {rank}'), trial()])
    assert (failed.error.kind, failed.error.signal) == ('WorkerDied', 'SIGSEGV')
    ended = f'process {rank + 1} of 2, which train a model together, was killed by SIGSEGV'
    assert ended in failed.error.output
    assert 'in model' in failed.error.output
    assert after.error is None


def test_a_process_that_cannot_be_cleaned_up_is_not_used_again(executor):
    left, after = run_all(executor, [trial('leave a thread in 1')] * 2)
    assert left.error is after.error is None
    assert left.value.model == after.value.model


def test_what_is_no_training_is_done_by_one_process_alone(executor, tmp_path):
    path = tmp_path / 'shares'
    task = Task('dry run', 'dry_run', ('nothing', str(path)), {'seed': 1})
    [outcome] = run_all(executor, [task])
    assert outcome.value.fault is None
    assert not Path(f'{path}.1').exists()


def test_each_run_has_cards_of_its_own_which_all_its_processes_see(spec):
    executor = LocalExecutor(4, gpus=['a', 'b', 'c', 'd'], gpus_per_run=2)
    assert (executor.cores, executor.processes_per_run) == (2, 2)
    executor.start(spec)
    try:
        told = [
            outcome.error.message for outcome in run_all(executor, [trial('tell in 0'), trial('tell in 1')])
        ]
        assert sorted(told) == ['a,b', 'c,d']
    finally:
        executor.close()


def test_an_overdue_run_ends_with_the_stacks_of_all_its_processes(spec, clock, tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, '_SECONDS_TO_SAY_WHERE', 60.0)
    fifo = tmp_path / 'fifo'
    os.mkfifo(fifo)
    others = processes_below()
    executor = LocalExecutor(2, timeout=1000, processes_per_run=2)
    executor.start(spec)
    try:
        run_all(executor, [trial()])
        own = [process for process in processes_below() if process not in others]
        executor.submit(0, trial('wait in 1', str(fifo)))
        with open(fifo, 'w'):  # which returns when the process has opened it, too
            clock.ahead += 2000
            [(_, outcome)] = executor.wait()
        assert outcome.error.kind == 'TimedOut'
        assert 'process 2 of 2, which train a model together, was ended here' in outcome.error.output
        assert 'in model' in outcome.error.output
        _, left = psutil.wait_procs(own[1:], timeout=60)  # the first is the fork server
        assert left == []
    finally:
        executor.close()
        clock.ahead = 0.0


def processes_below():
    return psutil.Process().children(recursive=True)
