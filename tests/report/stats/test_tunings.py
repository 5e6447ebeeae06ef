"""How much of the variance is due to tuning: against data of which it is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sweeper.report.measure import units_of
from sweeper.report.stats.tunings import TuningShare, in_words, share_of_tuning


def nested(rng, architectures, tunings, trials, share):
    """Scores of trials of which such a share of the variance is due to tuning."""
    noise = rng.normal(0, np.sqrt(1 - share), (architectures, tunings * trials))
    of_tunings = rng.normal(0, np.sqrt(share), (architectures, tunings))
    means = rng.normal(0, 10, (architectures, 1))
    return means + noise + of_tunings[:, np.arange(tunings * trials) % tunings]


@pytest.mark.parametrize('share', [0.0, 0.2, 0.6])
@pytest.mark.parametrize('shape', [(6, 3, 3), (1, 5, 4), (10, 2, 2)], ids=str)
def test_the_interval_covers_the_share_as_often_as_it_says(shape, share):
    rng, times = np.random.default_rng(0), 400
    found = [share_of_tuning(nested(rng, *shape, share), shape[1]) for _ in range(times)]
    covered = np.mean([each.low - 1e-12 <= share <= each.high for each in found])
    assert 0.92 <= covered <= (1.0 if share == 0 else 0.98)
    if share:
        assert np.mean([each.share for each in found]) == pytest.approx(share, abs=0.1)
    else:
        assert 0.02 <= np.mean([each.p < 0.05 for each in found]) <= 0.08


def test_of_a_single_architecture_p_is_that_of_the_analysis_of_variance():
    scores = nested(np.random.default_rng(1), 1, 3, 4, 0.5)
    expected = stats.f_oneway(*(scores[0, number::3] for number in range(3))).pvalue
    assert share_of_tuning(scores, 3).p == pytest.approx(expected)


def test_unequal_numbers_and_missing_trials_are_no_obstacle():
    scores = nested(np.random.default_rng(2), 4, 3, 3, 0.5)
    whole = share_of_tuning(scores, 3)
    scores[0, 7:] = np.nan
    scores[1, 1:] = np.nan  # tells nothing
    scores[2, 4] = -np.inf
    found = share_of_tuning(scores, 3)
    assert found.architectures == 3 and whole.architectures == 4
    assert 0 <= found.low <= found.share <= found.high <= 1


@pytest.mark.parametrize(
    ('scores', 'tunings'),
    [
        ([[1, 2, 3]], 1), ([[1, 2, 3]], 3), ([[1, 1, 1, 1]], 2), ([[1, np.nan, 2, np.nan]], 2),
        (np.zeros((0, 4)), 2),
    ],
    ids=str,
)  # fmt: skip
def test_where_it_cannot_be_told_it_is_not(scores, tunings):
    assert share_of_tuning(np.array(scores, dtype=float), tunings) is None


def test_trials_that_differ_by_their_tuning_alone():
    found = share_of_tuning(np.array([[1.0, 2.0, 1.0, 2.0]]), 2)
    assert found == TuningShare(1.0, 1.0, 1.0, 0.0, 1)


@given(st.floats(1e-3, 1e3), st.floats(-1e3, 1e3), st.integers(0, 100))
def test_it_depends_on_no_unit(unit, zero, seed):
    scores = nested(np.random.default_rng(seed), 3, 2, 3, 0.4)
    ours, theirs = share_of_tuning(scores, 2), share_of_tuning(unit * scores + zero, 2)
    assert (ours.share, ours.low, ours.high, ours.p) == pytest.approx(
        (theirs.share, theirs.low, theirs.high, theirs.p), abs=1e-4
    )


def test_it_is_said():
    assert in_words(TuningShare(0.2, 0.0, 0.55, 0.1, 6), 3) == (
        "Of the variance of an architecture's trials, 20% is due to tuning (95% interval 0% to 55%; 3 "
        'tunings of 6 architectures); the rest is that of the trials of one tuning.'
    )
    assert 'cannot be told from these 3 tunings' in in_words(None, 3)


def test_values_of_trials_of_one_tuning_are_not_independent():
    values = {0: 1.0, 1: 5.0, 2: 3.0, 5: np.nan, 4: 5.0}
    assert units_of(values, 2) == [3.0, 5.0]
    np.testing.assert_array_equal(units_of(values), [1.0, 5.0, 3.0, np.nan, 5.0])
    assert np.isnan(units_of({0: 1.0, 1: np.nan}, 2)[1])
