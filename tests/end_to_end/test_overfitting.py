"""Real sweeps of a wide network on labels a quarter of which are wrong, which it learns by heart in time."""

import json

import numpy as np
import pytest

from sweeper import FixedSweep, get_settings, sweep
from sweeper.executors import inline

from .test_resampling import files

PROBLEM = """
import torch
from sklearn.datasets import load_digits
from torch.utils.data import TensorDataset


def model(width):
    layers = torch.nn.Linear(64, width), torch.nn.ReLU(), torch.nn.Linear(width, 10)
    return torch.nn.Sequential(*layers)


def dataset():
    digits = load_digits()
    images, labels = torch.tensor(digits.data / 16, dtype=torch.float32), torch.tensor(digits.target)
    generator = torch.Generator().manual_seed(0)
    wrong = torch.randperm(600, generator=generator)[:150]
    labels[wrong] = (labels[wrong] + torch.randint(1, 10, (150,), generator=generator)) % 10
    return TensorDataset(images[:600], labels[:600]), TensorDataset(images[600:1200], labels[600:1200])


loss = torch.nn.CrossEntropyLoss
accuracy_style = 'classification'
"""
SETTINGS = get_settings('fast').replace(trial_samples=60_000)
WIDTH = (100,)


class Runs:
    """Trains each run once, whatever the folder, and presses Ctrl-C before one of them.

    Attributes:
        briefly: The brief trainings, in order, with their arguments.
        left: How many brief trainings may still be started; None for no limit.
    """

    def __init__(self):
        self.briefly, self.left = [], None
        self._perform, self._outcomes = inline.perform, {}

    def perform(self, workspace, task, *isolation):
        if task.function == 'train_briefly':
            if self.left == 0:
                raise KeyboardInterrupt
            self.left = self.left and self.left - 1
            self.briefly.append(task.arguments)
        key = json.dumps([task.name, task.function, task.arguments], default=np.ndarray.tolist)
        if task.function == 'dry_run' or key not in self._outcomes:
            self._outcomes[key] = self._perform(workspace, task, *isolation)
        return self._outcomes[key]


@pytest.fixture(scope='module')
def runs():
    return Runs()


@pytest.fixture(scope='module')
def problem(tmp_path_factory):
    path = tmp_path_factory.mktemp('problem') / 'labels.py'
    path.write_text(PROBLEM)
    return path


@pytest.fixture
def run(runs, problem, monkeypatch):
    monkeypatch.setattr(inline, 'perform', runs.perform)

    def run(folder, **changes):
        runs.briefly, options = [], {'executor': 'inline', 'progress': 'none'}
        selector = FixedSweep.with_fixed_trials([WIDTH], 2)
        results = sweep(problem, selector, 1, SETTINGS.replace(**changes), folder, **options)
        hparams = folder / 'points/0/hparams'
        final, misc = (json.loads((hparams / f'{name}.json').read_text()) for name in ('final', 'misc'))
        return results, final, misc

    return run


@pytest.mark.slow
def test_trials_are_shorter_than_of_a_fixed_length_and_better_on_validation_data(run, tmp_path):
    (tuned, final, misc), (fixed, longest, plain) = (
        run(tmp_path / length, length=length) for length in ('tuned', 'fixed')
    )
    assert final['epochs'] < longest['epochs'] == SETTINGS.trial_epochs(600)
    assert (final['epochs'] / final['cycle_size_epochs']).is_integer()
    assert 'stopped_early' in misc['flags'] and 'stopped_early' not in plain['flags']
    assert 0 <= misc['probability_best'] <= 1 and misc['scored_on'] == 'held-out'
    means = [
        np.mean([trial.perf_val for trial in results.trials[WIDTH].values()]) for results in (tuned, fixed)
    ]
    assert means[0] > means[1]
    assert all(trial.epochs == final['epochs'] for trial in tuned.trials[WIDTH].values())


@pytest.mark.slow
@pytest.mark.parametrize('missing', [1, 4])
def test_interrupted_in_its_last_round_a_tuning_ends_as_if_it_never_had_been(run, runs, tmp_path, missing):
    run(tmp_path / 'whole')
    last = [one for one in runs.briefly if one['steps'] == runs.briefly[-1]['steps']]
    count = len(runs.briefly)
    assert {one.get('holdout_part', 0) for one in last} >= {0, 1} and len(last) > missing
    runs.left = count - missing
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / 'interrupted')
    runs.left = None
    assert not (tmp_path / 'interrupted/points/0/hparams/final.json').exists()
    run(tmp_path / 'interrupted')
    assert len(runs.briefly) == missing, 'the others are read from disk'
    assert files(tmp_path / 'interrupted') == files(tmp_path / 'whole')
