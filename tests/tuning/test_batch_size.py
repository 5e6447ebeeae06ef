"""Batch sizes: which are considered, which range is good, which one wins."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.errors import TuningFailed
from sweeper.tuning.batch_size import analyse, choose, limits, reference, schedule
from sweeper.tuning.lr_range import LRRange
from sweeper.tuning.settings import PRESETS, get_settings

SETTINGS = get_settings('fast')
LR_RANGE = LRRange(0.01, 0.1, 32, {}, [], {})


@given(st.integers(1, 10**7), st.sampled_from(list(PRESETS)))
def test_limits_fit_the_training_set(train_size, preset):
    settings = get_settings(preset)
    least, largest = limits(settings, train_size)
    assert 1 <= least <= largest <= settings.batch_end
    assert largest <= max(1, train_size / 4)
    assert 1 <= reference(settings, train_size) <= largest


@pytest.mark.parametrize(
    ('train_size', 'expected'),
    [(1, (1, 1)), (7, (1, 1)), (8, (2, 2)), (32, (8, 8)), (100, (8, 25)), (512, (8, 128)), (10**6, (8, 128))],
)
def test_limits_for_some_sizes(train_size, expected):
    assert limits(SETTINGS, train_size) == expected


@given(st.integers(1, 10**5), st.sampled_from(list(PRESETS)))
def test_the_sweep_rises_through_all_sizes_with_the_rate_scaled_along(train_size, preset):
    settings = get_settings(preset)
    sizes, lrs = schedule(settings, train_size, LR_RANGE)
    assert (sizes[0], sizes[-1]) == limits(settings, train_size)
    assert (np.diff(sizes) >= 0).all() and sizes.dtype.kind == 'i'
    assert len(sizes) >= settings.batch_min_steps
    np.testing.assert_allclose(lrs, 0.1 * sizes / 32)


def test_the_sweep_lasts_its_epochs():
    sizes, _ = schedule(SETTINGS, 50_000, LR_RANGE)
    assert sizes.sum() == pytest.approx(SETTINGS.batch_epochs * 50_000, rel=0.02)


def measured(rise_end, seed=0):
    sizes, lrs = schedule(SETTINGS, 20_000, LR_RANGE)
    rng = np.random.default_rng(seed)
    true = np.interp(np.log(sizes), (np.log(10), np.log(rise_end)), (0.1, 0.9))
    perfs = rng.binomial(32, np.broadcast_to(true, (4, len(sizes)))) / 32
    return sizes, lrs, 2.5 - 2.2 * true + rng.normal(0, 0.05, perfs.shape), perfs


@pytest.mark.parametrize('seed', range(5))
@pytest.mark.parametrize('rise_end', [30, 60, 110])
def test_the_good_range_goes_up_to_where_performance_stops_to_improve(rise_end, seed):
    good = analyse(SETTINGS, 20_000, *measured(rise_end, seed))
    assert good.sampled[0] == 8 and 0.5 * rise_end <= good.sampled[-1] <= 1.2 * rise_end
    assert good.sampled == sorted(set(good.sampled)) and len(good.sampled) == SETTINGS.batch_points
    ratios = np.divide(good.sampled[1:], good.sampled[:-1])
    assert ratios.max() / ratios.min() < 1.2


@pytest.mark.parametrize('batch_points', [0, 1])
def test_without_a_sample_the_upper_end_of_the_good_range_is_taken(batch_points):
    sizes, lrs, losses, perfs = measured(60)
    good = analyse(SETTINGS.replace(batch_points=batch_points), 20_000, sizes, lrs, losses, perfs)
    assert good.sampled == [good.details['largest']]


def test_a_training_set_of_one_has_one_batch_size():
    sizes, lrs = schedule(SETTINGS, 1, LR_RANGE)
    perfs = np.ones((2, len(sizes)))
    assert analyse(SETTINGS, 1, sizes, lrs, 1 - perfs, perfs).sampled == [1]


@pytest.mark.parametrize(
    ('perfs', 'tolerance', 'expected'),
    [
        ([0.9, 0.9, 0.9], 0.01, 128),
        ([0.9, 0.895, 0.7], 0.01, 32),
        ([0.9, 0.88, 0.7], 0.01, 8),
        ([0.7, 0.9, 0.88], 0.01, 32),
        ([0.9, 0.5, 0.895], 0.01, 128),
        ([0.9, 0.89, 0.88], 0.0, 8),
        ([0.9, 0.0, 0.1], 1.0, 128),
    ],
)
def test_the_largest_size_close_to_the_best_is_chosen(perfs, tolerance, expected):
    perfs = np.array(perfs)[:, None] + np.array([-0.001, 0, 0.001])
    chosen = choose(SETTINGS.replace(batch_tolerance=tolerance), [8, 32, 128], 1 - perfs, perfs)
    assert chosen.batch_size == chosen.details['chosen'] == expected
    assert type(chosen.batch_size) is int
    assert chosen.flags == []


def test_one_unlucky_initialisation_does_not_decide():
    perfs = np.array([[0.5, 0.5, 0.5], [0.9, 0.9, 0.0]])
    losses = np.array([[1, 1, 1], [0.1, 0.1, np.inf]])
    chosen = choose(SETTINGS, [8, 32], losses, perfs)
    assert chosen.batch_size == 32 and chosen.flags == ['nan_seen']
    np.testing.assert_array_equal(chosen.details['diverged'], [0, 1])


@pytest.mark.parametrize('diverged', [[1, 1, 1], [0, 1, 1]])
def test_a_size_that_diverges_is_not_chosen_however_low_all_performances_are(diverged):
    bad = np.array(diverged, dtype=bool)
    losses = np.array([[1000.0] * 3, np.where(bad, np.inf, 1000.0)])
    perfs = np.where(np.isfinite(losses), 1 / (losses + 1), 0)
    assert choose(SETTINGS, [8, 32], losses, perfs).batch_size == 8


def test_where_every_size_diverges_often_the_one_that_does_least_is_chosen():
    losses = np.array([[1, 1, np.inf, np.inf], [1, np.inf, np.inf, np.inf]])
    perfs = np.where(np.isfinite(losses), 0.5, 0)
    chosen = choose(SETTINGS, [8, 32], losses, perfs)
    assert chosen.batch_size == 8 and chosen.flags == ['nan_seen']


def test_every_brief_training_diverging_fails():
    with pytest.raises(TuningFailed, match='every brief training diverged, at batch sizes 8, 32'):
        choose(SETTINGS, [8, 32], np.full((2, 3), np.inf), np.zeros((2, 3)))
