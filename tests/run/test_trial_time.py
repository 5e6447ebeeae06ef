"""A time for each trial is turned into samples once, and is on record then."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper import FixedHyperparameters, FixedSweep, FolderError, InvalidArgument, ProblemError, SweepConfig
from sweeper.run import trial_time
from sweeper.training.speed import Speed
from sweeper.tuning.settings import get_settings
from sweeper.tuning.timed import samples_in


@given(st.floats(1, 1e5), st.floats(1e-6, 1), st.floats(0, 100), st.integers(1, 10**6))
def test_a_trial_takes_about_the_time(seconds, sample, scoring, train_size):
    settings = get_settings('fast')
    samples = samples_in(seconds, sample, scoring, settings, train_size)
    epochs = settings.replace(trial_samples=samples).trial_epochs(train_size)
    cycles = epochs / settings.replace(trial_samples=samples).trial_cycle_epochs(train_size)
    assert cycles == round(cycles) <= settings.max_cycles
    assert epochs * train_size == pytest.approx(samples, rel=1e-5)
    takes = samples * sample + cycles * scoring
    if cycles < settings.max_cycles and samples > 1 and scoring < seconds / 2:
        assert takes <= 1.06 * seconds
        assert takes >= 0.49 * seconds or samples == settings.cycle_epochs * train_size


def test_examples():
    settings = get_settings('fast')
    assert samples_in(120, 0.002, 24, settings, 32_000) == 48_000  # 1.5 epochs
    assert samples_in(120, 1e-5, 0.1, settings, 1437) == 40 * 14_370
    assert samples_in(1, 1e-4, 0.5, settings, 500) == 5000


@pytest.fixture
def timed(monkeypatch):
    """Says how fast architectures are; returns the list of points that were timed."""
    calls = []

    def measured(executor, points, seed, batch_size):
        calls.append(points[0])
        return Speed(timed.sample, 0.0)

    def set_speed(sample):
        timed.sample = sample

    timed = set_speed
    timed.calls = calls
    set_speed(1.0)
    monkeypatch.setattr(trial_time, 'measured_speed', measured)
    return timed


def manifest(folder):
    return json.loads((folder / 'sweep.json').read_text())


def test_it_is_measured_once_and_kept(timed, sweep_inline, write_problem, tmp_path, tiny, capsys):
    problem, folder = write_problem(), tmp_path / 'out'

    def run(*widths, **options):
        selector = FixedSweep.with_fixed_trials([(width,) for width in widths], 1)
        options = {'minutes_per_trial': 0.8, 'hparams': tiny} | options
        return sweep_inline(problem.path, selector, folder, **options)

    run(4, 8, progress='plain')
    assert timed.calls == [(4,)]
    recorded = manifest(folder)
    assert (recorded['minutes_per_trial'], recorded['settings']['trial_samples']) == (0.8, 48)
    text = '0.8 minutes per trial = 48 samples = 0.75 epochs'
    assert text in capsys.readouterr().err and text in (folder / 'log.txt').read_text()
    for point in (0, 1):
        final = json.loads((folder / f'points/{point}/hparams/final.json').read_text())
        assert final['epochs'] == 0.75
    timed(0.001)  # another machine
    run(4, 8, 2)
    assert len(timed.calls) == 1 and manifest(folder)['settings'] == recorded['settings']
    assert json.loads((folder / 'points/2/hparams/final.json').read_text())['epochs'] == 0.75
    for minutes in (1.0, None):
        with pytest.raises(FolderError, match=r'minutes per trial: 0\.8 there, (1\.0|none) asked'):
            run(4, minutes_per_trial=minutes)
    run(4, minutes_per_trial=1.0, if_changed='restart')
    assert len(timed.calls) == 2 and manifest(folder)['settings']['trial_samples'] == 64


def test_the_most_cycles_are_said(timed, sweep_inline, write_problem, tmp_path, capsys, tiny):
    timed(1e-6)
    selector = FixedSweep.with_fixed_trials([(4,)], 1)
    options = {'hparams': tiny, 'progress': 'plain'}
    sweep_inline(write_problem().path, selector, tmp_path / 'out', minutes_per_trial=1, **options)
    assert '= 64 samples = 1 epochs, the most that max_cycles=1 allows' in capsys.readouterr().err


def test_it_works_with_presets(timed, sweep_inline, write_problem, tmp_path):
    timed(60 / 40)
    selector = FixedSweep.with_fixed_trials([(4,)], 1)
    folder = tmp_path / 'out'
    sweep_inline(write_problem().path, selector, folder, hparams='fastest', minutes_per_trial=1)
    assert manifest(folder)['preset'] == 'fastest' and manifest(folder)['settings']['trial_samples'] == 40


def test_what_is_tuned_for_is_the_objective(timed, sweep_inline, write_problem, tmp_path, tiny):
    problem = write_problem(accuracy_style='', ending="metrics = {'nll': 'loss'}")
    tuned = []
    for name, options in (('timed', {'minutes_per_trial': 64 / 60}), ('plain', {})):
        selector = FixedSweep.with_fixed_trials([(4,)], 1)
        sweep_inline(problem.path, selector, tmp_path / name, hparams=tiny, **options)
        misc = json.loads((tmp_path / name / 'points/0/hparams/misc.json').read_text())
        tuned.append((misc['span'], misc['perf'], misc['rounds']))
    assert tuned[0] == tuned[1] and tuned[0][0] < 0


def test_an_architecture_is_really_timed(sweep_inline, write_problem, tmp_path, tiny):
    selector = FixedSweep.with_fixed_trials([(4,)], 1)
    folder = tmp_path / 'out'
    sweep_inline(write_problem().path, selector, folder, hparams=tiny, minutes_per_trial=1)
    assert manifest(folder)['settings']['trial_samples'] >= 1


BROKEN = """
def model(width, depth=1):
    raise ValueError('no such model')
"""


def test_where_nothing_can_be_trained_that_is_said(sweep_inline, write_problem, tmp_path):
    selector, problem = FixedSweep.with_fixed_trials([(4,)], 1), write_problem(model=BROKEN)
    with pytest.raises(ProblemError, match=r'could not be measured: \(4\) failed, ValueError: no such model'):
        sweep_inline(problem.path, selector, tmp_path / 'out', minutes_per_trial=1)


@pytest.mark.parametrize('minutes', [0, -1, float('inf'), float('nan'), 'two', True])
def test_what_is_no_time_is_refused(minutes):
    with pytest.raises(InvalidArgument, match=r'minutes_per_trial=.*: must be a positive number of minutes'):
        SweepConfig(minutes_per_trial=minutes)


def test_it_goes_with_settings_only():
    with pytest.raises(InvalidArgument, match='goes with a preset or settings; with FixedHyperparameters'):
        SweepConfig(minutes_per_trial=1, tuning=FixedHyperparameters(lr=0.1, batch_size=8))
