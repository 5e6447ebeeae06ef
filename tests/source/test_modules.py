"""Files of modules are those that Python would import, and the imports of a source are all found."""

import ast
import importlib.machinery

import pytest

from sweeper.declare import HyperParameterManager
from sweeper.source.modules import imported_modules, module_file, outermost_package

FILES = ['plain.py', 'both.py', 'both/__init__.py', 'pkg/__init__.py', 'pkg/sub.py', 'bare/sub.py']


@pytest.fixture
def folder(tmp_path):
    for name in FILES:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text('')
    return tmp_path


@pytest.mark.parametrize('name', ['plain', 'both', 'pkg', 'pkg.sub', 'pkg.other', 'missing', 'plain.sub'])
def test_the_file_is_the_one_that_python_takes(folder, name):
    *packages, last = name.split('.')
    spec = importlib.machinery.PathFinder.find_spec(last, [str(folder.joinpath(*packages))])
    assert module_file(folder, name.split('.')) == (None if spec is None else spec.origin)


def test_a_module_in_a_folder_without_init_is_found_and_the_folder_itself_is_none(folder):
    assert module_file(folder, ['bare', 'sub']) == str(folder / 'bare/sub.py')
    assert module_file(folder, ['bare']) is module_file(folder, []) is None
    assert module_file(folder / 'pkg', []) == str(folder / 'pkg/__init__.py')


def test_the_outermost_package(folder):
    assert outermost_package(str(folder / 'pkg')) == str(folder) == outermost_package(str(folder))


@pytest.mark.parametrize(
    ('source', 'expected'),
    [
        ('import a.b, c as d', {'a', 'a.b', 'c'}),
        ('def f():\n    from a import b', {'a', 'a.b'}),
        ('from . import x', {'pkg', 'pkg.inner', 'pkg.inner.x'}),
        ('from ..up import x', {'pkg', 'pkg.up', 'pkg.up.x'}),
        ('from .... import x', set()),
    ],
)
def test_imports_are_found_wherever_they_are(source, expected):
    assert imported_modules(ast.parse(source).body, 'pkg.inner') == expected


def test_a_manager_that_a_package_passes_on_is_not_looked_for_in_a_file_of_its_name(tmp_path):
    (tmp_path / 'shared').mkdir()
    (tmp_path / 'shared/__init__.py').write_text('from sweeper.m import _\n')
    (tmp_path / 'shared.py').write_text('_ = len\n')
    (tmp_path / 'uses.py').write_text("from shared import _\n_('width', 4)\n")
    manager = HyperParameterManager('_')
    manager.parse_file(tmp_path)
    assert manager.get_value('width') == 4
