"""What those who come from hpman and hpargparse may expect to be the same."""

import argparse
import ast

import pytest

from sweeper import m
from sweeper.declare import HyperParameterManager, HyperParameterTree, L, Priority, bind
from sweeper.errors import ImpossibleTree

SOURCE = """
_('a.b', 1, help='one')
_('a.c', 'x')
_('d', {'e': {'f': 2}})
_('a.b')
_('none')
"""


@pytest.fixture
def manager():
    return HyperParameterManager('_').parse_source(SOURCE)


def test_a_tree_counts_and_finds_what_is_below(manager):
    tree = manager.tree
    assert (tree.count(), tree.get('a').count(), tree.get('a.b').count()) == (3, 2, 1)
    assert tree.get('') is tree and tree.get('a.z') is None and tree.get('a.b.z') is None
    assert not tree.empty and HyperParameterTree().empty
    assert HyperParameterTree.DICT_ANNOTATION == '__is_dict__'


def test_a_node_has_all_that_is_known_what_counts_first(manager):
    manager.set_value('a.b', 5)
    node = manager.tree.get('a.b').node
    assert [(row.value, row.priority) for row in node.db[:2]] == [(5, Priority.SET), (1, Priority.PARSED)]
    assert len(node.db) == 3 and node.get().value == 5 and not node.empty
    assert manager.tree.get('none').node.empty


def test_places_have_the_defaults_syntax_and_hints_that_may_be_empty(manager):
    assert isinstance(manager.get_occurrence('a.b').ast_node, ast.Constant)
    assert manager.get_occurrence('none').ast_node is None
    assert [row.hints for row in manager.db if row.name.startswith('a')] == [{'help': 'one'}, {}, {}]


def test_the_table_has_the_names_of_hpman(manager):
    db = manager.set_value('a.b', 5).db
    assert db.count(L.of_name('a.b')) == 3 and db.count(db[0]) == 1
    assert db.sorted(L.value_priority, reverse=True)[0].value == 5
    assert db.order_by('name')[0].name == 'a.b'
    assert db.count(L.exist_attr('hints')) == 1
    assert db.count(L.of_priority(Priority.PRIORITY_SET_FROM_SETTER)) == 1


def test_an_entry_of_a_dict_is_set_by_its_name(manager):
    default = manager.get_value('d')
    manager.set_values({'d.e.f': 3, 'd.g': 4})
    assert manager.get_value('d') == {'e': {'f': 3}, 'g': 4}
    assert default == {'e': {'f': 2}}  # the parsed one is as it was
    with pytest.raises(ImpossibleTree):
        manager.set_value('a.b.c', 1)
    with pytest.raises(ImpossibleTree, match='`f` in the value of `d` is no dict'):
        manager.set_value('d.e.f.h', 1)


def test_names_may_be_made_of_underscores():
    from sweeper.m import __ as double

    assert double is m.__ and double is not m._


@pytest.mark.parametrize(('text', 'value'), [('t', True), ('y', True), ('f', False), ('n', False)])
def test_booleans_have_short_forms(text, value):
    manager, parser = HyperParameterManager('_').parse_source("_('x', True)"), argparse.ArgumentParser()
    bind(parser, manager)
    assert parser.parse_args(['--x', text]).x is value


def test_names_with_slashes_and_colons_have_options():
    manager, parser = HyperParameterManager('_').parse_source("_('a/b:c', 1)"), argparse.ArgumentParser()
    bind(parser, manager, show_defaults=False)
    assert 'default' not in parser.format_help().split('parameters')[1].split('what is done')[0]
    assert vars(parser.parse_args(['--a/b:c', '2']))['a/b:c'] == 2


def test_the_namespace_has_what_was_asked_for(tmp_path):
    manager, parser = HyperParameterManager('_').parse_source("_('x', 1)"), argparse.ArgumentParser()
    bind(parser, manager, inject_actions=['save'])
    told = vars(parser.parse_args(['--hp-save', str(tmp_path / 'a.json')]))
    assert told == {
        'x': 1, 'hp_save': str(tmp_path / 'a.json'), 'hp_exit': False, 'hp_serial_format': 'auto',
    }  # fmt: skip


def test_looking_into_a_branch_takes_no_look_at_the_others():
    manager = HyperParameterManager('_')
    manager.set_values({f'{branch}.{leaf}': leaf for branch in range(100) for leaf in range(10)})
    looked_at = []
    original = manager._value
    manager._value = lambda name: looked_at.append(name) or original(name)
    assert manager.exists('7') and len(looked_at) <= 1
    assert manager.get_value('7') == {str(leaf): leaf for leaf in range(10)} and len(looked_at) <= 12


def test_the_table_is_indexed_reduced_and_added_to(manager):
    db = manager.db
    assert db.indexing(0).name == 'a.b' and db.indexing([0, -1]).extract_column('name') == ['a.b', 'none']
    assert db.reduce(lambda names, row: [*names, row.name], []) == db.extract_column('name')
    assert db.reduce(lambda one, other: one) is db[0]
    with pytest.raises(IndexError):
        db.indexing('a')
    with pytest.raises(ValueError, match='no row'):
        db.select(lambda row: False).reduce(lambda one, other: one)
    before = len(db)
    db.push_occurrence(db[0])
    assert len(db) == before + 1


def test_an_occurrence_has_hpmans_name_too(manager):
    assert manager.get_occurrence_of_value('a.b') is manager.get_occurrence('a.b')
