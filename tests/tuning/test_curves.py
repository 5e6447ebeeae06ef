"""Curves with a known rise are read right, whatever a few initialisations do."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.tuning.curves import combine, find_rise

STEPS = 300


def world(seed=0, initialisations=4, *, rise=(100, 150), to=0.9, batch_size=32, diverge_at=None):
    """Curves flat at chance, rising in a straight line to `to`, then flat; infinite in the end if asked."""
    rng = np.random.default_rng(seed)
    shape = (initialisations, STEPS)
    true = np.interp(np.arange(STEPS), rise, (0.1, to))
    perfs = rng.binomial(batch_size, np.broadcast_to(true, shape)) / batch_size
    losses = 2.5 - 2.2 * true + rng.normal(0, 0.1, shape)
    if diverge_at is not None:
        losses[:, diverge_at:], perfs[:, diverge_at:] = np.inf, 0
    return losses, perfs


def read(losses, perfs, baseline=STEPS // 20, smoothing=0.05):
    return find_rise(combine(losses, perfs, smoothing), baseline)


@pytest.mark.parametrize('seed', range(20))
@pytest.mark.parametrize(('start', 'end'), [(40, 60), (100, 150), (60, 250)])
def test_the_rise_is_found_where_it_is(seed, start, end):
    rise = read(*world(seed, rise=(start, end)))
    length = end - start
    assert rise.measure == 'perf' and rise.learned
    assert start - 15 <= rise.start <= start + 0.4 * length + 15
    assert start + 0.5 * length - 15 <= rise.end <= end + 15
    assert rise.improvement == pytest.approx(0.8, abs=0.1)
    assert rise.start < rise.end < rise.cutoff == STEPS


@pytest.mark.parametrize('seed', range(10))
@pytest.mark.parametrize('bad', ['diverges', 'is dead', 'never learns', 'spikes'])
@pytest.mark.parametrize('initialisations', [3, 4, 7])
def test_one_bad_initialisation_does_not_move_the_range_much(seed, bad, initialisations):
    losses, perfs = world(seed, initialisations)
    whole = read(losses, perfs)
    match bad:
        case 'diverges':
            losses[1, 50:], perfs[1, 50:] = np.inf, 0
        case 'is dead':
            losses[1], perfs[1] = np.nan, 0
        case 'never learns':
            losses[1], perfs[1] = 2.3, 0.1
        case 'spikes':
            losses[1, 40:60] = 1e9
    rise = read(losses, perfs)
    assert rise.measure == 'perf'
    assert abs(rise.start - whole.start) <= 15
    assert abs(rise.end - whole.end) <= 25
    assert rise.cutoff == STEPS


@pytest.mark.parametrize('seed', range(10))
def test_the_range_ends_before_the_runs_diverge(seed):
    rise = read(*world(seed, diverge_at=130))
    assert 115 <= rise.cutoff <= 130
    assert rise.start < rise.end < rise.cutoff
    assert rise.measure == 'perf'


def test_a_loss_far_above_the_untrained_one_cuts_off_too():
    losses, perfs = world()
    losses[:, 200:] = 50.0
    assert 190 <= read(losses, perfs).cutoff <= 200


def test_a_loss_that_fell_far_and_is_back_cuts_off():
    losses, perfs = world(rise=(40, 60))
    losses[:, :40] += 20
    losses[:, 130:] = 18
    assert read(losses, perfs).cutoff == pytest.approx(130, abs=8)
    losses[:, 130:] = 1.0
    assert read(losses, perfs).cutoff == losses.shape[1]


def test_performance_that_drops_after_its_peak_does_not_move_the_range():
    losses, perfs = world()
    whole = read(losses, perfs)
    perfs[:, 250:] = 0.1
    rise = read(losses, perfs)
    assert (rise.start, rise.cutoff) == (whole.start, STEPS) and abs(rise.end - whole.end) <= 10


@pytest.mark.parametrize('seed', range(10))
def test_the_loss_decides_where_performance_does_not_move(seed):
    losses, perfs = world(seed)
    perfs[:] = np.random.default_rng(seed).binomial(32, 0.1, perfs.shape) / 32
    rise = read(losses, perfs)
    assert rise.measure == 'loss' and rise.learned
    assert 80 <= rise.start <= 125 and 120 <= rise.end <= 170
    rise = read(losses, np.full_like(perfs, 0.1))
    assert rise.measure == 'loss'


@pytest.mark.parametrize('cut', [None, 100], ids=['to the end', 'cut off'])
@pytest.mark.parametrize('chance', [0.02, 0.1, 0.5])
@pytest.mark.parametrize('batch_size', [1, 32])
@pytest.mark.parametrize('steps', [100, 300, 1000])
@pytest.mark.parametrize('initialisations', [2, 4])
def test_noise_is_not_taken_for_learning(initialisations, steps, batch_size, chance, cut):
    wrong = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        perfs = rng.binomial(batch_size, chance, (initialisations, steps)) / batch_size
        losses = 2.3 + rng.normal(0, 0.5 / np.sqrt(batch_size), perfs.shape)
        if cut is not None:
            losses[:, steps // 3 :], perfs[:, steps // 3 :] = np.inf, 0
        wrong += read(losses, perfs, baseline=steps // 20).learned
    assert wrong <= 4


def test_curves_that_do_not_move_at_all_are_not_learning():
    losses, perfs = np.full((2, STEPS), 2.3), np.full((2, STEPS), 0.1)
    rise = read(losses, perfs)
    assert (rise.measure, rise.improvement, rise.learned) == ('none', 0.0, False)
    assert (rise.start, rise.end) == (STEPS // 3, 2 * STEPS // 3)


@pytest.mark.parametrize('first_bad', [0, 1, 5, 14, 20])
@pytest.mark.parametrize('what', [np.nan, np.inf])
def test_runs_that_diverge_from_the_start_learned_nothing(first_bad, what):
    losses, perfs = world()
    losses[:, first_bad:], perfs[:, first_bad:] = what, 0
    rise = read(losses, perfs)
    assert not rise.learned
    assert 0 <= rise.start <= rise.end <= rise.cutoff <= first_bad


def test_half_of_the_initialisations_diverging_cuts_off_and_fewer_do_not():
    losses, perfs = world(initialisations=4)
    losses[0, 200:] = np.inf
    assert read(losses, perfs).cutoff == STEPS
    losses[1, 200:] = np.inf
    assert 190 <= read(losses, perfs).cutoff <= 200


@given(
    initialisations=st.integers(1, 5),
    steps=st.integers(1, 60),
    baseline=st.integers(1, 70),
    smoothing=st.floats(0.001, 0.5),
    data=st.data(),
)
def test_any_curve_has_indices_within_it(initialisations, steps, baseline, smoothing, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    losses = rng.exponential(1, (initialisations, steps))
    losses[rng.random(losses.shape) < data.draw(st.sampled_from([0, 0.02, 0.5, 1]))] = np.inf
    perfs = np.where(np.isfinite(losses), rng.random(losses.shape), 0)
    rise = read(losses, perfs, baseline, smoothing)
    assert 0 <= rise.start <= rise.end <= rise.cutoff <= steps
    assert np.isfinite(rise.improvement)


def test_the_combined_curve_is_smooth_and_has_the_noise_of_its_median():
    rng = np.random.default_rng(0)
    perfs = 0.5 + rng.normal(0, 0.1, (5, 3000))
    curve = combine(np.ones_like(perfs), perfs, 0.01)
    assert curve.perf_noise == pytest.approx(curve.perf.std(), rel=0.25)
    assert curve.loss_noise == 0
    assert curve.perf.shape == curve.loss.shape == (3000,)


@given(st.floats(1e-4, 1e4), st.floats(-100, 100), st.integers(0, 20), st.sampled_from([None, 130, 250]))
def test_neither_the_unit_nor_the_origin_of_the_loss_moves_the_range(factor, offset, seed, back_at):
    losses, perfs = world(seed, to=0.5 if seed % 2 else 0.1, diverge_at=None if back_at else 200)
    if back_at:
        losses[:, back_at:] += 20 if seed % 3 else 0.8
    for by_loss in (False, True):
        expected, found = (
            find_rise(combine(shown, perfs, 0.05), STEPS // 20, by_loss)
            for shown in (losses, factor * (losses + offset))
        )
        assert (found.start, found.end, found.cutoff) == (expected.start, expected.end, expected.cutoff)
        assert found.measure == expected.measure != 'perf' * by_loss
