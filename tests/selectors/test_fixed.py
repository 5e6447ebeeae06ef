"""FixedSweep proposes what it was given, or drew, in order."""

import itertools
import math
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sweeper.errors import InvalidArgument, InvalidPoint
from sweeper.points import NamedPoint
from sweeper.selectors.fixed import FixedSweep
from sweeper.space import Categorical, Float, Integer, Space


def proposals(selector):
    found = []
    while selector.has_more_trials():
        found.append(selector.get_next_trials())
    return found


def draw(ranges, points, **options):
    return [
        point for point, _ in FixedSweep.with_random_trials(ranges, points, 1, **options).points_and_trials()
    ]


def test_points_are_proposed_in_order_and_once():
    selector = FixedSweep([((16, 'relu'), 3), ([32, 'tanh'], 0), ((16, 'relu'), 2)])
    expected = [((16, 'relu'), 3), ((32, 'tanh'), 0), ((16, 'relu'), 2)]
    assert selector.points_and_trials() == expected
    assert proposals(selector) == expected
    assert not selector.has_more_trials()
    assert selector.points_and_trials() == expected


def test_every_point_gets_the_same_trials():
    selector = FixedSweep.with_fixed_trials(iter([(1,), {'width': 2}]), 5)
    assert proposals(selector) == [((1,), 5), (NamedPoint(width=2), 5)]


def test_a_grid_is_every_combination_by_name():
    selector = FixedSweep.with_grid({'width': [16, 32], 'nonlinearity': ('relu', 'tanh', None)}, 2)
    expected = [
        (NamedPoint(width=w, nonlinearity=n), 2)
        for w, n in itertools.product([16, 32], ['relu', 'tanh', None])
    ]
    assert selector.points_and_trials() == expected


@pytest.mark.parametrize('trials', [-1, 1.0, True, None, '3', np.int64(3)], ids=repr)
def test_trials_that_are_no_number_of_trials_are_refused(trials):
    with pytest.raises(InvalidArgument, match='must be an integer of at least 0') as caught:
        FixedSweep.with_fixed_trials([(1,)], trials)
    assert repr(trials) in str(caught.value)


@pytest.mark.parametrize(
    'points',
    [[16], ['relu'], [None], [(b'1',)], [{'a': b'1'}], [([b'1'],)], [{'a': {'b': {1j: 2}}}]],
    ids=repr,
)
def test_what_cannot_be_a_point_is_refused(points):
    with pytest.raises(InvalidPoint):
        FixedSweep.with_fixed_trials(points, 1)


@pytest.mark.parametrize('listed', [16, None, ((1,), 2, 3), ((1,),)], ids=repr)
def test_what_is_no_pair_is_refused_by_name(listed):
    with pytest.raises(InvalidArgument, match=r'must be \(params, trials\)') as caught:
        FixedSweep([listed])
    assert repr(listed) in str(caught.value)


def test_a_sweep_of_nothing_is_refused():
    with pytest.raises(InvalidArgument, match='at least one point'):
        FixedSweep([])
    with pytest.raises(InvalidArgument, match="parameter 'width' of the grid has no values"):
        FixedSweep.with_grid({'width': [], 'depth': [1]}, 1)


def test_pairs_of_ints_include_both_ends():
    assert sorted(draw([(3, 7)], 5)) == [(3,), (4,), (5,), (6,), (7,)]


@pytest.mark.parametrize(
    ('given_range', 'values'),
    [
        (range(2, 11, 4), {2, 6, 10}),
        ({'relu', 'tanh'}, {'relu', 'tanh'}),
        (frozenset([1, (2, 3)]), {1, (2, 3)}),
        (['relu', None, 3], {'relu', None, 3}),
        ([True, False], {True, False}),
        ((-1, 1), {-1, 0, 1}),
    ],
)
def test_every_value_of_a_range_is_found_and_no_other(given_range, values):
    assert {value for (value,) in draw([given_range], len(values))} == values


def test_a_pair_with_a_float_is_an_interval():
    for bounds in ((0.0, 1.0), (0, 1.0), (0.0, 1)):
        values = [value for (value,) in draw([bounds], 50)]
        assert all(type(value) is float and 0 <= value <= 1 for value in values)
        assert min(values) < 0.25 and max(values) > 0.75


@pytest.mark.parametrize('bounds', [(1e-4, 1.0, 'log'), (1, 10_000, 'log')])
def test_ratios_are_equally_likely_if_that_is_asked_for(bounds):
    values = [value for (value,) in draw([bounds], 400, r_eps=0)]
    low, high, _ = bounds
    assert all(type(value) is type(low) and low <= value <= high for value in values)
    in_each_decade = [
        sum(0 <= math.log10(value / low) - decade < 1 for value in values) for decade in range(4)
    ]
    assert min(in_each_decade[1:]) > 60
    near = draw([(1e-4, 1.0, 'log')], 20, r_eps=0.02)
    logs = sorted(math.log10(value) for (value,) in near)
    assert min(b - a for a, b in itertools.pairwise(logs)) > 0.02 * 4


def test_ranges_by_name_give_named_points():
    selector = FixedSweep.with_random_trials({'width': (1, 99), 'rate': (0.0, 1.0)}, 4, trials=3)
    for point, trials in selector.points_and_trials():
        assert isinstance(point, NamedPoint) and list(point) == ['width', 'rate'] and trials == 3
        assert 1 <= point['width'] <= 99 and 0 <= point['rate'] <= 1


@given(
    r_eps=st.floats(0, 0.2),
    width=st.floats(1e-3, 1e3),
    kinds=st.integers(1, 3),
    points=st.integers(1, 12),
    seed=st.integers(0, 2**32),
)
def test_no_two_points_are_nearly_the_same(r_eps, width, kinds, points, seed):
    ranges = [(0.0, width), (-1.0, 1.0), list(range(kinds))]
    try:
        drawn = draw(ranges, points, r_eps=r_eps, seed=seed)
    except InvalidArgument:
        assume(False)
    assert len(drawn) == points
    for one, other in itertools.combinations(drawn, 2):
        far = abs(one[0] - other[0]) > r_eps * width or abs(one[1] - other[1]) > r_eps * 2
        assert far or one[2] != other[2]


@given(st.integers(0, 2**32))
def test_the_same_seed_draws_the_same_points(seed):
    ranges = [(1, 10**6), (0.0, 1.0), {'a', 'b', 'c'}]
    assert draw(ranges, 5, seed=seed) == draw(ranges, 5, seed=seed)
    assert draw(ranges, 5, seed=seed) != draw(ranges, 5, seed=seed + 1)


@pytest.mark.slow
def test_sets_draw_the_same_points_in_another_process():
    code = (
        'from sweeper.selectors.fixed import FixedSweep; import math, json; '
        'values = {"a", None, 1, frozenset("xyz"), math.sqrt, json.load, json.loads, json.dumps, json.dump}; '
        'chosen = FixedSweep.with_random_trials([values], 7, 1).points_and_trials(); '
        'names = [getattr(v, "__name__", v) for (v,), _ in chosen]; '
        'print([sorted(n) if isinstance(n, frozenset) else n for n in names])'
    )
    found = {
        subprocess.run(
            [sys.executable, '-c', code],
            env={**os.environ, 'PYTHONHASHSEED': str(hash_seed)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for hash_seed in range(3)
    }
    assert len(found) == 1


@pytest.mark.parametrize(
    'given_range',
    [
        (1,), (1, 2, 3), (5, 5), (5, 4), (1.0, 1.0), (0.0, math.inf), (math.nan, 1.0), (-1e308, 1e308),
        (0.0, 1.0, 'log'), (-1, 5, 'log'), (2, 1, 'log'), (1, 2, 'ln'), (1, 'log'),
        (True, False), ('a', 'b'), 'ab', 5, None, [], set(), range(0), {},
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_no_range_is_refused_by_name(given_range):
    with pytest.raises(InvalidArgument) as caught:
        draw({'width': given_range}, 1)
    assert repr(given_range) in str(caught.value) and "'width'" in str(caught.value)


def test_a_value_in_a_set_that_cannot_be_in_a_point_is_refused():
    with pytest.raises(InvalidPoint, match='bytes'):
        draw([{b'bytes', 1}], 1)


def test_a_space_that_is_too_small_is_refused():
    with pytest.raises(InvalidArgument, match='it has 6 different points, not 7'):
        draw([(1, 3), {'a', 'b'}], 7)
    with pytest.raises(InvalidArgument, match=r'found only 1 of 2 points .* r_eps=0\.99'):
        draw([(0.0, 1.0)], 2, r_eps=0.99)
    with pytest.raises(InvalidArgument, match='it has 1 different point, not 3'):
        draw([[1]], 3)
    assert len(draw([(1, 3), {'a', 'b'}], 6)) == 6


@pytest.mark.parametrize('points', [0, -1, 1.5, None])
def test_a_number_of_points_that_is_none_is_refused(points):
    with pytest.raises(InvalidArgument, match=f'points={points!r}: must be an integer of at least 1'):
        draw([(1, 3)], points)


@pytest.mark.parametrize('r_eps', [-0.1, 1, math.nan])
def test_a_share_outside_its_range_is_refused(r_eps):
    with pytest.raises(InvalidArgument, match=r'r_eps=.* must be in \[0, 1\)'):
        draw([(1, 3)], 1, r_eps=r_eps)


# Spaces


RANGES = {'width': (1, 10**6), 'act': ['a', 'b', 'c'], 'units': (1, 1000, 'log'), 'kernel': range(0, 90, 3)}
RATES = {'rate': (1e-4, 1.0, 'log'), 'dropout': (0.0, 0.5)}


def test_a_space_is_drawn_from_and_combined_like_the_plain_values_that_mean_the_same():
    space = Space(
        {
            'width': Integer(1, 10**6), 'act': Categorical(['a', 'b', 'c']),
            'units': Integer(1, 1000, log=True), 'kernel': Integer(0, 87, step=3),
        }
    )  # fmt: skip
    assert draw(space, 9, seed=3) == draw(RANGES, 9, seed=3)
    small = {name: space[name] for name in ('act', 'kernel')}
    values = {'act': ('a', 'b', 'c'), 'kernel': range(0, 90, 3)}
    one, other = (FixedSweep.with_grid(given, 2).points_and_trials() for given in (small, values))
    assert one == other and len(one) == 90
    with pytest.raises(InvalidArgument, match=r"parameter 'rate': .* no complete list of values"):
        FixedSweep.with_grid({'rate': Float(0, 1)}, 1)


def test_integers_and_choices_are_drawn_as_they_always_were():
    assert draw([*RANGES.values()], 3, seed=5) == [
        (653160, 'b', 141, 75), (723986, 'c', 71, 48), (30415, 'b', 182, 21)
    ]  # fmt: skip


def test_floats_that_are_drawn_have_the_digits_that_mean_something():
    assert draw(RATES, 3, seed=5) == [
        NamedPoint(rate=0.031, dropout=0.3709), NamedPoint(rate=0.152, dropout=0.4712),
        NamedPoint(rate=0.0911, dropout=0.4612),
    ]  # fmt: skip


def test_a_folder_that_was_begun_with_all_digits_goes_on_with_them():
    selector = FixedSweep.with_random_trials(RATES, 3, 2, seed=5)
    first = NamedPoint(rate=0.0310174991900114, dropout=0.3708934946303647)  # as version 0.1 drew them
    others = [
        NamedPoint(rate=0.15162620393869125, dropout=0.47122514188852516),
        NamedPoint(rate=0.09111592720578732, dropout=0.4611624983327085),
    ]
    added = NamedPoint(rate=0.5, dropout=0.1)
    longer = selector.with_others([*selector.points_and_trials(), (added, 1)])
    assert longer.continued([first]).points_and_trials() == [
        *((point, 2) for point in [first, *others]), (added, 1)
    ]  # fmt: skip
    for kept in ([], [added], [NamedPoint(rate=0.031, dropout=0.3709)]):
        assert longer.continued(kept).points_and_trials() == longer.points_and_trials()


@pytest.mark.parametrize('make', [FixedSweep.with_grid, lambda values, _: draw(values, 1)])
def test_a_value_that_is_given_twice_is_refused(make):
    with pytest.raises(InvalidArgument, match=r"\[8, 8\] of parameter 'width': 8 is given twice"):
        make({'width': [8, 8]}, 1)
    with pytest.raises(InvalidArgument, match='1 and true are equal in Python'):
        make({'width': [1, True]}, 1)
