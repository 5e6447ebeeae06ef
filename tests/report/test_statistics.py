import math

import numpy as np
import pytest
from scipy import stats

from sweeper.report.statistics import mean_interval


@pytest.mark.parametrize('n', [2, 3, 10, 100])
def test_interval_is_students(n):
    values = np.random.default_rng(n).normal(0.9, 0.05, n)
    mean, half_width = mean_interval(values)
    low, high = stats.t.interval(0.95, n - 1, loc=values.mean(), scale=stats.sem(values))
    assert mean - half_width == pytest.approx(low)
    assert mean + half_width == pytest.approx(high)


def test_one_value_says_nothing_about_spread():
    mean, half_width = mean_interval(np.array([0.5]))
    assert mean == 0.5
    assert math.isnan(half_width)


def test_no_value_has_no_mean():
    assert all(math.isnan(number) for number in mean_interval(np.array([])))


def test_a_diverged_trial_makes_the_mean_infinite_without_a_warning(recwarn):
    assert mean_interval(np.array([1.0, np.inf])).mean == math.inf
    assert not recwarn.list
