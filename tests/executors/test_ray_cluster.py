"""The executor on Ray while nodes come and go; several nodes are simulated on this machine."""

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest

from sweeper import RayExecutor, SweepError, WorkerSpec
from sweeper.executors.base import Task
from sweeper.executors.ray import fleet, growth, shipping
from sweeper.executors.ray.messages import Reply
from sweeper.executors.ray.shipping import pack
from sweeper.problem.reference import find_problem
from sweeper.testing.executors import _outcomes as run_all

pytestmark = [pytest.mark.slow, pytest.mark.long]

PROBLEM = """
import json, os, signal

import psutil
import torch

accuracy_style = 'classification'
loss = torch.nn.CrossEntropyLoss


def dataset():
    inputs = torch.randn(32, 4)
    data = torch.utils.data.TensorDataset(inputs, (inputs[:, 0] > 0).long())
    return data, data


def model(kind='linear', path=None):
    if path and os.path.exists(path):
        with open(path) as fifo:
            fifo.read()
    if kind == 'print':
        print('printed by the model')
    if kind == 'tell':
        visible = os.environ.get('CUDA_VISIBLE_DEVICES')
        node = os.environ['RAY_RAYLET_PID']
        raise RuntimeError(json.dumps({'gpus': visible, 'node': node, 'file': __file__}))
    if kind == 'kill the agent':
        agent = next(parent for parent in psutil.Process().parents() if 'Agent' in ' '.join(parent.cmdline()))
        agent.kill()
    layer = torch.nn.Linear(4, 2)
    if kind == 'large':
        layer.register_buffer('large', torch.zeros(400_000))
    return layer
"""
HPARAMS = {'lr_min': 0.01, 'lr_max': 0.3, 'batch_size': 8}
ENVIRONMENT = {
    'RAY_USAGE_STATS_ENABLED': '0',
    'RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER': '0',  # so that 127.0.0.1 is taken for what it is
    'RAY_health_check_initial_delay_ms': '0',
    'RAY_health_check_period_ms': '1000',
    'RAY_health_check_failure_threshold': '3',
}


def brief(*point, seed=1):
    return Task('run', 'train_briefly', point, {'seed': seed, **HPARAMS, 'steps': 20})


def trial(*point):
    return Task('trial 0', 'train_trial', point, {'seed': 1, **HPARAMS, 'epochs': 1, 'cycle_size_epochs': 1})


@pytest.fixture(scope='module')
def cluster():
    """A cluster with a head that has no CPUs."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        from ray._private import ray_constants
        from ray.cluster_utils import Cluster

        patch.setattr(ray_constants, 'ENABLE_RAY_CLUSTER', False)
        cluster = Cluster()
        add = cluster.add_node

        def add_here(**options):
            node = add(node_ip_address='127.0.0.1', object_store_memory=80 * 2**20, **options)
            cluster.wait_for_nodes()
            return node

        cluster.add_node = add_here
        cluster.add_node(num_cpus=0, include_dashboard=False)
        yield cluster
        cluster.shutdown()


@pytest.fixture
def node(cluster):
    """Adds nodes for a test."""
    nodes = []

    def add(**options):
        nodes.append(cluster.add_node(**options))
        return nodes[-1]

    yield add
    for node in nodes:
        if node in cluster.worker_nodes:
            cluster.remove_node(node, allow_graceful=False)


@contextmanager
def started(cluster, spec, on_output=None, **options):
    executor = RayExecutor(cluster.address, **options)
    try:
        executor.start(spec, on_output=on_output)
        yield executor
    finally:
        executor.close()


def wait_for_cores(executor, *cores):
    """Nothing that was submitted may be done before."""
    while executor.cores not in cores:
        assert executor.wait() == []


class Holds:
    """Runs that wait until they are let go, wherever they are: each has a pipe that it reads from."""

    def __init__(self, folder, count):
        self.paths = [str(folder / f'hold {number}') for number in range(count)]
        for path in self.paths:
            os.mkfifo(path)
        self.writers = []

    def wait_until_all_run(self):
        """Opening such a pipe takes until there is a reader."""
        self.writers += [os.open(path, os.O_WRONLY) for path in self.paths]

    def release(self):
        """Those that run go on, and those that start now do not wait."""
        for path in self.paths:
            os.unlink(path)
        for writer in self.writers:
            os.close(writer)


def answers_of(executor, count):
    answers = []
    while len(answers) < count:
        answers += executor.wait()
    assert Counter(key for key, _ in answers) == Counter(range(count))
    return [outcome for _, outcome in sorted(answers, key=lambda answer: answer[0])]


def test_it_grows_with_the_cluster_and_a_lost_node_costs_nothing_but_time(cluster, node, spec, tmp_path):
    first = node(num_cpus=1)
    with started(cluster, spec) as executor:
        assert executor.cores == 1
        holds = Holds(tmp_path, 3)
        for key, path in enumerate(holds.paths):
            executor.submit(key, brief('tell', path))
        executor.expect(1)
        second = node(num_cpus=2)
        wait_for_cores(executor, 3)
        holds.wait_until_all_run()
        cluster.remove_node(second, allow_graceful=False)
        wait_for_cores(executor, 1)
        holds.release()
        nodes = {json.loads(outcome.error.message)['node'] for outcome in answers_of(executor, 3)}
        assert nodes == {str(first.all_processes['raylet'][0].process.pid)}


def demands(cluster):
    """What Ray could not place yet, as its autoscaler sees it."""
    from ray.autoscaler.v2.sdk import get_cluster_status

    status = get_cluster_status(cluster.gcs_address)
    return [
        (bundle.bundle, bundle.count)
        for demand in status.resource_demands.ray_task_actor_demand
        for bundle in demand.bundles_by_count
    ]


def wait_until(condition):
    """Waits for what only Ray knows; it says so within seconds."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        threading.Event().wait(0.1)


def test_what_waits_is_demand_that_an_autoscaler_sees(cluster, node, spec, tmp_path):
    node(num_cpus=1)
    with started(cluster, spec, cpus=3) as executor:
        holds = Holds(tmp_path, 1)
        executor.submit(0, brief('linear', holds.paths[0]))
        holds.wait_until_all_run()
        executor.expect(5)
        wait_until(lambda: demands(cluster) == [({'CPU': 1.0}, 2)])
        executor.expect(0)
        wait_until(lambda: demands(cluster) == [])
        holds.release()
        assert answers_of(executor, 1)[0].error is None


def test_what_has_nothing_to_do_is_given_back(cluster, node, spec, tmp_path, monkeypatch):
    monkeypatch.setattr(growth, 'SECONDS_IDLE', 0.0)
    node(num_cpus=1)
    node(num_cpus=2)
    with started(cluster, spec) as executor:
        assert executor.cores == 3
        holds = Holds(tmp_path, 1)
        executor.submit(0, brief('linear', holds.paths[0]))
        holds.wait_until_all_run()
        executor.expect(0)
        wait_for_cores(executor, 1, 2)  # those of the node where the run is
        holds.release()
        assert answers_of(executor, 1)[0].error is None


@pytest.mark.parametrize(
    ('gpus', 'cards'),
    [(0.5, ['0', '0', '1', '1']), (1, ['0', '1']), (2, ['0,1'])],
    ids=['half', 'one', 'two'],
)
def test_runs_see_the_gpus_that_are_theirs(gpus, cards, cluster, node, spec, tmp_path):
    node(num_cpus=8, num_gpus=2)
    node(num_cpus=8)
    with started(cluster, spec, gpus_per_run=gpus) as executor:
        assert executor.cores == len(cards)
        # One that has several GPUs has several processes, of which each would read the pipe.
        holds = Holds(tmp_path, len(cards) if gpus <= 1 else 0)
        for key in range(len(cards)):
            executor.submit(key, brief('tell', *holds.paths[key : key + 1]))
        holds.wait_until_all_run()
        holds.release()
        outcomes = answers_of(executor, len(cards))
    assert sorted(json.loads(outcome.error.message)['gpus'] for outcome in outcomes) == cards


def test_runs_that_need_no_gpu_see_none(cluster, node, spec):
    node(num_cpus=1, num_gpus=2)
    with started(cluster, spec) as executor:
        [outcome] = run_all(executor, [brief('tell')])
    assert json.loads(outcome.error.message)['gpus'] == ''


@pytest.fixture(scope='module')
def steady(cluster):
    """A node for tests that need no more."""
    node = cluster.add_node(num_cpus=2)
    yield node
    cluster.remove_node(node, allow_graceful=False)


def test_a_task_whose_agent_dies_every_time_fails_alone(cluster, steady, spec):
    with started(cluster, spec, cpus=1) as executor:
        bad, good = run_all(executor, [brief('kill the agent'), brief()])
    assert (bad.error.kind, good.error) == ('WorkerDied', None)
    assert 'was lost, 4 times in a row' in bad.error.message


def test_a_node_with_other_versions_ends_the_sweep_before_any_run(cluster, steady, spec, monkeypatch):
    monkeypatch.setattr(fleet, 'versions', lambda: {'torch': '0.1'})
    with (
        started(cluster, spec) as executor,
        pytest.raises(SweepError, match=r'the node .*127\.0\.0\.1\) has torch .*, this process 0\.1'),
    ):
        run_all(executor, [brief()])


def test_a_cluster_without_room_is_an_error_in_the_end(cluster, spec):
    with (
        started(cluster, spec, patience=1, cpus_per_run=64) as executor,
        pytest.raises(SweepError, match=r'for 1 seconds no node .* room for a run \(num_cpus 64\)'),
    ):
        run_all(executor, [brief()])


def test_a_problem_that_a_node_does_not_have_is_sent(cluster, steady, tmp_path, monkeypatch):
    path = tmp_path / 'problem_to_be_sent.py'
    path.write_text(PROBLEM)
    spec = WorkerSpec(find_problem(path), 0, 'cpu')

    def pack_and_remove(reference, is_installed):
        package = pack(reference, is_installed)
        path.unlink()
        return package

    monkeypatch.setattr(shipping, 'pack', pack_and_remove)
    with started(cluster, spec) as executor:
        facts = executor.problem_facts()
        [outcome] = run_all(executor, [brief('tell')])
    assert (facts.name, facts.train_size) == ('problem_to_be_sent', 32)
    there = Path(json.loads(outcome.error.message)['file'])
    assert there.name == path.name and there.parent.name.startswith('sweeper-problem-')
    assert not there.parent.exists()


def test_large_outcomes_go_by_a_shared_folder(cluster, steady, spec, tmp_path, monkeypatch):
    ways = []
    opened = Reply.opened
    monkeypatch.setattr(
        Reply, 'opened', lambda reply: (ways.append(type(reply.outcome.value)), opened(reply))[1]
    )
    with started(cluster, spec, shared_folder=tmp_path) as executor:
        by_file, small = run_all(executor, [trial('large'), trial()])
        [folder] = tmp_path.iterdir()
        assert not list(folder.iterdir())
    with started(cluster, spec) as executor:
        [by_memory] = run_all(executor, [trial('large')])
    assert Counter(ways) == {str: 1, bytes: 2}
    assert by_file.value.model == by_memory.value.model and len(by_file.value.model) > 1_600_000
    assert small.error is None and not list(tmp_path.iterdir())


def test_what_runs_print_comes_with_their_tasks_and_is_there_when_it_is_closed(cluster, steady, spec):
    printed = []
    tasks = [brief('print', seed=seed) for seed in range(3)]
    with started(cluster, spec, on_output=lambda *piece: printed.append(piece)) as executor:
        outcomes = run_all(executor, tasks)
    assert [outcome.error for outcome in outcomes] == [None] * 3
    assert [text for task, text in printed if task is not None] == ['printed by the model\n'] * 3
    assert sorted(task.arguments['seed'] for task, _ in printed if task is not None) == [0, 1, 2]


def test_what_on_output_raises_is_raised_by_wait(cluster, steady, spec):
    def refuse(task, text):
        raise LookupError('no more')

    with started(cluster, spec, on_output=refuse) as executor:
        executor.submit(0, brief('print'))
        with pytest.raises(LookupError, match='no more'):
            answers_of(executor, 2)  # the second of which there is not


OWN = """
import signal, socket, sys
import psutil, ray
from sweeper import RayExecutor, WorkerSpec
from sweeper.executors.base import Task, run_all
from sweeper.problem.reference import find_problem

handler = signal.getsignal(signal.SIGTERM)
executor = RayExecutor(cpus=1)
executor.start(WorkerSpec(find_problem(sys.argv[1]), 0, 'cpu'))
assert ray.is_initialized() and executor.cores == 1 and executor.checkpoint_seconds == 30
[outcome] = run_all(executor, [Task('run', 'read_parameters', (), {'seed': 1})])
assert outcome.value == [], outcome
assert signal.getsignal(signal.SIGTERM) is handler
children = psutil.Process().children(recursive=True)
open_to_others = [
    (child.name(), one.laddr)
    for child in children
    for one in child.net_connections('tcp')
    if one.status == psutil.CONN_LISTEN and one.laddr.ip not in ('127.0.0.1', '::1', '::ffff:127.0.0.1')
]
executor.close()
assert not ray.is_initialized()
psutil.wait_procs(children, 30)
print(open_to_others, [child for child in children if child.is_running() and child.status() != 'zombie'])
"""


def test_without_an_address_it_has_a_cluster_of_its_own_until_it_is_closed(problem_path):
    done = subprocess.run(
        [sys.executable, '-c', OWN, str(problem_path)], capture_output=True, text=True, env=without_ray()
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, '[] []\n', '')


def without_ray():
    """The environment, without what a test has set for Ray."""
    return {name: value for name, value in os.environ.items() if not name.startswith('RAY_')}
