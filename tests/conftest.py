"""What many tests share: tiny problems as files, and settings that train them in no time."""

import itertools
import json
import signal
import sys

import pytest
from hypothesis import HealthCheck, settings

from sweeper import FixedSweep, HyperparameterSettings, sweep

settings.register_profile(
    'untimed', deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile('untimed')

# A shell has what it starts in the background ignore Ctrl-C, and so would all that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

SECTIONS = {
    'imports': """
from pathlib import Path

import torch
from torch.utils.data import Subset, TensorDataset
""",
    'dataset': """
def dataset():
    inputs = torch.randn(96, 4, generator=torch.Generator().manual_seed(0))
    data = TensorDataset(inputs, (inputs[:, 0] > 0).long())
    return Subset(data, range(64)), Subset(data, range(64, 96))
""",
    'model': """
def model(width, depth=1):
    record(width)
    hidden = [torch.nn.Linear(4, width), torch.nn.ReLU()]
    return torch.nn.Sequential(*hidden, torch.nn.Linear(width, 2))
""",
    'loss': 'loss = torch.nn.CrossEntropyLoss',
    'accuracy_style': "accuracy_style = 'classification'",
    'optimizer': '',
    'record': """
def record(text):
    with open(Path(__file__).with_suffix('.calls'), 'a') as file:
        file.write(f'{text}\\n')
""",
    'ending': '',
}
_NUMBERS = itertools.count()


class ProblemFile:
    """A problem's module in a file of its own name, whose `model` records its calls beside it.

    Args:
        folder: Where to write it.
        sections: Texts that replace those of `SECTIONS`; an empty text leaves one out.
    """

    def __init__(self, folder, **sections):
        assert sections.keys() <= SECTIONS.keys()
        self.name = f'problem_{next(_NUMBERS)}'
        self.path = folder / f'{self.name}.py'
        self.text = '\n'.join((SECTIONS | sections).values())
        self.path.write_text(self.text)

    @property
    def calls(self):
        """The first parameter of every call of `model`, in whatever process, as text."""
        recorded = self.path.with_suffix('.calls')
        return recorded.read_text().split('\n')[:-1] if recorded.exists() else []


@pytest.fixture(scope='session')
def problem_file():
    return ProblemFile


@pytest.fixture
def write_problem(tmp_path):
    return lambda **sections: ProblemFile(tmp_path, **sections)


@pytest.fixture(scope='session')
def tiny():
    """Hardly any tuning: about the fewest steps in each of its runs, one epoch for a trial."""
    return HyperparameterSettings(
        tuning_budget=14.0, lr_start=1e-3, lr_end=1.0, lr_initialisations=1, lr_candidates=2, batch_size=8,
        batch_start=8, batch_end=16, batch_candidates=1, rounds=2, cycle_epochs=1, trial_samples=10**9,
        max_cycles=1,
    )  # fmt: skip


@pytest.fixture(scope='session')
def count_tuning_runs():
    """Says how many runs the tuning of a point of a sweep took, if each was of one candidate."""

    def count(folder, point=0):
        misc = json.loads((folder / f'points/{point}/hparams/misc.json').read_text())
        return misc['lr_range']['initialisations'] + sum(map(len, misc['rounds']))

    return count


@pytest.fixture(scope='session')
def sweep_inline(tiny):
    """`sweep` in this process, silent and with the least budget unless told otherwise."""

    def run(module_name, selector, folder, sweep_cores=1, hparams=tiny, **options):
        options = {'cores': 1, 'executor': 'inline', 'progress': 'none'} | options
        return sweep(module_name, selector, sweep_cores, hparams, folder, **options)

    return run


SHORT = ['--preset', 'fastest', '--setting', 'trial_samples=8000']  # of the command line

FAILING_MODEL = """
def model(width):
    record(width)
    trial = len(Path(__file__).with_suffix('.calls').read_text().split()) - 1 - {tuning_runs}
    if trial in {trials}:
        raise KeyError(f'model {{trial}} of the trials')
    return torch.nn.Linear(4, 2)
"""


@pytest.fixture
def write_failing(write_problem, sweep_inline, tmp_path):
    """Writes a problem; of a single architecture those trials fail if they are trained in order.

    Returns it and the number of runs that its tuning takes, which the tuner decides.
    """

    def write(width, *trials):
        problem = write_problem(model=FAILING_MODEL.format(tuning_runs=0, trials=()))
        sweep_inline(problem.path, FixedSweep([((width,), 0)]), tmp_path / f'tuned {problem.name}')
        tuning_runs = len(problem.calls)
        return write_problem(model=FAILING_MODEL.format(tuning_runs=tuning_runs, trials=trials)), tuning_runs

    return write


@pytest.fixture(autouse=True)
def _imports_restored():
    """A test that loads problems leaves the import path and the loaded problems as they were."""
    path, modules, main = sys.path[:], set(sys.modules), sys.modules['__main__']
    yield
    sys.path[:] = path
    sys.modules['__main__'] = main
    for name in sys.modules.keys() - modules:
        if name.removeprefix('sweeper_problem_').startswith(('problem_', 'sibling_')):
            del sys.modules[name]
