"""The same sweep gives the same folder, byte for byte, however it is run; timings aside."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from sweeper import FixedSweep, get_settings, load, sweep

pytestmark = pytest.mark.slow

DIGITS = Path(__file__).parents[2] / 'examples' / 'digits_mlp.py'
SETTINGS = get_settings('fastest').replace(
    tuning_budget=8.0,
    lr_end=0.1,
    lr_candidates=2,
    batch_objective=32,
    rounds=2,
    cycle_epochs=2,
    trial_samples=3000,
)
WAYS = {
    'two cores': {'cores': 2},
    'two cores again': {'cores': 2},
    'one core': {'cores': 1},
    'inline': {'executor': 'inline', 'cores': 1},
    'inline, as if on eight cores': {'executor': 'inline', 'cores': 8},
    'eager steps': {'cores': 2, 'step': 'eager'},
    'eager steps, inline': {'executor': 'inline', 'cores': 3, 'step': 'eager'},
    'lanes': {'cores': 2, 'step': 'lanes'},
    'lanes, inline': {'executor': 'inline', 'cores': 3, 'step': 'lanes'},
}
SAME = {
    way: 'eager steps' if 'eager' in way else 'lanes' if 'lanes' in way else 'two cores'
    for way in WAYS
    if way not in ('two cores', 'eager steps', 'lanes')
}


@pytest.fixture(scope='module')
def swept(tmp_path_factory):
    """Folder and results of the sweep, run in each way."""
    done = {}
    for way, options in WAYS.items():
        folder = tmp_path_factory.mktemp('sweep') / 'out'
        selector = FixedSweep.with_fixed_trials([(8, 'relu'), (16, 'tanh'), (8, 'sigmoid')], 3)
        done[way] = folder, sweep(DIGITS, selector, 4, SETTINGS, folder, progress='none', **options)
    return done


def contents(folder):
    """Every file's content by its relative path, without the timings."""
    found = {}
    for path in sorted(path for path in folder.rglob('*') if path.is_file()):
        name = str(path.relative_to(folder))
        found[name] = path.read_bytes()
        if path.name == 'result.json':
            timed = {'seconds', 'checksum'}
            found[name] = {k: v for k, v in json.loads(path.read_text()).items() if k not in timed}
        if path.name == 'results.csv':
            rows = csv.DictReader(path.read_text().splitlines())
            found[name] = [{key: v for key, v in row.items() if key != 'seconds'} for row in rows]
    return found


@pytest.mark.parametrize(('way', 'same'), SAME.items())
def test_folder_does_not_depend_on(swept, way, same):
    assert contents(swept[way][0]) == contents(swept[same][0])


@pytest.mark.parametrize(('way', 'step'), [('two cores', 'captured'), ('lanes', 'in 8 lanes')])
def test_kinds_of_steps_give_the_same(swept, way, step):
    """Digit for digit, on this machine, in lanes nearly so."""
    _, expected = swept['eager steps']
    folder, found = swept[way]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.loss_val, other.loss_val, rtol=1e-4)
        np.testing.assert_allclose(one.lr_max, other.lr_max, rtol=1e-6)
    for path in folder.glob('points/*/trials/*/result.json'):
        assert json.loads(path.read_text())['step'] == step
    steps = json.loads((folder / 'points/0/hparams/misc.json').read_text())['steps']
    assert steps.keys() == {'lr_vs_perf', 'candidates'}
    assert steps['lr_vs_perf'] == [step.replace('8', '4')]
    assert not any('lanes' in kind for kind in steps['candidates']), 'each has other data held out'


def test_folder_holds_exactly_the_documented_files(swept):
    folder, _ = swept['two cores']
    hparams = ['final.json', 'misc.json', 'lr_vs_perf.npz', 'candidates.npz']
    trial = ['result.json', 'model.pt', 'model_init.pt', 'throughtime.npz']
    expected = {'sweep.json', 'copies/sweep.json', 'copies/params.csv'}
    expected |= {f'points/{name}' for name in ('params_lookup.pt', 'params.csv', 'funcres.pt', 'results.csv')}
    for point in range(3):
        expected |= {f'points/{point}/hparams/{name}' for name in hparams}
        expected |= {f'points/{point}/trials/{i}/{name}' for i in range(3) for name in trial}
        expected.add(f'points/{point}/results.npz')
    assert set(contents(folder)) == expected


def test_load_returns_what_sweep_returned(swept):
    folder, results = swept['two cores']
    loaded = load(folder)
    assert [result.params for result in loaded] == [result.params for result in results]
    for read, returned in zip(loaded, results, strict=True):
        for one, other in zip(read[1:], returned[1:], strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_sweep_run_again_trains_nothing_and_returns_the_same(swept):
    folder, results = swept['two cores']
    before = {path: path.stat().st_mtime_ns for path in folder.rglob('result.json')}
    selector = FixedSweep.with_fixed_trials([(8, 'relu'), (16, 'tanh'), (8, 'sigmoid')], 3)
    again = sweep(DIGITS, selector, 4, SETTINGS, folder, progress='none', cores=2)
    assert [str(result) for result in again] == [str(result) for result in results]
    assert {path: path.stat().st_mtime_ns for path in folder.rglob('result.json')} == before


def test_another_seed_gives_other_results(swept, tmp_path):
    _, results = swept['inline']
    selector = FixedSweep.with_fixed_trials([(8, 'relu')], 3)
    other = sweep(DIGITS, selector, 4, SETTINGS, tmp_path / 'out', executor='inline', seed=1, progress='none')
    assert not np.array_equal(other[0].loss_val, results[0].loss_val)
