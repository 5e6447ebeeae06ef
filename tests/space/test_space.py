"""A space: parameters by name, each with its values."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.errors import InvalidArgument, InvalidPoint
from sweeper.points import NamedPoint
from sweeper.space import Categorical, Float, Integer, Space

WIDTHS = Space(
    {'width': Integer(8, 10), 'activation': Categorical(['relu', 'tanh']), 'dropout': Float(0, 0.5)}
)


@pytest.mark.parametrize(
    ('point', 'message'),
    [
        ({'width': 8}, 'activation is missing'),
        ({'width': 8, 'activation': 'gelu', 'dropout': 0.1}, "activation='gelu': must be one of"),
        ({'wdith': 8}, 'no such parameter; did you mean width'),
    ],
)
def test_what_is_no_point_is_named_as_such(point, message):
    with pytest.raises(InvalidPoint, match=message):
        WIDTHS.encode(point)
    if 'activation' not in point:
        for pair in ([point, WIDTHS.sample(random.Random(0))], [WIDTHS.sample(random.Random(0)), point]):
            with pytest.raises(InvalidPoint, match=message):
                WIDTHS.distance(*pair)


def test_a_place_has_a_number_for_each_parameter():
    with pytest.raises(InvalidPoint, match='must be 3 numbers, one for each parameter'):
        WIDTHS.decode([0.5])


def test_a_space_keeps_the_order_of_its_names():
    assert list(WIDTHS) == ['width', 'activation', 'dropout']
    assert list(WIDTHS.sample(random.Random(0))) == ['width', 'activation', 'dropout']
    assert WIDTHS.size == math.inf
    assert Space({name: WIDTHS[name] for name in ('width', 'activation')}).size == 6


def test_a_grid_has_every_combination_the_last_changing_fastest():
    space = Space({'width': Integer(8, 9), 'activation': Categorical(['relu', 'tanh'])})
    assert [*space.grid()] == [
        NamedPoint(width=width, activation=activation) for width in (8, 9) for activation in ('relu', 'tanh')
    ]
    assert len([*WIDTHS.grid(2)]) == 8
    assert len([*WIDTHS.grid({'dropout': 5})]) == 30
    with pytest.raises(InvalidArgument, match=r"'dropout': .* no complete list"):
        [*WIDTHS.grid()]


@given(st.integers(0, 2**32))
def test_samples_are_points_with_a_place_and_neighbours(seed):
    point = WIDTHS.sample(random.Random(seed))
    WIDTHS.check(point)
    assert WIDTHS.decode(WIDTHS.encode(point)) == point
    beside = WIDTHS.neighbours(point)
    assert len(beside) == len(set(beside)) > 1
    for other in beside:
        assert WIDTHS.contains(other) and other != point
        assert sum(other[name] != point[name] for name in WIDTHS) == 1
        assert 0 < WIDTHS.distance(point, other) <= 1


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'width': 11}, 'width=11: must be an integer from 8 to 10'),
        ({'activation': 'elu'}, "activation='elu': must be one of 'relu', 'tanh'"),
        ({'widht': 8}, 'widht=8: the space has no such parameter; did you mean width'),
        ({'x': 8}, 'x=8: the space has no such parameter; it has width, activation, dropout'),
    ],
)
def test_what_is_no_point_is_refused_with_the_parameter(changes, message):
    point = {'width': 8, 'activation': 'relu', 'dropout': 0.1, **changes}
    assert not WIDTHS.contains(point)
    with pytest.raises(InvalidPoint, match=message):
        WIDTHS.check(point)
    with pytest.raises(InvalidPoint, match=r'dropout is missing; it must be a number from 0 to 0\.5'):
        WIDTHS.check({'width': 8, 'activation': 'relu'})


def test_what_is_no_space_is_refused():
    with pytest.raises(InvalidArgument, match='at least one parameter'):
        Space({})
    with pytest.raises(InvalidArgument, match=r"parameter 'width': \[1, 2\] is no domain"):
        Space({'width': [1, 2]})
