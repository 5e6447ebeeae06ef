"""The answer of a sweep, in words."""

import dataclasses
import re
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.report.flags import EXCLUSIONS, FLAG_MEANINGS, exclusions
from sweeper.report.measure import Measure
from sweeper.report.stats.comparison import MOST_IN_PAIRS, Comparison
from sweeper.report.stats.statistics import (
    ManyPairs,
    compare_all,
    compare_some,
    mean_interval,
    tied_for_first,
    trials_to_settle,
)


def comparison(means, trials=10, spread=0.005, seed=0, test=None):
    draw = np.random.default_rng(seed)
    scores = np.asarray(means)[:, None] + draw.normal(0, spread, (len(means), trials))
    points = [(2**i,) for i in range(len(means))]
    return Comparison(points, ['width'], [[str(width)] for (width,) in points], scores, test)


def test_a_clear_winner_is_named_with_its_lead():
    found = comparison([0.7, 0.95, 0.8])
    assert found.first == [1]
    answer = found.answer()
    assert answer.startswith('width=2 is the best of 3: 0.9')
    assert 'ahead of width=4' in answer and 'Holm-corrected for 3 comparisons' in answer


def pair(*scores):
    return Comparison([(1,), (2,)], ['width'], [['1'], ['2']], np.array(scores))


def test_of_two_one_is_better_and_nothing_is_corrected():
    answer = pair([0.9, 0.91, 0.92], [0.8, 0.811, 0.82]).answer()
    assert answer.startswith('width=1 is the better of 2: 0.9100; 0.0997 ahead of width=2 (p = 1.1e-05, ')
    assert 'Holm' not in answer


def test_no_p_is_zero():
    assert 'p < 1e-06' in comparison([0.1, 0.9], trials=30, spread=1e-6).answer()


def test_ties_are_named_with_what_would_settle_them():
    found = comparison([0.9, 0.901, 0.5, 0.9005], spread=0.01)
    assert sorted(found.first) == [0, 1, 3]
    answer = found.answer()
    assert all(f'width={name}' in answer for name in (1, 2, 8)) and 'width=4' not in answer
    assert 'cannot be distinguished from it yet' in answer and 'with probability 0.' in answer


def test_how_many_more_trials_would_settle_it_is_told():
    scores = [0.90, 0.91, 0.92, 0.93], [0.89, 0.92, 0.90, 0.92]
    answer, needed = pair(*scores).answer(), trials_to_settle(*scores)
    assert f'you would need about {needed} trials of each ({needed - 4} more) to confirm it.' in answer
    assert 'judging by 4 trials of each' in answer


def test_of_many_ties_a_few_are_named():
    answer = comparison([0.9] * 12, spread=0.01).answer()
    assert 'and 7 more cannot be distinguished' in answer


def test_a_single_trial_says_nothing_about_differences():
    answer = comparison([0.9, 0.2], trials=1).answer()
    assert 'width=2 cannot be distinguished' in answer and 'says nothing about differences' in answer


def test_what_the_performance_depends_on_is_told_for_a_grid():
    cells = [[width, kind] for width in ('8', '16') for kind in ('relu', 'tanh')]
    scores = np.array([[0.5], [0.6], [0.8], [0.9]]) + np.random.default_rng(0).normal(0, 1e-4, (4, 5))
    found = Comparison([tuple(cell) for cell in cells], ['width', 'kind'], cells, scores)
    assert found.influence() == 'Of the variance between architectures: width 90%, kind 10%.'
    part = Comparison(found.points[:3], found.columns, cells[:3], scores[:3]).influence()
    assert part.startswith('What the performance depends on is not known: 3 architectures that are no')
    tied = Comparison(found.points, found.columns, cells, scores[:, :1])
    assert tied.influence() == '', 'there may be nothing that depends on anything'


def test_the_winner_has_its_test_performance_beside_that_which_it_won_by():
    test = np.array([[0.5] * 10, [0.93, 0.94] * 5, [0.99] * 10])
    found = comparison([0.7, 0.95, 0.8], test=test)
    told = found.on_test_data()
    assert told.startswith(f'On test data, width=2 reaches {mean_interval(test[1])}; on validation data, ')
    assert str(mean_interval(found.scores[1])) in told and 'highest of 3' in told
    assert '0.9350 (' in told and '0.99' not in told


def test_what_was_not_chosen_is_not_called_too_high():
    told = comparison([0.9], test=np.full((1, 10), 0.8)).on_test_data()
    assert (
        told.startswith('On test data, width=1 reaches 0.8000; on validation data, 0.') and 'too' not in told
    )


def test_without_a_test_split_or_trials_nothing_is_said_of_it():
    assert comparison([0.7, 0.95]).on_test_data() == comparison([]).on_test_data() == ''


def test_the_highest_of_many_is_too_high_and_its_test_performance_is_not():
    rng = np.random.default_rng(0)
    chosen, tested = [], []
    for _ in range(200):
        scores, test = rng.normal(0.9, 0.02, (2, 20, 3))
        best = tied_for_first(scores, compare_all(scores))[0]
        chosen.append(scores[best].mean())
        tested.append(test[best].mean())
    assert np.mean(chosen) > 0.915 and np.mean(tested) == pytest.approx(0.9, abs=0.003)


def test_of_a_single_parameter_nothing_is_told():
    assert comparison([0.7, 0.95, 0.8]).influence() == '', 'it does everything there is'


def test_points_added_to_a_grid_do_not_silence_what_is_known_of_it():
    cells = [[width, kind] for width in ('8', '16') for kind in ('relu', 'tanh')] + [['32', 'relu']]
    scores = np.array([[0.5], [0.6], [0.8], [0.9], [0.1]]) + np.random.default_rng(0).normal(0, 1e-4, (5, 5))
    found = Comparison([tuple(cell) for cell in cells], ['width', 'kind'], cells, scores)
    of_grid = 'Of the variance between the 4 architectures that form a complete grid: width 90%, kind 10%.'
    assert found.influence() == of_grid


# What cannot be compared


def flagged(means, flags, trials=5, **options):
    found = comparison(means, trials, **options)
    return replace(found, flags=[flags.get(index, []) for index in range(len(means))])


@pytest.mark.parametrize('flag', EXCLUSIONS)
def test_nothing_is_better_than_an_architecture_whose_tuning_is_in_doubt(flag):
    found = flagged([0.95, 0.2], {1: [flag, 'sensitive']})
    answer = found.answer()
    assert answer.startswith(
        f'width=1 is the only comparable architecture: {found.means[0]:.4f}. width=2 (0.'
    )
    assert (
        f'is not comparable: {EXCLUSIONS[flag].why} ({flag}). To compare it, {EXCLUSIONS[flag].remedy}.'
        in answer
    )
    assert not re.search(r'better|p [=<]|ahead', answer)
    assert found.first == [0] and np.isnan(found.pairwise.p_adjusted[0, 1])


@given(
    st.lists(
        st.tuples(st.floats(0, 1), st.lists(st.sampled_from([*FLAG_MEANINGS]), unique=True, max_size=3)),
        max_size=6,
    )
)
def test_who_is_first_and_every_p_is_among_those_that_can_be_compared(architectures):
    means, flags = [mean for mean, _ in architectures], dict(enumerate(flags for _, flags in architectures))
    found = flagged(means, flags)
    answer = found.answer() + found.on_test_data()
    for index, name in enumerate(found.names):
        if exclusions(flags[index]):
            assert index not in found.first and np.isnan(found.pairwise.p[index]).all()
            assert np.isnan(found.pairwise.difference[index]).all()
            assert answer.count(f'{name} ') <= 1, 'where it is said that it is not comparable'
        else:
            assert not np.isnan(found.pairwise.p_adjusted[index, index])
    assert ('not comparable' in answer) == any(map(exclusions, flags.values()))
    others = [one for one in range(len(means)) if not exclusions(flags[one])]
    alone = replace(found, points=others, cells=[found.cells[one] for one in others],
                    scores=found.scores[others], flags=())  # fmt: skip
    assert [others[one] for one in alone.first] == found.first


def test_a_higher_mean_that_is_not_comparable_is_told():
    answer = flagged([0.8, 0.7, 0.99], {2: ['nothing_learned']}).answer()
    assert 'width=1 is the better of 2 comparable architectures: 0.' in answer
    assert 'width=4 (0.9' in answer and 'Holm' not in answer


def test_those_of_the_same_flags_are_named_together():
    doubted = ['trial_diverged', 'worse_than_tuned']
    answer = flagged([0.9, 0.1, 0.2, 0.3], {1: doubted, 2: doubted, 3: ['nothing_learned']}).answer()
    assert re.search(r'width=4 \(0\.\d+\) and width=2 \(0\.\d+\) are not comparable: the loss of', answer)
    assert answer.count('not comparable') == 2


def test_where_nothing_can_be_compared_nothing_is():
    found = flagged([0.9, 0.8], {0: ['nothing_learned'], 1: ['nothing_learned']})
    assert found.first == [] and 'are not comparable' in found.answer()
    assert found.on_test_data() == found.influence() == ''


def test_what_matters_is_found_without_those_that_cannot_be_compared():
    cells = [[width, kind] for width in ('8', '16', '32') for kind in ('relu', 'tanh')]
    scores = np.array([[0.5], [0.6], [0.8], [0.9], [0.1], [0.1]]) + np.random.default_rng(0).normal(
        0, 1e-4, (6, 5)
    )
    flags = [[]] * 4 + [['nothing_learned']] * 2
    found = Comparison([tuple(cell) for cell in cells], ['width', 'kind'], cells, scores, None, flags)
    assert found.influence() == 'Of the variance between architectures: width 90%, kind 10%.'


def test_one_architecture_and_none():
    assert comparison([0.9]).answer().startswith('width=1 is the only architecture with trials')
    assert comparison([]).answer() == 'There are no trials yet.'


def test_of_very_many_architectures_nothing_is_claimed_that_all_pairs_would_not_show():
    rng = np.random.default_rng(0)
    for spread in (1e-9, 0.001, 0.05):
        scores = np.linspace(0.5, 0.9, 30)[:, None] + spread * rng.standard_normal((30, 6))
        scores[3, 2:] = np.nan
        some = np.arange(30) % 7 > 0
        few, many = compare_some(scores, some), ManyPairs(scores, some)
        for one in range(30):
            exact, bound = few.row(one), many.row(one)
            np.testing.assert_allclose(bound.difference, exact.difference)
            np.testing.assert_allclose(bound.p, exact.p, rtol=1e-6)
            assert not (bound.p_adjusted < exact.p_adjusted * (1 - 1e-6)).any()
        assert {*tied_for_first(scores, few)} <= {*tied_for_first(scores, many)}


def peak(function, *arguments):
    tracemalloc.start()
    function(*arguments)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


def test_the_answer_takes_memory_that_is_linear_in_architectures():
    def answer(count):
        scores = np.random.default_rng(0).uniform(0.5, 0.6, (count, 3))
        cells = [(str(index),) for index in range(count)]
        return Comparison(cells, ['width'], cells, scores).answer()

    answer(MOST_IN_PAIRS + 1)  # imports what it needs
    few, many = (peak(answer, factor * MOST_IN_PAIRS) for factor in (2, 8))
    assert many < 6 * few


def test_of_resamples_the_answer_names_the_test_and_claims_less():
    scores = [0.9, 0.91, 0.92, 0.91, 0.9], [0.8, 0.811, 0.83, 0.8, 0.82]
    found = dataclasses.replace(pair(*scores), measure=Measure(val_to_train=0.25))
    p, plain = found.pairwise.p[0, 1], pair(*scores).pairwise.p[0, 1]
    assert plain < p < 0.05
    assert found.answer().endswith(f'ahead of width=2 (p = {p:.2g}, corrected resampled t-test).')
