"""The contract of executors, for those of the package; then what each adds to it."""

import json
import os
import random
import select
import subprocess
import sys
import weakref
from collections import Counter
from contextlib import contextmanager

import numpy as np
import psutil
import pytest
import torch

from sweeper import InlineExecutor, InvalidArgument, LocalExecutor
from sweeper.executors.base import Task, run_error
from sweeper.executors.local.output import OutputSink
from sweeper.executors.local.process import WorkerProcess
from sweeper.executors.local.worker import READY, receive
from sweeper.testing import ExecutorContract

pytestmark = pytest.mark.slow

PROBLEM = """
import ctypes, json, os, random, signal, subprocess, sys, threading
import numpy as np
import torch

accuracy_style = 'classification'
loss = torch.nn.CrossEntropyLoss


def dataset():
    inputs = torch.randn(32, 4)
    data = torch.utils.data.TensorDataset(inputs, (inputs[:, 0] > 0).long())
    return data, data


def model(kind='linear', path=None, signal_number=None):
    if kind == 'raise':
        raise LookupError('no such architecture')
    if kind == 'print' and (path is None or os.path.exists(path)):
        print('printed by the model', flush=True)
        os.write(1, b'written by the model')
    if kind == 'tell':
        raise RuntimeError(json.dumps({'pid': os.getpid(), 'threads': torch.get_num_threads()}))
    if kind == 'draw':
        torch.rand(3), np.random.rand(3), random.random()
        torch.set_num_threads(1)
    if kind == 'die' and not (path and os.path.exists(path)):
        if path:
            open(path, 'w').close()
        os.kill(os.getpid(), signal_number)
    if kind == 'die with a child left':
        descriptors = [int(name) for name in os.listdir('/dev/fd') if int(name) > 2]
        for descriptor in descriptors:
            try:
                os.set_inheritable(descriptor, True)  # the child holds the connection
            except OSError:
                pass
        child = subprocess.Popen(['sleep', '600'], close_fds=False)
        with open(path, 'a') as file:
            file.write(f'{child.pid}\\n')
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == 'meet':
        with open(path, 'w') if signal_number else open(path):
            pass
    if kind == 'hang with the interpreter locked':
        child = subprocess.Popen(['sleep', '600'])
        with open(path, 'w') as fifo:
            fifo.write(f'{os.getpid()} {child.pid}')
        ctypes.PyDLL(None).sleep(600)
    if kind == 'hang':
        if path:
            with open(path, 'w') as fifo:
                fifo.write(str(os.getpid()))
        threading.Event().wait()
    return torch.nn.Linear(4, 2)
"""

SIGKILL, SIGSEGV = 9, 11
LONG = 120.0
HPARAMS = {'lr_min': 0.01, 'lr_max': 0.3, 'batch_size': 8}


def curve(*point, seed=1):
    lrs = np.geomspace(0.001, 1, 6)
    return Task('run', 'measure_curve', point, {'seed': seed, 'lrs': lrs, 'batch_sizes': [4] * 6})


def trial(*point, seed=1):
    return Task('run', 'train_trial', point, {'seed': seed, **HPARAMS, 'epochs': 4, 'cycle_size_epochs': 2})


def brief(*point, seed=1):
    return Task('run', 'train_briefly', point, {'seed': seed, **HPARAMS, 'steps': 20})


def run_all(executor, tasks):
    """Runs tasks, at most `cores` at once; returns their outcomes in order, each answered once."""
    answers = []
    for key, task in enumerate(tasks):
        if key - len(answers) == executor.cores:
            answers += executor.wait()
        executor.submit(key, task)
    while len(answers) < len(tasks):
        answers += executor.wait()
    assert Counter(key for key, _ in answers) == Counter(range(len(tasks)))
    return [outcome for _, outcome in sorted(answers, key=lambda answer: answer[0])]


def told_by_workers(executor, count):
    """What `count` runs of the model that tells about its process tell."""
    return [json.loads(one.error.message) for one in run_all(executor, [brief('tell')] * count)]


def children():
    return {child.pid for child in psutil.Process().children(recursive=True)}


@contextmanager
def opened(name, spec, cores=2, retries=1, timeout=None, expect_work=True):
    executor = LocalExecutor(cores, retries, timeout) if name == 'local' else InlineExecutor(cores)
    try:
        executor.start(spec, expect_work)
        yield executor
    finally:
        executor.close()


@pytest.fixture(scope='module')
def local_executor(spec, clock):
    with opened('local', spec, timeout=LONG) as executor:
        yield executor


@contextmanager
def opened_fifo(folder):
    """A pipe's path and a function that waits for what a worker writes there."""
    path = folder / 'fifo'
    os.mkfifo(path)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def read():
        readable, _, _ = select.select([descriptor], [], [], 60)
        assert readable, 'nothing was written'
        return os.read(descriptor, 100).decode()

    try:
        yield str(path), read
    finally:
        os.close(descriptor)


@pytest.fixture
def fifo(tmp_path):
    with opened_fifo(tmp_path) as fifo:
        yield fifo


class TestInlineExecutor(ExecutorContract):
    def make(self, cores):
        return InlineExecutor(cores)


class TestLocalExecutor(ExecutorContract):
    def make(self, cores):
        return LocalExecutor(cores)


# both


@pytest.mark.parametrize('name', ['inline', 'local'])
def test_waiting_for_nothing_is_a_mistake_and_does_not_block(name, spec):
    with opened(name, spec, expect_work=False) as executor, pytest.raises(AssertionError):
        executor.wait()


@pytest.mark.parametrize('name', ['inline', 'local'])
def test_closing_ends_what_runs_and_may_be_repeated(name, spec, fifo):
    path, read = fifo
    before = children()
    with opened(name, spec, cores=1) as executor:
        executor.submit(0, trial('hang', path) if name == 'local' else trial())
        if name == 'local':
            assert int(read()) in children() - before
        executor.close()
        assert children() <= before
        executor.close()
        with pytest.raises(AssertionError):
            executor.wait()


def test_an_exception_as_data_holds_nothing_of_what_the_run_held():
    held = []

    def fail(cause=None):
        model = torch.nn.Linear(1, 1)
        held.append(weakref.ref(model))
        raise KeyError('no') from cause

    try:
        try:
            fail()
        except KeyError as error:
            fail(error)
    except KeyError as error:
        told = run_error(error)
        left = [model() for model in held]
    assert told.traceback.count('in fail') == 2
    assert left == [None, None]


# inline


def test_inline_leaves_the_callers_random_states_and_threads_as_they_were(spec):
    def states():
        return torch.get_rng_state().tolist(), str(np.random.get_state()), random.getstate()

    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        before = states()
        with opened('inline', spec) as executor:
            outcomes = run_all(executor, [trial('draw'), trial('raise')])
            assert [outcome.error is None for outcome in outcomes] == [True, False]
        assert states() == before
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


def test_inline_runs_in_this_process(spec):
    with opened('inline', spec) as executor:
        assert [one['pid'] for one in told_by_workers(executor, 3)] == [os.getpid()] * 3


# local


def rendezvous(executor, path):
    """Two runs that can end only together: afterwards, both workers are ready."""
    os.mkfifo(path)
    outcomes = run_all(executor, [brief('meet', str(path), 0), brief('meet', str(path), 1)])
    assert [outcome.error for outcome in outcomes] == [None, None]


def test_local_starts_no_worker_before_the_first_task_if_no_work_is_expected(spec):
    before = children()
    with opened('local', spec, expect_work=False):
        assert children() <= before


def test_local_runs_side_by_side_in_as_many_long_lived_processes_as_cores(local_executor, tmp_path):
    rendezvous(local_executor, tmp_path / 'fifo')
    pids = {one['pid'] for one in told_by_workers(local_executor, 12)}
    assert os.getpid() not in pids
    assert len(pids) <= 2
    assert pids <= children()


def test_local_keeps_its_workers_when_runs_raise(local_executor, tmp_path):
    rendezvous(local_executor, tmp_path / 'fifo')
    before = children()
    outcomes = run_all(local_executor, [trial('raise')] * 4)
    assert [outcome.error.kind for outcome in outcomes] == ['LookupError'] * 4
    assert children() == before


def test_local_ends_a_run_at_its_timeout_and_no_other(local_executor, clock, tmp_path):
    rendezvous(local_executor, tmp_path / 'fifo')
    local_executor.submit(0, trial('hang'))
    local_executor.submit(1, trial())
    [(key, outcome)] = local_executor.wait()
    assert (key, outcome.error) == (1, None)
    clock.ahead += LONG - 0.1
    [(key, outcome)] = local_executor.wait()
    assert (key, outcome.value, outcome.error.kind) == (0, None, 'TimedOut')
    assert '120 seconds' in outcome.error.message and outcome.error.signal is None
    assert ' in model\n' in outcome.error.output  # where it was
    assert [outcome.error for outcome in run_all(local_executor, [trial()] * 3)] == [None] * 3


def test_local_tries_a_task_again_whose_worker_died(local_executor, tmp_path):
    marker = tmp_path / 'died'
    task = curve('die', str(marker), SIGSEGV)
    flaky, good = run_all(local_executor, [task, trial()])
    assert marker.exists()
    assert good.error is None
    [expected] = run_all(local_executor, [task])
    np.testing.assert_array_equal(flaky.value['loss'], expected.value['loss'])


def test_local_gives_up_on_a_task_whose_worker_dies_every_time_and_only_on_it(local_executor, tmp_path):
    path = tmp_path / 'children'
    bad, *good = run_all(local_executor, [trial('die with a child left', str(path)), trial(), trial()])
    assert (bad.value, bad.error.kind) == (None, 'WorkerDied')
    assert 'SIGKILL' in bad.error.message and '2 times' in bad.error.message
    assert bad.error.signal == 'SIGKILL'
    assert [outcome.error for outcome in good] == [None, None]
    # what the dead workers have started is ended too, though it holds their connections
    left = [int(pid) for pid in path.read_text().split()]
    assert len(left) == 2
    assert not those_left([psutil.Process(pid) for pid in left if psutil.pid_exists(pid)])


def test_local_allows_a_second_try_the_whole_timeout(spec, clock, tmp_path, monkeypatch):
    real = clock.monotonic
    with opened('local', spec, cores=1, timeout=LONG) as executor:
        told_by_workers(executor, 1)
        [worker] = executor._supervisor.pool.workers
        monkeypatch.setattr(clock, 'monotonic', lambda: real() + 2 * LONG * has_told_its_end(worker))
        [outcome] = run_all(executor, [trial('die', str(tmp_path / 'died'), SIGKILL)])
        assert executor._supervisor.pool.workers != [worker]
    assert outcome.error is None


def has_told_its_end(worker):
    try:
        return worker.is_gone()
    except (ValueError, OSError):  # it was discarded: its sentinel is closed
        return True


def has_ended(process):
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def those_left(processes):
    """Waits until the processes are gone; returns those that do not go, ending them."""
    _, alive = psutil.wait_procs(processes, timeout=30)
    left = [process for process in alive if not has_ended(process)]
    for process in left:
        process.kill()
    return left


def test_local_ends_a_worker_whose_connection_closes(spec):
    worker = WorkerProcess(0, spec, None, OutputSink(None))
    try:
        kind, ready = receive(worker.connection)
        assert kind == READY and ready.memory is None
        process = psutil.Process(ready.pid)
        assert process.ppid() == os.getpid()
        worker.connection.close()
        assert worker.sentinel.poll(60)
        assert not those_left([process])
    finally:
        worker.kill()


PARENT = """
import os, signal, sys
from sweeper.executors.base import Task
from sweeper.executors.local.executor import LocalExecutor
from sweeper.problem.reference import find_problem
from sweeper.work import WorkerSpec

problem, fifo = sys.argv[1:]
arguments = {'seed': 0, 'lrs': [0.1], 'batch_sizes': [1]}
executor = LocalExecutor(1)
executor.start(WorkerSpec(find_problem(problem), 0, 'cpu'))
executor.submit(0, Task('run', 'measure_curve', ('print',), arguments))
executor.wait()
if os.fork() == 0:
    signal.pause()
executor.submit(0, Task('run', 'measure_curve', ('hang with the interpreter locked', fifo), arguments))
executor.wait()
"""


@pytest.fixture(scope='module')
def killed_parent(problem_path, tmp_path_factory):
    """A program that is killed in the middle of a run, and is outlived by a child that it forked.

    Returns:
        What it printed; and which of the processes that it had started were there still after it.
    """
    with opened_fifo(tmp_path_factory.mktemp('parent')) as (path, read):
        import_path = {'PYTHONPATH': os.pathsep.join(entry for entry in sys.path if entry)}
        parent = subprocess.Popen(
            [sys.executable, '-c', PARENT, str(problem_path), path],
            env=os.environ | import_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            worker, of_the_worker = (psutil.Process(int(pid)) for pid in read().split())
            assert of_the_worker.ppid() == worker.pid
            program = psutil.Process(parent.pid)
            [forked] = [child for child in program.children() if child.cmdline() == program.cmdline()]
            processes = set(program.children(recursive=True)) - {forked}
            assert {worker, of_the_worker} < processes  # and the one that has forked the worker
        finally:
            parent.kill()
            parent.wait()
    left = those_left(processes)
    forked.kill()
    with parent.stdout as stdout:
        return stdout.read(), left


def test_local_workers_end_in_the_middle_of_a_run_when_their_parent_is_killed(killed_parent):
    _, left = killed_parent
    assert not left


def test_local_keeps_what_a_model_prints_out_of_the_parents_output(killed_parent):
    printed, _ = killed_parent
    assert printed == b''


@pytest.mark.parametrize('make', [LocalExecutor, InlineExecutor])
@pytest.mark.parametrize('seconds', [-1, float('nan'), float('inf'), '30', True])
def test_a_time_between_states_that_cannot_be_is_an_error(make, seconds):
    with pytest.raises(InvalidArgument, match=r'checkpoint_seconds=.*must be a number of seconds'):
        make(1, checkpoint_seconds=seconds)
