"""The fingerprint changes with what a problem is made of, and with nothing else."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sweeper.problem.fingerprint import source_fingerprint

PROBLEM = '''\
"""A problem."""
import torch
from torch import nn, optim
from sweeper import FixedSweep, sweep

WIDTH = 4
TRIALS = 3
NETS = {}


def head(width=WIDTH):
    """The last layer."""
    return nn.Linear(width, 2)


def model(hidden):
    return nn.Sequential(nn.Linear(3, hidden), head())


def dataset():
    import numpy
    return numpy.zeros(3), None


loss = nn.CrossEntropyLoss
accuracy_style = 'classification'


def optimizer(parameters, rate):
    return optim.SGD(parameters, rate)


def selector():
    return FixedSweep.with_fixed_trials([(4,)], TRIALS)


class Plot:
    def draw(self):
        return 'blue'


torch.manual_seed(0)
if __name__ == '__main__':
    sweep('__main__', selector(), 4)
'''


def write(folder, files):
    for name, source in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source if isinstance(source, bytes) else source.encode())
    return folder


@pytest.fixture
def of(tmp_path):
    """Gives the fingerprint of `problem` as it is when these files, and no others, are in a folder."""

    def of(files, problem='problem.py', package='', folder='here'):
        shutil.rmtree(tmp_path / folder, ignore_errors=True)
        return source_fingerprint(write(tmp_path / folder, files) / problem, package)

    return of


def edited(old, new, source=PROBLEM):
    assert source.count(old) == 1, old
    return source.replace(old, new)


@pytest.mark.parametrize(
    ('old', 'new'),
    [
        ('"""A problem."""', '# a comment\n\n'),
        ('"""The last layer."""', ''),
        ('nn.Linear(3, hidden), head()', '\n        nn.Linear(3, hidden),\n        head(),  # last\n    '),
        ("'classification'", '("classification")'),
        ('TRIALS = 3', 'TRIALS = 30'),
        ('TRIALS = 3', 'TRIALS: int = 3'),
        ('[(4,)]', '[(4,), (8,)]'),
        ('import FixedSweep, sweep', 'import RandomSelector, FixedSweep, load, sweep'),
        ('import torch\n', 'import json, torch\nimport csv\n'),
        ("'blue'", "'red'"),
        ('class Plot:', 'class Plot(FixedSweep):'),
        ('def selector', '@sweep.command()\ndef selector'),
        ('selector(), 4)', 'selector(), 8)'),
        ("__name__ == '__main__'", "'__main__' == __name__"),
        ("if __name__ == '__main__':\n    sweep('__main__', selector(), 4)", ''),
    ],
)
def test_what_is_not_the_problem_does_not_matter(of, old, new):
    assert of({'problem.py': edited(old, new)}) == of({'problem.py': PROBLEM})


@pytest.mark.parametrize(
    ('old', 'new'),
    [
        ('nn.Linear(3, hidden)', 'nn.Linear(3, hidden, bias=False)'),
        ('numpy.zeros', 'numpy.ones'),
        ('nn.CrossEntropyLoss', 'nn.NLLLoss'),
        ("'classification'", "'multiclass'"),
        ('optim.SGD', 'optim.Adam'),
        ('NETS = {}', 'threshold = 0.0'),
        ('NETS = {}', 'def attach(engine, run): engine.terminate()'),
        ('nn.Linear(width, 2)', 'nn.Linear(width, 3)'),
        ('WIDTH = 4', 'WIDTH = 5'),
        ('WIDTH = 4', 'WIDTH: int = 5'),
        ('from torch import nn, optim', 'from torch import nn\nfrom mine import optim'),
        ('torch.manual_seed(0)', 'torch.manual_seed(1)'),
        ('torch.manual_seed(0)', 'torch.manual_seed(TRIALS)'),
        ('TRIALS = 3', 'TRIALS = 3\nWIDTH += 1'),
        ('NETS = {}', 'from nets import *'),
        ('NETS = {}', 'import torch.cuda'),
        ('NETS = {}', 'torch.backends.fast = True'),
        ('NETS = {}', 'for name in (): nn.name = name'),
        ("'__main__', selector(), 4)", "'__main__', selector(), 4)\nelse:\n    WIDTH = 6"),
        ("__name__ == '__main__'", "__name__ != '__main__'"),
    ],
)
def test_what_is_the_problem_matters(of, old, new):
    assert of({'problem.py': edited(old, new)}) != of({'problem.py': PROBLEM})


def test_a_docstring_may_be_all_there_is(of):
    source = "class model(Base):\n    'Does what Base does.'\n"
    assert of({'problem.py': source}) == of({'problem.py': edited("'Does what Base does.'", 'pass', source)})


@pytest.mark.parametrize(
    'rest',
    [
        'torch.manual_seed(TRIALS)',
        'def model(hidden):\n    def inner():\n        return TRIALS\n    return inner()',
        'model = lambda hidden, trials=TRIALS: 5',
        'def model(hidden: TRIALS): ...',
        '@nn.wrap(TRIALS)\ndef model(hidden): ...',
        'class loss(nn.Module):\n    trials = TRIALS',
        'trials, model = TRIALS, None',
        'accuracy_style = other = TRIALS',
        'if torch.cuda.is_available():\n    import TRIALS as cuda\n    TRIALS',
        'nn.TRIALS = TRIALS',
        'nn.table[0]: int = TRIALS',
        'torch.manual_seed(seed)\n_ = (seed := TRIALS)',
        'def model(kind):\n    return globals()[kind]()',
    ],
)
def test_a_name_reached_anywhere_counts(of, rest):
    source = f'TRIALS = 3\n{rest}\n'
    assert of({'problem.py': edited('= 3', '= 30', source)}) != of({'problem.py': source})


@pytest.mark.parametrize(
    'definition',
    [
        '@register\ndef small(hidden):\n    return 1',
        "@NETS.register('small')\nclass Small:\n    size = 1",
        'class Small(Net):\n    size = 1',
        "class Small(nn.Module, metaclass=Meta, name='small'):\n    size = 1",
    ],
)
def test_what_registers_itself_counts(of, definition):
    source = f"""
class Meta(type): ...
class Net: ...
NETS = Registry()
def register(function):
    NETS[function.__name__] = function
{definition}
def model(kind):
    return (NETS or Net.__subclasses__())[kind]
"""
    assert of({'problem.py': edited(' 1', ' 2', source)}) != of({'problem.py': source})


FOLDER = {
    'problem.py': """
import nets
import plots
from shapes import SIZE
def model():
    from deep.er import net
    return nets, SIZE
""",
    'nets.py': 'import layers\nfrom deep import sub\nimport problem\nimport nets',
    'layers.py': 'WIDTH = 3',
    'shapes/__init__.py': 'from .sizes import SIZE\nfrom . import colours\nfrom .. import beyond',
    'shapes/sizes.py': 'SIZE = 4',
    'shapes/colours.py': "COLOUR = 'red'",
    'deep/__init__.py': 'here = 1',
    'deep/sub.py': 'sub = 1',
    'deep/er.py': 'net = 1',
    'plots.py': 'colour = 1',
    'beyond.py': 'beyond = 1',
    'shapes/unused.py': 'unused = 1',
}
UNUSED = ['plots.py', 'beyond.py', 'shapes/unused.py']
USED = [name for name in FOLDER if name not in ('problem.py', *UNUSED)]


@pytest.mark.parametrize('name', USED)
@pytest.mark.parametrize('change', ['extra = 1\n', 'not python\n'])
def test_all_of_a_local_module_that_is_imported_counts(of, name, change):
    assert of(FOLDER | {name: change + FOLDER[name]}) != of(FOLDER)


@pytest.mark.parametrize('name', USED)
def test_comments_and_the_main_block_of_a_local_module_do_not_matter(of, name):
    source = f"'''Doc.'''\n# a comment\n{FOLDER[name]}\nif __name__ == '__main__':\n    print(1)\n"
    assert of(FOLDER | {name: source}) == of(FOLDER)


@pytest.mark.parametrize('name', UNUSED)
def test_a_local_module_that_nothing_needed_imports_does_not_count(of, name):
    assert of(FOLDER | {name: 'other = 2'}) == of(FOLDER)


def test_what_imports_the_problem_does_not_make_all_of_it_count(of):
    assert of(FOLDER | {'problem.py': FOLDER['problem.py'] + '\ntrials = 3'}) == of(FOLDER)


def test_a_local_module_in_a_folder_without_init_counts(of):
    files = {'problem.py': 'from nets.small import model', 'nets/small.py': 'model = 1'}
    assert of(files | {'nets/small.py': 'model = 2'}) != of(files)


def test_a_broken_local_module_counts_by_its_bytes(of):
    files = {'problem.py': 'from nets import model', 'nets.py': b'model = = 1'}
    assert of(files) == of(files)
    assert of(files | {'nets.py': b'model = = 1  # 2'}) != of(files)


def test_which_local_module_says_it_matters(of):
    files = {'problem.py': 'from nets import *\nfrom sizes import *', 'nets.py': 'a = 1', 'sizes.py': 'a = 2'}
    assert of(files | {'nets.py': 'a = 2', 'sizes.py': 'a = 1'}) != of(files)


@pytest.mark.parametrize('folder', ['site-packages', 'dist-packages'])
def test_where_pip_installs_to_nothing_is_local(of, folder):
    assert of(FOLDER | {'nets.py': 'other = 1'}, folder=folder) == of(FOLDER, folder=folder)


PACKAGE = {
    'lab/tasks/problem.py': """
from .nets import *
from ..layers import *
from ...outside import *
from outside import *
from elsewhere.unused import *
import lab.shapes as model
""",
    'lab/__init__.py': '',
    'lab/tasks/__init__.py': '',
    'lab/tasks/nets.py': 'from . import sizes',
    'lab/tasks/sizes.py': 'size = 1',
    'lab/layers.py': 'width = 1',
    'lab/shapes.py': 'shape = 1',
    'lab/unused.py': 'unused = 1',
    'lab/outside.py': 'outside = 1',
    'lab/tasks/outside.py': 'outside = 1',
    'outside.py': 'outside = 1',
}
PACKAGE_UNUSED = ['lab/unused.py', 'lab/outside.py', 'lab/tasks/outside.py', 'outside.py']


@pytest.mark.parametrize('name', PACKAGE)
def test_of_a_package_its_own_modules_that_are_imported_count(of, name):
    where = {'problem': 'lab/tasks/problem.py', 'package': 'lab.tasks'}
    changed = PACKAGE | {name: PACKAGE[name] + '\nif more: pass'}
    assert (of(changed, **where) == of(PACKAGE, **where)) == (name in PACKAGE_UNUSED)


def test_modules_of_a_package_without_init_count(of):
    files = {'lab/problem.py': 'from . import nets as model', 'lab/nets.py': 'width = 1'}
    where = {'problem': 'lab/problem.py', 'package': 'lab'}
    assert of(files | {'lab/nets.py': 'width = 2'}, **where) != of(files, **where)


def test_a_package_may_be_a_problem(of):
    files = {
        'lab/__init__.py': 'from .nets import model\ntrials = 3',
        'lab/nets.py': 'import lab\nmodel = 1',
    }
    where = {'problem': 'lab/__init__.py', 'package': 'lab'}
    assert of(files | {'lab/nets.py': 'import lab\nmodel = 2'}, **where) != of(files, **where)
    assert of(files | {'lab/__init__.py': 'from .nets import model\ntrials = 4'}, **where) == of(
        files, **where
    )


def test_modules_of_a_package_that_pip_installed_count(of):
    where = {'problem': 'lab/tasks/problem.py', 'package': 'lab.tasks', 'folder': 'site-packages'}
    assert of(PACKAGE | {'lab/layers.py': 'width = 2'}, **where) != of(PACKAGE, **where)


@pytest.mark.parametrize(
    'source',
    [
        b'model = = 1',
        b'\0',
        b'\xff',
        b'model = ' + b'(' * 500,
        b'model = ' + b'-' * 5000 + b'1',
        b'model = ' + b'-' * 50000 + b'1',
        b'model = 0x' + b'f' * 5000,
        b'model = 1' + b' + 1' * 2000,
    ],
)
def test_a_problem_that_cannot_be_parsed_counts_by_its_bytes(of, source):
    assert of({'problem.py': source}) == hashlib.sha256(source).hexdigest()


def test_a_file_that_is_not_there_or_cannot_be_read_has_none(tmp_path):
    assert source_fingerprint(tmp_path / 'problem.py') is None
    assert source_fingerprint(tmp_path) is None


def test_where_the_folder_is_and_what_the_problem_is_called_do_not_matter(of):
    moved = {name: source for name, source in FOLDER.items() if name != 'problem.py'}
    moved['other.py'] = FOLDER['problem.py']
    assert of(moved, 'other.py', folder='in/there') == of(FOLDER)


def test_a_link_to_a_plain_problem_is_the_problem(of, tmp_path):
    expected = of(FOLDER)
    (tmp_path / 'link.py').symlink_to(tmp_path / 'here' / 'problem.py')
    assert source_fingerprint(tmp_path / 'link.py') == expected


def test_a_relative_path_is_as_good(of, tmp_path, monkeypatch):
    where = {'problem': 'lab/tasks/problem.py', 'package': 'lab.tasks'}
    expected = of(PACKAGE, **where)
    monkeypatch.chdir(tmp_path / 'here' / 'lab' / 'tasks')
    assert source_fingerprint(Path('problem.py'), 'lab.tasks') == expected


@pytest.mark.parametrize('hash_seed', ['1', '2', '3'])
def test_every_process_computes_the_same(of, tmp_path, hash_seed):
    expected = of(FOLDER)
    program = (
        'import pathlib, sys\n'
        'from sweeper.problem.fingerprint import source_fingerprint\n'
        'print(source_fingerprint(pathlib.Path(sys.argv[1])))'
    )
    arguments = [sys.executable, '-c', program, tmp_path / 'here' / 'problem.py']
    environment = os.environ | {'PYTHONHASHSEED': hash_seed}
    output = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=True).stdout
    assert output.strip() == expected


def test_nothing_is_run_and_nobody_warned(of, recwarn):
    source = "raise SystemExit('was run')\npattern = '\\d'\n"
    assert of({'problem.py': 'from nets import *\n' + source, 'nets.py': source})
    assert not recwarn.list
