"""What is said of trials: against scipy, published examples, and simulated sweeps whose truth is known."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sweeper.report.measure import Measure
from sweeper.report.stats.statistics import (
    BCA,
    ENOUGH_FOR_BOOTSTRAP,
    STUDENT,
    Interval,
    ManyPairs,
    compare_all,
    holm,
    mean_interval,
    superiority,
    tied_for_first,
    trials_to_settle,
)

# Intervals


@pytest.mark.parametrize('n', [2, 3, 10, ENOUGH_FOR_BOOTSTRAP - 1])
def test_the_interval_of_few_is_students(n):
    values = np.random.default_rng(n).normal(0.9, 0.05, n)
    found = mean_interval(values)
    low, high = stats.t.interval(0.95, n - 1, loc=values.mean(), scale=stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.mean == values.mean() and found.method == STUDENT
    assert found.half_width == pytest.approx((high - low) / 2)


def test_the_interval_of_many_is_a_bootstrap_and_leans_as_the_values_do():
    values = np.random.default_rng(0).exponential(size=200)
    found = mean_interval(values)
    assert found.method == BCA
    assert found.high - found.mean > found.mean - found.low
    assert found == mean_interval(values), 'it is the same every time'


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


@pytest.mark.slow
@pytest.mark.parametrize(
    'draw',
    [lambda rng, n: rng.normal(0.9, 0.02, n), lambda rng, n: rng.beta(90, 10, n)],
    ids=['normal', 'skewed towards 1'],
)
@pytest.mark.parametrize(
    ('n', 'method', 'sweeps'),
    [(3, STUDENT, 4000), (10, STUDENT, 4000), (39, STUDENT, 4000), (ENOUGH_FOR_BOOTSTRAP, BCA, 1000)],
)
def test_intervals_cover_the_truth_in_95_of_100_sweeps(n, method, sweeps, draw):
    rng = np.random.default_rng(n)
    found = [mean_interval(draw(rng, n)) for _ in range(sweeps)]
    assert {one.method for one in found} == {method}
    assert np.mean([one.low <= 0.9 <= one.high for one in found]) == pytest.approx(0.95, abs=0.02)


def test_a_single_trial_that_differs_gives_an_interval_without_a_warning(recwarn):
    found = mean_interval([0.5] * (ENOUGH_FOR_BOOTSTRAP - 1) + [0.6])
    assert found.low < found.mean < found.high
    assert not recwarn.list


def test_an_interval_in_words():
    assert str(Interval(0.9, 0.85, 0.95, STUDENT)) == '0.9000 (0.8500 to 0.9500)'
    assert (str(Interval(0.9)), str(Interval(math.nan))) == ('0.9000', '')


# Comparisons


def sweep_of(means, trials, spread=0.02, shared=0.02, seed=0):
    """Scores of a made-up sweep: trials of the same index have something in common."""
    draw = np.random.default_rng(seed)
    means, spread = np.asarray(means)[:, None], np.broadcast_to(spread, len(means))[:, None]
    return means + draw.normal(0, shared, trials) + spread * draw.normal(size=(len(means), trials))


def test_comparisons_are_paired_t_tests():
    scores = sweep_of([0.9, 0.91, 0.95], 6)
    found = compare_all(scores)
    for a in range(3):
        for b in range(3):
            if a != b:
                assert found.p[a, b] == pytest.approx(stats.ttest_rel(scores[a], scores[b]).pvalue)
                assert found.difference[a, b] == pytest.approx(scores[a].mean() - scores[b].mean())
    np.testing.assert_array_equal(np.diag(found.difference), 0)


def test_only_common_trials_are_compared():
    scores = sweep_of([0.9, 0.95], 6)
    scores[0, 0], scores[1, 5] = np.nan, np.nan
    found = compare_all(scores)
    assert found.p[0, 1] == pytest.approx(stats.ttest_rel(scores[0, 1:5], scores[1, 1:5]).pvalue)


@pytest.mark.parametrize(
    'scores', [[[0.9], [0.1]], [[0.9, np.nan], [np.nan, 0.1]], [[0.3, 0.3], [0.1 + 0.2, 0.3]]], ids=str
)
def test_what_cannot_be_tested_is_not_called_different(scores, recwarn):
    scores = np.array(scores)
    found = compare_all(scores)
    assert found.p[0, 1] == found.p_adjusted[0, 1] == 1
    assert sorted(tied_for_first(scores, found)) == [0, 1]
    assert not recwarn.list


@pytest.mark.parametrize('trials', [2, 3, 5, 6, 10])
def test_differences_that_are_all_the_same_are_tested_by_their_signs(trials):
    scores = np.array([[0.9], [0.8]]).repeat(trials, axis=1)
    found = compare_all(scores)
    assert found.p[0, 1] == pytest.approx(stats.binomtest(trials, trials).pvalue)
    assert tied_for_first(scores, found) == ([0, 1] if trials < 6 else [0])


def test_who_is_ahead_where_both_were_tried_is_not_told_from_the_best():
    best, other = [0.5, 0.51, 0.49, 0.9, 0.9, 0.9], [0.6, 0.612, 0.591, np.nan, np.nan, np.nan]
    scores = np.array([best, other])
    found = compare_all(scores)
    assert found.p_adjusted[0, 1] < 0.05 and found.difference[0, 1] < 0
    assert tied_for_first(scores, found) == [0, 1]


def test_holms_correction_on_a_worked_example():
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), max_size=20))
def test_holms_correction_keeps_the_order_and_only_raises(values):
    p = np.array(values)
    adjusted = holm(p)
    assert (adjusted >= p).all() and (adjusted <= 1).all()
    order = np.argsort(p)
    assert (np.diff(adjusted[order]) >= 0).all()


@pytest.mark.parametrize('spread', [0.02, np.geomspace(0.002, 0.2, 8)], ids=['even', 'uneven'])
@pytest.mark.parametrize('trials', [3, 10])
def test_where_all_are_equal_a_difference_is_claimed_in_less_than_5_of_100_sweeps(trials, spread):
    false = [
        (compare_all(sweep_of([0.9] * 8, trials, spread, seed=seed)).p_adjusted < 0.05).any()
        for seed in range(1000)
    ]
    assert np.mean(false) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 1000)


def test_among_equals_that_are_not_all_a_difference_is_claimed_in_less_than_5_of_100_sweeps():
    false = [
        (compare_all(sweep_of([0.9] * 4 + [0.5, 0.6], 6, seed=seed)).p_adjusted[:4, :4] < 0.05).any()
        for seed in range(1000)
    ]
    assert 0 < np.mean(false) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 1000)


@pytest.mark.parametrize('trials', [3, 6, 10])
def test_equals_on_a_small_validation_set_are_called_different_in_less_than_5_of_100_sweeps(trials):
    rng = np.random.default_rng(trials)
    false = [
        (compare_all(rng.binomial(100, 0.9, (6, trials)) / 100).p_adjusted < 0.05).any() for _ in range(1000)
    ]
    assert np.mean(false) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 1000)


def test_all_equals_are_reported_as_tied_for_first_in_95_of_100_sweeps():
    tied = []
    for seed in range(1000):
        scores = sweep_of([0.9] * 5, 5, seed=seed)
        tied.append(len(tied_for_first(scores, compare_all(scores))) == 5)
    assert np.mean(tied) >= 0.95 - 2 * math.sqrt(0.05 * 0.95 / 1000)


def test_ties_for_first_are_told_and_the_best_is_among_them():
    means = [0.8, 0.95, 0.95, 0.7, 0.95]
    hits = 0
    for seed in range(200):
        scores = sweep_of(means, 12, spread=0.01, seed=seed)
        first = tied_for_first(scores, compare_all(scores))
        assert first[0] == scores.mean(axis=1).argmax()
        hits += sorted(first) == [1, 2, 4]
    assert hits >= 0.95 * 200 - 7


def test_architectures_without_trials_are_not_tied_for_anything():
    scores = np.array([[np.nan, np.nan], [0.5, 0.6]])
    assert tied_for_first(scores, compare_all(scores)) == [1]
    assert tied_for_first(scores[:1], compare_all(scores[:1])) == []


# Two architectures


def test_superiority_is_mann_and_whitneys_u():
    one, other = np.random.default_rng(0).normal([0.5, 0.0], size=(9, 2)).round(1).T
    u = stats.mannwhitneyu(one, other).statistic
    assert superiority(one, other) == pytest.approx(u / 81)
    assert superiority(one, other) + superiority(other, one) == pytest.approx(1)
    assert (superiority([1, 2], [0, 0]), superiority([1], [1])) == (1.0, 0.5)
    assert math.isnan(superiority([], [1]))


def test_as_many_trials_as_are_said_to_settle_it_do():
    draw = np.random.default_rng(0)
    gaps = draw.normal(size=200)
    gaps = 0.8 + (gaps - gaps.mean()) / gaps.std(ddof=1)  # an effect of 0.8
    n = trials_to_settle(gaps, np.zeros(200))
    assert n == 15, 'as tables of the power of a paired t-test have it'
    settled = stats.ttest_1samp(draw.normal(0.8, 1, (4000, n)), 0, axis=1).pvalue < 0.05
    assert np.mean(settled) == pytest.approx(0.8, abs=0.04)
    assert trials_to_settle(gaps, np.zeros(200), alpha=0.05 / 66) > n


@pytest.mark.parametrize(
    ('one', 'other'),
    [([0.5], [0.4]), ([0.5, 0.6], [0.5, 0.6]), ([0.5, 0.6], [0.4, 0.5]), ([0, 1, 0.001], [1, 0, 0])],
)
def test_nothing_is_promised_where_nothing_is_known(one, other):
    assert trials_to_settle(one, other) is None


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


def by_hand(gaps, ratio):
    """The corrected resampled t-test, as Nadeau and Bengio (2003) write it, and the variance in it."""
    variance = np.var(gaps, ddof=1) * (1 / len(gaps) + ratio)
    return 2 * stats.t.sf(abs(np.mean(gaps)) / np.sqrt(variance), len(gaps) - 1), variance


def test_resamples_are_compared_by_the_corrected_t_test():
    scores = sweep_of([0.9, 0.91, 0.95], 10)
    found, many = compare_all(scores, 0.25), ManyPairs(scores, np.ones(3, dtype=bool), 0.25)
    for a, b in ((0, 1), (0, 2), (1, 2)):
        p, _ = by_hand(scores[a] - scores[b], 0.25)
        assert found.p[a, b] == pytest.approx(p) == many.row(a).p[b]
    assert (found.p >= compare_all(scores).p).all()


@pytest.mark.parametrize('trials', [2, 5, 60])
def test_the_interval_of_resamples_is_corrected_however_many_there_are(trials):
    values = np.random.default_rng(0).normal(size=trials)
    found = mean_interval(values, val_to_train=0.25)
    half = stats.t.ppf(0.975, trials - 1) * np.sqrt(by_hand(values, 0.25)[1])
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half))
    assert found.method == 'corrected resampled t'


def test_differences_of_resamples_that_are_all_the_same_show_nothing():
    assert compare_all(np.array([[0.9] * 10, [0.8] * 10]), 0.25).p[0, 1] == 1


def test_the_number_of_resamples_that_would_settle_it_is_larger_or_there_is_none():
    gaps = np.random.default_rng(0).normal(1, 1, 20)
    n = trials_to_settle(gaps, np.zeros(20))
    assert trials_to_settle(gaps, np.zeros(20), val_to_train=0.01) > n
    assert trials_to_settle(gaps, np.zeros(20), val_to_train=0.5) is None


@pytest.mark.parametrize('is_folds', [True, False])
def test_equal_learners_are_seldom_called_different_by_resamples(is_folds):
    """Two learners that predict the mean, each of a variable of its own: neither is better."""
    rng, ratio = np.random.default_rng(3), 0.25
    p, uncorrected = [], []
    for _ in range(600):
        data, gaps = rng.normal(size=(50, 2)), []
        order = rng.permutation(50).reshape(5, 10)
        for trial in range(15):
            if not is_folds or (trial and trial % 5 == 0):
                order = rng.permutation(50).reshape(5, 10)
            held_out = np.isin(np.arange(50), order[trial % 5])
            errors = (data[held_out] - data[~held_out].mean(0)) ** 2
            gaps.append(errors.mean(0))
        scores = np.array(gaps).T
        p.append(compare_all(scores, ratio).p[0, 1])
        uncorrected.append(compare_all(scores).p[0, 1])
    assert np.mean(np.array(p) < 0.05) <= 0.075, '5%, by so many sweeps'
    assert np.mean(np.array(uncorrected) < 0.05) > 0.2, 'what is corrected matters here'
