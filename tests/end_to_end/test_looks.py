"""A sweep that is run again with more trials is looked at again, however often it was interrupted."""

import json
import subprocess
import sys

import pytest

from sweeper import FixedHyperparameters, FixedSweep, SweepListener
from sweeper.errors import FolderError
from sweeper.store.looks import Look
from sweeper.store.store import Store

FIXED = FixedHyperparameters(lr=0.1, batch_size=8, epochs=1)


class Interrupts(SweepListener):
    """Presses Ctrl-C after so many trials, those that were there already included."""

    def __init__(self, after):
        self._left = after

    def on_trials_completed(self, point, perf_train, *scores):
        self._left -= len(perf_train)
        if self._left <= 0:
            raise KeyboardInterrupt


@pytest.fixture
def swept(write_problem, sweep_inline, tmp_path):
    """Runs a sweep of two points with so many trials."""
    problem = write_problem()

    def run(trials, folder='out', points=((2,), (4,)), **options):
        selector = FixedSweep.with_fixed_trials(list(points), trials)
        return sweep_inline(problem.path, selector, tmp_path / folder, hparams=FIXED, **options)

    return run


def manifest(folder):
    content = json.loads((folder / 'sweep.json').read_text())
    return {name: value for name, value in content.items() if name not in ('origin', 'checksum')}


def test_each_end_with_more_trials_is_a_look(swept, tmp_path):
    out = tmp_path / 'out'
    assert swept(2).store.look == Look(1)
    assert swept(2).store.look == Look(1)  # nothing new to see
    assert swept(3).store.look == Look(2)
    assert swept(1, points=[(2,)]).store.look == Look(2)
    assert swept(2, points=[(2,), (8,)]).store.look == Look(3)
    assert manifest(out)['looks'] == ['2*2', '3*2', '3*2 2*1']
    assert Store.read(out).look == Look(3)


def test_looks_are_the_same_whether_a_sweep_was_interrupted_or_not(swept, tmp_path):
    swept(1, 'whole')
    swept(3, 'whole')
    for trials, after in ((1, 1), (3, 3), (3, 4)):
        with pytest.raises(KeyboardInterrupt):
            swept(trials, listeners=[Interrupts(after)])
        look = Store.read(tmp_path / 'out').look
        assert look == Look(1 if trials == 1 else 2, True)
        if trials == 1:
            swept(1)
    swept(3)
    assert manifest(tmp_path / 'out') == manifest(tmp_path / 'whole')


def test_a_sweep_that_tunes_only_shows_nothing(swept, tmp_path):
    swept(0)
    assert manifest(tmp_path / 'out')['looks'] == []


def test_how_results_are_compared_is_on_record_and_fixed(swept, tmp_path):
    swept(1, margin=0.02, looks=4)
    recorded = manifest(tmp_path / 'out')
    names = ('margin', 'paired', 'planned_looks', 'val_size')
    assert [recorded[name] for name in names] == [0.02, None, 4, 32]
    swept(2)
    swept(2, margin=0.03)
    assert (manifest(tmp_path / 'out') | {'looks': None}) == (recorded | {'looks': None, 'margin': 0.03})
    for change in ({'paired': True}, {'looks': 5}):
        with pytest.raises(FolderError, match='how they are compared is fixed before'):
            swept(2, **change)


def test_trials_of_a_resample_know_what_they_are_validated_on(swept, tmp_path):
    swept(1, resample='folds:4')
    assert manifest(tmp_path / 'out')['val_size'] == 24
    assert Store.read(tmp_path / 'out').manifest.is_paired


@pytest.mark.slow
def test_the_command_line_speaks_of_its_options(swept, write_problem, tmp_path):
    path = write_problem().path
    command = [sys.executable, '-m', 'sweeper', 'run', path, '--grid', 'width=2,4', '--trials', '1']
    command += ['--lr', '0.1', '--batch-size', '8', '--epochs', '1', '--out', tmp_path / 'cli']
    command += ['--executor', 'inline', '--sweep-cores', '1', '--quiet']

    def run(*options):
        done = subprocess.run([*map(str, command), *options], capture_output=True, text=True)
        return done.returncode, done.stderr

    assert run('--paired', '--looks', '2')[0] == 0
    assert run()[0] == 0
    for options, message in (
        (['--unpaired'], 'started with --paired, not with --unpaired. Leave that out'),
        (['--looks', '3'], 'started with --looks 2, not with --looks 3. Leave that out'),
        (['--margin', '-1'], '--margin -1.0: must be a positive number'),
    ):
        code, printed = run(*options)
        assert code != 0 and message in ' '.join(printed.split())
