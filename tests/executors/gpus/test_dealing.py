"""Runs on GPUs that are not there: worker processes share fake cards, whose memory is kept in files.

A model 'allocates' when it is built. That may fail for want of memory, as on a card, and the worker tells
what it took. All else (processes, what they see of the GPUs, the executor) is as with real ones.
"""

import json
import os
import re
from contextlib import contextmanager

import pytest

from sweeper import FixedSweep, LocalExecutor, sweep
from sweeper.executors.base import Task
from sweeper.executors.gpus.memory import METERS, GpuMemory
from sweeper.executors.local.gpus import in_company

pytestmark = pytest.mark.slow

PROBLEM = """
import fcntl, json, os, time
from pathlib import Path

import torch

from sweeper.executors.gpus.memory import METERS, GpuMemory

accuracy_style = 'classification'
loss = torch.nn.CrossEntropyLoss
GB = 2**30
TOTAL, DATA, CONTEXT = 10 * GB, GB // 4, GB // 2


class FakeGpu:
    'The memory of the card that this process sees, in files: what a run changes in Python is put back.'

    @property
    def folder(self):
        folder = Path(os.environ['FAKE_GPUS'], os.environ['CUDA_VISIBLE_DEVICES'])
        folder.mkdir(exist_ok=True)
        return folder

    def of_process(self, name):
        return self.folder / f'{name}-{os.getpid()}'

    def used(self):
        total = 0
        for path in self.folder.glob('[0-9]*'):
            try:
                os.kill(int(path.name), 0)
                total += int(path.read_text() or 0)
            except ProcessLookupError:
                path.unlink(missing_ok=True)
        return total

    def take(self, size):
        'Raises as torch does if the card has not so much left.'
        with open(self.folder / 'lock', 'w') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            own = self.folder / str(os.getpid())
            own.unlink(missing_ok=True)
            free = TOTAL - self.used() - CONTEXT - DATA
            own.write_text(str(CONTEXT + DATA + (size if size <= free else 0)))
        if size > free:
            raise torch.OutOfMemoryError(f'CUDA out of memory. Tried to allocate {size / GB:.2f} GiB.')
        if size:
            self.of_process('peak').write_text(str(DATA + size))

    def break_down(self):
        self.of_process('broken').touch()

    def begin(self):
        self.of_process('peak').write_text(str(DATA))

    def end(self):
        if self.of_process('broken').exists():
            raise RuntimeError('CUDA error: device-side assert triggered')
        self.take(0)
        path = self.of_process('peak')
        peak = int(path.read_text()) if path.exists() else DATA
        return GpuMemory(peak, DATA, TOTAL - self.used(), TOTAL)


GPU = FakeGpu()
METERS['cpu'] = lambda device: GPU


def dataset():
    inputs = torch.randn(32, 4)
    data = torch.utils.data.TensorDataset(inputs, (inputs[:, 0] > 0).long())
    return data, data


def meet():
    'Returns when another run has come here, too.'
    folder = Path(os.environ['FAKE_GPUS'])
    if not (folder / 'meeting').exists():
        return
    with open(folder / 'meeting', 'r+') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        number = int(file.read() or 0)
        file.seek(0)
        file.write(str(number + 1))
    open(folder / f'pair{number // 2}', 'rw'[number % 2]).close()


def model(gigabytes=0, does=None, holding=None, release=None):
    GPU.take(int(gigabytes * GB))
    if does == 'meet':
        meet()
    if does == 'hold':
        open(holding, 'w').close()
        open(release).close()
    if does == 'tell':
        pids = [path.name for path in GPU.folder.glob('[0-9]*')]
        raise LookupError(json.dumps({
            'pid': os.getpid(), 'gpu': os.environ['CUDA_VISIBLE_DEVICES'], 'processes': len(pids),
        }))
    if does == 'die':
        os.kill(os.getpid(), 9)
    if does == 'break the GPU':
        GPU.break_down()
        raise RuntimeError('CUDA error: device-side assert triggered')
    if does == 'break it and go on':
        GPU.break_down()
    return torch.nn.Linear(4, 2)
"""

GB = 2**30
HPARAMS = {'lr_min': 0.01, 'lr_max': 0.3, 'batch_size': 8}


def brief(*point, seed=1):
    return Task(f'candidates {seed}', 'train_briefly', point, {'seed': seed, **HPARAMS, 'steps': 4})


def outcomes(executor, tasks):
    for key, task in enumerate(tasks):
        executor.submit(key, task)
    answers = {}
    while len(answers) < len(tasks):
        answers.update(executor.wait())
    return [answers[key] for key in range(len(tasks))]


@pytest.fixture
def fakes(tmp_path, monkeypatch):
    folder = tmp_path / 'gpus'
    folder.mkdir()
    monkeypatch.setenv('FAKE_GPUS', str(folder))
    yield folder
    METERS.pop('cpu', None)  # if this process has loaded the problem


@contextmanager
def opened(spec, gpus, cores=4, on_output=None, expect_work=False, **options):
    executor = LocalExecutor(cores, gpus=gpus, timeout=120, **options)
    try:
        executor.start(spec, expect_work, on_output)
        yield executor
    finally:
        executor.close()


@pytest.fixture
def meeting(fakes):
    """From its call on, runs of the model that meets come to an end in pairs only."""

    def begin(pairs):
        for pair in range(pairs):
            os.mkfifo(fakes / f'pair{pair}')
        (fakes / 'meeting').touch()

    return begin


def tellers(count):
    return [brief(0, 'tell', seed=seed) for seed in range(count)]


def told(results):
    return [json.loads(outcome.error.message) for outcome in results]


def test_each_worker_sees_its_own_card_alone_by_its_name(spec, fakes):
    with opened(spec, ['2', 'GPU-8932f937'], per_gpu=1, expect_work=True) as executor:
        assert executor.cores == 2
        results = told(outcomes(executor, tellers(12)))
    assert {result['gpu'] for result in results} == {'2', 'GPU-8932f937'}
    assert len({result['pid'] for result in results}) == 2
    assert {result['processes'] for result in results} == {1}


def test_so_many_runs_share_a_card(spec, fakes, meeting):
    meeting(2)
    with opened(spec, ['0'], cores=8, per_gpu=2) as executor:
        assert executor.cores == 2
        results = outcomes(executor, [*[brief(1, 'meet')] * 4, *tellers(4)])
    assert [outcome.error for outcome in results[:4]] == [None] * 4
    assert {result['processes'] for result in told(results[4:])} == {2}


def test_runs_that_need_several_cards_get_them_together(spec, fakes):
    with opened(spec, ['0', '1', '2', '3', '4'], gpus_per_run=2) as executor:
        assert executor.cores == 2
        results = told(outcomes(executor, tellers(8)))
    assert {result['gpu'] for result in results} <= {'0,1', '2,3'}


def test_by_memory_as_many_share_a_card_as_fit_once_the_first_was_measured(spec, fakes, meeting):
    printed = []
    with opened(spec, ['0'], on_output=lambda _, text: printed.append(text), expect_work=True) as executor:
        assert executor.cores == 4
        [first] = outcomes(executor, [brief(3, 'meet')])
        assert first.gpu_memory.peak == 3 * GB + GB // 4
        meeting(5)
        results = outcomes(executor, [brief(3, 'meet', seed=seed) for seed in range(10)])
        [after] = told(outcomes(executor, tellers(1)))
    assert [outcome.error for outcome in results] == [None] * 10
    assert not [text for text in printed if 'out of memory' in text]  # which three at a time are
    assert after['processes'] == 2


def test_a_run_tells_what_it_took_of_its_card(spec, fakes):
    with opened(spec, ['0']) as executor:
        [outcome] = outcomes(executor, [brief(3)])
    free = 10 * GB - 3 * GB // 4
    assert outcome.gpu_memory == GpuMemory(3 * GB + GB // 4, GB // 4, free, 10 * GB)


def test_a_run_that_runs_out_of_memory_beside_others_is_tried_again_alone(spec, fakes):
    holding, release = str(fakes / 'holding'), str(fakes / 'release')
    for path in (holding, release):
        os.mkfifo(path)
    printed = []

    def on_output(task, text):
        printed.append((task.name, text))
        if 'out of memory' in text:
            open(release, 'w').close()

    with opened(spec, ['0'], per_gpu=2, on_output=on_output) as executor:
        executor.submit(0, brief(6, 'hold', holding, release, seed=1))
        open(holding).close()  # it has its memory
        executor.submit(1, brief(6, seed=2))
        answers = {}
        while len(answers) < 2:
            answers.update(executor.wait())
        [after] = told(outcomes(executor, tellers(1)))
    assert [answers[key].error for key in range(2)] == [None, None]
    [(name, text)] = [(name, text) for name, text in printed if 'out of memory' in text]
    assert name == 'candidates 2'
    assert text.startswith('[sweeper] GPU 0 ran out of memory beside candidates 1 of (6, hold')
    assert after['processes'] == 1  # the others were ended for it


def test_a_run_that_is_too_large_for_a_card_fails_alone_and_with_figures(spec, fakes):
    with opened(spec, ['0', '1']) as executor:
        bad, *good = outcomes(executor, [brief(20), *[brief(1, seed=seed) for seed in range(4)]])
    assert bad.error.kind == 'OutOfMemoryError'
    assert re.fullmatch(
        r'the run needs more memory than GPU [01] has\. With the GPU to itself, it had 256 MiB of 10 GiB '
        r'when it asked for more; 9\.25 GiB were free once it had ended\. Before that it had failed with '
        r'no other run of this sweep there\. OutOfMemoryError: CUDA out of memory\. Tried to allocate .*',
        bad.error.message,
    )
    assert 'in model' in bad.error.traceback
    assert bad.gpu_memory.total == 10 * GB
    assert [outcome.error for outcome in good] == [None] * 4


@pytest.mark.parametrize('does', ['break the GPU', 'break it and go on'])
def test_after_a_kernel_that_failed_runs_have_a_fresh_process(spec, fakes, does):
    with opened(spec, ['0'], cores=1) as executor:
        [before, bad, after] = outcomes(executor, [*tellers(1), brief(0, does), *tellers(1)])
    assert bad.error.kind == 'RuntimeError' and 'device-side assert' in bad.error.message
    assert told([before])[0]['pid'] != told([after])[0]['pid']


def test_a_worker_that_dies_is_replaced_on_its_card(spec, fakes):
    with opened(spec, ['0', '1'], per_gpu=1, retries=0) as executor:
        bad, *good = outcomes(executor, [brief(0, 'die'), *tellers(6)])
    assert bad.error.kind == 'WorkerDied'
    assert {result['gpu'] for result in told(good)} <= {'0', '1'}


def test_a_sweep_on_gpus_gives_the_same_results_however_they_are_shared(
    problem_path, fakes, tmp_path, tiny, monkeypatch
):
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', 'those of the parent')
    options = [{}, {'gpus': ['0', '1'], 'per_gpu': 2}, {'gpus': ['0']}]
    sweeps = [
        sweep(
            problem_path, FixedSweep([((1,), 2), ((3,), 2)]), 2, tiny, tmp_path / str(at), device='cpu',
            progress='none', executor=LocalExecutor(2, **shared),
        )
        for at, shared in enumerate(options)
    ]  # fmt: skip
    first, *others = [[tuple(map(str, result)) for result in results] for results in sweeps]
    assert len(first) == 2 and others == [first, first]


def test_company_is_named_the_first_few_of_it():
    assert in_company([]) == 'with no other run of this sweep there'
    assert in_company([brief(1, seed=7)]) == 'beside candidates 7 of (1)'
    text = in_company([brief(1, seed=seed) for seed in range(5)])
    assert text == 'beside candidates 0 of (1), candidates 1 of (1), candidates 2 of (1) and 2 more'
