"""Points are written as text and read back as what they were, or refused by name."""

import collections
import enum
import http
import json
import math
import operator
import os
import pickle
import string
import uuid

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.errors import InvalidArgument, InvalidPoint
from sweeper.frozen import FrozenDict, freeze, thaw
from sweeper.points import (
    VALID_VALUES,
    NamedPoint,
    as_point,
    label,
    point_key,
    value_from_text,
    value_to_text,
)

IMPORTABLE = [
    http.HTTPStatus.NOT_FOUND,
    uuid.SafeUUID.safe,
    collections.OrderedDict,
    json.JSONDecoder,
    int,
    os.path.join,
    math.sqrt,
    dict.fromkeys,
]
AWKWARD_TEXT = [
    '',
    'null',
    '1',
    '1.0',
    'true',
    'NaN',
    '-Infinity',
    '[]',
    '{}',
    '"',
    '""',
    'a,b',
    'a\nb',
    'a\rb',
]
TEXT = st.text() | st.sampled_from(AWKWARD_TEXT)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | TEXT
    | st.sampled_from(IMPORTABLE[:6])
)
KEYS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=2).map(tuple),
    max_leaves=3,
) | st.sampled_from(['dict', 'enum', 'frozenset', 'import'])
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4).map(tuple)
        | st.frozensets(inner, max_size=4)
        | st.dictionaries(KEYS, inner, max_size=3).map(FrozenDict)
    ),
)


def _same(one, other):
    """Equal, and of the same types all the way down, which `==` does not ask for."""
    if type(one) is not type(other) or one != other:
        return False
    if isinstance(one, tuple):
        return all(map(_same, one, other))
    if isinstance(one, frozenset):
        return all(any(_same(a, b) for b in other) for a in one)
    if isinstance(one, FrozenDict):
        return all(map(_same, one, other)) and all(map(_same, one.values(), other.values()))
    if isinstance(one, float):
        return math.copysign(1, one) == math.copysign(1, other)
    return True


@given(VALUES)
def test_every_valid_value_reads_back_equal_and_of_the_same_type(value):
    assert _same(value_from_text(value_to_text(value)), value)


@given(VALUES)
def test_every_valid_value_is_taken_as_it_is(value):
    assert _same(as_point((value,)), (value,))


@given(SCALARS, SCALARS)
def test_different_values_have_different_texts(one, other):
    assert (value_to_text(one) == value_to_text(other)) == _same(one, other)


@pytest.mark.parametrize('value', [*AWKWARD_TEXT, *string.printable])
def test_awkward_text_reads_back(value):
    assert _same(value_from_text(value_to_text(value)), value)


@pytest.mark.parametrize('value', IMPORTABLE[:7], ids=lambda value: getattr(value, '__name__', str(value)))
def test_what_can_be_imported_reads_back_as_itself(value):
    assert value_from_text(value_to_text(value)) is value
    assert value_from_text(value_to_text((value,)))[0] is value


@pytest.mark.parametrize('value', [1, 1.0, True, '1', '1.0', 'true', 'True', None, 'null', 'None', '', ()])
def test_values_that_look_alike_stay_apart(value):
    assert _same(value_from_text(value_to_text(value)), value)


def test_a_plain_string_stands_bare_and_the_empty_one_does_not_look_absent():
    assert value_to_text('relu') == 'relu'
    assert value_to_text('') == '""'
    assert value_to_text('1') == '"1"'


def test_frozensets_have_one_text_whatever_their_order():
    assert value_to_text(frozenset('abcdefgh')) == value_to_text(frozenset('hgfedcba'))


def test_lists_become_tuples_and_mappings_named_points():
    assert as_point([16, 'relu']) == (16, 'relu')
    assert type(as_point([16, 'relu'])) is tuple
    point = as_point({'width': 16, 'nonlinearity': 'relu'})
    assert isinstance(point, NamedPoint)
    assert dict(point) == {'width': 16, 'nonlinearity': 'relu'}
    assert as_point(point) == point
    assert as_point(()) == ()


@pytest.mark.parametrize(
    ('given_value', 'expected'),
    [
        (np.int64(3), 3),
        (np.float32(0.5), 0.5),
        (np.float64(0.1), 0.1),
        (np.bool_(True), True),
        (np.str_('relu'), 'relu'),
        ((np.int64(3), (np.float64(0.1),)), (3, (0.1,))),
        (frozenset([np.int64(3)]), frozenset([3])),
    ],
    ids=repr,
)
def test_numpy_scalars_become_python_values(given_value, expected):
    assert _same(as_point([given_value])[0], expected)
    assert _same(as_point({'x': given_value})['x'], expected)


CHANGEABLE = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
)


@given(CHANGEABLE)
def test_lists_and_dicts_are_kept_frozen_and_thawed_as_they_were(value):
    (kept,) = as_point((value,))
    hash(kept)
    assert _same(kept, freeze(value)) and _same(value_from_text(value_to_text(kept)), kept)
    thawed = thaw(kept, value)
    assert thawed == value and repr(freeze(thawed)) == repr(kept)


@given(CHANGEABLE)
def test_what_is_thawed_shares_nothing_that_can_be_changed(value):
    kept = freeze(value)
    before = value_to_text(kept)
    _spoil(thaw(kept))
    assert value_to_text(kept) == before


def _spoil(value):
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else ():
        _spoil(inner)
    if isinstance(value, dict):
        value['spoilt'] = True


@given(st.dictionaries(KEYS, SCALARS, max_size=5), st.randoms())
def test_a_dict_is_the_same_value_in_whatever_order_it_was_given(values, rng):
    keys = list(values)
    rng.shuffle(keys)
    one, other = freeze(values), freeze({key: values[key] for key in keys})
    assert one == other and hash(one) == hash(other)
    assert list(one) == list(other) and value_to_text(one) == value_to_text(other)


@pytest.mark.parametrize(
    ('value', 'text'),
    [
        ({'b': [8, 8], 'a': {'c': None}}, '{"a": {"c": null}, "b": [8, 8]}'),
        ({10: 'a', 9: 'b'}, '{"dict": [[9, "b"], [10, "a"]]}'),
        ({'import': 'os'}, '{"dict": [["import", "os"]]}'),
        ({}, '{}'),
    ],
    ids=repr,
)
def test_a_dict_is_json_unless_that_could_be_taken_for_something_else(value, text):
    assert value_to_text(as_point((value,))[0]) == text
    assert thaw(value_from_text(text), value) == value


class _Colour(enum.Enum):
    RED = 1


class _Opaque:
    def __repr__(self):
        return '<opaque>'


_Pair = collections.namedtuple('_Pair', 'a b')


class _Text(str):
    __slots__ = ()


def _local_function():
    def inner():
        pass

    return inner


@pytest.mark.parametrize(
    ('value', 'named'),
    [
        (float('nan'), 'nan'),
        (bytearray(b'a'), "bytearray(b'a')"),
        ([bytearray(b'a')], "[bytearray(b'a')]"),
        ({'a': bytearray(b'a')}, "{'a': bytearray(b'a')}"),
        ({(1, b'a'): 1}, "{(1, b'a'): 1}"),
        ({'a': float('nan')}, "{'a': nan}"),
        (lambda: None, '<lambda>'),
        (_local_function(), 'inner'),
        (_Opaque(), '<opaque>'),
        (b'bytes', "b'bytes'"),
        (1j, '1j'),
        (range(3), 'range(0, 3)'),
        (np.zeros(2), 'array'),
        (_Pair(1, 2), '_Pair(a=1, b=2)'),
        ((_Pair(1, 2),), '_Pair(a=1, b=2)'),
        (_Text('text'), "'text'"),
        ('[' * 100_000, None),
        ('\ud800', "'\\ud800'"),
        ((float('nan'),), 'nan'),
        ((i for i in range(3)), 'generator'),
    ],
    ids=lambda v: type(v).__name__,
)
@pytest.mark.parametrize('wrap', [lambda v: (v,), lambda v: {'x': v}], ids=['tuple', 'named'])
def test_a_value_that_cannot_be_in_a_point_is_refused_by_name(value, named, wrap):
    with pytest.raises(InvalidPoint) as caught:
        as_point(wrap(value))
    assert VALID_VALUES in str(caught.value)
    assert named is None or named in str(caught.value)


@pytest.mark.parametrize('proposed', [16, 'relu', None, {1, 2}, 1.5, iter([1])])
def test_what_is_no_sequence_or_mapping_is_refused_by_name(proposed):
    with pytest.raises(InvalidPoint, match=r'a point is a tuple .* or a mapping') as caught:
        as_point(proposed)
    assert repr(proposed) in str(caught.value)
    assert isinstance(caught.value, InvalidArgument) and isinstance(caught.value, ValueError)


NAMED = st.dictionaries(st.text(min_size=1), SCALARS, max_size=4)


@given(NAMED, st.randoms())
def test_named_points_are_equal_and_hash_alike_in_whatever_order(values, rng):
    names = list(values)
    rng.shuffle(names)
    one, other = NamedPoint(values), NamedPoint({name: values[name] for name in names})
    assert one == other and hash(one) == hash(other)
    assert {one: 1}[other] == 1


@given(NAMED)
def test_a_named_point_survives_pickling(values):
    point = pickle.loads(pickle.dumps(NamedPoint(values)))
    assert type(point) is NamedPoint
    assert point == NamedPoint(values) and hash(point) == hash(NamedPoint(values))


def test_named_points_with_other_names_or_values_differ():
    point = NamedPoint(width=16)
    assert point not in (NamedPoint(width=32), NamedPoint(depth=16), NamedPoint(width=16, depth=1), (16,))


def test_a_named_point_cannot_be_changed():
    given_values = {'width': 16}
    point = NamedPoint(given_values)
    given_values['width'] = 32
    assert point['width'] == 16
    with pytest.raises(TypeError):
        point['width'] = 32
    with pytest.raises(TypeError):
        del point['width']
    with pytest.raises(AttributeError):
        point.width = 32


def test_a_named_point_is_a_mapping_for_keyword_arguments():
    assert dict(**NamedPoint(width=16, depth=2)) == {'width': 16, 'depth': 2}
    assert repr(NamedPoint(width=16)) == 'NamedPoint(width=16)'


def test_labels_are_short_text_for_a_person():
    assert label((16, 'relu')) == '16, relu'
    assert label(NamedPoint(hidden=16, nonlinearity='relu')) == 'hidden=16, nonlinearity=relu'
    assert label(()) == '()'


# Keys


@given(st.lists(SCALARS, max_size=3), st.lists(SCALARS, max_size=3))
def test_keys_of_tuples_tell_them_apart(one, other):
    one, other = tuple(one), tuple(other)
    assert (point_key(one) == point_key(other)) == _same(one, other)


@given(NAMED, NAMED)
def test_keys_of_named_points_tell_them_apart(one, other):
    same = one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    assert (point_key(NamedPoint(one)) == point_key(NamedPoint(other))) == same


@given(NAMED, st.randoms())
def test_the_key_of_a_named_point_does_not_depend_on_the_order_of_its_names(values, rng):
    names = list(values)
    rng.shuffle(names)
    assert point_key(NamedPoint({name: values[name] for name in names})) == point_key(NamedPoint(values))


def test_keys_that_could_be_taken_for_each_other_differ():
    points = [
        (), ((),), ('',), (None,), ('null',), (1,), (1.0,), (True,), ('1',), ((1,),), (1, 2), ((1, 2),),
        ('1, 2',), ('a', 'b'), ('a", "b',), (0.0,), ('a', 1), ('{"a": "1"}',),
        NamedPoint(), NamedPoint(a=1), NamedPoint(a='1'), NamedPoint(a=1, b=2),
    ]  # fmt: skip
    assert len({point_key(point) for point in points}) == len(points)


def test_a_point_that_is_read_back_has_the_same_key():
    for point in ((16, 'relu', 0.1, (1, None)), (frozenset('abc'), json.JSONDecoder)):
        assert point_key(tuple(value_from_text(value_to_text(value)) for value in point)) == point_key(point)


@pytest.mark.parametrize(
    'name',
    ['torch.relu', 'torch.sigmoid', 'torch.nn.functional.gelu', 'torch.nn.functional.silu',
     'torch.Tensor.relu', 'numpy.tanh', 'math.sqrt', 'operator.add', 'torch.nn.ReLU'],
)  # fmt: skip
def test_a_function_is_a_value_like_any_whatever_it_is_written_in(name):
    import torch

    value = eval(name, {'torch': torch, 'numpy': np, 'math': math, 'operator': operator})
    (kept,) = as_point((value,))
    assert kept is value
    text = value_to_text(value)
    assert value_from_text(text) is value and point_key((value,)) == json.dumps([text])


@pytest.mark.parametrize('value', [[].append, 'x'.upper, lambda: 1], ids=['append', 'upper', 'lambda'])
def test_a_function_that_cannot_be_found_again_is_none(value):
    with pytest.raises(InvalidPoint):
        as_point((value,))
