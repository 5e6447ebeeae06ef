"""RandomSweep spreads points over a space; GridSweep lists it."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper import Categorical, Float, GridSweep, Integer, InvalidArgument, RandomSweep, Space

SPACE = Space(
    {'width': Integer(1, 100, log=True), 'rate': Float(0.0, 1.0), 'kind': Categorical(['relu', 'tanh'])}
)


def points(selector):
    return [point for point, _ in selector.points_and_trials()]


@given(st.integers(1, 64), st.integers(0, 2**62), st.sampled_from(['sobol', 'uniform']))
def test_points_are_legal_different_and_as_many_as_wanted(count, seed, method):
    drawn = points(RandomSweep(SPACE, count, method=method, seed=seed))
    assert len(drawn) == len({*drawn}) == count
    assert all(SPACE.contains(point) for point in drawn)
    assert (
        drawn[: count // 2]
        == points(RandomSweep(SPACE, max(1, count // 2), method=method, seed=seed))[: count // 2]
    )


def gap(values):
    ends = [0.0, *sorted(values), 1.0]
    return max(high - low for low, high in itertools.pairwise(ends))


def test_a_sobol_sequence_leaves_smaller_gaps_than_independent_points():
    gaps = {
        method: [
            gap(point['rate'] for point in points(RandomSweep(SPACE, 16, method=method, seed=seed)))
            for seed in range(20)
        ]
        for method in ('sobol', 'uniform')
    }
    assert max(gaps['sobol']) < 0.13
    assert sum(gaps['uniform']) / 20 > 0.18


def test_different_seeds_draw_different_points():
    assert points(RandomSweep(SPACE, 5)) != points(RandomSweep(SPACE, 5, seed=1))


@pytest.mark.parametrize('method', ['sobol', 'uniform'])
def test_a_finite_space_can_be_drawn_as_a_whole_and_no_more(method):
    space = Space({'a': Integer(1, 3), 'b': Categorical(['x', 'y'])})
    assert {*points(RandomSweep(space, 6, method=method))} == {*space.grid()}
    with pytest.raises(InvalidArgument, match=r'points=7: the space is too small: it has 6 points, not 7'):
        RandomSweep(space, 7, method=method)


def test_a_space_may_be_given_as_ranges():
    (point,) = points(RandomSweep({'width': (8, 128, 'log'), 'kind': ['relu']}, 1))
    assert 8 <= point['width'] <= 128 and point['kind'] == 'relu'


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'points': 0}, 'points=0'),
        ({'method': 'halton'}, "method='halton': must be sobol or uniform"),
        ({'trials': -1}, 'trials=-1'),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(InvalidArgument, match=message):
        RandomSweep(SPACE, **arguments)


def test_a_space_must_be_one():
    with pytest.raises(InvalidArgument, match='must be a Space, or a mapping'):
        RandomSweep([(1, 2)], 1)


def test_a_grid_is_every_point_or_evenly_spaced_ones():
    assert points(GridSweep({'a': range(1, 4), 'b': ['x', 'y']}, trials=2)) == [
        {'a': a, 'b': b} for a in (1, 2, 3) for b in ('x', 'y')
    ]
    grid = points(GridSweep(SPACE, counts={'width': 3, 'rate': 5}))
    assert len(grid) == 3 * 5 * 2 and {point['width'] for point in grid} == {1, 10, 100}
    assert not math.isinf(len(grid))
    with pytest.raises(InvalidArgument, match="parameter 'rate'"):
        GridSweep(SPACE)
