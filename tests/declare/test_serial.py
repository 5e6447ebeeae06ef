"""Values as YAML, JSON and pickle."""

import sys

import pytest

from sweeper.declare import DeclarationError, HyperParameterManager
from sweeper.declare.serial import load, save, to_json, to_yaml
from sweeper.errors import MissingExtra


def test_without_pyyaml_json_works_and_yaml_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, 'yaml', None)
    manager = HyperParameterManager('_').parse_source("_('x', 1)")
    save(manager, tmp_path / 'a.json')
    assert load(manager, tmp_path / 'a.json') == {'x': 1}
    (tmp_path / 'a.yaml').write_text('x: 1')
    for ask in (lambda: save(manager, tmp_path / 'b.yaml'), lambda: load(manager, tmp_path / 'a.yaml')):
        with pytest.raises(MissingExtra, match=r"pip install 'fair-sweeper\[spaces\]'"):
            ask()
    assert not (tmp_path / 'b.yaml').exists()


def test_yaml_has_branches_as_blocks_and_lists_in_a_line_in_the_order_of_the_code():
    assert to_yaml({'b': {'y': [1, [2]], 'x': (3, 4)}, 'a': 'ä'}) == 'b:\n  y: [1, [2]]\n  x: [3, 4]\na: ä\n'


@pytest.mark.parametrize(
    ('write', 'value'),
    [(to_yaml, print), (to_yaml, object()), (to_json, {1: 2}), (to_json, {'a': [{1: 2}]}), (to_json, {1, 2})],
)
def test_a_value_that_has_no_form_is_an_error(write, value):
    with pytest.raises(DeclarationError, match='cannot be written as'):
        write({'x': value})


@pytest.mark.parametrize('suffix', ['json', 'yaml', 'pkl'])
def test_what_cannot_be_saved_leaves_the_file_as_it_was(tmp_path, suffix):
    path = tmp_path / f'a.{suffix}'
    path.write_text('before')
    manager = HyperParameterManager('_').set_value('x', lambda: None)
    with pytest.raises(DeclarationError):
        save(manager, path)
    assert path.read_text() == 'before'
    assert list(tmp_path.iterdir()) == [path]


def test_names_with_dots_are_read_like_nested_ones(tmp_path):
    manager = HyperParameterManager('_').parse_source("_('a.b', 1)\n_('a.c', {'d': 1})")
    (tmp_path / 'a.json').write_text('{"a.b": 2, "a": {"c": {"d": 3}}}')
    load(manager, tmp_path / 'a.json')
    assert manager.get_values() == {'a.b': 2, 'a.c': {'d': 3}}
