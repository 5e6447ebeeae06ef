"""How many functions of the package does a trial's result pass on its way to disk? Counted, not timed.

    python benchmarks/result_path.py [--list]

An inline sweep of one point with one trial is profiled from where the trial's training returns: until
`results.csv` has its row, and until `sweep` returns. Prints the calls of functions (not those of
comprehensions or lambdas), the moves from one file to another, and the files; `--list` all calls, in order.
What is in `training/` is left out: a worker does that, in its own process, to put back what a run changed.
"""

import itertools
import os
import sys
import tempfile
from pathlib import Path

import sweeper
from sweeper import FixedSweep, get_settings, sweep, work

PACKAGE = f'{Path(sweeper.__file__).parent}{os.sep}'
PROBLEM = """
import torch
from torch import nn
from torch.utils.data import TensorDataset

loss = nn.CrossEntropyLoss
accuracy_style = 'classification'


def model(hidden):
    return nn.Sequential(nn.Linear(4, hidden), nn.ReLU(), nn.Linear(hidden, 2))


def dataset():
    x = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
    data = TensorDataset(x, (x[:, 0] > 0).long())
    return data, data
"""


class ResultPath:
    """What is called, in order; `until` is how many calls there were when `results.csv` had a row."""

    def __init__(self, table):
        self.calls, self.until, self._table = [], None, table

    def profile(self, frame, event, argument):
        code = frame.f_code
        if event == 'call' and code.co_filename.startswith(PACKAGE) and not code.co_name.startswith('<'):
            file = code.co_filename.removeprefix(PACKAGE)
            if not file.startswith('training'):
                self.calls.append((file, code.co_name))
        elif (
            event == 'c_return' and argument.__name__ == 'replace' and self.until is None and self._is_there()
        ):
            self.until = len(self.calls)

    def _is_there(self):
        return self._table.exists() and self._table.read_text().count('\n') > 1


def measured(folder):
    """Sweeps, and returns what was called from the end of the trial on."""
    (folder / 'problem.py').write_text(PROBLEM)
    train = work.FUNCTIONS['train_trial']
    # In `sys`, since what a run changes in modules of the user's is put back after it.
    sys._result_path = ResultPath(folder / 'out/points/results.csv')

    def train_then_profile(*args, **options):
        result = train(*args, **options)
        sys.setprofile(sys._result_path.profile)
        return result

    work.FUNCTIONS['train_trial'] = train_then_profile
    settings = get_settings('fastest').replace(trial_samples=640, tuning_budget=0.2)
    selector = FixedSweep.with_fixed_trials([(4,)], 1)
    out = folder / 'out'
    sweep(folder / 'problem.py', selector, 1, settings, out, executor='inline', progress='none')
    sys.setprofile(None)
    return sys._result_path


def report(what, calls):
    files = [file for file, _ in calls]
    moves = sum(one != other for one, other in itertools.pairwise(files))
    print(f'{what}: {len(calls)} calls, {moves} moves between {len(set(files))} files')


if __name__ == '__main__':
    with tempfile.TemporaryDirectory() as name:
        path = measured(Path(name))
    report('until results.csv has the trial', path.calls[: path.until])
    report('until sweep() returns', path.calls)
    if '--list' in sys.argv:
        for file, function in path.calls:
            print(f'{file}: {function}')
