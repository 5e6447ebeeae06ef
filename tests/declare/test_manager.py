"""What the value of a parameter is: set, given at run time, or parsed."""

import copy
import pickle

import pytest

from sweeper.declare import (
    DeclarationError,
    EmptyValue,
    HyperParameterManager,
    ImpossibleTree,
    L,
    NotLiteralNameException,
    Priority,
    UnknownParameter,
)
from sweeper.declare.manager import suggestion
from sweeper.m import _ as registered


@pytest.fixture
def manager():
    return HyperParameterManager('_')


def test_a_set_value_comes_before_a_run_time_default_and_that_before_the_parsed_one(manager):
    manager.parse_source("_('x', 1)")
    assert manager('x') == manager.get_value('x') == 1
    assert manager('x', 2) == manager('x') == manager.get_value('x') == 2
    manager.set_value('x', 3)
    assert manager('x', 2) == manager('x') == manager.get_value('x') == 3
    assert [row.value for row in manager.db] == [1, 2, 3]
    assert [row.priority for row in manager.db] == list(Priority)


def test_a_run_time_default_may_change(manager):
    assert [manager('x', value) for value in (1, 2, None)] == [1, 2, None]
    assert manager('x') is None


@pytest.mark.parametrize('value', [None, 0, False, '', [], {}, print, lambda: 0, object(), 1.5])
def test_any_value_can_be_set_and_given(manager, value):
    assert manager('x', value) is value
    assert manager.set_value('y', value).get_value('y') is value
    assert manager('y') is manager('y', 1) is value


def test_hints_do_not_matter_at_run_time_whatever_their_name(manager):
    assert manager('x', 1, name='a', default=2, self=3, choices=[4]) == 1


def test_a_name_without_a_value_is_an_error_that_says_why(manager):
    manager.parse_source("_('width')\n_('depth', 2)", 'model.py')
    with pytest.raises(
        UnknownParameter, match=r'^`width` not found: no place gives a default \(model\.py:1\)$'
    ):
        manager('width')
    with pytest.raises(KeyError, match='`dept` not found: did you mean `depth`'):
        manager.get_value('dept')
    assert manager.get_value('dept', raise_exception=False) is EmptyValue()
    assert not manager.exists('width')
    assert not manager.exists('dept')
    assert manager.exists('depth')
    assert manager.get_values() == {'depth': 2}


def test_the_empty_value_is_one_and_false():
    assert (
        EmptyValue()
        is EmptyValue()
        is copy.deepcopy(EmptyValue())
        is pickle.loads(pickle.dumps(EmptyValue()))
    )
    assert not EmptyValue()


def test_names_are_strings(manager):
    with pytest.raises(NotLiteralNameException, match='got 3'):
        manager(3, 1)
    with pytest.raises(NotLiteralNameException, match='got 3'):
        manager.set_values({'a': 1, 3: 1})
    assert manager.get_values() == {}


def test_a_separator_is_something():
    with pytest.raises(DeclarationError, match="separator=''"):
        HyperParameterManager('_', '')
    assert HyperParameterManager('_', '::').set_value('a::b.c', 1).get_tree() == {'a': {'b.c': 1}}


# Nothing leaks


def test_values_and_defaults_of_one_use_are_forgotten_after_it(manager):
    manager.parse_source("_('a', 1)")
    manager.set_value('b', 2)
    manager('c', 3)
    before = manager.get_values()
    with manager.using({'a': 10, 'c': 30}):
        assert (manager('a'), manager('b'), manager('c', 3)) == (10, 2, 30)
        assert manager('d', 4) == 4
        manager.set_values({'b': 20, 'e.f': 5})
    assert manager.get_values() == before
    assert not manager.exists('d')
    manager('e', 5)  # `e.f` is forgotten, too


def test_all_is_as_before_when_a_use_fails(manager):
    manager('a', 1)
    with pytest.raises(RuntimeError), manager.using({'a': 2}):
        raise RuntimeError
    with pytest.raises(ImpossibleTree), manager.using({'a.b': 2}):
        pass
    assert manager.get_values() == {'a': 1}


def test_what_code_does_to_a_list_does_not_reach_the_next_use(manager):
    manager.parse_source("_('parsed', [[1], {'a': {2}}])")
    mine = [3]
    manager.set_value('set', mine)
    manager('given', [4])
    point = {'point': [5]}
    for _ in range(2):
        with manager.using(point):
            assert manager('parsed') == [[1], {'a': {2}}]
            assert [manager('set'), manager('given'), manager('point')] == [[3], [4], [5]]
            assert manager('parsed') is manager('parsed')
            manager('parsed')[1]['a'].add(0)
            for name in ('parsed', 'set', 'given', 'point'):
                manager(name).append(0)
    assert (mine, point) == ([3], {'point': [5]})
    assert manager.get_value('parsed') == [[1], {'a': {2}}]


def test_a_copy_that_the_code_changed_does_not_outlive_a_reset(manager):
    manager.parse_source("_('parsed', [1])")
    manager('parsed').append(2)
    assert manager.get_value('parsed') == [1, 2]
    assert manager.reset().get_value('parsed') == [1]


def test_uses_can_be_nested(manager):
    with manager.using({'a': 1}):
        with manager.using({'a': 2}):
            assert manager('a') == 2
        assert manager('a') == 1


def test_a_reset_keeps_what_was_parsed(manager):
    manager.parse_source("_('a', 1)")
    manager.set_values({'a': 2, 'b.c': 3})
    manager('d', 4)
    assert manager.reset().get_values() == {'a': 1}
    manager('b', 1)  # `b.c` is forgotten


def test_a_file_that_is_parsed_anew_gives_its_new_default(manager, tmp_path):
    for value in ([1], [2]):
        (tmp_path / 'a.py').write_text(f"_('x', {value})")
        assert manager.parse_file(tmp_path)('x') == value


# Trees


def test_a_tree_is_set_and_read_by_branches(manager):
    manager.set_values({'a.b': 1, 'a.c.d': [2], 'e': {'f': 3}})
    assert manager.get_tree() == {'a': {'b': 1, 'c': {'d': [2]}}, 'e': {'f': 3}}
    assert manager.get_tree('a') == manager.get_value('a') == manager('a') == {'b': 1, 'c': {'d': [2]}}
    assert manager.get_tree('nothing') == {}
    assert manager.get_tree(annotate_dict=True)['e'] == {'f': 3, '__is_dict__': True}
    manager.set_tree({'c': {'d': 4}, 'g': 5}, prefix='a')
    assert manager.get_tree('a') == {'b': 1, 'c': {'d': 4}, 'g': 5}
    with pytest.raises(ImpossibleTree, match='`e` is a value, not a tree'):
        manager.get_tree('e')


def test_a_dict_is_a_value_if_it_is_marked_or_its_name_is_known_as_one(manager):
    manager.parse_source("_('a', {'x': 1})")
    manager.set_tree({'a': {'x': 2}, 'b': {'y': 3, '__is_dict__': True}, 'c': {'z': 4}})
    assert manager.get_values() == {'a': {'x': 2}, 'b': {'y': 3}, 'c.z': 4}


@pytest.mark.parametrize('names', [('a', 'a.b'), ('a.b', 'a'), ('a.b.c', 'a'), ('a', 'a.'), ('', '.a')])
def test_a_name_cannot_be_a_value_and_a_tree(manager, names):
    first, second = names
    with pytest.raises(ImpossibleTree, match='both a leaf and a tree'):
        manager.parse_source(f"_('{first}', 1)\n_('{second}')")
    manager.set_value(first, 1)
    with pytest.raises(ValueError, match='both a leaf and a tree'):
        manager.set_value(second, 1)
    with pytest.raises(ImpossibleTree):
        manager.set_values({'z': 1, second: 1})
    with pytest.raises(ImpossibleTree):
        manager(second, 1)
    assert manager.get_values() == {first: 1}


def test_names_that_only_begin_alike_are_no_tree(manager):
    manager.set_values({'a': 1, 'ab': 2})
    assert manager.get_tree() == {'a': 1, 'ab': 2}


def test_keys_of_branches_are_strings(manager):
    with pytest.raises(ImpossibleTree, match='key 1 of `a` is no string'):
        manager.set_tree({'a': {1: 2}})
    with pytest.raises(ImpossibleTree, match='is a value, not a tree'):
        manager.set_tree({'__is_dict__': True})


# What is known


def test_nodes_have_the_value_hints_and_all_places(manager):
    manager.parse_source("_('x', help='wide')\n_('x', 1, choices=[1, 2], help='width')\n_('y')", 'model.py')
    manager.set_value('z', 3)
    x, y, z = manager.get_nodes()
    assert (x.value, x.default, x.priority) == (1, 1, Priority.PARSED)
    assert x.hints == {'choices': [1, 2], 'help': 'width'}
    assert [row.place for row in x.occurrences] == ['model.py:1', 'model.py:2']
    assert x.declaration is x.occurrences[1] is manager.get_occurrence('x')
    assert (y.value, y.priority, y.declaration.place) == (EmptyValue(), None, 'model.py:3')
    assert (z.value, z.priority, z.declaration, z.hints) == (3, Priority.SET, None, {})
    assert manager.get_occurrence('z').place == 'run time'
    assert manager.get_occurrence('nothing') is None


def test_the_tree_has_every_node_under_the_parts_of_its_name(manager):
    manager.parse_source("_('a.b', 1)\n_('a.c', 2)\n_('d', 3)")
    tree = manager.tree
    assert tree['a']['b'].node.value == 1
    assert tree['a'].is_branch() and not tree['a'].is_leaf()
    assert tree['d'].is_leaf() and not tree['d'].is_branch()
    assert [node.name for node in tree.flatten()] == ['a.b', 'a.c', 'd']
    assert tree['a']['c'].name == 'a.c'


def test_rows_are_selected_sorted_and_grouped(manager):
    manager.parse_source("_('b.y', 2)\n_('b.x', 1, help='x')\n_('a', [1])\n_('c')", 'model.py')
    manager.set_value('a', 3)
    db = manager.db
    assert db.select(lambda row: row.name == 'a').extract_column('value') == [[1], 3]
    assert db.select(L.land(L.of_name_prefix('b.'), L.has_hints)).extract_column('name') == ['b.x']
    assert db.select(L.lor(L.of_name_suffix('y'), L.of_value(3))).extract_column('value') == [2, 3]
    assert db.select(L.lnot(L.has_default_value)).extract_column('name') == ['c']
    assert db.sort_by('name').extract_column('name') == ['a', 'a', 'b.x', 'b.y', 'c']
    assert db.sort_by(lambda row: -(row.lineno or 0)).extract_column('lineno') == [4, 3, 2, 1, None]
    assert {name: len(rows) for name, rows in db.group_by('name').items()} == {
        'b.y': 1,
        'b.x': 1,
        'a': 2,
        'c': 1,
    }
    assert list(db.group_by('value')) == [2, 1, '[1]', EmptyValue(), 3]
    assert db.group_by(lambda row: row.priority)[Priority.SET] == db.select(L.of_priority(Priority.SET))
    assert db.find_first(L.of_name('a'))['lineno'] == 3
    assert db.find_first(L.of_name('z')) is None
    assert db.count_of(L.of_name('a')) == 2
    assert db.any(L.has_hints) and not db.all(L.has_hints)
    assert db.select(L.of_name('z')).empty() and not db.empty()
    with pytest.raises(KeyError, match='nothing'):
        db[0]['nothing']


def test_a_manager_of_sweeper_m_is_itself_in_copies_and_pickles_and_another_keeps_its_values():
    assert pickle.loads(pickle.dumps(registered)) is copy.deepcopy(registered) is registered
    other = HyperParameterManager('_').parse_source("_('x', [1])").set_value('y', 2)
    assert pickle.loads(pickle.dumps(other)).get_values() == {'x': [1], 'y': 2}


@pytest.mark.parametrize(
    ('name', 'told'),
    [
        ('optimizer.lrr', ': did you mean `optimizer.lr`?'),
        ('optimzer.lr', ': did you mean `optimizer.lr`?'),
        ('lr', ': did you mean `optimizer.lr`?'),
        ('optimizer.m', ': did you mean `optimizer.momentum`?'),
        ('optimizer.zzz', ': there is `optimizer.lr`, `optimizer.momentum`'),
        ('optimizer', ': there is `optimizer.lr`, `optimizer.momentum`'),
        ('net.depth', ': did you mean `net.a.depth`?'),
        ('widht', ': did you mean `width`?'),
        ('zzz', ''),
    ],
)
def test_names_in_trees_are_suggested_like_any(name, told):
    assert suggestion(name, ['optimizer.lr', 'optimizer.momentum', 'width', 'net.a.depth']) == told
