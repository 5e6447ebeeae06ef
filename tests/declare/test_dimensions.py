"""What hints say of how to vary a parameter."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.declare import DeclarationError, EmptyValue, HyperParameterManager
from sweeper.declare.dimensions import Dimension, dimension_of, role_of


def node(call):
    return HyperParameterManager('_').parse_source(call, 'net.py').get_nodes()[0]


@pytest.mark.parametrize(
    ('call', 'role'),
    [
        ("_('x', 1)", 'fixed'),
        ("_('x', True)", 'fixed'),
        ("_('x', 1, help='text')", 'fixed'),
        ("_('x', 1, choices=[1, 2])", 'scientific'),
        ("_('x', 1, range=(1, 2))", 'scientific'),
        ("_('x', 1, range=(1, 2), role='nuisance')", 'nuisance'),
        ("_('x', 1, range=(1, 2), role='fixed')", 'fixed'),
        ("_('x', True, role='scientific')", 'scientific'),
    ],
)
def test_a_parameter_with_values_is_compared_unless_its_role_is_another(call, role):
    assert role_of(node(call)) == role


def test_an_unknown_role_is_refused_with_those_there_are():
    with pytest.raises(
        DeclarationError, match=r"net.py:1: `x`: hint role='tuned': valid are 'scientific', 'nui"
    ):
        role_of(node("_('x', 1, range=(1, 2), role='tuned')"))


@pytest.mark.parametrize(
    ('call', 'dimension'),
    [
        ("_('x', 1)", None),
        ("_('x', True)", Dimension('x', True, (False, True))),
        ("_('x', 'a', choices=['a', None])", Dimension('x', 'a', ('a', None))),
        ("_('x', [1], choices=[[1], [2, 3]])", Dimension('x', (1,), ((1,), (2, 3)))),
        ("_('x', 2, choices={2, 1})", Dimension('x', 2, (1, 2))),
        ("_('x', 2, range=(1, 8))", Dimension('x', 2, low=1, high=8, is_integer=True)),
        ("_('x', 2, range=[1, 8], log=True)", Dimension('x', 2, low=1, high=8, log=True, is_integer=True)),
        ("_('x', 2, range=(1, 8), type='float')", Dimension('x', 2.0, low=1.0, high=8.0)),
        ("_('x', 0.5, range=(0, 1))", Dimension('x', 0.5, low=0.0, high=1.0)),
        ("_('x', range=(1, 8))", Dimension('x', EmptyValue(), low=1, high=8, is_integer=True)),
        ("_('x', f(), range=(0.5, 8))", Dimension('x', EmptyValue(), low=0.5, high=8.0)),
    ],
)
def test_hints_give_values(call, dimension):
    found = dimension_of(node(call))
    assert found == dimension
    assert found is None or type(found.low) is type(dimension.low)


@pytest.mark.parametrize(
    ('hints', 'message'),
    [
        ('1, choices=[]', 'must be a list of different values'),
        ('1, choices=[1, 1]', 'must be a list of different values'),
        ('1, choices=[1, {b"a": 1}]', 'must be a list of different values'),
        ("1, choices='12'", 'must be a list of different values'),
        ('1, choices=[2, 3]', 'the default 1 is not in its choices 2, 3'),
        ('1, choices=[1], range=(1, 2)', 'only one of them'),
        ('9, range=(1, 8)', r'the default 9 is not in \(1, 8\)'),
        ("'1', range=(1, 8)", r"the default '1' is not in \(1, 8\)"),
        ('1, range=(1,)', 'two finite numbers'),
        ('1, range=(1, "8")', 'two finite numbers'),
        ('1, range=(False, True)', 'two finite numbers'),
        ('1, range=(1, 1e999)', 'two finite numbers'),
        ('1, range=(8, 1)', 'low must be below high'),
        ('1, range=(1, 1)', 'low must be below high'),
        ('1, range=(0, 8), log=True', 'with log=True low must be above 0'),
        ('1, range=(1, 8), log=1', 'must be True or False'),
        ('1, choices=[1], log=True', 'goes with a range'),
    ],
)
def test_hints_that_give_no_values_are_refused_with_their_place(hints, message):
    with pytest.raises(DeclarationError, match=f'net.py:1: `x`: .*{message}'):
        dimension_of(node(f"_('x', {hints})"))


SHARES = st.floats(0, 1, exclude_max=True)
BOUNDS = st.tuples(st.integers(1, 1000), st.integers(1, 1000)).filter(lambda pair: pair[0] < pair[1])
DIMENSIONS = st.one_of(
    st.integers(1, 9).map(lambda count: Dimension('x', 0, tuple(range(count)))),
    st.builds(
        lambda bounds, log, scale: Dimension('x', 0, (), bounds[0] * scale, bounds[1] * scale, log),
        BOUNDS, st.booleans(), st.sampled_from([1e-6, 1.0, 1e6]),
    ),
    st.builds(lambda ends, log: Dimension('x', 0, (), *ends, log, is_integer=True), BOUNDS, st.booleans()),
)  # fmt: skip


@given(DIMENSIONS, SHARES)
def test_every_share_has_a_value_and_every_value_a_share(dimension, share):
    value = dimension.at(share)
    if dimension.choices:
        assert value in dimension.choices
    else:
        assert dimension.low <= value <= dimension.high
        assert type(value) is (int if dimension.is_integer else float) or value in (
            dimension.low,
            dimension.high,
        )
    assert 0 <= dimension.share_of(value) <= 1
    assert dimension.share_of(value) == pytest.approx(
        share, abs=1 if dimension.is_integer or dimension.choices else 1e-3
    )
    assert math.isclose(dimension.at(min(dimension.share_of(value), 1 - 1e-9)), value, rel_tol=1e-2)


def test_integers_and_choices_are_all_reached_evenly():
    shares = [index / 800 for index in range(800)]
    letters, integers = Dimension('x', 0, tuple('abcdefgh')), Dimension('x', 0, (), 1, 8, is_integer=True)
    for dimension in (letters, integers):
        counts = [
            sum(dimension.at(share) == value for share in shares) for value in {*map(dimension.at, shares)}
        ]
        assert len(counts) == 8 and max(counts) - min(counts) <= 2


def test_a_narrow_interval_keeps_its_digits():
    momentum = Dimension('momentum', 0.9, (), 0.99, 0.999)
    assert len({momentum.at(index / 10) for index in range(10)}) == 10


def test_a_scale_is_read():
    (node,) = HyperParameterManager('_').parse_source("_('x', 1.0, range=(0.1, 10), scale='log')").get_nodes()
    assert dimension_of(node).log


@pytest.mark.parametrize(
    'hints', ["range=(1, 2), scale='lgo'", "scale='log'", "range=(1, 2), scale='log', log=False"]
)
def test_a_scale_that_cannot_be_is_refused(hints):
    (node,) = HyperParameterManager('_').parse_source(f"_('x', 1, {hints})").get_nodes()
    with pytest.raises(DeclarationError, match='hint scale='):
        dimension_of(node)
