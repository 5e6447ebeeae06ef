"""The budget is kept on small data, too; where that cannot be, a flag says so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.report.flags import FLAG_MEANINGS
from sweeper.tuning.affordable import affordable
from sweeper.tuning.rounds import Budget
from sweeper.tuning.settings import PRESETS, get_settings

from .test_tuner import World, run

every_preset = pytest.mark.parametrize('preset', PRESETS)


@every_preset
@pytest.mark.parametrize(
    ('trial_samples', 'train_size'), [(8000, 1437), (3000, 1437), (1500, 500), (1500, 50), (30_000, 31_033)]
)
def test_short_trials_keep_the_budget(preset, trial_samples, train_size):
    settings = get_settings(preset).replace(trial_samples=trial_samples)
    tuned, _ = run(settings, train_size=train_size)
    assert tuned.report['budget']['trials'] <= settings.tuning_budget
    assert 'over_budget' not in tuned.flags


@given(
    preset=st.sampled_from(list(PRESETS)),
    trial_samples=st.integers(1, 20_000),
    train_size=st.integers(1, 5000),
    budget=st.floats(0.01, 12),
    dead_above=st.sampled_from([float('inf'), 1e-4]),
)
def test_the_flag_is_there_whenever_more_was_spent(preset, trial_samples, train_size, budget, dead_above):
    settings = get_settings(preset).replace(trial_samples=trial_samples, tuning_budget=budget)
    world = World(brief_dead_above=dead_above)
    tuned, _ = run(settings, world, train_size)
    assert ('over_budget' in tuned.flags) == (
        world.samples > budget * tuned.report['budget']['trial_samples']
    )
    if 'reduced' in tuned.report:
        reduced = settings.replace(**tuned.report['reduced'])
        assert reduced == affordable(settings, train_size, 0, Budget(settings, train_size)) != settings


@every_preset
@given(train_size=st.integers(120, 10**6), sweep_cores=st.integers(1, 16), nuisance=st.integers(0, 4))
def test_presets_are_as_they_are_on_ordinary_data(preset, train_size, sweep_cores, nuisance):
    settings = get_settings(preset).for_sweep_cores(sweep_cores)
    assert affordable(settings, train_size, nuisance, Budget(settings, train_size)) is settings


def test_a_batch_size_that_is_given_stays():
    settings = get_settings('fast').replace(batch_objective=32, trial_samples=500)
    tuned, _ = run(settings, train_size=1000)
    assert 30 <= tuned.batch_size <= 32 and tuned.report['reduced'].keys() & {'batch_size'} == set()


def test_results_and_report_tell_of_it(sweep_inline, write_problem, tmp_path, tiny):
    from sweeper import FixedSweep

    least, selector = tiny.replace(tuning_budget=0.01), FixedSweep.with_fixed_trials([(4,)], 1)
    results = sweep_inline(write_problem().path, selector, tmp_path / 'out', hparams=least)
    assert 'over_budget' in results.flags[(4,)] and 'over_budget' in FLAG_MEANINGS
