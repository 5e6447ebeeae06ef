"""`from sweeper.m import anything`."""

import subprocess
import sys

import pytest

import sweeper.m
from sweeper import declare
from sweeper.declare import HyperParameterManager, managers
from sweeper.declare.registry import manager


def test_any_name_gives_a_manager_of_that_name_the_same_each_time():
    from sweeper.m import _, annotations, hp, manager as named  # isort: skip

    for found, name in ((_, '_'), (hp, 'hp'), (annotations, 'annotations'), (named, 'manager')):
        assert isinstance(found, HyperParameterManager)
        assert found.placeholder == name
        assert found is getattr(sweeper.m, name) is manager(name) is managers()[name]


@pytest.mark.parametrize('name', ['__path__', '__all__', '__wrapped__'])
def test_names_that_python_itself_looks_for_are_not_there(name):
    with pytest.raises(AttributeError, match='no manager'):
        getattr(sweeper.m, name)


def test_what_declare_exports_is_there_documented_and_sorted():
    promised = {
        'HyperParameterManager', 'HyperParameterOccurrence', 'EmptyValue', 'NotLiteralEvaluable',
        'SourceHelper', 'NotLiteralNameException', 'DoubleAssignmentException', 'ImpossibleTree', 'L', 'bind',
    }  # fmt: skip
    assert promised <= set(declare.__all__)
    assert declare.__all__ == sorted(declare.__all__)
    assert all(getattr(declare, name).__doc__ for name in declare.__all__)


def test_importing_it_imports_nothing_heavy():
    code = 'import sys; from sweeper.m import _; print(*sys.modules)'
    modules = subprocess.run(
        [sys.executable, '-c', code], check=True, capture_output=True, text=True
    ).stdout.split()
    heavy = {'torch', 'numpy', 'rich', 'yaml', 'argparse', 'scipy', 'sweeper.api', 'sweeper.store'}
    assert not heavy.intersection(modules)
