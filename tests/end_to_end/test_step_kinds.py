"""Whatever the kind of step, a sweep gives the answer of eager steps, and says how they were taken."""

import contextlib
import json

import numpy as np
import pytest

from sweeper import FixedSweep, cli, get_settings, load

from ..conftest import SHORT

pytestmark = pytest.mark.slow

DATASET = """
def dataset():
    from sklearn.datasets import load_digits
    images, digits = load_digits(return_X_y=True)
    inputs, targets = torch.tensor(images / 16, dtype=torch.float32), torch.tensor(digits)
    return TensorDataset(inputs[:300], targets[:300]), TensorDataset(inputs[300:500], targets[300:500])
"""
MODEL = """
def model(width):
    return torch.nn.Sequential(torch.nn.Linear(64, width), torch.nn.ReLU(), torch.nn.Linear(width, 10))
"""
PENALISED = """
class Warmup:
    def __init__(self):
        self.step = 0

    def weight(self):
        self.step += 1
        return {weight}

class loss(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.warmup = Warmup()

    def forward(self, output, target):
        penalty = self.warmup.weight() * output.pow(2).mean()
        return torch.nn.functional.cross_entropy(output, target) + penalty
"""


def contents(folder):
    """All numbers of a sweep of one point, and the kinds of steps of its tuning and of its trials."""
    (point,) = load(folder)
    numbers = {name: getattr(point, name).tolist() for name in ('loss_train', 'loss_val', 'perf_val')}
    for path in sorted((folder / 'points/0/hparams').glob('*.npz')):
        with np.load(path) as arrays:
            numbers |= {f'{path.name}: {name}': arrays[name].tolist() for name in arrays}
    numbers['tuned'] = json.loads((folder / 'points/0/hparams/final.json').read_text())
    kinds = json.loads((folder / 'points/0/hparams/misc.json').read_text())['steps']
    trials = [
        json.loads(path.read_text())['step'] for path in sorted(folder.glob('points/0/trials/*/result.json'))
    ]
    return numbers, [kind for some in kinds.values() for kind in some], trials


@pytest.mark.parametrize(
    'weight', ['min(1.0, self.step / 10000)', 'float(self.step > 200)'], ids=['annealed', 'jumping']
)
def test_a_penalty_that_changes_with_time_is_as_it_is_eagerly(weight, write_problem, sweep_inline, tmp_path):
    problem = write_problem(dataset=DATASET, model=MODEL, loss=PENALISED.format(weight=weight))
    found = {}
    for step in ('eager', 'auto'):
        folder = tmp_path / step
        settings = get_settings('fastest').replace(score_on='training', length='fixed')  # all take many steps
        sweep_inline(problem.path, FixedSweep([((16,), 2)]), folder, hparams=settings, step=step)
        found[step], kinds, trials = contents(folder)
        if step == 'auto':
            for kind in [*kinds, *trials]:
                assert kind.startswith('eager, because ')
                assert 'changes variables or attributes as it runs (criterion.warmup' in kind
    assert found['auto'] == found['eager']


READING = """
from sweeper.m import _

class Net(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.into, self.out = torch.nn.Linear(64, width), torch.nn.Linear(width, 10)

    def forward(self, inputs):
        return self.out(torch.tanh(self.into(inputs) * _('gain', 1.0)))

def model():
    return Net(_('width', 8))
"""
INLINE = [*SHORT, '--executor', 'inline', '--cores', '1', '--quiet']
KINDS = {'eager': 'eager', 'captured': 'captured', 'auto': 'captured', 'lanes': 'in 8 lanes'}


def test_a_declared_parameter_read_in_forward_gives_the_same_with_every_kind_of_step(
    write_problem, tmp_path, monkeypatch
):
    few = DATASET.replace(':300]', ':100]')
    problem = write_problem(dataset=few, model=READING)
    found = {}
    for step, kind in KINDS.items():
        folder = tmp_path / step
        arguments = ['--grid', 'gain=0.5,2.0', '--trials', '8', '--step', step, '--out', str(folder)]
        monkeypatch.setattr('sys.argv', ['sweeper', 'run', str(problem.path), *arguments, *INLINE])
        with contextlib.suppress(SystemExit):
            cli.main()
        for path in folder.glob('points/*/trials/*/result.json'):
            assert json.loads(path.read_text())['step'] == kind
        found[step] = [(point.loss_train, point.loss_val) for point in load(folder)]
    assert not np.allclose(*found['eager'], rtol=0.1)  # it is read, as it was set
    for step in ('captured', 'auto'):
        np.testing.assert_array_equal(found[step], found['eager'])
    np.testing.assert_allclose(found['lanes'], found['eager'], rtol=1e-3)
