"""Random trees of names and values survive what is done to them."""

import json
import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sweeper.declare import HyperParameterManager, ImpossibleTree
from sweeper.declare.serial import load, plain_tree, save, to_json, to_yaml
from sweeper.declare.tree import DICT_ANNOTATION, Names, flatten, nest

TEXTS = st.text(st.characters(exclude_categories=['Cs']), max_size=8)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXTS,
    st.sampled_from(['1e-4', 'null', 'yes', '=', '<<', '2020-01-01', '0o7', '-', '# a', "'", '"', ' ']),
    st.sampled_from(['\n', 'a\n\n b', '\x85', '\u2028', '\ufeff', '\0', 'a' * 200 + ' b']),
)  # fmt: skip
KEYS = TEXTS.filter(lambda key: key != DICT_ANNOTATION)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
NAMES = st.lists(
    st.lists(
        st.sampled_from(['a', 'b', 'c', '', 'ä b', '1', 'true', '~']) | KEYS, min_size=1, max_size=4
    ).map('.'.join),
    unique=True,
    max_size=8,
)


@st.composite
def flat_values(draw):
    """Values by names of which none is the beginning of another."""
    values, names = {}, Names('.')
    for name in draw(NAMES):
        try:
            names.add(name)
        except ImpossibleTree:
            continue
        values[name] = draw(VALUES)
    return values


@given(flat_values())
def test_nesting_and_flattening_are_inverse(values):
    assert flatten(nest(values, '.', annotate_dict=True), '.') == values


@given(flat_values())
def test_known_names_need_no_mark(values):
    # an empty dict has no names below, but is known by its own
    assert flatten(nest(values, '.'), '.', is_value=values.__contains__) == values


@given(flat_values())
def test_a_tree_survives_managers_yaml_and_json(values):
    manager = HyperParameterManager('_').set_values(values)
    tree = manager.get_tree(annotate_dict=True)
    assert HyperParameterManager('_').set_tree(tree).get_values() == values
    assert HyperParameterManager('_').set_tree(yaml.safe_load(to_yaml(tree))).get_values() == values
    if not any(isinstance(value, float) and math.isinf(value) for value in values.values()):
        assert HyperParameterManager('_').set_tree(json.loads(to_json(tree))).get_values() == values


@pytest.mark.parametrize('suffix', ['yaml', 'json', 'pkl'])
def test_files_hold_the_same_values(tmp_path_factory, suffix):
    path = tmp_path_factory.mktemp('saved') / f'values.{suffix}'

    @given(flat_values())
    def check(values):
        save(HyperParameterManager('_').set_values(values), path)
        other = HyperParameterManager('_')
        for name in values:
            other.parse_source(f'_({name!r})')
        load(other, path, 'pickle' if suffix == 'pkl' else 'auto')
        assert other.get_values() == values
        assert plain_tree(other, annotate_dict=False) == nest(values, '.')

    check()


@given(NAMES)
def test_names_are_refused_exactly_if_one_begins_another(all_names):
    begins = any(other.startswith(f'{name}.') for name in all_names for other in all_names)
    if begins:
        with pytest.raises(ImpossibleTree):
            Names('.', all_names)
    else:
        Names('.', all_names)


def test_a_value_with_the_key_of_the_mark_cannot_be_marked():
    with pytest.raises(ImpossibleTree, match='may not have the key'):
        nest({'a': {DICT_ANNOTATION: 1}}, '.', annotate_dict=True)
