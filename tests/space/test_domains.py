"""Domains: which values a parameter may have, drawn, listed, encoded and compared."""

import math
import pickle
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.errors import InvalidArgument
from sweeper.space import Bits, Categorical, Float, Integer, Ordinal

ENDS = st.tuples(st.integers(1, 1000), st.integers(1, 1000)).filter(lambda pair: pair[0] < pair[1])
PLACES = st.floats(0, 1)
CHOICES = st.lists(st.one_of(st.integers(), st.text(), st.none()), min_size=1, max_size=9, unique=True)
INTEGERS = st.builds(
    lambda ends, log, step: Integer(*ends, log=log, step=min(step, ends[1] - ends[0])),
    ENDS, st.booleans(), st.integers(1, 7),
)  # fmt: skip
INTERVALS = st.builds(
    lambda ends, log, scale: Float(ends[0] * scale, ends[1] * scale, log=log),
    ENDS, st.booleans(), st.sampled_from([1e-6, 1.0, 1e6]),
)  # fmt: skip
STEPPED = st.builds(
    lambda low, step, count: Float(low, low + step * count, step=step),
    st.sampled_from([-1.0, 0.0, 0.1, 5.0]), st.sampled_from([0.05, 0.1, 0.25, 2.0]), st.integers(1, 12),
)  # fmt: skip
BITS = st.builds(
    lambda length, ones: Bits(length, {min(count, length) for count in ones}),
    st.integers(1, 7), st.sets(st.integers(0, 7), max_size=3),
)  # fmt: skip
COUNTABLE = st.one_of(st.builds(Categorical, CHOICES), st.builds(Ordinal, CHOICES), INTEGERS, STEPPED, BITS)
DOMAINS = st.one_of(COUNTABLE, INTERVALS)


@given(DOMAINS, PLACES)
def test_every_place_has_a_value_and_every_value_its_place(domain, place):
    value = domain.decode(place)
    assert domain.contains(value)
    assert 0 <= domain.encode(value) <= 1
    again = domain.decode(domain.encode(value))
    assert again == value if domain.size < math.inf else math.isclose(again, value, rel_tol=1e-2)


@given(DOMAINS, st.integers(0, 2**32))
def test_every_sample_is_a_value_and_a_seed_draws_the_same(domain, seed):
    drawn = [domain.sample(rng) for rng in [random.Random(seed)] for _ in range(5)]
    assert all(map(domain.contains, drawn))
    assert drawn == [domain.sample(rng) for rng in [random.Random(seed)] for _ in range(5)]


@given(COUNTABLE)
def test_the_values_of_a_countable_domain_are_all_there_once(domain):
    values = domain.values()
    assert len(values) == domain.size == len(set(values))
    assert all(map(domain.contains, values))
    steps = 20 * len(values)
    reached = {domain.decode(index / steps) for index in range(steps + 1)}
    assert reached.issuperset(values) or (isinstance(domain, Integer) and domain.log)


@given(DOMAINS, st.integers(1, 30))
def test_so_many_values_are_spread_from_end_to_end(domain, count):
    values = domain.values(count)
    assert 1 <= len(values) <= count and all(map(domain.contains, values))
    if count > 1 and not isinstance(domain, Categorical | Bits):
        assert math.isclose(values[0], domain.low, rel_tol=1e-9) and values == sorted(values)
        last = domain.values()[-1] if domain.size < math.inf else domain.high
        assert math.isclose(values[-1], last, rel_tol=1e-9)


@given(DOMAINS, PLACES, st.floats(0.001, 0.5))
def test_neighbours_are_other_values_and_there_is_one_if_there_are_two_values(domain, place, step):
    value = domain.decode(place)
    beside = domain.neighbours(value, step)
    assert value not in beside and all(map(domain.contains, beside))
    assert bool(beside) == (domain.size > 1)


@given(DOMAINS, PLACES, PLACES)
def test_distances_are_shares_of_the_whole(domain, one, other):
    one, other = domain.decode(one), domain.decode(other)
    assert 0 <= domain.distance(one, other) == domain.distance(other, one) <= 1
    assert (domain.distance(one, other) == 0) == (one == other)


@given(DOMAINS)
def test_a_domain_is_a_value_that_can_be_pickled(domain):
    assert pickle.loads(pickle.dumps(domain)) == domain
    assert hash(domain) == hash(pickle.loads(pickle.dumps(domain)))


def test_integers_and_choices_have_equal_shares():
    places = [index / 800 for index in range(800)]
    for domain in (Categorical(tuple('abcdefgh')), Integer(1, 8), Float(0.0, 0.7, step=0.1)):
        counts = [sum(domain.decode(place) == value for place in places) for value in domain.values()]
        assert len(counts) == 8 and max(counts) - min(counts) <= 2


def test_on_a_log_scale_ratios_are_equally_likely():
    rng = random.Random(0)
    for domain in (Float(1e-4, 1.0, log=True), Integer(1, 10_000, log=True)):
        decades = [int(math.log10(domain.sample(rng) / domain.low) * 0.999999) for _ in range(4000)]
        assert all(800 < decades.count(decade) < 1250 for decade in range(1, 4))


def test_floats_have_the_digits_that_mean_something():
    assert Float(0.0, 1.0).decode(1 / 3) == 0.333
    assert Float(1e-5, 1.0, log=True).decode(1 / 3) == 0.000464
    assert len({Float(0.99, 0.999).decode(index / 10) for index in range(10)}) == 10


def test_the_default_of_floats_is_one():
    assert type(Float(0, 2, default=1).default) is float


def test_what_is_in_a_domain_and_what_is_not():
    assert Integer(1, 9, step=4).values() == [1, 5, 9]
    assert Integer(1, 8).contains(8) and not any(map(Integer(1, 8).contains, (0, 9, 2.0, True, 'a', None)))
    assert Float(0, 1).contains(1) and not any(map(Float(0, 1).contains, (1.1, -0.1, math.nan, True, '0')))
    assert Float(0, 1, step=0.25).contains(0.75) and not Float(0, 1, step=0.25).contains(0.3)
    assert Categorical([1, 'a']).contains(1) and not Categorical([1, 'a']).contains(True)


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (lambda: Categorical([]), 'at least one'),
        (lambda: Categorical([1, 1.0]), '1 and 1.0 are equal in Python'),
        (lambda: Categorical(['a', 'a']), 'a is given twice'),
        (lambda: Categorical([[]]), 'hashable'),
        (lambda: Categorical('ab'), "choices='ab': must be a list"),
        (lambda: Categorical([1, 2], default=3), 'default=3: must be one of 1, 2'),
        (lambda: Integer(5, 5), 'low must be below high'),
        (lambda: Integer(1.0, 5), 'low=1.0: must be an integer from'),
        (lambda: Integer(True, 5), 'low=True'),
        (lambda: Integer(0, 5, log=True), 'low=0: must be above 0'),
        (lambda: Integer(0, 5, step=6), 'step=6: must be above 0 and at most'),
        (lambda: Integer(0, 5, default=9), 'default=9: must be an integer from 0 to 5'),
        (lambda: Float(1.0, 0.0), 'low must be below high'),
        (lambda: Float(0.0, math.inf), 'high=inf: must be a finite number'),
        (lambda: Float(-1e308, 1e308), 'low must be below high'),
        (lambda: Float(1e-308, 2.0, log=True), 'too far apart for a logarithmic scale'),
        (lambda: Integer(1, 10**400), 'must be an integer from'),
        (lambda: Float(0.1, 1, log=1), 'log=1: must be True or False'),
        (lambda: Float(0.1, 1, log=True, step=0.1), 'step=0.1: goes with a linear scale'),
        (lambda: Float(0.0, 1.0, default=2), r'default=2.0: must be a number from 0 to 1'),
        (lambda: Float(0.0, 1.0).values(), 'no complete list'),
    ],
)
def test_what_is_no_domain_is_refused_by_name(make, message):
    with pytest.raises(InvalidArgument, match=message):
        make()
