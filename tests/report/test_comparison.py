"""The answer of a sweep, in words."""

import numpy as np

from sweeper.report.comparison import Comparison


def comparison(means, trials=10, spread=0.005, seed=0):
    draw = np.random.default_rng(seed)
    scores = np.asarray(means)[:, None] + draw.normal(0, spread, (len(means), trials))
    points = [(2**i,) for i in range(len(means))]
    return Comparison(points, ['width'], [[str(width)] for (width,) in points], scores)


def test_a_clear_winner_is_named_with_its_lead():
    found = comparison([0.7, 0.95, 0.8])
    assert found.first == [1]
    answer = found.answer()
    assert answer.startswith('width=2 is the best of 3: 0.9')
    assert 'ahead of width=4' in answer and 'Holm-corrected for 3 comparisons' in answer


def test_ties_are_named_with_what_would_settle_them():
    found = comparison([0.9, 0.901, 0.5, 0.9005], spread=0.01)
    assert sorted(found.first) == [0, 1, 3]
    answer = found.answer()
    assert all(f'width={name}' in answer for name in (1, 2, 8)) and 'width=4' not in answer
    assert 'have not been told apart' in answer and 'with probability 0.' in answer


def test_of_many_ties_a_few_are_named():
    answer = comparison([0.9] * 12, spread=0.01).answer()
    assert 'and 7 more have not been told apart' in answer


def test_a_single_trial_says_nothing_about_differences():
    answer = comparison([0.9, 0.2], trials=1).answer()
    assert 'width=2 has not been told apart' in answer and 'nothing can be said' in answer


def test_what_the_performance_depends_on_is_told_for_a_grid():
    cells = [[width, kind] for width in ('8', '16') for kind in ('relu', 'tanh')]
    scores = np.array([[0.5], [0.6], [0.8], [0.9]]) + np.random.default_rng(0).normal(0, 1e-4, (4, 5))
    found = Comparison([tuple(cell) for cell in cells], ['width', 'kind'], cells, scores)
    assert found.influence() == 'Of the variance between architectures: width 90%, kind 10%.'
    assert Comparison(found.points[:3], found.columns, cells[:3], scores[:3]).influence() == ''
    tied = Comparison(found.points, found.columns, cells, scores[:, :1])
    assert tied.influence() == '', 'there may be nothing that depends on anything'


def test_one_architecture_and_none():
    assert comparison([0.9]).answer().startswith('width=1 is the only one with trials')
    assert comparison([]).answer() == 'There are no trials yet.'
