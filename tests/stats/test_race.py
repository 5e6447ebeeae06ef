"""A race throws the best out in at most 5 of 100 sweeps, and takes far fewer trials than all for all."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.stats.design import Design
from sweeper.stats.race import Race, schedule


def run(scores, looks=(3, 5, 8, 13, 20), design=None):
    """Returns who is left at the end, best first, and how many trials of each there were."""
    race, trials = Race(len(scores), looks, design=design), np.zeros(len(scores), dtype=int)
    while not race.is_over:
        trials[race.contenders] = race.target
        shown = np.where(np.arange(scores.shape[1]) < trials[:, None], scores, np.nan)
        race.look(shown, (np.isnan(scores) & (np.arange(scores.shape[1]) < trials[:, None])).sum(axis=1))
    return race.contenders, trials


NOISE = {
    'normal': lambda rng, shape: rng.normal(size=shape),
    'skewed': lambda rng, shape: 1 - rng.exponential(size=shape),
    'heavy tails': lambda rng, shape: rng.standard_t(3, size=shape) / 3**0.5,
    'uneven spreads': lambda rng, shape: rng.normal(size=shape) * np.geomspace(0.3, 3, shape[0])[:, None],
    'discrete': lambda rng, shape: np.round(2 * rng.normal(size=shape)) / 2,
    '5% bad runs': lambda rng, shape: rng.normal(size=shape) - 8 * (rng.random(shape) < 0.05),
}
TRUTHS = {
    'one best, all others almost': lambda rng, count: np.r_[0.3, np.zeros(count - 1)],
    'one best': lambda rng, count: np.r_[2.0, np.zeros(count - 1)],
    'drawn at random': lambda rng, count: -np.sort(-rng.normal(size=count)),
}


@pytest.mark.parametrize('noise', NOISE)
@pytest.mark.parametrize('truth', TRUTHS)
def test_the_best_is_seldom_thrown_out(noise, truth):
    rng, lost, races = np.random.default_rng(1), 0, 0
    for count, sweeps in ((3, 40), (10, 30), (40, 5)):
        for _ in range(sweeps):
            means = TRUTHS[truth](rng, count)
            order = rng.permutation(count)  # so that uneven spreads are not always in the order of means
            scores = np.empty((count, 20))
            scores[order] = means[:, None] + NOISE[noise](rng, (count, 20))[order]
            left, _ = run(scores)
            lost, races = lost + (order[0] not in left), races + 1
    assert lost <= 8, f'{lost} of {races}: 5% would be {races * 0.05:.0f}'


def test_trials_go_to_those_that_may_be_the_best():
    rng = np.random.default_rng(0)
    scores = np.r_[1.0, 0.6, np.linspace(-1, 0, 28)][:, None] + 0.2 * rng.normal(size=(30, 20))
    left, trials = run(scores)
    assert left == [0] and trials.sum() < 0.35 * scores.size
    assert trials[0] == trials.max() and trials[2:].max() < trials[0]


def test_equals_are_declared_equivalent_within_a_margin_and_else_get_all_trials():
    scores = np.random.default_rng(0).normal(0.9, 0.01, (4, 40))
    looks = schedule(3, 40)
    left, trials = run(scores, looks, Design(margin=0.02))
    assert len(left) == 4 and trials.max() < 40
    assert run(scores, looks)[1].tolist() == [40] * 4


def test_one_that_converges_less_often_throws_nobody_out():
    scores = np.random.default_rng(0).normal(0.5, 0.01, (5, 20))
    scores[0] += 0.4
    scores[0, ::3] = np.nan
    left, _ = run(scores)
    assert len(left) == 5 and left[0] == 0


@given(st.integers(2, 9), st.integers(0, 60))
def test_a_schedule_rises_to_the_most(first, more):
    looks = schedule(first, first + more)
    assert looks[0] == first and looks[-1] == first + more and looks == sorted(set(looks))
    assert len(looks) < 12
