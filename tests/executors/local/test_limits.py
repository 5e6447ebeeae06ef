"""What a worker may take, and what the system is told about it."""

import json
import subprocess
import sys

import pytest

from sweeper import LocalExecutor
from sweeper.errors import InvalidArgument
from sweeper.executors.base import RunError, Task
from sweeper.executors.local.limits import in_units, with_limit_named

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != 'linux', reason='limits are enforced on Linux'),
]

PROBLEM = """
import json, os, pathlib, resource
import numpy as np
import torch

accuracy_style = 'classification'
loss = torch.nn.CrossEntropyLoss
kept = []


def dataset():
    inputs = torch.randn(32, 4)
    data = torch.utils.data.TensorDataset(inputs, (inputs[:, 0] > 0).long())
    return data, data


def take_every_byte():
    held = []
    for size in 10_000, 10:
        try:
            while True:
                held.append(bytearray(size))
        except MemoryError:
            if size == 10:
                raise


def model(code):
    exec(code, globals())
    return torch.nn.Linear(4, 2)
"""
GIB = 1 << 30


@pytest.fixture(scope='module')
def error_of(spec):
    """Runs code in a worker that may take 1 GiB, each time the same; returns the error."""
    executor = LocalExecutor(1, 0, None, GIB)
    executor.start(spec)

    def run(code):
        executor.submit(
            0, Task('run', 'measure_curve', (code,), {'seed': 1, 'lrs': [0.1], 'batch_sizes': [4]})
        )
        [(_, outcome)] = executor.wait()
        return outcome.error

    yield run
    executor.close()


@pytest.mark.parametrize(
    ('code', 'kind'),
    [
        ('[torch.zeros(1000) for _ in range(1 << 20)]', 'RuntimeError'),
        ('take_every_byte()', 'MemoryError'),
        ('try:\n    np.ones(1 << 27)\nexcept MemoryError:\n    raise KeyError', 'KeyError'),
    ],
)
def test_a_run_beyond_the_limit_fails_and_its_worker_lives_on(error_of, code, kind):
    error = error_of(f'print(os.getpid())\n{code}')
    assert error.kind == 'MemoryLimitExceeded'
    assert '1 GiB' in error.message and f': {kind}: ' in error.message
    assert ' in model\n' in error.traceback
    after = error_of('print(os.getpid())\nraise LookupError')
    assert (after.kind, after.output) == ('LookupError', error.output)


def test_a_run_has_all_its_memory_whatever_ran_before(error_of):
    in_pieces = error_of('print(os.getpid())\n[torch.zeros(1000) for _ in range(1 << 20)]')
    assert in_pieces.kind == 'MemoryLimitExceeded'
    after = error_of('print(os.getpid())\ntorch.zeros(1 << 27)\nraise LookupError')
    assert after.kind == 'LookupError'
    assert after.output != in_pieces.output  # a fresh worker had it


def test_a_run_below_the_limit_is_a_run_like_any_other(error_of):
    assert error_of('torch.zeros(1 << 26)') is None


def test_another_error_under_a_limit_stays_what_it_is(error_of):
    error = error_of("raise ValueError('MemoryError? no')")
    assert (error.kind, error.message) == ('ValueError', 'MemoryError? no')


def test_a_limit_below_what_the_problem_takes_is_told_at_once(spec):
    executor = LocalExecutor(1, 1, None, 50 << 20)
    executor.start(spec)
    try:
        executor.submit(0, Task('run', 'measure_curve', ('',), {}))
        with pytest.raises(InvalidArgument, match=r'memory limit of 50 MiB .* takes \d{3} MiB'):
            executor.wait()
    finally:
        executor.close()


def test_a_worker_goes_before_its_parent_and_leaves_no_core(error_of):
    code = """raise LookupError(json.dumps([
        int(pathlib.Path('/proc/self/oom_score_adj').read_text()),
        resource.getrlimit(resource.RLIMIT_CORE)[0],
    ]))"""
    score, core = json.loads(error_of(code).message.strip("'"))
    assert score >= 500
    assert core == 0


def test_an_interrupt_in_a_run_is_an_error_like_any_other(error_of):
    assert error_of('raise KeyboardInterrupt').kind == 'KeyboardInterrupt'
    assert error_of('') is None


@pytest.mark.parametrize(
    ('line', 'is_about_memory'),
    [
        ('MemoryError', True),
        ('MemoryError: std::bad_alloc', True),
        ('numpy._core._exceptions._ArrayMemoryError: Unable to allocate 8.00 GiB', True),
        (
            "RuntimeError: [enforce fail at alloc_cpu.cpp:1] . DefaultCPUAllocator: can't allocate memory",
            True,
        ),
        ('OSError: [Errno 12] Cannot allocate memory', True),
        ("RuntimeError: can't start new thread", True),
        ('RuntimeError: [enforce fail a', True),
        ('RuntimeError: std::bad_alloc', True),
        ('torch.OutOfMemoryError: Failed to allocate a Tensor object', True),
        ('RuntimeError: [enforce fail at inline_container.cc:1] . failed writing file', False),
        ('torch.OutOfMemoryError: CUDA out of memory', False),
        ('    raise MemoryError', False),
        ('ValueError: MemoryError', False),
        ('my.NoMemoryErrors: none', False),
    ],
)
def test_errors_about_memory_are_told_apart(line, is_about_memory):
    error = RunError('Kind', 'message', f'Traceback (most recent call last):\n  File "x"\n{line}\n')
    named = with_limit_named(error, GIB, GIB // 4)
    assert (named.kind == 'MemoryLimitExceeded') == is_about_memory
    assert named == error or ('1 GiB' in named.message and '256 MiB' in named.message)


def test_bytes_are_told_in_units():
    assert [in_units(size) for size in (300 << 20, GIB, 3 * GIB // 2)] == ['300 MiB', '1 GiB', '1.5 GiB']


FEW_FILES = """
import resource, sys
from sweeper import FixedSweep, HyperparameterSettings, sweep
from sweeper.errors import SweepError

resource.setrlimit(resource.RLIMIT_NOFILE, (64, int(sys.argv[4])))
selector = FixedSweep.with_fixed_trials([(width,) for width in range(1, 9)], 4)
settings = HyperparameterSettings(**eval(sys.argv[3]))
try:
    results = sweep(sys.argv[1], selector, 1, settings, sys.argv[2], cores=int(sys.argv[5]), progress='none')
    print(len(results))
except SweepError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ('hard', 'cores', 'said'), [(64, 2, '8\n'), (64, 16, 'raise the limit'), (4096, 16, '8\n')]
)
def test_a_sweep_with_few_open_files_works_or_says_what_it_needs(
    write_problem, tmp_path, tiny, hard, cores, said
):
    arguments = [write_problem().path, tmp_path / 'out', repr(vars(tiny)), hard, cores]
    command = [sys.executable, '-c', FEW_FILES, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert said in done.stdout, done.stderr
