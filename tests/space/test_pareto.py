"""The Pareto front, its ranks and the archive, against their definitions."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.space.pareto import ParetoArchive, crowding, dominates, front_ranks, on_front

values = st.integers(0, 4) | st.just(-math.inf)
points = st.integers(1, 3).flatmap(lambda size: st.lists(st.tuples(*[values] * size), max_size=12))


@pytest.mark.parametrize(
    ('values', 'others', 'expected'),
    [
        ((1, 2), (1, 1), True),
        ((1, 1), (1, 1), False),
        ((2, 0), (1, 1), False),
        ((0, -math.inf), (-math.inf, -math.inf), True),
    ],
)
def test_to_dominate_is_to_be_as_good_everywhere_and_better_somewhere(values, others, expected):
    assert dominates(values, others) is expected


@given(points)
def test_on_the_front_is_what_no_other_dominates(points):
    expected = [not any(dominates(other, point) for other in points) for point in points]
    assert on_front(points) == expected


@given(points)
def test_each_rank_is_the_front_of_what_is_left(points):
    ranks = front_ranks(points)
    for rank in {*ranks}:
        left = [point for point, other in zip(points, ranks, strict=True) if other >= rank]
        on = [point for point, other in zip(points, ranks, strict=True) if other == rank]
        assert sorted(on) == sorted(point for point, is_on in zip(left, on_front(left), strict=True) if is_on)
    assert {*ranks} == {*range(len({*ranks}))}


@given(points)
def test_an_archive_has_the_front_whatever_the_order(points):
    archive = ParetoArchive()
    grown = [archive.add(point) for point in points]
    front = {point for point, is_on in zip(points, on_front(points), strict=True) if is_on}
    assert {*archive.front} == front and len(archive.front) == len(front)
    for index, is_new in enumerate(grown):
        before = points[:index]
        is_better = not any(dominates(other, points[index]) for other in before)
        assert is_new == (is_better and points[index] not in before)


def test_crowding_is_infinite_at_the_ends_and_the_share_of_the_gap_between():
    assert crowding([(0, 4), (1, 3), (4, 0)]) == [math.inf, 2.0, math.inf]
    assert crowding([(1, 1)]) == [math.inf]
    assert crowding([(2,), (2,), (2,)])[1] == 0
