"""The learning rates worth a closer look, and what is flagged about them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.errors import TuningFailed
from sweeper.tuning.constants import CONSTANTS
from sweeper.tuning.lr_range import analyse, schedule
from sweeper.tuning.settings import get_settings

SETTINGS = get_settings('fast')
LRS = schedule(SETTINGS, 10**6, 32)


def curves(rise=(1e-3, 1e-1), seed=0, initialisations=4, diverge_above=None):
    """Performance rises from chance to 0.9 between two learning rates, whatever the step."""
    rng = np.random.default_rng(seed)
    shape = (initialisations, len(LRS))
    true = np.interp(np.log(LRS), np.log(rise), (0.1, 0.9))
    perfs = rng.binomial(32, np.broadcast_to(true, shape)) / 32
    losses = 2.5 - 2.2 * true + rng.normal(0, 0.05, shape)
    if diverge_above is not None:
        losses[:, diverge_above < LRS], perfs[:, diverge_above < LRS] = np.inf, 0
    return losses, perfs


def test_the_schedule_warms_up_then_rises_geometrically():
    warmup, rising = LRS[: CONSTANTS.warmup_steps], LRS[CONSTANTS.warmup_steps :]
    assert (warmup == warmup[0]).all() and 0 < warmup[0] < SETTINGS.lr_start
    assert rising[0] == pytest.approx(SETTINGS.lr_start) and rising[-1] == pytest.approx(SETTINGS.lr_end)
    np.testing.assert_allclose(rising[1:] / rising[:-1], rising[1] / rising[0])


@given(st.floats(1, 1e9), st.integers(1, 512), st.integers(1, 40))
def test_the_test_takes_a_small_part_of_the_budget_but_some_steps_at_least(samples, batch_size, models):
    settings = SETTINGS.replace(lr_initialisations=models)
    steps, least, most = (len(schedule(settings, one, batch_size)) for one in (samples, 1, 1e12))
    assert CONSTANTS.warmup_steps + 20 <= least <= steps <= most <= 2000
    assert steps == least or steps * batch_size * models <= samples / 5
    assert steps <= len(schedule(settings, 2 * samples, batch_size))


@pytest.mark.parametrize('seed', range(10))
def test_the_range_holds_the_best_learning_rates_and_nothing_that_diverges(seed):
    found = analyse(SETTINGS, LRS, 32, *curves(seed=seed, diverge_above=1.0))
    assert 1e-4 < found.low < 0.05 and 0.1 < found.high <= 1.0
    assert found.flags == []
    assert found.details['batch_size'] == 32 and found.details['measure'] == 'perf'
    assert 0.5 < found.details['cutoff'] <= 1.1
    assert 5e-4 < found.details['improves_from'] < 4e-3 and 2e-2 < found.details['improves_to'] <= 0.5


def test_the_range_ends_below_the_rates_that_diverge():
    found = analyse(SETTINGS, LRS, 32, *curves(rise=(1e-3, 10.0), diverge_above=0.5))
    assert found.low < found.high < 0.5 and found.details['cutoff'] <= 0.51
    assert found.flags == []


def test_where_nothing_diverges_there_is_no_cutoff():
    found = analyse(SETTINGS, LRS, 32, *curves(rise=(1e-3, 10.0)))
    assert found.details['cutoff'] is None
    assert found.high <= LRS[-1]


@pytest.mark.parametrize('rise', [(1e-6, 2e-5), (1e-5, 1e-4), (0.1, 20.0), (0.1, 0.1001)], ids=str)
def test_the_range_stays_within_the_settings_wherever_the_rise_is(rise):
    found = analyse(SETTINGS, LRS, 32, *curves(rise))
    assert SETTINGS.lr_start <= found.low < found.high <= SETTINGS.lr_end * 1.0001
    assert found.low <= rise[1] and found.high >= rise[0]


def test_nothing_learned_leaves_a_wide_range():
    losses, perfs = curves(rise=(1e3, 1e4))
    found = analyse(SETTINGS, LRS, 32, losses, perfs)
    assert found.flags == [] and found.details['measure'] == 'none'
    learned = analyse(SETTINGS, LRS, 32, *curves())
    assert found.high / found.low >= learned.high / learned.low


def test_the_baseline_is_that_of_untrained_models():
    found = analyse(SETTINGS, LRS, 32, *curves(rise=(0.1, 1.0)))
    assert found.baseline_loss == pytest.approx(2.28, abs=0.05)
    assert found.loss_deviation == pytest.approx(0.05, abs=0.02)


def test_a_run_that_is_dead_from_the_start_is_flagged_and_left_out():
    losses, perfs = curves(diverge_above=1.0)
    whole = analyse(SETTINGS, LRS, 32, losses[1:], perfs[1:])
    losses[0], perfs[0] = np.nan, 0
    found = analyse(SETTINGS, LRS, 32, losses, perfs)
    assert found.flags == ['nan_seen']
    assert (found.low, found.high) == (whole.low, whole.high)
    assert (found.baseline_loss, found.loss_deviation) == (whole.baseline_loss, whole.loss_deviation)
    assert found.details['initialisations_dead'] == 1


def test_runs_that_diverge_above_the_range_are_not_flagged():
    assert analyse(SETTINGS, LRS, 32, *curves(diverge_above=1.0)).flags == []


def test_one_run_that_diverges_early_does_not_move_the_range_much():
    losses, perfs = curves()
    whole = analyse(SETTINGS, LRS, 32, losses, perfs)
    losses[0, LRS > 3e-3], perfs[0, LRS > 3e-3] = np.inf, 0
    found = analyse(SETTINGS, LRS, 32, losses, perfs)
    assert 0.3 < found.low / whole.low < 3 and 0.3 < found.high / whole.high < 3


@pytest.mark.parametrize('what', [np.nan, np.inf])
def test_a_network_that_is_dead_from_the_start_fails(what):
    losses, perfs = np.full((4, len(LRS)), what), np.zeros((4, len(LRS)))
    with pytest.raises(TuningFailed, match=r'NaN or infinite from the start.* in all 4 initialisations'):
        analyse(SETTINGS, LRS, 32, losses, perfs)


@pytest.mark.parametrize('step', range(1, 20, 3))
def test_a_network_that_dies_right_after_the_start_learned_nothing(step):
    losses, perfs = curves()
    losses[:, CONSTANTS.warmup_steps + step :], perfs[:, CONSTANTS.warmup_steps + step :] = np.inf, 0
    found = analyse(SETTINGS, LRS, 32, losses, perfs)
    assert found.flags == [] and found.details['measure'] == 'none'
    assert SETTINGS.lr_start <= found.low < found.high
    assert found.high <= max(LRS[CONSTANTS.warmup_steps + step], 3.1 * SETTINGS.lr_start)


def test_the_curves_are_kept():
    losses, perfs = curves()
    arrays = analyse(SETTINGS, LRS, 32, losses, perfs).arrays
    assert arrays['losses'].shape == arrays['perfs'].shape == (4, len(LRS))
    assert arrays['loss'].shape == arrays['perf'].shape == arrays['lrs'].shape == (len(LRS),)
    assert arrays['batch_size'] == 32
