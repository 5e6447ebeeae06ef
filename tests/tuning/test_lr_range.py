"""The learning-rate range, and what is flagged about it."""

import numpy as np
import pytest

from sweeper.errors import TuningFailed
from sweeper.tuning.lr_range import analyse, schedule
from sweeper.tuning.settings import get_settings

SETTINGS = get_settings('fast')
LRS = schedule(SETTINGS, 1000, 32)
WARMUP = SETTINGS.warmup_steps


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
    assert (LRS[:WARMUP] == SETTINGS.warmup_lr).all()
    rising = LRS[WARMUP:]
    assert rising[0] == pytest.approx(SETTINGS.lr_start) and rising[-1] == pytest.approx(SETTINGS.lr_end)
    np.testing.assert_allclose(rising[1:] / rising[:-1], rising[1] / rising[0])


@pytest.mark.parametrize(
    ('train_size', 'batch_size', 'steps'),
    [(1, 1, 300), (1000, 32, 300), (50_000, 32, 3125), (50_000, 1, 100_000)],
)
def test_the_test_lasts_its_epochs_but_no_less_than_its_least_steps(train_size, batch_size, steps):
    assert len(schedule(SETTINGS, train_size, batch_size)) == WARMUP + steps


@pytest.mark.parametrize('seed', range(10))
def test_the_range_is_where_performance_rises(seed):
    found = analyse(SETTINGS, LRS, 32, *curves(seed=seed, diverge_above=1.0))
    assert 5e-4 < found.start < 4e-3 and 2e-2 < found.end <= 0.5
    assert found.flags == []
    assert found.batch_size == 32
    assert found.details['measure'] == 'perf' and 0.5 < found.details['lr_cutoff'] <= 1.1


def test_the_range_ends_below_the_rates_that_diverge():
    found = analyse(SETTINGS, LRS, 32, *curves(rise=(1e-3, 10.0), diverge_above=0.5))
    assert found.end < 0.5 and found.details['lr_cutoff'] <= 0.51
    assert found.flags == []


def test_a_rise_that_begins_at_once_is_flagged():
    assert analyse(SETTINGS, LRS, 32, *curves(rise=(1e-6, 2e-5))).flags == ['lr_at_low_edge']


def test_a_rise_that_goes_on_to_the_end_is_flagged():
    assert analyse(SETTINGS, LRS, 32, *curves(rise=(0.1, 20.0))).flags == ['lr_at_high_edge']


def test_nothing_learned_is_flagged_alone():
    losses, perfs = curves(rise=(1e3, 1e4))
    found = analyse(SETTINGS, LRS, 32, losses, perfs)
    assert found.flags == ['nothing_learned']
    assert found.details['measure'] == 'none'
    assert SETTINGS.lr_start < found.start < found.end < SETTINGS.lr_end


def test_a_run_that_is_dead_from_the_start_is_flagged_and_left_out():
    losses, perfs = curves(diverge_above=1.0)
    whole = analyse(SETTINGS, LRS, 32, losses[1:], perfs[1:])
    losses[0], perfs[0] = np.nan, 0
    found = analyse(SETTINGS, LRS, 32, losses, perfs)
    assert found.flags == ['nan_seen']
    assert (found.start, found.end) == (whole.start, whole.end)
    assert found.details['initialisations_dead'] == 1


def test_a_run_that_diverges_inside_the_range_is_flagged():
    losses, perfs = curves()
    losses[0, LRS > 3e-3], perfs[0, LRS > 3e-3] = np.inf, 0
    assert analyse(SETTINGS, LRS, 32, losses, perfs).flags == ['nan_seen']


def test_runs_that_diverge_above_the_range_are_not_flagged():
    assert analyse(SETTINGS, LRS, 32, *curves(diverge_above=1.0)).flags == []


@pytest.mark.parametrize('what', [np.nan, np.inf])
def test_a_network_that_is_dead_from_the_start_fails(what):
    losses, perfs = np.full((4, len(LRS)), what), np.zeros((4, len(LRS)))
    with pytest.raises(TuningFailed, match=r'NaN or infinite from the start.* in all 4 initialisations'):
        analyse(SETTINGS, LRS, 32, losses, perfs)


@pytest.mark.parametrize('step', range(1, 20, 3))
def test_a_network_that_dies_right_after_the_start_learned_nothing(step):
    losses, perfs = curves()
    losses[:, WARMUP + step :], perfs[:, WARMUP + step :] = np.inf, 0
    found = analyse(SETTINGS, LRS, 32, losses, perfs)
    assert 'nothing_learned' in found.flags
    assert found.end <= LRS[WARMUP + step]


def test_the_range_is_never_narrower_than_a_factor_of_two():
    losses, perfs = curves(rise=(0.1, 0.1001))
    found = analyse(SETTINGS, LRS, 32, losses, perfs)
    assert found.end >= 2 * found.start > 0


def test_the_range_scales_with_the_batch_size():
    found = analyse(SETTINGS, LRS, 32, *curves())
    assert found.at_batch_size(32) == (found.start, found.end)
    assert found.at_batch_size(64) == (2 * found.start, 2 * found.end)
    assert found.at_batch_size(8) == (found.start / 4, found.end / 4)


def test_the_curves_are_kept():
    losses, perfs = curves()
    arrays = analyse(SETTINGS, LRS, 32, losses, perfs).arrays
    assert arrays['losses'].shape == arrays['perfs'].shape == (4, len(LRS))
    assert arrays['loss'].shape == arrays['perf'].shape == arrays['lrs'].shape == (len(LRS),)
    assert arrays['batch_size'] == 32 and arrays['lr_range'].shape == (2,)
