"""The answer of a sweep, in words."""

import re
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.report.flags import EXCLUSIONS, FLAG_MEANINGS, exclusions
from sweeper.report.stats.comparison import Comparison
from sweeper.stats.design import Design
from sweeper.stats.differences import MOST_IN_PAIRS
from sweeper.stats.intervals import mean_interval


def comparison(means, trials=10, spread=0.005, seed=0, test=None):
    draw = np.random.default_rng(seed)
    scores = np.asarray(means)[:, None] + draw.normal(0, spread, (len(means), trials))
    points = [(2**i,) for i in range(len(means))]
    return Comparison(points, ['width'], [[str(width)] for (width,) in points], scores, test)


def pair(*scores):
    points = [(number + 1,) for number in range(len(scores))]
    return Comparison(points, ['width'], [[str(number)] for (number,) in points], np.array(scores))


def test_a_clear_winner_is_named_with_its_lead():
    found = comparison([0.7, 0.95, 0.8])
    assert found.first == [1]
    behind = found.verdict.behind[2]
    assert re.fullmatch(
        r'width=2 is the best of 3: 0\.9\d+ \(10 trials\), 0\.1\d+ above the runner-up width=4 '
        r'\(95% interval 0\.1\d+ to 0\.1\d+; p < 1e-06, corrected for 3 comparisons and looking again\)\.',
        found.answer(),
    )
    assert f'{behind.low:.4f} to {behind.high:.4f}' in found.answer()


def test_of_two_one_is_better_and_nothing_is_corrected_if_no_other_look_is_planned():
    found = replace(pair([0.9, 0.91, 0.92], [0.8, 0.811, 0.82]), design=Design(planned_looks=1))
    p = found.pairwise.row(0).p[1]
    assert found.answer() == (
        'width=1 is the better of 2: 0.9100 (3 trials), 0.0997 above width=2 (95% interval 0.0770 to 0.1224; '
        f'p = {p:.2g}).'
    )


def test_the_mean_and_the_lead_are_of_the_same_trials():
    found = pair([0.9, 0.91, 0.92, 0.93], [0.8, 0.811, np.nan, np.nan])
    assert found.verdict.behind[1].mean == pytest.approx(0.915 - 0.8055)
    assert '0.9150' in found.answer() and '0.1095' in found.answer()


def test_one_whose_mean_is_better_but_less_certain_is_named_where_it_is_not_first():
    scores = comparison([0.9] * 4, trials=12).scores
    scores[:2, 3:] = np.nan
    scores[0, :3], scores[3] = [0.89, 0.9, 0.914], scores[3] - scores[3].mean() + 0.901
    found = replace(comparison([0.9] * 4), scores=scores)
    assert found.first[0] == 3 and np.nanargmax(np.nanmean(scores, axis=1)) == 0
    says = (
        'width=8 comes first, with a mean of 0.9010 (12 trials): '
        'width=1 has a higher one, 0.9013 (3 trials), but a less certain one.'
    )
    assert says in found.answer() and 'lead' not in found.answer().split('.')[2]
    interim = replace(found, design=Design(is_interim=True)).answer()
    assert f'So far, {says}' in interim


def test_one_that_is_ahead_in_common_trials_is_named_so():
    scores = np.array([[0.9, 0.91, 0.96, 0.97], [0.91, 0.921, np.nan, np.nan]])
    found = replace(pair(*scores), design=Design(paired=True))
    behind = found.verdict.behind[1].mean
    assert behind == pytest.approx(-0.0105)
    assert 'but width=2 is 0.0105 ahead in the trials that both have.' in found.answer()


def test_trials_that_are_not_common_can_be_compared():
    found = pair([0.9, 0.91, np.nan, np.nan], [np.nan, np.nan, 0.5, 0.51])
    assert found.first == [0] or 'could be chance' in found.answer()
    assert np.isfinite(found.pairwise.row(0).p[1]) and found.pairwise.row(0).p[1] < 0.05


def test_where_none_is_better_that_is_said_first_and_then_by_how_much_one_leads():
    found = comparison([0.9, 0.901, 0.5, 0.9005], spread=0.01)
    assert sorted(found.first) == [0, 1, 3] and found.verdict.winner is None
    answer = found.answer()
    assert answer.startswith('No clear winner among 4 (10 trials each). width=')
    assert 'has the highest mean, 0.9' in answer and 'that could be chance' in answer
    assert answer.endswith('The best is among these 3 (95% confidence): ' + answer.rpartition(': ')[2])
    assert 'width=4' not in answer


def test_where_the_best_is_not_better_than_one_of_more_spread_that_one_is_named():
    rng = np.random.default_rng(0)
    steady = [0.96 + 0.001 * rng.normal(size=8), 0.87 + 0.01 * rng.normal(size=8)]
    wild = [0.3, 0.85, 0.55, 0.4, 0.7, np.nan, np.nan, np.nan]
    found = replace(pair(*steady, wild), design=Design(look=2, planned_looks=3))
    assert found.verdict.winner is None and found.pairwise.row(0).p_adjusted[1] < 0.05
    assert found.verdict.candidates == [0, 2]
    assert re.search(r'its lead over width=3 is .*: that could be chance', found.answer())


@given(st.integers(2, 5), st.integers(0, 999), st.sampled_from([1, 2]))
def test_what_could_be_chance_has_a_p_value_that_says_so(count, seed, look):
    rng = np.random.default_rng(seed)
    scores = 0.1 * rng.normal(size=(count, 1)) + rng.normal(size=(count, 6)) * 10.0 ** rng.uniform(
        -3, 0, (count, 1)
    )
    found = replace(pair(*scores), design=Design(look=look))
    for p in re.findall(r'that could be chance \(p [=<] ([\d.e-]+)', found.answer()):
        assert float(p) >= 0.05


def test_a_minus_is_a_minus():
    assert '\u2212' in comparison([0.9, 0.9005], spread=0.01).answer()


def test_an_answer_has_three_sentences_at_most_and_the_details_have_the_others():
    for count, flags in ((2, ()), (5, ()), (12, [['nothing_learned'], *[[]] * 11])):
        found = replace(comparison([0.9] * count, spread=0.01), flags=flags)
        sentences, compared = found.answer().split('. '), len(found.verdict.order)
        assert 1 <= len(sentences) <= 3
        assert len(set(sentences) | set(found.details())) == len(sentences) + len(found.details())
        assert any(
            f'({compared} architectures, 10 trials each) confirm a' in text for text in found.details()
        )


def test_equals_within_a_margin_are_a_result():
    found = comparison([0.9, 0.9001], trials=40, spread=0.005)
    within = replace(found, design=Design(margin=0.005))
    assert within.answer().startswith('width=2 and width=1 are equivalent within 0.0050 (95% conf')
    assert within.sentences.headline == 'width=2 and width=1 are equivalent within 0.0050'
    assert not any('would take' in text for text in [within.answer(), *within.details()])
    apart = replace(found, design=Design(margin=0.0005))
    assert 'equivalent' not in apart.answer() + ''.join(apart.details())


@pytest.mark.parametrize('higher', [True, False])
def test_a_tie_in_the_objective_is_decided_by_the_loss(higher):
    scores, losses = np.ones((3, 4)), np.array([[0.02], [0.0002], [0.3]]).repeat(4, axis=1)
    found = Comparison([(n,) for n in range(3)], ['width'], [['1'], ['2'], ['4']], scores, losses=losses)
    answer = found.answer()
    assert found.verdict.best == 1 and found.verdict.winner is None
    assert 'width=2, width=1 and width=4 have the same mean, 1.0000; width=2 has the lowest loss' in answer


def test_a_diverged_trial_counts_apart_and_not_as_0():
    scores = np.array([[0.97, 0.971, 0.969, np.nan, 0.97], [0.95, 0.951, 0.949, 0.95, 0.95]])
    found = replace(pair(*scores), diverged=[1, 0])
    assert found.means == pytest.approx([0.97, 0.95])
    assert found.verdict.winner is None and found.first == [0, 1]
    assert (
        'width=1 has the highest mean, 0.9700 of its converged trials (4 of 5), but width=2, 0.9500, '
        'converges more often (5 of 5).' in found.answer()
    )
    other = replace(pair(*scores), diverged=[0, 1])
    assert other.verdict.winner == 0


@pytest.mark.parametrize('count', [1, 2, 3])
def test_an_answer_begins_with_the_verdict(count):
    for gap in (0.0, 0.1):
        found = comparison([0.9 - gap * place for place in range(count)], spread=0.01)
        assert found.answer().startswith(found.sentences.headline)
        assert found.sentences.headline or not found.points


def test_while_trials_are_still_to_come_nothing_is_claimed():
    found = replace(comparison([0.7, 0.95, 0.8]), design=Design(is_interim=True))
    assert found.answer().startswith('So far, width=2 has the highest mean, 0.9')
    assert not re.search('best of|p [=<]|equivalent', found.answer())
    assert found.answer().endswith('The verdict comes when all trials are done.')


def test_a_later_look_is_named():
    found = replace(comparison([0.7, 0.95, 0.8]), design=Design(look=2))
    assert any(text.startswith('This is look 2 at the results:') for text in found.details())


def test_while_there_is_one_architecture_so_far_that_is_said():
    found = replace(comparison([0.9]), design=Design(is_interim=True))
    mean = f'{found.means[0]:.4f}'
    assert found.answer() == (
        f'So far, width=1 is the only architecture with trials: {mean}. '
        'The verdict comes when all trials are done.'
    )


@pytest.mark.parametrize('seed', range(20))
@pytest.mark.parametrize('count', [2, 3, 5])
def test_nothing_that_is_significant_is_called_chance(count, seed):
    draw = np.random.default_rng(seed)
    spreads = 10 ** draw.uniform(-3, -1.5, count)
    found = comparison(np.linspace(0.9, 0.87, count), trials=4, spread=spreads[:, None], seed=seed)
    p = re.search(r'could be chance(?: \(p = ([^,]+), (corrected for .*?)\))?\.', found.answer())
    if p and p[1]:
        assert float(p[1]) >= 0.05
        assert ('comparison' in p[2]) == (count > 2) and '1 comparison' not in p[2]


def test_a_lead_that_is_certain_and_too_small_to_matter_is_called_so():
    found = replace(comparison([0.9, 0.905], trials=40, spread=0.003), design=Design(margin=0.02))
    assert found.verdict.winner == 1 and found.verdict.equivalent == [1, 0]
    assert found.answer().endswith('. Yet width=1 is equivalent to width=2 within 0.0200 (95% confidence).')


def test_where_some_are_equivalent_the_others_are_ruled_out():
    design = Design(margin=0.01)
    found = replace(comparison([0.9, 0.9001, 0.7, 0.6], trials=20, spread=0.003), design=design)
    assert found.sentences.headline.endswith('are equivalent within 0.0100')
    assert found.answer().endswith(' No other can be the best (95% confidence).')


def test_where_tunings_are_compared_advice_is_in_tunings():
    found = replace(comparison([0.9, 0.901], trials=12, seed=1), design=Design(tunings=3, margin=0.002))
    said = ' '.join([found.answer(), *found.details()])
    assert '12 trials in 3 tunings each' in said
    assert re.search(r'would take .*tunings of each', said) and 'trials of each' not in said


@pytest.mark.parametrize('ratio', [0.0, 0.25])
def test_that_trials_are_paired_is_said(ratio):
    found = replace(comparison([0.9, 0.8]), design=Design(paired=True, val_to_train=ratio))
    what = 'split' if ratio else 'number'
    assert f'Trials of the same {what} are compared in pairs.' in found.details()
    assert not any('in pairs' in text for text in comparison([0.9, 0.8]).details())


def test_a_single_trial_says_nothing_about_differences():
    answer = comparison([0.9, 0.2], trials=1).answer()
    assert answer.startswith('No clear winner among 2 (1 trial each). width=1 has the highest mean, ')
    assert 'a single trial says nothing of chance' in answer


def test_several_trials_without_spread_are_not_called_a_single_one():
    answer = replace(pair([0.9, 0.9], [0.8, 0.8]), design=Design(paired=True)).answer()
    assert 'and these trials say nothing of chance' in answer


def test_after_the_planned_looks_a_lead_is_not_called_chance():
    answer = replace(comparison([0.7, 0.95, 0.8]), design=Design(look=2, planned_looks=1)).answer()
    assert ', but nothing is claimed after the looks that were planned.' in answer and 'p =' not in answer


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
    assert told == f'On test data, by which nothing was chosen, width=2 reaches {mean_interval(test[1])}.'
    assert told in found.answer() and any('a little too high' in text for text in found.details())


def test_without_a_test_split_or_trials_nothing_is_said_of_it():
    assert comparison([0.7, 0.95]).on_test_data() == comparison([]).on_test_data() == ''


def test_of_a_single_parameter_nothing_is_told():
    assert comparison([0.7, 0.95, 0.8]).influence() == '', 'it does everything there is'


def test_what_is_told_of_effects_is_so_far_while_trials_are_to_come():
    cells = [[width, kind] for width in ('8', '16') for kind in ('relu', 'tanh')]
    scores = np.array([[0.5], [0.6], [0.8], [0.9]]) + np.random.default_rng(0).normal(0, 1e-4, (4, 5))
    found = Comparison([tuple(cell) for cell in cells], ['width', 'kind'], cells, scores)
    interim = replace(found, design=replace(found.design, is_interim=True))
    assert interim.influence() == 'So far, of the variance between architectures: width 90%, kind 10%.'


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
    assert answer.startswith(f'width=1 is the only comparable architecture: {found.means[0]:.4f}. Not comp')
    assert f', since {EXCLUSIONS[flag].why} ({flag}: {EXCLUSIONS[flag].remedy}).' in answer
    assert not re.search(r'better|p [=<]|above', answer.replace(EXCLUSIONS[flag].why, ''))
    assert found.first == [0] and np.isnan(found.pairwise.row(0).p_adjusted[1])


@given(
    st.lists(
        st.tuples(st.floats(0, 1), st.lists(st.sampled_from([*FLAG_MEANINGS]), unique=True, max_size=3)),
        max_size=6,
    )
)
def test_who_is_first_and_every_p_is_among_those_that_can_be_compared(architectures):
    means, flags = [mean for mean, _ in architectures], dict(enumerate(flags for _, flags in architectures))
    found = flagged(means, flags)
    answer = found.answer()
    for index, name in enumerate(found.names):
        if exclusions(flags[index]):
            assert index not in found.first and np.isnan(found.pairwise.row(index).p).all()
            assert np.isnan(found.pairwise.row(index).difference).all()
            assert answer.count(f'{name} ') <= 1, 'where it is said that it is not comparable'
        else:
            assert not np.isnan(found.pairwise.row(index).p_adjusted[index])
    assert ('Not comparable' in answer) == any(map(exclusions, flags.values()))
    others = [one for one in range(len(means)) if not exclusions(flags[one])]
    alone = replace(found, points=others, cells=[found.cells[one] for one in others],
                    scores=found.scores[others], flags=())  # fmt: skip
    assert [others[one] for one in alone.first] == found.first


def test_a_higher_mean_that_is_not_comparable_is_told():
    answer = flagged([0.8, 0.7, 0.99], {2: ['nothing_learned']}).answer()
    assert 'width=1 is the better of 2 comparable architectures: 0.' in answer and 'width=4 (0.9' in answer


def test_those_of_the_same_flags_are_named_together():
    doubted = ['evaluation_diverged', 'worse_than_tuned']
    answer = flagged([0.9, 0.1, 0.2, 0.3], {1: doubted, 2: doubted, 3: ['nothing_learned']}).answer()
    assert re.search(r'Not comparable: width=4 \(0\.\d+\) and width=2 \(0\.\d+\), since the loss of', answer)
    assert answer.count('comparable') == 2


def test_of_several_flags_each_remedy_is_named_once():
    flags = ['too_few_converged', 'evaluation_diverged', 'worse_than_tuned']
    answer = flagged([0.9, 0.8, 0.1], {2: flags}).not_comparable()
    for remedy in {EXCLUSIONS[flag].remedy for flag in flags}:
        assert answer.count(remedy) == 1


def test_where_nothing_can_be_compared_nothing_is():
    found = flagged([0.9, 0.8], {0: ['nothing_learned'], 1: ['nothing_learned']})
    assert found.first == [] and 'Not comparable: ' in found.answer()
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
