"""Differences: against scipy, published examples, and simulated sweeps whose truth is known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sweeper.stats import differences as differences_module
from sweeper.stats.design import Design
from sweeper.stats.differences import Differences, holm
from sweeper.stats.looks import level
from sweeper.stats.variances import MOST_PRIOR_FREEDOM, Prior, common_prior, resolution_of
from sweeper.stats.verdict import verdict

ONCE = Design(planned_looks=1)
PAIRED = Design(paired=True, planned_looks=1)


def of(scores, design=ONCE, **options):
    return Differences(np.asarray(scores, dtype=float), design=design, **options)


def sweep_of(means, trials, spread=0.02, shared=0.0, seed=0):
    """Scores of a made-up sweep; trials of the same index may have something in common."""
    draw = np.random.default_rng(seed)
    means, spread = np.asarray(means)[:, None], np.broadcast_to(spread, len(means))[:, None]
    return means + draw.normal(0, shared, trials) + spread * draw.normal(size=(len(means), trials))


@pytest.mark.parametrize('design', [ONCE, PAIRED], ids=['unpaired', 'paired'])
def test_of_three_architectures_it_is_the_t_test_of_scipy(design):
    scores = sweep_of([0.9, 0.91, 0.95], 6)
    test = stats.ttest_rel if design.paired else lambda a, b: stats.ttest_ind(a, b, equal_var=False)
    found = of(scores, design)
    for a in range(3):
        for b in {0, 1, 2} - {a}:
            expected = test(scores[a], scores[b])
            row = found.row(a)
            assert row.p[b] == pytest.approx(expected.pvalue)
            assert row.difference[b] == pytest.approx(scores[a].mean() - scores[b].mean())
            assert (row.low[b], row.high[b]) == pytest.approx(expected.confidence_interval(0.95)[:])
    assert not np.diag(found.tables.difference).any() and not np.diag(found.tables.low).any()


def test_only_common_trials_are_compared_where_trials_are_paired():
    scores = sweep_of([0.9, 0.95], 6)
    scores[0, 0], scores[1, 5] = np.nan, np.nan
    p = of(scores, PAIRED).row(0).p[1]
    assert p == pytest.approx(stats.ttest_rel(scores[0, 1:5], scores[1, 1:5]).pvalue)
    p = of(scores).row(0).p[1]
    assert p == pytest.approx(stats.ttest_ind(scores[0, 1:], scores[1, :5], equal_var=False).pvalue)


@pytest.mark.parametrize('design', [ONCE, PAIRED], ids=['unpaired', 'paired'])
@pytest.mark.parametrize(
    'scores', [[[0.9], [0.1]], [[0.9, np.nan], [np.nan, 0.1]], [[0.3, 0.3], [0.1 + 0.2, 0.3]]], ids=str
)
def test_what_cannot_be_tested_is_not_called_different(scores, design, recwarn):
    row = of(scores, design).row(0)
    assert row.p[1] == row.p_adjusted[1] == 1 and np.isnan(row.low[1])
    assert not recwarn.list


@pytest.mark.parametrize('trials', [2, 3, 5, 6, 10])
def test_where_nothing_varies_the_order_is_tested(trials):
    scores = np.array([[0.9], [0.8]]).repeat(trials, axis=1)
    assert of(scores, PAIRED).row(0).p[1] == pytest.approx(stats.binomtest(trials, trials).pvalue)
    of_ranks = stats.mannwhitneyu(*(scores + 1e-9 * np.arange(trials)), method='exact').pvalue
    assert of(scores).row(0).p[1] == pytest.approx(of_ranks)
    assert of(scores, Design(paired=True, val_to_train=0.25)).row(0).p[1] == 1, (
        'resamples are not independent'
    )


@pytest.mark.parametrize('scores', [[[0.5] * 30, [0.4] + [np.nan] * 29], [[0.5, 0.6] * 20, [0.4] * 40]])
def test_one_that_varies_is_no_matter_of_order(scores):
    assert of(scores).row(0).p[1] > 0 and (len(scores[1]) == 40 or of(scores).row(0).p[1] > 0.05)


def test_holms_correction_on_a_worked_example():
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1) | st.just(math.nan), max_size=20))
def test_holms_correction_keeps_the_order_and_only_raises(values):
    p = np.array(values, dtype=float)
    adjusted, known = holm(p), ~np.isnan(p)
    assert np.array_equal(np.isnan(adjusted), ~known)
    assert (adjusted[known] >= p[known]).all() and (adjusted[known] <= 1).all()
    order = np.argsort(p[known])
    assert (np.diff(adjusted[known][order]) >= 0).all()


# Looks


@pytest.mark.parametrize('planned', [None, 1, 5])
def test_all_looks_together_have_the_level_of_one(planned):
    spent = sum(level(look, planned) for look in range(1, 200))
    assert spent == pytest.approx(0.05) and level(1, planned) >= level(2, planned)


def test_a_later_look_claims_less_and_one_that_was_not_planned_nothing():
    scores = sweep_of([0.9, 0.91, 0.95], 6)
    p = [of(scores, Design(look=look)).row(2).p_adjusted[0] for look in (1, 2, 3)]
    assert p[0] < p[1] < p[2] and p[1] == pytest.approx(min(2 * p[0], 1))
    assert of(scores, Design(look=3, planned_looks=2)).row(2).p_adjusted[0] == 1


# Variances


def test_variances_that_are_equal_are_drawn_together_and_give_more_degrees_of_freedom():
    scores = sweep_of([0.9] * 8, 3)
    found = of(scores)
    variance, freedom = found.variances
    own = scores.var(axis=1, ddof=1)
    assert np.ptp(variance) < np.ptp(own) and variance.mean() == pytest.approx(own.mean())
    assert 2 < freedom.max() <= 2 + MOST_PRIOR_FREEDOM and found.is_moderated
    assert not of(scores[:3]).is_moderated


def test_degrees_of_freedom_are_as_many_as_the_variance_of_a_difference_is_sure_by(monkeypatch):
    monkeypatch.setattr(differences_module, 'common_prior', lambda variance, _: Prior(variance.mean(), 4.0))
    found = [of(sweep_of([0.9] * 5, 3, seed=seed)).errors_of(0) for seed in range(2000)]
    variances = np.array([error[1:] ** 2 for _, error, _ in found])
    degrees = np.array([freedom[1:] for *_, freedom in found])
    expected = 2 * variances.mean() ** 2 / variances.var()
    assert degrees.mean() == pytest.approx(expected, rel=0.15)


def test_a_prior_by_hand():
    # Smyth 2004, section 6.2: of variances whose logarithms vary as they do by chance, all is common.
    draw = np.random.default_rng(0)
    equal = draw.chisquare(4, 5000) / 4
    assert common_prior(equal, np.full(5000, 4.0)).freedom == MOST_PRIOR_FREEDOM
    uneven = equal * draw.lognormal(0, 2, 5000)
    assert common_prior(uneven, np.full(5000, 4.0)).freedom < 1.5
    assert common_prior(equal[:3], np.full(3, 4.0)).freedom == 0


def test_the_resolution_is_seen_where_scores_are_equal():
    assert resolution_of(np.array([[0.9, 0.9, 0.925], [0.95, np.nan, 0.95]])) == pytest.approx(0.025)
    assert resolution_of(np.array([[0.1, 0.2, 0.35]])) == 0
    assert resolution_of(np.array([[0.5, 0.5], [0.4, 0.4]])) == 0


# Error rates


def false_claims(draw, design=ONCE, sweeps=600):
    return np.mean([(of(draw(seed), design).tables.p_adjusted < 0.05).any() for seed in range(sweeps)])


MOST_FALSE = 0.05 + 2 * math.sqrt(0.05 * 0.95 / 600)


@pytest.mark.parametrize('trials', [3, 10])
@pytest.mark.parametrize('design', [ONCE, PAIRED], ids=['unpaired', 'paired'])
def test_where_all_are_equal_a_difference_is_claimed_in_less_than_5_of_100_sweeps(trials, design):
    shared = 0.02 * design.paired
    false = false_claims(lambda seed: sweep_of([0.9] * 8, trials, shared=shared, seed=seed), design)
    assert false <= MOST_FALSE


def test_uneven_spreads_are_no_reason_to_claim_more():
    spread = np.geomspace(0.002, 0.02, 5)
    assert false_claims(lambda seed: sweep_of([0.9] * 5, 5, spread, seed=seed)) <= MOST_FALSE


def test_among_equals_that_are_not_all_a_difference_is_claimed_in_less_than_5_of_100_sweeps():
    false = [
        (of(sweep_of([0.9] * 4 + [0.5, 0.6], 6, seed=seed)).tables.p_adjusted[:4, :4] < 0.05).any()
        for seed in range(600)
    ]
    assert 0 < np.mean(false) <= MOST_FALSE


@pytest.mark.parametrize('trials', [3, 6])
def test_equals_on_a_small_validation_set_are_called_different_in_less_than_5_of_100_sweeps(trials):
    def draw(seed):
        return np.random.default_rng(seed).binomial(100, 0.9, (6, trials)) / 100

    assert false_claims(draw) <= MOST_FALSE


# Very many


def test_of_very_many_architectures_nothing_is_claimed_that_all_pairs_would_not_show(monkeypatch):
    rng = np.random.default_rng(0)
    for spread in (1e-9, 0.001, 0.05):
        scores = np.linspace(0.5, 0.9, 30)[:, None] + spread * rng.standard_normal((30, 6))
        scores[3, 2:] = np.nan
        some = np.arange(30) % 7 > 0
        few = of(scores, is_compared=some)
        rows = [few.row(index) for index in range(30)]
        with monkeypatch.context() as patch:
            patch.setattr(differences_module, 'MOST_IN_PAIRS', 20)
            many = of(scores, is_compared=some)
            assert (few.correction, many.correction) == ('Bonferroni', 'Bonferroni')
            for index, exact in enumerate(rows):
                bound = many.row(index)
                np.testing.assert_allclose(bound.difference, exact.difference)
                np.testing.assert_allclose(bound.p, exact.p, rtol=1e-6)
                assert not (bound.p_adjusted < exact.p_adjusted * (1 - 1e-6)).any()


# Resamples


def by_hand(gaps, ratio):
    """The corrected resampled t-test, as Nadeau and Bengio (2003) write it."""
    variance = np.var(gaps, ddof=1) * (1 / len(gaps) + ratio)
    return 2 * stats.t.sf(abs(np.mean(gaps)) / np.sqrt(variance), len(gaps) - 1)


def test_resamples_are_compared_by_the_corrected_t_test():
    scores = sweep_of([0.9, 0.91, 0.95], 10)
    corrected = of(scores, Design(paired=True, val_to_train=0.25))
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert corrected.row(a).p[b] == pytest.approx(by_hand(scores[a] - scores[b], 0.25))
    assert (corrected.tables.p >= of(scores, PAIRED).tables.p).all()


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
        p.append(of(scores, Design(paired=True, val_to_train=ratio)).row(0).p[1])
        uncorrected.append(of(scores, PAIRED).row(0).p[1])
    assert np.mean(np.array(p) < 0.05) <= 0.075, '5%, by so many sweeps'
    assert np.mean(np.array(uncorrected) < 0.05) > 0.2, 'what is corrected matters here'


# Tunings


def test_tunings_that_vary_are_in_the_error():
    """Tuning varies half as much as trials do: with its variance, equals are seldom called different."""
    rng, false = np.random.default_rng(0), {1: 0, 3: 0}
    for _ in range(300):
        scores = np.tile(0.5 * rng.normal(size=(5, 3)), 7) + rng.normal(size=(5, 21))
        for tunings in false:
            design = Design(planned_looks=1, tunings=tunings)
            false[tunings] += (verdict(scores, design=design).differences.tables.p_adjusted < 0.05).any()
    assert false[3] <= 0.05 * 300 + 8 < false[1]
