"""Architectures that do the worst to their process cost themselves only, in a real sweep on two cores."""

import json
import warnings

import psutil
import pytest

from sweeper import FixedSweep, sweep

pytestmark = pytest.mark.slow

MODEL = """
import ctypes, logging, os, signal, threading

def model(kind):
    print('a model of kind', kind)
    logging.getLogger('problem').warning('logged for %s', kind)
    if kind == 'raises':
        raise ValueError('no such width')
    if kind == 'segmentation fault':
        ctypes.string_at(0)
    if kind == 'exits':
        os._exit(7)
    if kind == 'killed':  # as the system does when memory runs out
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == 'hangs':
        threading.Event().wait()
    if kind == 'takes memory':
        return [torch.empty(2**28) for _ in range(100)]
    layer = torch.nn.Linear(4, 2)
    if kind == 'nan':
        torch.nn.init.constant_(layer.weight, float('nan'))
    return torch.nn.Sequential(layer, torch.nn.Flatten(0)) if kind == 'wrong shape' else layer
"""
WHY = {  # kind, signal, what the message says, what is among traceback and output
    'raises': ('ValueError', None, 'no such width', 'in model'),
    'segmentation fault': ('WorkerDied', 'SIGSEGV', 'was killed by SIGSEGV, 2 times', 'string_at'),
    'exits': ('WorkerDied', None, 'ended with exit code 7, 2 times', 'a model of kind exits'),
    'killed': ('WorkerDied', 'SIGKILL', 'as the system does when memory runs out', 'a model of kind killed'),
    'hangs': ('TimedOut', None, 'longer than the timeout of 8 seconds', 'in wait'),
    'takes memory': ('MemoryLimitExceeded', None, 'memory limit of 4 GiB', 'in model'),
    'wrong shape': ('ValueError', None, 'target must have size', 'cross_entropy'),
    'nan': ('TuningFailed', None, 'NaN or infinite from the start', ''),
}


@pytest.fixture(scope='module')
def swept(tmp_path_factory, problem_file, tiny):
    """Folder and results of a sweep of healthy architectures among all the others."""
    tmp_path = tmp_path_factory.mktemp('apples')
    problem = problem_file(tmp_path, model=MODEL)
    kinds = ['healthy', *WHY, 'as healthy']
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        results = sweep(
            problem.path, FixedSweep.with_fixed_trials([(kind,) for kind in kinds], 2), 1, tiny,
            tmp_path / 'out', cores=2, progress='none', timeout=8, memory='4GB',
        )  # fmt: skip
    alone = sweep(
        problem.path, FixedSweep.with_fixed_trials([('healthy',), ('as healthy',)], 2), 1, tiny,
        tmp_path / 'alone', executor='inline', cores=1, progress='none',
    )  # fmt: skip
    return tmp_path / 'out', results, alone


def test_the_healthy_ones_are_as_if_they_were_alone(swept):
    _, results, alone = swept
    assert [result.params for result in results] == [('healthy',), ('as healthy',)]
    assert str(results) == str(alone)


@pytest.mark.parametrize('kind', WHY)
def test_each_failure_says_why(swept, kind):
    folder, results, _ = swept
    name, signal, message, trace = WHY[kind]
    error = dict(results.failures)[kind,]
    assert (error.kind, error.signal, error.phase) == (name, signal, 'tuning')
    assert message in error.message
    assert trace in error.traceback + error.output
    if name != 'TuningFailed':
        assert f'a model of kind {kind}' in error.output
    written = json.loads((folder / 'points' / str(1 + list(WHY).index(kind)) / 'error.json').read_text())
    assert (written['kind'], written['signal'], written['output']) == (name, signal, error.output)


def test_what_runs_print_is_in_their_points_log_with_the_run(swept, capfd):
    folder, _, _ = swept
    lines = (folder / 'points' / '0' / 'log.txt').read_text().splitlines()
    for run in ('lr_vs_perf 0', 'candidates 0', 'trial 0', 'trial 1'):
        for text in ('a model of kind healthy', 'logged for healthy'):
            assert any(line.endswith(f' {run} | {text}') for line in lines)
    assert not any('as healthy' in line for line in lines)
    assert 'a model' not in capfd.readouterr().err


def test_no_process_is_left(swept):
    assert not [child for child in psutil.Process().children() if 'worker' in ' '.join(child.cmdline())]
