"""Trials whose process is killed go on from the last cycle that was saved, and the folder is the same."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sweeper import FixedHyperparameters, FixedSweep, InlineExecutor, LocalExecutor, sweep

from .compare import differences

ROOT = Path(__file__).parents[2]
EPOCHS, STEPS = 6, 5  # steps of an epoch
PROBLEM = """
import os
import signal
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import TensorDataset

HERE = Path(__file__).parent


def taken():
    return (HERE / 'steps').stat().st_size if (HERE / 'steps').exists() else 0


class Net(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, width), nn.Dropout(0.2), nn.ReLU(), nn.Linear(width, 2))

    def forward(self, x):
        if self.training:
            with open(HERE / 'steps', 'ab') as file:
                file.write(b'.')
            if (HERE / 'kill').exists() and taken() == int((HERE / 'kill').read_text()):
                victim = (HERE / 'victim').read_text()
                (HERE / 'kill').unlink()
                os.kill(os.getpid() if victim == 'worker' else int(victim), signal.SIGKILL)
                while victim != 'worker':
                    signal.pause()
        return self.layers(x)


def model(width):
    return Net(width)


def dataset():
    x = torch.randn(60, 3, generator=torch.Generator().manual_seed(1))
    y = (x.sum(1) > 0).long()
    return TensorDataset(x[:40], y[:40]), TensorDataset(x[40:], y[40:])


loss = nn.CrossEntropyLoss
accuracy_style = 'classification'
schedule = 'cosine'


def optimizer(parameters, lr):
    return torch.optim.AdamW(parameters, lr)
"""
SCRIPT = """
import sys
from pathlib import Path

sys.path.insert(0, {root!r})
from tests.crash.test_checkpoints import run

if __name__ == '__main__':
    run(Path({folder!r}), {local}, **{options})
"""


def run(folder, local=True, trials=1, **options):
    executor = LocalExecutor(1, checkpoint_seconds=0) if local else InlineExecutor(1, checkpoint_seconds=0)
    settings = FixedHyperparameters(lr=0.05, batch_size=8, epochs=EPOCHS, cycle_epochs=1)
    sweep(
        folder / 'problem.py', FixedSweep.with_fixed_trials([(4,)], trials), 1, settings, folder / 'out',
        executor=executor, progress='none', device='cpu', step='eager', **options,
    )  # fmt: skip


def made(folder, kill=None, victim='worker'):
    folder.mkdir()
    (folder / 'problem.py').write_text(PROBLEM)
    if kill is not None:
        (folder / 'kill').write_text(str(kill))
        (folder / 'victim').write_text(victim)
    return folder


def steps(folder):
    return (folder / 'steps').stat().st_size


@pytest.fixture(scope='module')
def uninterrupted(tmp_path_factory):
    folder = made(tmp_path_factory.mktemp('whole') / 'x')
    run(folder, local=False)
    assert not (folder / 'out/points/0/checkpoints').exists()
    return folder


def killed(folder, step, local=False, **options):
    """A folder in which a sweep was killed in the middle of a trial."""
    made(folder)
    script = folder / 'script.py'
    script.write_text(SCRIPT.format(root=str(ROOT), folder=str(folder), local=local, options=options))
    process = subprocess.Popen([sys.executable, script], cwd=ROOT)
    (folder / 'victim').write_text(str(process.pid))
    (folder / 'kill').write_text(str(step))
    assert process.wait(120) == -signal.SIGKILL
    return folder


def assert_same(folder, uninterrupted):
    """But for where the problem is."""
    manifests = {'sweep.json', 'copies/sweep.json'}
    assert {*differences(folder / 'out', uninterrupted / 'out')} == manifests


def dry(uninterrupted):
    """The steps of the dry run."""
    return steps(uninterrupted) - EPOCHS * STEPS


def test_a_worker_that_is_killed_goes_on_from_the_last_cycle(uninterrupted, tmp_path):
    kill = dry(uninterrupted) + 3 * STEPS + 2  # in the fourth cycle
    folder = made(tmp_path / 'x', kill)
    run(folder)
    assert steps(folder) == steps(uninterrupted) + 2  # those of the fourth cycle are taken once more
    assert_same(folder, uninterrupted)


@pytest.mark.parametrize('local', [True, False])
def test_a_sweep_that_is_killed_goes_on_from_the_last_cycle(local, uninterrupted, tmp_path):
    folder = killed(tmp_path / 'x', dry(uninterrupted) + 4 * STEPS + 1, local)
    assert os.listdir(folder / 'out/points/0/checkpoints') == ['0.pt']
    run(folder, local)
    assert steps(folder) == steps(uninterrupted) + 1
    assert_same(folder, uninterrupted)


def test_a_state_that_is_damaged_is_set_aside_and_the_trial_starts_afresh(uninterrupted, tmp_path):
    folder = killed(tmp_path / 'x', dry(uninterrupted) + 4 * STEPS + 1)
    path = folder / 'out/points/0/checkpoints/0.pt'
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.warns(match=r'points/0/checkpoints/0.pt is set aside as damaged/points/0/checkpoints/0.pt'):
        run(folder, local=False)
    assert (folder / 'out/damaged/points/0/checkpoints/0.pt').read_bytes() == data
    assert steps(folder) == steps(uninterrupted) + 4 * STEPS + 1
    assert_same(folder, uninterrupted)


def test_a_changed_problem_that_is_accepted_starts_afresh(uninterrupted, tmp_path):
    folder = killed(tmp_path / 'x', dry(uninterrupted) + 4 * STEPS + 1)
    (folder / 'problem.py').write_text(PROBLEM.replace('Dropout(0.2)', 'Dropout(0.3)'))
    run(folder, local=False, if_changed='accept:source')
    assert steps(folder) == steps(uninterrupted) + 4 * STEPS + 1


def test_a_resample_goes_on_with_its_own_split(tmp_path):
    options = {'resample': 'folds:3', 'trials': 2}
    whole = made(tmp_path / 'whole')
    run(whole, local=False, **options)
    before = steps(whole) - 2 * EPOCHS * STEPS  # 40 of the 60 samples are trained on, as without
    folder = killed(tmp_path / 'x', before + (EPOCHS + 4) * STEPS + 1, **options)
    assert os.listdir(folder / 'out/points/0/checkpoints') == ['1.pt']
    run(folder, local=False, **options)
    assert steps(folder) == steps(whole) + 1
    assert_same(folder, whole)
