"""Values of the command line are what Python, JSON or a word says, or refused."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper import literals
from sweeper.errors import InvalidArgument
from sweeper.frozen import freeze, thaw
from sweeper.points import value_to_text
from sweeper.space import Categorical, Float, Integer

PLAIN = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["it's", '"', 'a,b', '{', '=', 'nan', 'inf', 'true', 'None', '1', '\\', '\\\\"', "\n'"])
)
LITERALS = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(PLAIN, inner, max_size=3)
    ),
    max_leaves=8,
)
KEYS = st.text(max_size=4).filter(lambda key: key not in ('dict', 'enum'))  # by which files tell what is what
JSON = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3)
)


@given(LITERALS)
def test_a_value_written_as_in_python_is_itself(value):
    assert repr(literals.value_of(repr(value))) == repr(freeze(value))


@given(st.lists(LITERALS, min_size=1, max_size=4, unique_by=lambda value: freeze(value)))
def test_values_written_as_in_python_are_themselves(values):
    text = ', '.join(map(repr, values))
    assert repr(literals.choices_of(text).values()) == repr([freeze(value) for value in values])


@given(st.dictionaries(st.from_regex(r'[a-z_][a-z0-9_.]{0,6}', fullmatch=True), LITERALS, min_size=1))
def test_a_point_written_as_in_python_is_itself(values):
    from sweeper.options import _single_point

    text = ','.join(f'{name}={value!r}' for name, value in values.items())
    assert repr(_single_point(text, {})) == repr({name: freeze(value) for name, value in values.items()})


@given(JSON.filter(lambda value: isinstance(value, dict | list)))
def test_json_in_brackets_is_taken_as_json(value):
    assert repr(literals.value_of(json.dumps(value, ensure_ascii=False))) == repr(freeze(value))


@given(JSON.filter(lambda value: isinstance(value, dict)))
def test_what_tables_show_of_a_dict_can_be_copied_to_the_command_line(value):
    assert repr(literals.value_of(value_to_text(freeze(value)))) == repr(freeze(value))


@given(LITERALS)
def test_a_value_on_record_is_thawed_as_it_was(value):
    thawed = thaw(freeze(value), value)
    assert thawed == value and repr(freeze(thawed)) == repr(freeze(value))


@pytest.mark.parametrize(
    ('text', 'told'),
    [
        ('{"a": 1', '`{"a": 1` cannot be read as a list, tuple, set or dict;'),
        ('(a.b,)', '`(a.b,)` cannot be read'),
        ('{[1]: 2}', "unhashable type: 'list'"),
        ('{"a": nan}', 'nan equals nothing'),
        ('nan', 'nan equals nothing'),
        ('1,2,{"a": 1', 'cannot be read'),
        ('relu,,tanh', 'a value is missing'),
        ('{"a": 1},{"a": true}', '{"a": 1} and {"a": true} are equal in Python'),
    ],
)
def test_what_cannot_be_a_value_is_refused(text, told):
    with pytest.raises(InvalidArgument) as caught:
        literals.choices_of(text)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ('text', 'values'),
    [
        ('16,32', [16, 32]),
        ('relu, tanh', ['relu', 'tanh']),
        ('1e-3,0.5', [1e-3, 0.5]),
        ('True,None', [True, None]),
        ('true,false', [True, False]),
        ('(8,8),(16,16)', [(8, 8), (16, 16)]),
        ('relu,2', ['relu', 2]),
        ("'1','2'", ['1', '2']),
        ('conv-3,relu', ['conv-3', 'relu']),
        ("don't,do", ["don't", 'do']),
        ('-inf,Infinity', [-math.inf, math.inf]),
        ('{"a": 1, "b": true},{"a": [2, null]}', [freeze({'a': 1, 'b': True}), freeze({'a': [2, None]})]),
        ('{a: relu},conv-3', [freeze({'a': 'relu'}), 'conv-3']),  # a shell takes quotes away
        ('(relu,tanh)', [('relu', 'tanh')]),
        ('{"text": "1,2"},x-y', [freeze({'text': '1,2'}), 'x-y']),
        ('{1,2}', [frozenset([1, 2])]),
    ],
)
def test_values_on_the_command_line(text, values):
    assert literals.choices_of(text).values() == values


@pytest.mark.parametrize(
    ('text', 'given'),
    [
        ('8..128', Integer(8, 128)),
        ('0.1..0.5', Float(0.1, 0.5)),
        ('1e-4..1:log', Float(1e-4, 1, log=True)),
        ('relu,tanh', Categorical(['relu', 'tanh'])),
        ('{"path": "../x"},"../y"', Categorical([freeze({'path': '../x'}), '../y'])),
    ],
)
def test_ranges_on_the_command_line(text, given):
    assert literals.range_of(text) == given
