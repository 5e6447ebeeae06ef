"""Workers that are forked from one process: what they share, what they must not, and when none is forked."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager, suppress

import psutil
import pytest

from sweeper.errors import ProblemError, SweepError
from sweeper.executors.base import Task
from sweeper.executors.local.executor import LocalExecutor
from sweeper.executors.local.forked import ForkedWorker
from sweeper.executors.local.process import WorkerProcess
from sweeper.problem.reference import find_problem
from sweeper.work import WorkerSpec

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != 'linux', reason='workers are forked on Linux'),
]

PROBLEM = """
import gc, json, os, signal, threading
import numpy as np
import torch

accuracy_style = 'classification'
loss = torch.nn.CrossEntropyLoss
loaded_by = os.getpid()


def dataset():
    inputs = torch.randn(1 << 16, 64)
    data = torch.utils.data.TensorDataset(inputs, (inputs[:, 0] > 0).long())
    return data, data


def model(code=''):
    exec(code, globals())
    return torch.nn.Linear(64, 2)
"""
DATA_BYTES = (1 << 16) * 64 * 4
TELL = 'raise RuntimeError(json.dumps({}))'
ENDS_ITSELF = 'os.kill(os.getpid(), signal.SIGKILL)'
ENDS_SERVER = 'os.kill(os.getppid(), signal.SIGKILL); signal.pause()'


def run_of(code='', function='measure_curve'):
    return Task('run', function, (code,), {'seed': 1, 'lrs': [0.1, 0.2], 'batch_sizes': [4, 4]})


def answers(executor, tasks):
    """Submits all tasks at once; returns their outcomes in order."""
    for key, task in enumerate(tasks):
        executor.submit(key, task)
    outcomes = {}
    while len(outcomes) < len(tasks):
        outcomes |= executor.wait()
    return [outcomes[key] for key in range(len(tasks))]


def told(executor, expression):
    """What an expression is in a worker, by way of JSON."""
    [outcome] = answers(executor, [run_of(TELL.format(expression))])
    return json.loads(outcome.error.message)


@contextmanager
def opened(folder, problem=PROBLEM, cores=1, heard=None, **options):
    path = folder / 'forked_problem.py'
    path.write_text(problem)
    executor = LocalExecutor(cores, **options)
    try:
        executor.start(WorkerSpec(find_problem(path), 0, 'cpu'), on_output=heard)
        yield executor
    finally:
        executor.close()


@pytest.fixture(scope='module')
def two(tmp_path_factory):
    """An executor with two workers."""
    with opened(tmp_path_factory.mktemp('problem'), cores=2, retries=0) as executor:
        yield executor


@pytest.fixture
def those_started():
    """Tells which processes there are that were not there before the test."""
    before = set(psutil.Process().children())
    return lambda: set(psutil.Process().children()) - before


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, 'path', list(sys.path))
    yield tmp_path
    sys.modules.pop('forked_problem', None)


def test_workers_are_forked_by_the_process_that_has_loaded_the_problem(two):
    server, worker = told(two, '[os.getppid(), os.getpid()]')
    assert told(two, 'loaded_by') == server
    assert psutil.Process(server).ppid() == os.getpid()
    assert os.getpgid(worker) == worker and os.getpgid(server) == server


def test_a_worker_has_one_copy_of_the_data_with_all_others(two):
    answers(two, [run_of()] * 4)
    worker = psutil.Process(told(two, 'os.getpid()'))
    memory = worker.memory_full_info()
    assert memory.rss > 4 * DATA_BYTES
    assert memory.uss < 50 << 20  # its own, which it could not give away: most is not the data


def test_a_worker_holds_no_descriptor_of_the_server_or_of_other_workers(two):
    pids = {told(two, 'os.getpid()') for _ in range(10)}
    answers(two, [run_of(ENDS_ITSELF)])
    pids |= {told(two, 'os.getpid()') for _ in range(10)}  # one has started when there were others
    links = {os.readlink(f'/proc/{pid}/fd/{fd}') for pid in pids if psutil.pid_exists(pid) for fd in [0]}
    assert links == {'/dev/null'}
    counts = {len(os.listdir(f'/proc/{pid}/fd')) for pid in pids if psutil.pid_exists(pid)}
    assert counts == {7}, (
        counts
    )  # three streams, their copy, the connection, the pipes from parent and server


def test_the_server_keeps_nothing_of_workers_that_ended(folder):
    with opened(folder, retries=0) as executor:
        server = psutil.Process(told(executor, 'os.getppid()'))
        before = server.num_fds()
        dead = []
        for _ in range(5):
            dead.append(psutil.Process(told(executor, 'os.getpid()')))
            [outcome] = answers(executor, [run_of(ENDS_ITSELF)])
            assert outcome.error.signal == 'SIGKILL'
        assert told(executor, 'os.getppid()') == server.pid
        assert not psutil.wait_procs(dead, timeout=60)[1]  # no zombie either
        assert server.num_fds() == before


def test_what_the_problem_prints_is_told_once(folder):
    heard = []
    problem = "print('loaded', end='')\n" + PROBLEM
    with opened(folder, problem, 2, lambda task, text: heard.append((task, text))) as executor:
        answers(executor, [run_of()] * 4)
        answers(executor, [run_of(ENDS_ITSELF)])
    assert [text for task, text in heard if task is None] == ['loaded\n']


@pytest.mark.parametrize(
    ('addition', 'reason'),
    [
        ('threading.Thread(target=threading.Event().wait, daemon=True).start()', 'starts threads'),
        ("kept = open('/etc/hostname')", 'leaves /etc/hostname open'),
    ],
)
def test_where_a_fork_would_be_at_a_risk_each_worker_loads_the_problem_itself(
    folder, addition, reason, those_started
):
    heard = []
    with opened(folder, cores=2, retries=0) as executor:
        [expected] = answers(executor, [run_of()])
    problem = f'{PROBLEM}\n{addition}\n'
    with opened(folder, problem, 2, lambda task, text: heard.append(text)) as executor:
        parent, pid, loaded_by = told(executor, '[os.getppid(), os.getpid(), loaded_by]')
        assert loaded_by == pid and parent == executor._supervisor.pool.server._process.pid
        [outcome] = answers(executor, [run_of()])
        assert [type(one) for one in executor._supervisor.pool.workers] == [ForkedWorker] * 2
    assert outcome.value['loss'].tobytes() == expected.value['loss'].tobytes()
    assert sum(reason in text for text in heard) == 1
    assert not those_started()


def test_where_the_system_gives_no_descriptors_of_processes_each_worker_is_a_process_of_its_own(folder):
    without = 'def refused(*_): raise OSError\nos.pidfd_open = refused'
    with opened(folder, f'{PROBLEM}\n{without}\n', cores=2) as executor:
        parent, pid, loaded_by = told(executor, '[os.getppid(), os.getpid(), loaded_by]')
        assert (parent, loaded_by) == (os.getpid(), pid)
        assert [type(one) for one in executor._supervisor.pool.workers] == [WorkerProcess] * 2


def test_a_thread_that_sees_to_forks_itself_is_no_risk(folder):
    named = 'import ctypes; ctypes.CDLL(None).prctl(15, b"jemalloc_bg_thd"); threading.Event().wait()'
    problem = f'{PROBLEM}\nthreading.Thread(target=exec, args=({named!r}, globals()), daemon=True).start()\n'
    with opened(folder, problem) as executor:
        parent, loaded_by = told(executor, '[os.getppid(), loaded_by]')
    assert parent == loaded_by != os.getpid()


def test_a_server_that_is_killed_is_replaced_and_costs_no_attempt(folder):
    marker = folder / 'killed'
    code = f'if not os.path.exists({str(marker)!r}): open({str(marker)!r}, "w").close(); {ENDS_SERVER}'
    with opened(folder, cores=2, retries=0) as executor:
        before = told(executor, 'os.getppid()')
        outcomes = answers(executor, [run_of(code), *[run_of()] * 5])
        assert marker.exists()
        assert [outcome.error for outcome in outcomes] == [None] * 6
        assert told(executor, 'os.getppid()') != before


def test_a_run_that_always_kills_the_server_fails_in_the_end(folder):
    with opened(folder, retries=0) as executor:
        bad, good = answers(executor, [run_of(ENDS_SERVER), run_of()])
    assert (bad.error.kind, good.error) == ('WorkerDied', None)
    assert 'lost with the process that it was forked from' in bad.error.message


@pytest.mark.parametrize(
    ('end', 'error', 'message'),
    [
        ('os._exit(3)', SweepError, 'ended with exit code 3 while it loaded the problem\nlast words'),
        ('os.kill(os.getpid(), signal.SIGSEGV)', SweepError, 'SIGSEGV while it loaded'),
        ("raise KeyError('no such file')", ProblemError, 'no such file'),
    ],
)
def test_a_problem_that_ends_the_server_is_told_with_what_it_printed(
    folder, end, error, message, those_started
):
    problem = f"{PROBLEM}\nprint('last words', flush=True)\n{end}\n"
    with opened(folder, problem, retries=0) as executor:
        executor.submit(0, run_of())
        with pytest.raises(error) as raised:
            executor.wait()
    assert message in str(raised.value)
    assert not those_started()


def test_closing_ends_a_server_that_still_loads(folder, those_started):
    with opened(folder, f'{PROBLEM}\nthreading.Event().wait()\n', 2) as executor:
        executor.submit(0, run_of())
        assert len(those_started()) == 1
    assert not those_started()


def test_more_tasks_than_cores_are_answered_once_each_though_workers_die_in_between(folder):
    with opened(folder, cores=2, retries=0) as executor:
        tasks = [run_of(ENDS_ITSELF if key % 100 == 50 else '') for key in range(300)]
        outcomes = answers(executor, tasks)
    assert [key for key, outcome in enumerate(outcomes) if outcome.error] == [50, 150, 250]


STARTS = (
    'import subprocess, sys; from pathlib import Path; '
    'one = subprocess.Popen(["sleep", "1000"], start_new_session=True); '
    'Path({path!r}).write_text(str(one.pid)); {then}'
)


def assert_gone(pid):
    with suppress(psutil.NoSuchProcess):
        psutil.Process(pid).wait(timeout=60)


THREAD = 'threading.Thread(target=threading.Event().wait, daemon=True).start()'
shared_or_not = pytest.mark.parametrize('addition', ['', THREAD], ids=['shared', 'loaded by each worker'])


@shared_or_not
@pytest.mark.parametrize('then', ['', ENDS_ITSELF])
def test_what_a_run_has_started_in_a_session_of_its_own_ends_with_its_worker(folder, then, addition):
    path = folder / 'pid'
    with opened(folder, f'{PROBLEM}\n{addition}\n', retries=0) as executor:
        [outcome] = answers(executor, [run_of(STARTS.format(path=str(path), then=then))])
        assert (outcome.error is None) == (then == '')
    assert_gone(int(path.read_text()))


PARENT = """
import os, sys
from sweeper.executors.local.executor import LocalExecutor
from sweeper.executors.base import Task
from sweeper.problem.reference import find_problem
from sweeper.work import WorkerSpec

executor = LocalExecutor(1)
executor.start(WorkerSpec(find_problem(sys.argv[1]), 0, 'cpu'))
plan = {'seed': 1, 'lrs': [0.1], 'batch_sizes': [4]}
executor.submit(0, Task('run', 'measure_curve', (sys.argv[2],), plan))
executor.wait()
os.kill(os.getpid(), 9)
"""


@shared_or_not
def test_it_ends_when_the_sweep_is_killed(folder, addition):
    problem, path = folder / 'forked_problem.py', folder / 'pid'
    problem.write_text(f'{PROBLEM}\n{addition}\n')
    code = STARTS.format(path=str(path), then='')
    subprocess.run([sys.executable, '-c', PARENT, problem, code], check=False, timeout=100)
    assert_gone(int(path.read_text()))


PRELOADED = """
import json, sys, gc
from sweeper.executors.preload import import_for_runs
import_for_runs()
print(json.dumps([[name for name in ('torch', 'ignite') if name in sys.modules], gc.isenabled()]))
"""


def test_what_runs_need_is_imported_and_no_more():
    done = subprocess.run([sys.executable, '-c', PRELOADED], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [['torch'], True]
