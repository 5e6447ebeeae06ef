"""Spaces in which not every combination of values is a point."""

import itertools
import math
import pickle
import random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sweeper.errors import InvalidArgument, InvalidPoint
from sweeper.frozen import NamedPoint
from sweeper.selectors.fixed import FixedSweep
from sweeper.space import Categorical, Condition, Float, Integer, Ordinal, Space
from sweeper.space.expressions import expression_of

from .strategies import COUNTABLE, spaces

OPTIMIZERS = Space(
    {
        'momentum': Float(0.0, 0.9, step=0.45, default=0.9),
        'optimizer': Categorical(['adam', 'sgd']),
        'nesterov': Categorical([False, True]),
        'size': Ordinal(['small', 'medium', 'large']),
    },
    conditions={'momentum': "optimizer == 'sgd'", 'nesterov': 'momentum > 0.3'},
    forbidden=["optimizer == 'adam' and size >= 'medium'"],
)


def holds(expression, values, space):
    """The meaning of a condition, by brute force."""
    return expression.holds(
        lambda one: one.name in values and one.is_true_of(values[one.name], space[one.name])
    )


def legal_points(space):
    """All points of a space, by trying every combination of values and of absent parameters."""
    options = [[*domain.values(), ...] for domain in space.values()]
    for combination in itertools.product(*options):
        values = {name: value for name, value in zip(space, combination, strict=True) if value is not ...}
        is_complete = all(
            (name in values) == (name not in space.conditions or holds(space.conditions[name], values, space))
            for name in space
        )
        if is_complete and not any(holds(clause, values, space) for clause in space.forbidden):
            yield NamedPoint(values)


@given(spaces(COUNTABLE))
def test_a_grid_is_all_legal_points_once_and_size_counts_them(space):
    points = [*space.points()]
    legal = {*legal_points(space)}
    assert {*points} == legal and len(points) == len({*points}) == space.size
    assert all(map(space.contains, points))


@given(spaces(COUNTABLE), st.data())
def test_what_is_no_legal_point_is_refused(space, data):
    legal = {*legal_points(space)}
    options = st.fixed_dictionaries({}, optional={n: st.sampled_from(d.values()) for n, d in space.items()})
    point = NamedPoint(data.draw(options))
    assert space.contains(point) == (point in legal)


@given(spaces(), st.integers(0, 2**32))
def test_every_sample_is_legal_and_has_the_names_in_order(space, seed):
    rng = random.Random(seed)
    points = [space.sample(rng) for _ in range(5)]
    for point in points:
        space.check(point)
        assert [*point] == [name for name in space if name in point]
    rng = random.Random(seed)
    assert points == [space.sample(rng) for _ in range(5)]


@given(spaces(), st.integers(0, 2**32))
def test_every_point_has_a_place_and_is_found_there_again(space, seed):
    point = space.sample(random.Random(seed))
    places = space.encode(point)
    assert [math.isnan(place) for place in places] == [name not in point for name in space]
    assert all(0 <= place <= 1 for place in places if not math.isnan(place))
    try:
        again = space.decode(places)
    except InvalidPoint:  # a float rounded across a limit
        assume(False)
    if space.size < math.inf:
        assert again == point
    assert space.contains(again)
    if again == point:
        assert space.distance(point, again) == 0 and str(again) == str(point)


@given(spaces(), st.lists(st.floats(0, 1), min_size=5, max_size=5))
def test_every_place_has_a_legal_point_or_is_refused(space, places):
    try:
        space.check(space.decode(places[: len(space)]))
    except InvalidPoint as error:
        if ' is forbidden: ' not in str(error):
            raise


@given(spaces(), st.integers(0, 2**32))
def test_neighbours_are_legal_and_differ_in_one_value_and_what_depends_on_it(space, seed):
    rng = random.Random(seed)
    point = space.sample(rng)
    for draws in (None, rng):
        beside = space.neighbours(point, rng=draws)
        assert len({*beside}) == len(beside)
        for other in beside:
            space.check(other)
            assert other != point and 0 < space.distance(point, other) <= 1
            changed = [
                name for name in space if name in point and name in other and point[name] != other[name]
            ]
            assert len(changed) == 1
            assert all(name in space.conditions for name in {*point} ^ {*other})


@given(spaces(), st.integers(0, 2**32))
def test_a_crossover_is_legal_and_has_its_values_from_both(space, seed):
    rng = random.Random(seed)
    mother, father = space.sample(rng), space.sample(rng)
    child = space.crossover(mother, father, rng)
    space.check(child)
    if not space.forbidden:
        for name in child:
            assert child[name] in [parent[name] for parent in (mother, father) if name in parent] or (
                name not in mother and name not in father
            )
    assert space.crossover(mother, mother, rng) == mother


@given(spaces(), st.data())
def test_what_is_missing_is_completed_and_what_is_legal_kept(space, data):
    point = space.sample(random.Random(data.draw(st.integers(0, 99))))
    assert space.complete(point) == point
    kept = data.draw(st.sets(st.sampled_from([*point]))) if len(point) else set()
    values = {name: point[name] for name in kept}
    completed = space.complete(values)
    space.check(completed)
    assert space.complete({**values, 'unknown': 1}) == completed


@given(spaces(), st.data())
def test_conditions_are_read_again_from_their_text(space, data):
    for expression in (*space.conditions.values(), *space.forbidden):
        assert expression_of(str(expression)) == expression
    again = Space(dict(space), {n: str(c) for n, c in space.conditions.items()}, map(str, space.forbidden))
    assert again == space and repr(again) == repr(space)
    assert pickle.loads(pickle.dumps(space)) == space


def test_absent_parameters_are_absent_and_parents_may_stand_after_their_children():
    points = [*OPTIMIZERS.points()]
    assert len(points) == OPTIMIZERS.size == 16
    assert NamedPoint(optimizer='adam', size='small') in points
    assert NamedPoint(momentum=0.0, optimizer='sgd', size='large') in points
    assert OPTIMIZERS.order == ['optimizer', 'momentum', 'nesterov', 'size']
    assert [*OPTIMIZERS.complete({'optimizer': 'sgd'})] == ['momentum', 'optimizer', 'nesterov', 'size']
    assert OPTIMIZERS.complete({'optimizer': 'sgd'})['momentum'] == 0.9
    assert OPTIMIZERS.complete({'optimizer': 'adam', 'size': 'large'})['size'] == 'small'


@pytest.mark.parametrize(
    ('point', 'message'),
    [
        (
            {'optimizer': 'adam', 'size': 'small', 'momentum': 0.9},
            "momentum=0.9: it is set only if optimizer == 'sgd', and optimizer is 'adam'",
        ),
        (
            {'optimizer': 'sgd', 'size': 'small'},
            "momentum is missing, since optimizer == 'sgd'; it must be a number from 0 to 0.9",
        ),
        (
            {'optimizer': 'adam', 'size': 'large'},
            "(optimizer='adam', size='large') is forbidden: optimizer == 'adam' and size >= 'medium'",
        ),
        (
            {'optimizer': 'adam', 'size': 'small', 'nesterov': True},
            'nesterov=True: it is set only if momentum > 0.3, and momentum is not set',
        ),
    ],
)
def test_why_a_point_is_not_legal_is_said(point, message):
    with pytest.raises(InvalidPoint) as error:
        OPTIMIZERS.check(point)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ('text', 'condition'),
    [
        ("a == 'x'", Condition('a', '==', 'x')),
        ("'x' == a", Condition('a', '==', 'x')),
        ('1 < net.depth <= 3', Condition('net.depth', '>', 1) & Condition('net.depth', '<=', 3)),
        ('a in [1, 2]', Condition('a', 'in', (1, 2))),
        ('a not in (1,)', Condition('a', 'not in', [1])),
        ("_('my-name') is None", Condition('my-name', '==', None)),
        ('bias', Condition('bias', '==', True)),
        ('not bias', Condition('bias', '==', False)),
        ('not (a == 1 or b > 2)', Condition('a', '!=', 1) & Condition('b', '<=', 2)),
        ('not 1 < a < 3', Condition('a', '<=', 1) | Condition('a', '>=', 3)),
        ('not not bias', Condition('bias', '==', True)),
        (
            'a == 1 and (b == 2 or c == 3)',
            Condition('a', '==', 1) & (Condition('b', '==', 2) | Condition('c', '==', 3)),
        ),
        ('lr > 1e-4', Condition('lr', '>', 1e-4)),
        ('t == (1, [2])', Condition('t', '==', (1, (2,)))),
    ],
)
def test_conditions_are_written_as_python(text, condition):
    assert expression_of(text) == condition
    assert expression_of(str(condition)) == condition


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('a = 1', 'valid are such as'),
        ('a == b', "b is no literal value; write a text as 'b'"),
        ('1 == 2', 'must compare a parameter with a value'),
        ('a + 1 == 2', 'must compare a parameter with a value'),
        ('f(x)', '`f\\(x\\)` is no condition'),
        ("'x' in a", 'must compare a parameter with a value'),
        ("a in 'xy'", 'must be followed by a list of values'),
        ('', 'valid are such as'),
        (7, 'must be a text or a Condition'),
    ],
)
def test_what_is_no_condition_is_refused(text, message):
    with pytest.raises(InvalidArgument, match=message):
        expression_of(text)
    with pytest.raises(InvalidArgument, match='valid are ==, !='):
        Condition('a', '=', 1)


A, B = Categorical(['x', 'y']), Integer(1, 4)


@pytest.mark.parametrize(
    ('conditions', 'forbidden', 'faults'),
    [
        ({'c': 'a'}, [], ["condition of 'c': the space has no such parameter; it has a, b"]),
        ({'b': "aa == 'x'"}, [], ["condition of 'b': no parameter 'aa'; did you mean a?"]),
        ({'b': "a == 'xx'"}, [], ["a == 'xx': a is never 'xx'; it is one of 'x', 'y'; did you mean 'x'?"]),
        ({'a': 'b in [4, 5]'}, [], ['b in [4, 5]: b is never 5; it is an integer from 1 to 4']),
        ({'b': "a > 'x'"}, [], ["a > 'x': a has no order; it is one of 'x', 'y'"]),
        ({'a': "b > 'x'"}, [], ["b > 'x': b is never 'x'"]),
        (
            {'b': "a == 'x'", 'a': 'b == 1'},
            [],
            ["in a cycle, so that none of them can hold: 'a' depends on 'b' depends on 'a'"],
        ),
        ({'b': 'b == 1'}, [], ['cycle', "'b' depends on 'b'"]),
        (
            {},
            ["a == 'x'", "a == 'y'"],
            ["no point is left: every one is forbidden by (a == 'x'), (a == 'y')"],
        ),
        ({}, 'b > 0', ['no point is left']),
        ({'c': 'a', 'b': 'q'}, ['z', 'a +'], ['has 4 faults:\n- ', "'c'", "'q'", "'z'", "'a +'"]),
    ],
)
def test_all_that_is_wrong_with_a_space_is_said_at_once(conditions, forbidden, faults):
    with pytest.raises(InvalidArgument) as error:
        Space({'a': A, 'b': B}, conditions, forbidden)
    assert all(fault in str(error.value) for fault in faults)


def test_spaces_too_large_to_list_are_counted_and_drawn_from():
    many = {f'k{i}': Integer(0, 10**6) for i in range(40)}
    chain = {f'k{i}': f'k{i - 1} > 500000' for i in range(1, 40)}
    space = Space(many, chain)
    assert space.size == sum(500000**i * (500001 if i < 39 else 10**6 + 1) for i in range(40))
    assert 1 <= len(space.sample(random.Random(0))) < 40
    floats = {'lr': Float(1e-5, 1e-1, log=True), 'warm': Integer(1, 9), 'size': Integer(0, 2**62)}
    space = Space(floats, {'warm': 'lr >= 0.01'}, ['lr < 0.1', 'size > 7'])
    assert space.size == 9 * 8 and space.sample(random.Random(0))['lr'] == 0.1
    assert Space({'size': Integer(0, 2**62)}, forbidden=['size > 3']).size == 4
    assert Space({'x': Float(0.0, 1.0)}, forbidden=['x > 0']).size == 1
    assert Space({'x': Float(0.0, 1.0)}, forbidden=['x != 0.5']).sample(random.Random(1)) == {'x': 0.5}


def test_where_hardly_anything_is_legal_a_point_is_still_drawn():
    codes = {f'bit{i}': Categorical([0, 1]) for i in range(40)}
    space = Space(codes, forbidden=[f'bit{i} != {i % 2}' for i in range(40)])
    assert space.size == 1
    assert [*space.points()] == [space.sample(random.Random(0))] == [space.complete({'bit0': 1})]
    assert space.crossover(space.complete({}), space.complete({}), random.Random(0)) == space.complete({})


def test_sweeps_of_a_space_with_conditions_have_its_points_only():
    grid = [point for point, _ in FixedSweep.with_grid(OPTIMIZERS, 1).points_and_trials()]
    assert {*grid} == {*OPTIMIZERS.points()}
    drawn = [point for point, _ in FixedSweep.with_random_trials(OPTIMIZERS, 16, 1).points_and_trials()]
    assert {*drawn} == {*grid}
    with pytest.raises(InvalidArgument, match='it has 16 different points, not 17'):
        FixedSweep.with_random_trials(OPTIMIZERS, 17, 1)
    mixed = Space(
        {'o': Categorical(['a', 'b']), 'x': Float(0, 1), 'y': Float(0, 1)}, {'x': "o == 'a'", 'y': "o == 'b'"}
    )
    drawn = [
        point for point, _ in FixedSweep.with_random_trials(mixed, 20, 1, r_eps=0.01).points_and_trials()
    ]
    assert len({*drawn}) == 20 and all(map(mixed.contains, drawn))


def test_an_ordinal_has_neighbours_and_an_order():
    sizes = Ordinal(['s', 'm', 'l', 'xl'])
    assert sizes.neighbours('s') == ['m'] and sizes.neighbours('m') == ['s', 'l']
    assert (
        sizes.neighbours('s', 1.0) == ['xl'] and sizes.values(2) == ['s', 'xl'] and sizes.values(1) == ['m']
    )
    assert sizes.distance('s', 'xl') == 1 and sizes.distance('s', 'm') == 1 / 3
    assert sizes.describe() == "one of 's' < 'm' < 'l' < 'xl'"
    assert Space({'size': sizes, 'b': B}, {'b': "size > 'm'"}).size == 2 + 2 * 4
    with pytest.raises(InvalidArgument, match="size > 'xxl': size is never 'xxl'"):
        Space({'size': sizes, 'b': B}, {'b': "size > 'xxl'"})
    assert Ordinal([3]).neighbours(3) == [] and Ordinal([3]).distance(3, 3) == 0
