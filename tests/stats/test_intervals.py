"""Intervals of means: against scipy, and on simulated sweeps whose truth is known."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sweeper.report.measure import Measure
from sweeper.stats.intervals import RESAMPLED, STUDENT, Interval, mean_interval


@pytest.mark.parametrize('n', [2, 3, 10, 200])
def test_the_interval_is_students(n):
    values = np.random.default_rng(n).normal(0.9, 0.05, n)
    found = mean_interval(values)
    low, high = stats.t.interval(0.95, n - 1, loc=values.mean(), scale=stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.mean == pytest.approx(values.mean()) and found.method == STUDENT
    assert found.half_width == pytest.approx((high - low) / 2)


@pytest.mark.parametrize('values', [[0.5], [0.5, 0.5, 0.5], [1.0] * 100], ids=len)
def test_values_without_spread_have_no_interval(values):
    found = mean_interval(values)
    assert found.mean == values[0]
    assert math.isnan(found.low) and math.isnan(found.half_width) and found.method == ''


def test_no_value_has_no_mean():
    assert all(math.isnan(number) for number in mean_interval([])[:3])


def test_a_diverged_trial_makes_the_mean_infinite_without_a_warning(recwarn):
    found = mean_interval(np.array([1.0, np.inf]))
    assert found.mean == math.inf and math.isnan(found.half_width)
    assert not recwarn.list


def test_a_single_trial_that_differs_gives_an_interval_without_a_warning(recwarn):
    found = mean_interval([0.5] * 39 + [0.6])
    assert found.low < found.mean < found.high
    assert not recwarn.list


def test_an_interval_in_words():
    assert str(Interval(0.9, 0.85, 0.95, STUDENT)) == '0.9000 (0.8500 to 0.9500)'
    assert (str(Interval(0.9)), str(Interval(math.nan))) == ('0.9000', '')


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_a_performance_is_never_outside_what_can_be(values):
    found, whole = Measure().interval(values), mean_interval(values)
    if math.isnan(whole.low):
        assert math.isnan(found.low) and found.text == str(found)
        return
    assert 0 <= found.low <= found.mean <= found.high <= 1
    assert found.low == max(0, whole.low) and found.high == min(1, whole.high)
    numbers = [float(number) for number in re.findall(r'[\d.]+', found.text)]
    ends = [numbers[0] - numbers[1], numbers[0] + numbers[1]] if '±' in found.text else numbers[1:]
    assert ends == pytest.approx([found.low, found.high], abs=2e-4)


def test_an_interval_that_is_cut_off_has_both_ends_in_a_table():
    assert Measure().interval([0.0, 1.0]).text == '0.5000 ± 0.5000', 'not ± 6.3531'
    assert Measure().interval([0.8, 0.81, 0.99]).text.endswith('to 1.0000)')
    assert Measure().interval([0.8, 0.81, 0.82]).text == '0.8100 ± 0.0248'


@pytest.mark.parametrize('trials', [2, 5, 60])
def test_the_interval_of_resamples_is_corrected_however_many_there_are(trials):
    values = np.random.default_rng(0).normal(size=trials)
    found = mean_interval(values, val_to_train=0.25)
    variance = np.var(values, ddof=1) * (1 / trials + 0.25)
    half = stats.t.ppf(0.975, trials - 1) * np.sqrt(variance)
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half))
    assert found.method == RESAMPLED
