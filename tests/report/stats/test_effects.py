"""Effects of parameters, where they are known."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.report.stats.effects import grid_effects as noisy_grid_effects
from sweeper.report.stats.effects import is_grid
from sweeper.report.stats.influence import influence
from sweeper.report.stats.noise import Noise, noise_of_means
from sweeper.stats.design import Design

NAMES = 'depth', 'width', 'nonlinearity'
GRID = list(product([1, 2], [8, 16, 32], ['relu', 'tanh']))


def shares(found):
    return {effect.parameters: effect.share for effect in found}


def grid_effects(points, names, means):
    """Without noise."""
    return noisy_grid_effects(points, names, means, Noise(np.zeros(len(means)), np.full(len(means), 2.0)))


def test_a_parameter_that_does_it_all_has_the_whole_variance():
    found = grid_effects(GRID, NAMES, [{8: 0.5, 16: 0.7, 32: 0.9}[width] for _, width, _ in GRID])
    assert found[0].parameters == ('width',) and found[0].share == pytest.approx(1)
    assert found[0].levels == pytest.approx({8: 0.5, 16: 0.7, 32: 0.9})
    assert all(effect.share == pytest.approx(0) for effect in found[1:])


def test_effects_that_add_up_do_not_interact():
    found = shares(grid_effects(GRID, NAMES, [0.1 * depth + width / 100 for depth, width, _ in GRID]))
    variances = np.var([0.1, 0.2]), np.var([0.08, 0.16, 0.32])
    assert found[('depth',)] == pytest.approx(variances[0] / sum(variances))
    assert found[('depth', 'width')] == pytest.approx(0)


def test_parameters_that_work_only_together_interact():
    found = grid_effects(GRID, NAMES, [float((depth == 1) == (kind == 'relu')) for depth, _, kind in GRID])
    assert found[0].parameters == ('depth', 'nonlinearity') and found[0].share == pytest.approx(1)


@given(st.lists(st.floats(0, 1), min_size=len(GRID), max_size=len(GRID)), st.randoms())
def test_shares_are_parts_of_a_whole_whatever_the_order(performances, random):
    rows = list(zip(GRID, performances, strict=True))
    found = shares(grid_effects(GRID, NAMES, performances))
    random.shuffle(rows)
    points, shuffled = zip(*rows, strict=True)
    assert shares(grid_effects(points, NAMES, shuffled)) == pytest.approx(found, abs=1e-9)
    assert all(share >= -1e-9 for share in found.values()) and sum(found.values()) <= 1 + 1e-9


def test_of_two_parameters_nothing_is_left_over():
    points = list(product([1, 2, 3], 'ab'))
    found = grid_effects(points, NAMES[:2], np.random.default_rng(0).random(6))
    assert sum(shares(found).values()) == pytest.approx(1)


def test_a_parameter_with_a_single_value_has_no_effect():
    found = grid_effects([(1, 'a'), (1, 'b')], NAMES[:2], [0.2, 0.4])
    assert [effect.parameters for effect in found] == [('width',)]


def test_where_all_perform_the_same_nothing_has_an_effect():
    assert grid_effects(GRID, NAMES, [0.5] * len(GRID)) == []


@pytest.mark.parametrize('points', [GRID[:-1], [*GRID, GRID[0]], []], ids=len)
def test_what_is_no_grid_is_refused(points):
    assert not points or not is_grid(points)
    with pytest.raises(ValueError, match=f'{len(points)} points are no complete grid'):
        grid_effects(points, NAMES, [0.5] * len(points))


# With noise


def simulated(sizes, effect, spreads=1.0, trials=3, seed=0):
    """Scores of a grid whose first parameter has an effect, of a variance; that of noise of means is 1."""
    rng = np.random.default_rng(seed)
    cells = [[str(value) for value in point] for point in product(*map(range, sizes))]
    levels = rng.normal(size=sizes[0])
    levels = effect**0.5 * (levels - levels.mean()) / levels.std()
    noise = rng.normal(size=(len(cells), trials)) * trials**0.5
    return cells, levels[[int(first) for first, *_ in cells]][:, None] + np.reshape(spreads, (-1, 1)) * noise


@pytest.mark.parametrize('sizes', [(3, 3), (2, 3, 4)], ids=str)
@pytest.mark.parametrize('uneven', [False, True])
def test_what_is_idle_is_told_as_an_effect_in_at_most_5_percent_of_sweeps(sizes, uneven):
    count, told = int(np.prod(sizes)), 0
    for seed in range(300):
        spreads = np.exp(np.random.default_rng(seed).uniform(0, np.log(10), count)) if uneven else 1.0
        found = influence(*_named(sizes, *simulated(sizes, 1.0, spreads, seed=seed))).significant
        told += any('p0' not in effect.parameters or len(effect.parameters) > 1 for effect in found)
    assert told <= 300 * 0.05 + 2 * (300 * 0.05 * 0.95) ** 0.5


def _named(sizes, cells, scores):
    return cells, [f'p{index}' for index in range(len(sizes))], scores


def test_an_effect_is_told_and_its_share_has_no_noise_in_it():
    sizes, truth = (3, 3, 2), 3.0
    found = [influence(*_named(sizes, *simulated(sizes, truth, seed=seed))) for seed in range(200)]
    first = [{effect.parameters: effect for effect in each.effects}[('p0',)] for each in found]
    assert np.mean([effect.is_significant for effect in first]) > 0.9
    assert np.mean([effect.share for effect in first]) == pytest.approx(1, abs=0.1)
    idle = [sum(effect.share for effect in each.effects if effect.parameters != ('p0',)) for each in found]
    assert np.mean(idle) < 0.2, 'of which noise alone has 14 / 17 * 1 / (1 + 3), or 20%'


def test_of_single_trials_nothing_is_told():
    cells, scores = simulated((3, 3), 100.0, trials=1)
    found = influence(cells, ['a', 'b'], scores)
    assert found.effects and not found.significant
    assert (
        found.sentence()
        == 'What the performance depends on is not known: no effect of a parameter exceeds the noise.'
    )


def test_trials_without_any_spread_have_no_noise():
    cells, _ = simulated((3, 3), 1.0)
    found = influence(cells, ['a', 'b'], np.repeat([[int(a)] for a, _ in cells], 3, axis=1))
    assert [effect.p for effect in found.effects] == [0, 1, 1]
    assert found.sentence() == 'Of the variance between architectures: a 100%.'


def test_what_trials_have_in_common_is_no_noise_if_they_are_paired():
    cells, scores = simulated((3, 3), 3.0, seed=1)
    splits = 100 * np.random.default_rng(2).normal(size=3)
    plain = influence(cells, ['a', 'b'], scores, Design(paired=True))
    assert plain.significant
    common = influence(cells, ['a', 'b'], scores + splits, Design(paired=True))
    assert [effect.p for effect in common.effects] == pytest.approx([effect.p for effect in plain.effects])
    assert not influence(cells, ['a', 'b'], scores + splits).significant


def test_noise_is_that_of_each_architecture_and_an_average_of_the_others_where_trials_are_single():
    scores = np.array([[0.0, 2.0, np.nan], [1.0, 1.0, 4.0], [7.0, np.nan, np.nan]])
    noise = noise_of_means(scores, Design())
    assert noise.variances == pytest.approx([1.0, 1.0, 8 / 3])
    assert noise.freedom.tolist() == [1, 2, 0]
    resampled = noise_of_means(scores[:2], Design(val_to_train=0.25))
    assert resampled.variances == pytest.approx([1 + 2 / 4, 1 + 3 / 4])


def test_scores_that_are_rounded_have_some_noise_though_all_trials_of_each_are_equal():
    cells, _ = simulated((3, 3), 1.0)
    scores = np.repeat([[0.01 * int(a)] for a, _ in cells], 3, axis=1)
    assert influence(cells, ['a', 'b'], scores, Design(resolution=0.01)).significant
    assert not influence(cells, ['a', 'b'], scores, Design(resolution=0.1)).significant


def test_error_is_spent_over_looks_at_the_results():
    cells, scores = simulated((3, 3), 3.0, seed=3)
    p = min(effect.p for effect in influence(cells, ['a', 'b'], scores).effects) / 2
    looks = [
        look for look in range(1, 9) if influence(cells, ['a', 'b'], scores, Design(look=look)).significant
    ]
    assert looks == [look for look in range(1, 9) if p < 0.05 / 2**look] and 0 < len(looks) < 8


# A single architecture


def test_nearly_all_of_the_variance_is_a_single_architecture():
    cells, scores = simulated((3, 3), 1.0, 0.01)
    scores[4] -= 50
    found = influence(cells, ['a', 'b'], scores)
    assert found.outlier == 'a=1 b=1' and found.share == pytest.approx(0.98, abs=0.02)
    told = found.sentence()
    assert told.startswith(
        f'{100 * found.share:.0f}% of the variance between architectures is due to a single one, a=1 b=1.'
    )
    assert told.endswith(' Of the variance between the 6 architectures that form a complete grid: a 100%.')
    assert 4 not in found.chosen and found.left_out == 2


def test_the_only_two_good_ones_are_no_single_architecture():
    cells, scores = simulated((3, 3), 0.0, 0.01)
    scores[[2, 5]] += 1
    assert influence(cells, ['a', 'b'], scores).outlier == ''
