"""What hints say of how to vary a parameter."""

import pytest

from sweeper.declare import DeclarationError, HyperParameterManager
from sweeper.declare.domains import domain_of, role_of
from sweeper.space import Categorical, Float, Integer


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


NUISANCE = "_('x', 2, range=(1, 8), role='nuisance')"


@pytest.mark.parametrize(
    ('call', 'domain'),
    [
        ("_('x', 1)", None),
        ("_('x', True)", Categorical((False, True), default=True, role='fixed')),
        ("_('x', 'a', choices=['a', None])", Categorical(('a', None), default='a')),
        ("_('x', [1], choices=[[1], [2, 3]])", Categorical(((1,), (2, 3)), default=(1,))),
        ("_('x', 2, choices={2, 1})", Categorical((1, 2), default=2)),
        ("_('x', 2, range=(1, 8))", Integer(1, 8, default=2)),
        (NUISANCE, Integer(1, 8, default=2, role='nuisance')),
        ("_('x', 2, range=[1, 8], log=True)", Integer(1, 8, log=True, default=2)),
        ("_('x', 2, range=(1, 8), type='float')", Float(1.0, 8.0, default=2.0)),
        ("_('x', 0.5, range=(0, 1))", Float(0.0, 1.0, default=0.5)),
        ("_('x', 0.5, range=(0, 1), step=0.25)", Float(0.0, 1.0, step=0.25, default=0.5)),
        ("_('x', 16, range=(8, 64), step=8)", Integer(8, 64, step=8, default=16)),
        ("_('x', range=(1, 8))", Integer(1, 8)),
        ("_('x', f(), range=(0.5, 8))", Float(0.5, 8.0)),
    ],
)
def test_hints_give_values(call, domain):
    found = domain_of(node(call))
    assert found == domain
    assert found is None or type(found.default) is type(domain.default)


@pytest.mark.parametrize(
    ('hints', 'message'),
    [
        ('1, choices=[]', 'there must be at least one value'),
        ('1, choices=[1, 1]', '1 is given twice'),
        ('1, choices=[1, {b"a": 1}]', 'cannot be hashed'),
        ("1, choices='12'", 'must be a list of values'),
        ('1, choices=[2, 3]', 'default=1: must be one of 2, 3'),
        ('1, choices=[1], range=(1, 2)', 'only one of them'),
        ('9, range=(1, 8)', 'default=9: must be an integer from 1 to 8'),
        ("'1', range=(1, 8)", "default='1': must be a number from 1 to 8"),
        ('1, range=(1,)', 'two finite numbers'),
        ('1, range=(1, "8")', "high='8': must be a finite number"),
        ('1, range=(False, True)', 'low=False: must be a finite number'),
        ('1, range=(1, 1e999)', 'high=inf: must be a finite number'),
        ('1, range=(8, 1)', 'low must be below high'),
        ('1, range=(1, 1)', 'low must be below high'),
        ('1, range=(0, 8), log=True', 'low=0: must be above 0 on a logarithmic scale'),
        ('1, range=(1, 8), log=1', 'must be True or False'),
        ('1, choices=[1], log=True', 'hint log=True goes with a range'),
        ('1, choices=[1], step=1', 'hint step=1 goes with a range'),
        ('1, range=(1, 8), step=9', 'step=9: must be above 0'),
        ('9, range=(8, 64), step=8', 'default=9: must be an integer from 8 to 64, in steps of 8'),
    ],
)
def test_hints_that_give_no_values_are_refused_with_their_place(hints, message):
    with pytest.raises(DeclarationError, match=f'net.py:1: `x`: .*{message}'):
        domain_of(node(f"_('x', {hints})"))


def test_a_scale_is_read():
    (node,) = HyperParameterManager('_').parse_source("_('x', 1.0, range=(0.1, 10), scale='log')").get_nodes()
    assert domain_of(node).log


@pytest.mark.parametrize(
    'hints', ["range=(1, 2), scale='lgo'", "scale='log'", "range=(1, 2), scale='log', log=False"]
)
def test_a_scale_that_cannot_be_is_refused(hints):
    (node,) = HyperParameterManager('_').parse_source(f"_('x', 1, {hints})").get_nodes()
    with pytest.raises(DeclarationError, match='hint scale='):
        domain_of(node)
