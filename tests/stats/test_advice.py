"""How many trials it takes: against tables of the power of t-tests."""

import numpy as np
import pytest
from scipy import stats

from sweeper.stats.advice import Spread, Trials, smallest_gap, trials_needed
from sweeper.stats.design import Design
from sweeper.stats.verdict import verdict

SURE = 1e9
"""Degrees of freedom of a variance that is known."""


def test_as_many_trials_as_are_said_to_be_needed_are():
    trials = trials_needed(0.8, Spread(2.0, SURE), 0.05, Design())
    assert trials == Trials(26, 26), 'as tables have it of two groups that are 0.8 standard deviations apart'
    draw = np.random.default_rng(0)
    one, other = draw.normal(0.8, 1, (4000, 26)), draw.normal(0, 1, (4000, 26))
    assert np.mean(stats.ttest_ind(one, other, axis=1).pvalue < 0.05) == pytest.approx(0.8, abs=0.03)
    assert trials_needed(0.8, Spread(1.0, SURE), 0.05, Design(paired=True)) == Trials(15, 15)


def test_what_is_not_well_known_is_a_range_and_what_takes_too_many_is_not_told():
    few = trials_needed(0.8, Spread(2.0, 4), 0.05, Design())
    assert few.least < 26 < few.most
    assert trials_needed(0.5, Spread(2.0, 4), 0.05, Design()).most is None
    assert trials_needed(0.1, Spread(2.0, SURE), 0.05, Design()) is None
    assert trials_needed(0.8, Spread(1.0, SURE), 0.05, Design(paired=True, val_to_train=0.5)) is None


def test_a_gap_that_trials_would_have_shown_they_show():
    gap = smallest_gap(26, Spread(2.0, 50), 0.05, Design())
    assert gap == pytest.approx(0.8, abs=0.01)


def test_the_margin_is_what_the_validation_data_can_tell_or_half_the_spread_of_trials():
    scores = np.random.default_rng(0).normal(0.9, 0.02, (6, 30))
    shares = verdict(scores, design=Design(resolution=1 / 360, limits=(0, 1)))
    best = scores.mean(axis=1).max()
    assert shares.margin == pytest.approx(np.sqrt(best * (1 - best) / 360))
    assert verdict(scores).margin == pytest.approx(0.01, abs=0.002)
    assert verdict(scores, design=Design(margin=0.3)).margin == 0.3
    assert np.isnan(verdict(scores[:, :1]).margin)
