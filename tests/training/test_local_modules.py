"""Which loaded modules are the problem's: each is looked at once, and none is missed."""

import sys
from types import ModuleType

import pytest

from sweeper.training.isolation import walk
from sweeper.training.isolation.walk import LocalModules


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Loads a module of a file of that name; returns it."""

    def loaded(name, file):
        module = ModuleType(name)
        module.__file__ = str(tmp_path / file)
        monkeypatch.setitem(sys.modules, name, module)
        return module

    return loaded


@pytest.fixture
def looked_at(monkeypatch):
    """The names of the modules that were looked at."""
    names, is_local = [], walk.is_local
    monkeypatch.setattr(walk, 'is_local', lambda name, *rest: names.append(name) or is_local(name, *rest))
    return names


def test_each_module_is_looked_at_once(tmp_path, load, looked_at):
    modules = LocalModules(tmp_path)
    load('first_local', 'first.py')
    assert list(modules.find()) == ['first_local']
    assert len(looked_at) == len(sys.modules)
    looked_at.clear()
    assert list(modules.find()) == ['first_local']
    assert looked_at == []
    load('second_local', 'second.py')
    load('not_local', '/elsewhere/third.py')
    assert list(modules.find()) == ['first_local', 'second_local']
    assert looked_at == ['second_local', 'not_local']


def test_a_module_that_takes_the_place_of_another_is_looked_at(tmp_path, load):
    modules = LocalModules(tmp_path)
    load('some_local', 'first.py')
    modules.find()
    other = load('some_local', 'first.py')
    assert modules.find()['some_local'] is other
    load('some_local', '/elsewhere/first.py')
    assert modules.find() == {}


def test_a_module_under_another_name_is_found_under_it(tmp_path, load, monkeypatch):
    modules = LocalModules(tmp_path)
    one = load('some_local', 'first.py')
    modules.find()
    monkeypatch.delitem(sys.modules, 'some_local')
    monkeypatch.setitem(sys.modules, 'same_local', one)
    assert modules.find() == {'same_local': one}
    monkeypatch.delitem(sys.modules, 'same_local')
    assert modules.find() == {}


def test_without_a_folder_no_module_is_local():
    assert LocalModules(None).find() == {}
