"""One space, however it is asked for: in Python, on the command line, or by hints in the code."""

import dataclasses
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper import literals
from sweeper.declare import HyperParameterManager
from sweeper.declare.domains import domain_of as declared_domain
from sweeper.frozen import freeze
from sweeper.problem.parameters import kinds_in
from sweeper.problem.reference import find_problem
from sweeper.selectors.fixed import FixedSweep
from sweeper.space import Categorical, Float, Integer, Space
from sweeper.space.base import UNSET
from sweeper.space.forms import domain_of

TEXTS = st.text(max_size=6) | st.sampled_from(
    ["it's", 'a,b', '"', "'", '1', '1..3', '..', 'None', 'true', '(', ' a']
)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = {bool: st.booleans(), int: st.integers(), float: NUMBERS, str: TEXTS}
PLAIN = st.none() | st.one_of(*VALUES.values()) | st.tuples(st.integers(), TEXTS)
CHOICES = st.lists(PLAIN, min_size=1, max_size=5, unique_by=freeze).map(Categorical)
INTEGERS = st.builds(
    lambda low, width, log: Integer(low, low + width, log=log and low > 0),
    st.integers(-1000, 1000), st.integers(1, 10**6), st.booleans(),
)  # fmt: skip
FLOATS = st.builds(
    lambda low, width, log: Float(low, low + width, log=log and low > 1e-200),
    st.floats(-1e3, 1e3), st.floats(1e-3, 1e6), st.booleans(),
)  # fmt: skip
DOMAINS = st.one_of(CHOICES, INTEGERS, FLOATS)


def as_text(domain):
    if isinstance(domain, Categorical):
        return ','.join(map(repr, domain.choices))
    return f'{domain.low!r}..{domain.high!r}' + ':log' * domain.log


def in_python(domain):
    if isinstance(domain, Categorical):
        return list(domain.choices)
    return (domain.low, domain.high, *['log'] * domain.log)


def as_hints(domain):
    if isinstance(domain, Categorical):
        return f"_('x', {domain.choices[0]!r}, choices={list(domain.choices)!r})"
    return f"_('x', {domain.low!r}, range=({domain.low!r}, {domain.high!r}), log={domain.log})"


@given(DOMAINS)
def test_what_is_asked_for_in_python_on_the_command_line_and_by_hints_is_the_same(domain):
    assert domain_of('x', in_python(domain)) == literals.range_of(as_text(domain)) == domain
    (node,) = HyperParameterManager('_').parse_source(as_hints(domain)).get_nodes()
    declared = declared_domain(node)
    assert declared.contains(declared.default) and declared.role == 'scientific'
    assert dataclasses.replace(declared, default=UNSET) == domain


@given(DOMAINS, st.integers(0, 2**32))
def test_values_that_are_drawn_can_be_written_and_read_again(domain, seed):
    value = domain.sample(random.Random(seed))
    assert domain.contains(value)
    again = literals.value_of(repr(value))
    assert again == value and type(again) is type(value) and domain.contains(again)


@given(st.data(), st.sampled_from([*VALUES]))
def test_values_of_every_type_can_be_written_and_keep_it(data, kind):
    values = data.draw(st.lists(VALUES[kind], min_size=1, max_size=4, unique_by=freeze))
    domain = literals.choices_of(','.join(map(repr, values)), kind)
    assert repr(domain.values()) == repr(values)  # 1 is not 1.0
    assert repr(literals.value_of(repr(values[0]), kind)) == repr(values[0])


@given(st.lists(st.from_regex(r'[\w./+-]+', fullmatch=True), min_size=1, max_size=4, unique=True))
def test_words_of_a_parameter_that_takes_texts_are_texts(words):
    if not {'None', 'null'} & {*words} and not literals._IS_A_RANGE.fullmatch(','.join(words)):
        assert literals.choices_of(','.join(words), str).values() == words


@pytest.mark.parametrize(
    ('text', 'kind', 'domain'),
    [
        ('0..1', None, Integer(0, 1)),
        ('0..1', int, Integer(0, 1)),
        ('0..1', float, Float(0.0, 1.0)),
        ('1..100:log', float, Float(1.0, 100.0, log=True)),
        ('1.0..100', int, Integer(1, 100)),
        ('0,1', float, Categorical((0.0, 1.0))),
        ('1.0,1e2', int, Categorical((1, 100))),
        ('1,2', str, Categorical(('1', '2'))),
        ('2020-2021', str, Categorical(('2020-2021',))),
        ('true,1e3,[', str, Categorical(('true', '1e3', '['))),
        ("'a,b',c", str, Categorical(('a,b', 'c'))),
        ('"a,b",c', None, Categorical(('a,b', 'c'))),
        ("'1','None'", str, Categorical(('1', 'None'))),
        ('batch,None', str, Categorical(('batch', None))),
        ('yes,0', bool, Categorical((True, False))),
        ('(8,8),[16,16]', list, Categorical(((8, 8), (16, 16)))),
    ],
)
def test_values_on_the_command_line_have_the_declared_type(text, kind, domain):
    found = literals.range_of(text, kind)
    assert found == domain
    assert [*map(type, found.values(2))] == [*map(type, domain.values(2))]


@given(FLOATS | INTEGERS)
def test_ends_of_the_declared_type_are_an_interval_of_it(domain):
    low, high = domain.low, domain.high
    assert domain_of('x', (math.floor(low), math.ceil(high) + 1), float).contains(0.5 * (low + high))
    assert type(domain_of('x', (math.floor(low), math.ceil(high) + 1), float)) is Float
    assert type(domain_of('x', (float(math.floor(low)), float(math.ceil(high) + 1)), int)) is Integer


@given(st.dictionaries(st.sampled_from('abc'), CHOICES | st.builds(Integer, st.just(1), st.integers(2, 5))))
def test_a_grid_is_all_points_of_its_space_once(domains):
    points = [point for point, _ in FixedSweep.with_grid(domains, 1).points_and_trials()]
    if domains:
        assert len({*points}) == len(points) == Space(domains).size
        assert all(map(Space(domains).contains, points))


def test_an_annotation_of_model_tells_the_type_too(tmp_path):
    problem = tmp_path / 'problem.py'
    problem.write_text('def model(rate: float, act: str, *, sizes: "list[int]", n: int = 1):\n    pass\n')
    kind_of = kinds_in(find_problem(problem).sources())
    assert [*map(kind_of, ('rate', 'act', 'sizes', 'n', 'other'))] == [float, str, None, int, None]
    problem.write_text('def model(rate: float)')
    assert kinds_in(find_problem(problem).sources())('rate') is None


def test_a_sweep_of_what_is_declared_draws_the_declared_type(tmp_path):
    problem = tmp_path / 'problem.py'
    problem.write_text(
        'from sweeper.m import _\n'
        "def model():\n    return _('momentum', 0.9), _('width', 8, range=(1, 64), log=True)\n"
    )
    values = {'momentum': (0, 1)}
    drawn = FixedSweep.with_declared(problem, 1, values=values, points=6).points_and_trials()
    assert len(drawn) == 6 and {type(point['momentum']) for point, _ in drawn} == {float}
    assert {type(point['width']) for point, _ in drawn} == {int}
