"""Whole sweeps whose models are trained by two processes each."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from sweeper import FixedSweep, FolderError, sweep
from tests.crash.compare import differences

pytestmark = [pytest.mark.slow, pytest.mark.long]

MODEL = """
import os

def model(width):
    record(width)
    if {dies} and torch.distributed.is_initialized() and torch.distributed.get_rank() == 1:
        path = Path(__file__).with_suffix('.died')
        if len(Path(__file__).with_suffix('.calls').read_text().split()) > 10 and not path.exists():
            path.touch()
            os.kill(os.getpid(), 9)
    return torch.nn.Sequential(torch.nn.Linear(4, width), torch.nn.Dropout(0.2), torch.nn.Linear(width, 2))
"""
OPTIONS = {'cores': 2, 'processes_per_run': 2, 'progress': 'none'}


def selector():
    return FixedSweep.with_fixed_trials([(2,), (5,)], 2)


@pytest.fixture(scope='module')
def problem(problem_file, tmp_path_factory):
    return problem_file(tmp_path_factory.mktemp('problem'), model=MODEL.format(dies=False))


@pytest.fixture(scope='module')
def undisturbed(problem, tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp('undisturbed') / 'out'
    return sweep(problem.path, selector(), 1, tiny, folder, **OPTIONS), folder


def test_it_has_results_that_say_how_they_came_about(undisturbed):
    results, folder = undisturbed
    assert len(results) == 2
    assert '"processes_per_run": 2' in (folder / 'sweep.json').read_text()
    for point in (0, 1):
        for trial in (0, 1):
            text = (folder / f'points/{point}/trials/{trial}/result.json').read_text()
            assert '"step": "eager, because 2 processes train it together"' in text
        assert (
            'because 2 processes train it together'
            in (folder / f'points/{point}/hparams/misc.json').read_text()
        )


def test_it_is_continued_with_as_many_processes_only(problem, undisturbed, tiny):
    _, folder = undisturbed
    alone = {**OPTIONS, 'processes_per_run': 1}
    with pytest.raises(FolderError, match='processes per run: 2 there, 1 asked'):
        sweep(problem.path, selector(), 1, tiny, folder, **alone)


def test_a_process_that_is_killed_makes_no_difference(undisturbed, problem, problem_file, tiny, tmp_path):
    again = problem_file(tmp_path, model=MODEL.format(dies=True))
    sweep(again.path, selector(), 1, tiny, tmp_path / 'out', **OPTIONS)
    assert again.path.with_suffix('.died').exists()
    for name in ('trials/0/model.pt', 'trials/1/model.pt', 'trials/1/throughtime.npz'):
        for point in (0, 1):
            expected = undisturbed[1] / f'points/{point}/{name}'
            assert (tmp_path / f'out/points/{point}/{name}').read_bytes() == expected.read_bytes()


def test_a_sweep_that_is_killed_leaves_no_process_and_goes_on_to_the_same_folder(
    undisturbed, problem, tiny, tmp_path
):
    folder, fifo = tmp_path / 'out', tmp_path / 'fifo'
    os.mkfifo(fifo)
    code = f"""
import sys
from sweeper import FixedSweep, HyperparameterSettings, SweepListener, sweep

class Telling(SweepListener):
    def on_trials_completed(self, *_, **__):
        open({str(fifo)!r}, 'w').close()
        open({str(fifo)!r}).read()

sweep({str(problem.path)!r}, FixedSweep.with_fixed_trials([(2,), (5,)], 2), 1, {tiny!r}, {str(folder)!r},
      listeners=[Telling()], **{OPTIONS!r})
"""
    process = subprocess.Popen([sys.executable, '-c', code])
    with open(fifo):  # which waits until a point is done
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(family) >= 4
    _, alive = psutil.wait_procs(family, timeout=60)
    assert not alive
    sweep(problem.path, selector(), 1, tiny, folder, **OPTIONS)
    assert not differences(folder, undisturbed[1])
