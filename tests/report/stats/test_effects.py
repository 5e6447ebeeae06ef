"""Effects of parameters, where they are known."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.report.stats.effects import grid_effects, is_grid

NAMES = 'depth', 'width', 'nonlinearity'
GRID = list(product([1, 2], [8, 16, 32], ['relu', 'tanh']))


def shares(found):
    return {effect.parameters: effect.share for effect in found}


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
