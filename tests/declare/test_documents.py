"""The examples of hpman's two documents, in their order, with only the import changed, and what they show.

Where a document's code is no Python (an `if` without a body, tabs among spaces), it is indented here.
"""

import os
import subprocess
import sys

import pytest
import yaml

from sweeper.declare import DeclarationWarning, HyperParameterManager, ImpossibleTree, UnknownParameter

pytestmark = pytest.mark.slow


@pytest.fixture
def run(tmp_path):
    """Writes files, runs `main.py` or another in a process of its own, and gives what that prints."""

    def run_file(*arguments, name='main.py', code=0, **files):
        for stem, text in files.items():
            (tmp_path / f'{stem}.py').write_text(text)
        command = [sys.executable, '-W', 'error', name, *arguments]
        environment = {**os.environ, 'COLUMNS': '80'}
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
        assert done.returncode == code, done.stderr
        return done.stdout if code == 0 else done.stderr

    return run_file


@pytest.fixture
def manager():
    return HyperParameterManager('_')


LIB = """# File: lib.py
from sweeper.m import _


def add():
    return _("a", 0) + _("b", 0)


def mult():
    return _("a") * _("b")
"""
MAIN = """#!/usr/bin/env python3
import os
import argparse

from sweeper.m import _

import lib


def main():
    basedir = os.path.dirname(os.path.realpath(__file__))
    _.parse_file(basedir)

    parser = argparse.ArgumentParser()
    parser.add_argument("-a", default=_.get_value("a"), type=int)
    parser.add_argument("-b", default=_.get_value("b"), type=int)
    args = parser.parse_args()

    _.set_value("a", args.a)
    _.set_value("b", args.b)

    print("a = {}".format(_.get_value("a")))
    print("b = {}".format(_.get_value("b")))
    print("lib.add() = {}".format(lib.add()))
    print("lib.mult() = {}".format(lib.mult()))


if __name__ == "__main__":
    main()
"""


def test_two_files(run):
    assert run(lib=LIB, main=MAIN) == 'a = 0\nb = 0\nlib.add() = 0\nlib.mult() = 0\n'
    assert run('-a', '2', '-b', '3') == 'a = 2\nb = 3\nlib.add() = 5\nlib.mult() = 6\n'


DECAY = """#!/usr/bin/env python3

from sweeper.m import _
import sweeper.declare as hpargparse

import argparse


def func():
    weight_decay = _("weight_decay", 1e-5)
    print("weight decay is {}".format(weight_decay))


def main():
    parser = argparse.ArgumentParser()
    _.parse_file(__file__)
    hpargparse.bind(parser, _)
    parser.parse_args()

    func()


if __name__ == "__main__":
    main()
"""
DETAIL = """All hyperparameters:
    ['weight_decay']
Details:
+--------------+--------+---------+--------------------------------------------------------------+
| name         | type   |   value | details                                                      |
+==============+========+=========+==============================================================+
| weight_decay | float  |  0.0001 | occurrence[0]:                                               |
|              |        |         |   main.py:10                                                 |
|              |        |         |      5:                                                      |
|              |        |         |      6: import argparse                                      |
|              |        |         |      7:                                                      |
|              |        |         |      8:                                                      |
|              |        |         |      9: def func():                                          |
|              |        |         | ==> 10:     weight_decay = _("weight_decay", 1e-5)           |
|              |        |         |     11:     print("weight decay is {}".format(weight_decay)) |
|              |        |         |     12:                                                      |
|              |        |         |     13:                                                      |
|              |        |         |     14: def main():                                          |
|              |        |         |     15:     parser = argparse.ArgumentParser()               |
+--------------+--------+---------+--------------------------------------------------------------+
"""


def test_command_line(run):
    assert run(main=DECAY) == 'weight decay is 1e-05\n'
    assert run('--weight-decay', '1e-4') == 'weight decay is 0.0001\n'
    assert run('--weight-decay', '1e-4', '--hp-list') == 'weight_decay: 0.0001\n'
    assert run('--weight-decay', '1e-4', '--hp-list', 'detail') == DETAIL
    shown = run('-h')
    assert shown.startswith('usage: main.py [-h] [--weight-decay WEIGHT_DECAY] [--hp-save')
    for option in ('--hp-save', '--hp-load', '--hp-list', '--hp-serial-format', '--hp-exit'):
        assert f'\n  {option}' in shown


def test_arbitrary_imports(run):
    code = """
from sweeper.m import _, hpm, hp, ddd, abc, hello
print(ddd('a', 1), abc('a', 2), _('hello', 3))
print(ddd.get_values(), abc.get_values(), _.get_values(), hp.get_values())
import sweeper.m
print(sweeper.m.ddd is ddd)
"""
    assert run(main=code).splitlines() == ['1 2 3', "{'a': 1} {'a': 2} {'hello': 3} {}", 'True']


def test_the_alias_of_the_bad_example_is_followed(manager):
    manager.parse_source("from sweeper.m import _\nhello = _  # this breaks the rule\nhello('a', 1)\n")
    assert manager.get_values() == {'a': 1}


SHADOWED = """def func(*args, **kargs):
    pass

_ = func

_("a", 1)  # <-- hpman can do nothing with "_" at runtime

from sweeper.m import _
import warnings
warnings.simplefilter('default')

print(_.parse_file(__file__).get_values())
"""


def test_what_is_both_function_and_manager_is_found_with_a_warning(run, tmp_path, manager):
    assert run(main=SHADOWED) == "{'a': 1}\n"
    with pytest.warns(DeclarationWarning, match=r'main\.py:6: .* also bound to something else \(line 4\)'):
        manager.parse_file(tmp_path / 'main.py')


TRAINING_LOOP = """from sweeper.m import _

def training_loop():
    # training settings
    batch_size = _('batch_size', 128)

    # first use of `num_layer` is recommend to come with default value
    print('num_layers = {}'.format(_('num_layers', 50)))

    # use it directly without storing the values
    if _('use_resnet', True):
        # second use of `num_layer` should not provide default value
        for i in range(_('num_layers')):
            pass
"""


def test_definitions(run, manager):
    assert run(main=TRAINING_LOOP + '\ntraining_loop()') == 'num_layers = 50\n'
    manager.parse_source(TRAINING_LOOP)
    assert manager.get_values() == {'batch_size': 128, 'num_layers': 50, 'use_resnet': True}
    assert [row.lineno for row in manager.db if row.name == 'num_layers'] == [8, 13]


def test_definitions_with_a_slip_in_a_name_as_in_the_other_document(manager):
    manager.parse_source(TRAINING_LOOP.replace("_('num_layers', 50)", "_('num__layers', 50)"))
    assert manager.get_values() == {'batch_size': 128, 'num__layers': 50, 'use_resnet': True}
    with pytest.raises(UnknownParameter, match='`num_layers` not found: no place gives a default'):
        manager('num_layers')


def test_what_can_be_parsed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'library_dir').mkdir()
    (tmp_path / 'library_dir/inner.py').write_text("_('inner', 2)")
    (tmp_path / 'main.py').write_text("_('outer', 1)")
    for paths, names in [
        (str(tmp_path / 'main.py'), ['outer']),
        ('main.py', ['outer']),
        ('library_dir', ['inner']),
        (['main.py', 'library_dir'], ['outer', 'inner']),
    ]:
        assert list(HyperParameterManager('_').parse_file(paths).get_values()) == names
    assert HyperParameterManager('_').parse_source('_("a", 1)').get_values() == {'a': 1}


def test_getting_and_setting(manager):
    manager.parse_source("_('varname', 1)")
    assert manager('varname') == manager.get_value('varname') == 1
    manager.set_value('varname', 'value')
    assert manager('varname') == manager.get_value('varname') == 'value'
    assert manager.get_values() == {'varname': 'value'}


HINTS = """# File: hints_example.py
from sweeper.m import _
from sweeper.declare import L

import argparse

_('optimizer', 'adam', choices=['adam', 'sgd'])


if __name__ == '__main__':
    parser = argparse.ArgumentParser()
    _.parse_file(__file__)
    occurrences = _.db.select(lambda row: row.name == 'optimizer')
    oc = [
        oc
        for oc in occurrences
        if oc['hints'] is not None
    ][0]
    choices = oc['hints']['choices']
    value = oc['value']

    parser.add_argument('--optimizer', default=value, choices=choices)
    args = parser.parse_args()

    print('optimizer: {}'.format(args.optimizer))
"""


def test_hints(run):
    name = 'hints_example.py'
    assert run(name=name, hints_example=HINTS) == 'optimizer: adam\n'
    assert run('--optimizer', 'sgd', name=name) == 'optimizer: sgd\n'
    assert '--optimizer {adam,sgd}' in run('-h', name=name)
    error = run('--optimizer', 'rmsprop', name=name, code=2)
    assert "argument --optimizer: invalid choice: 'rmsprop'" in error


NESTED = """discriminator:
  in_channels: 3
  spectral: true
  norm: 'instance'
  activation: 'leaky_relu'
  residual: true
  input_size: [512, 512]
"""


def test_nested_parameters_are_read_from_yaml_and_written_to_it(run, tmp_path, manager):
    manager.set_tree(yaml.safe_load(NESTED))
    assert manager('discriminator.input_size') == [512, 512]
    assert manager.get_value('discriminator.norm') == 'instance'
    names = ['in_channels', 'spectral', 'norm', 'activation', 'residual', 'input_size']
    assert list(manager.get_values()) == [f'discriminator.{name}' for name in names]

    declared = ''.join(f'    _("{name}", {value!r})\n' for name, value in manager.get_values().items())
    listed = run('--hp-list', main=DECAY.replace('    weight_decay = _("weight_decay", 1e-5)\n', declared))
    assert listed == NESTED.replace("'", '')


LEAF_AND_TREE = "_('a', {'b': 1})\n_('a.b')\n"


def test_no_name_is_both_a_value_and_a_tree(manager):
    with pytest.raises(ImpossibleTree, match='node `a` is both a leaf and a tree'):
        manager.parse_source(LEAF_AND_TREE)
    with pytest.raises(KeyError, match=r'`a\.b` not found'):
        exec(LEAF_AND_TREE, {'_': manager})


@pytest.mark.parametrize('name', ['.hpman is a good...man.', '.a', 'a.', 'a..b', '.', '..'])
def test_parts_of_a_name_may_be_empty(manager, name):
    manager.parse_source(f'_({name!r}, 1)')
    tree = manager.get_tree()
    assert manager.get_values() == {name: 1}
    assert HyperParameterManager('_').set_tree(tree).get_values() == {name: 1}
