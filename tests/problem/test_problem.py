import os
import subprocess
import sys
import textwrap
import types
from pathlib import Path

import pytest
import torch

from sweeper import FixedSweep, NamedPoint
from sweeper.errors import ProblemError
from sweeper.problem import reference
from sweeper.problem.problem import Problem, load_problem
from sweeper.problem.reference import find_problem, load_module

ROOT = Path(__file__).parents[2]


# By name


def test_a_module_is_found_by_its_name(tmp_path, monkeypatch, write_problem):
    problem = write_problem()
    monkeypatch.syspath_prepend(tmp_path)
    reference = find_problem(problem.name)
    assert (reference.module, reference.path, reference.is_main) == (problem.name, None, False)
    loaded = load_problem(reference)
    assert loaded.name == str(reference) == problem.name
    assert loaded.accuracy_style == 'classification'
    assert loaded.build_criterion is torch.nn.CrossEntropyLoss
    assert loaded.build_optimizer is None
    assert isinstance(loaded.model((3,)), torch.nn.Module)
    assert isinstance(loaded.model(NamedPoint(width=3)), torch.nn.Module)
    assert len(loaded.load_datasets()) == 2


def test_a_module_in_a_package_goes_by_its_last_name(tmp_path, monkeypatch, problem_file):
    package = tmp_path / 'problem_package'
    package.mkdir()
    problem = problem_file(package)
    monkeypatch.syspath_prepend(tmp_path)
    loaded = load_problem(find_problem(f'problem_package.{problem.name}'))
    assert loaded.name == problem.name


def test_finding_a_module_does_not_import_it():
    assert find_problem('no_such_module').module == 'no_such_module'
    with pytest.raises(ProblemError, match='no module no_such_module'):
        load_problem(find_problem('no_such_module'))


def test_a_module_missing_inside_the_problem_is_not_taken_for_the_problem(write_problem):
    problem = write_problem(imports='import no_such_module')
    with pytest.raises(ProblemError, match=f"cannot import .*{problem.name}.*'no_such_module'") as caught:
        load_problem(find_problem(problem.path))
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


# By path


@pytest.mark.parametrize('as_given', [str, Path, os.path.relpath])
def test_a_module_is_found_by_its_path(as_given, write_problem):
    problem = write_problem()
    reference = find_problem(as_given(problem.path))
    assert (reference.module, reference.path) == (None, str(problem.path))
    loaded = load_problem(reference)
    assert loaded.name == problem.name
    assert isinstance(loaded.model((3,)), torch.nn.Module)


def test_a_path_is_loaded_once(write_problem):
    problem = write_problem(imports='import torch\nfrom pathlib import Path\nMARK = object()')
    reference = find_problem(problem.path)
    assert load_module(reference).MARK is load_module(reference).MARK
    assert sys.modules[problem.name] is load_module(reference)


def test_a_file_imports_its_siblings(tmp_path, write_problem):
    (tmp_path / 'sibling_styles.py').write_text("STYLE = 'inv-loss'")
    problem = write_problem(accuracy_style='from sibling_styles import STYLE as accuracy_style')
    assert load_problem(find_problem(problem.path)).accuracy_style == 'inv-loss'


@pytest.mark.parametrize('name', ['json', 'torch', 'sweeper'])
def test_a_file_may_have_the_name_of_a_module_that_is_loaded(name, tmp_path, write_problem):
    before = sys.modules[name]
    path = tmp_path / f'{name}.py'
    path.write_text(write_problem().text)
    try:
        loaded = load_problem(find_problem(path))
    finally:
        sys.modules.pop(f'sweeper_problem_{name}', None)
    assert loaded.name == name
    assert isinstance(loaded.model((3,)), torch.nn.Module)
    assert sys.modules[name] is before


def test_two_files_of_one_name_are_two_problems(tmp_path, write_problem):
    text, styles = write_problem().text, ['inv-loss', 'multiclass', 'classification']
    for style in styles:
        path = tmp_path / style / 'problem_same.py'
        path.parent.mkdir()
        path.write_text(f'{text}\naccuracy_style = {style!r}')
    loaded = [load_problem(find_problem(tmp_path / style / 'problem_same.py')) for style in styles]
    assert [problem.accuracy_style for problem in loaded] == styles


def test_a_file_that_cannot_be_imported_is_not_left_loaded(write_problem):
    problem = write_problem(loss='1 / 0')
    for _ in range(2):
        with pytest.raises(ProblemError, match='ZeroDivisionError'):
            load_problem(find_problem(problem.path))
        assert problem.name not in sys.modules


def test_the_fingerprint_tells_whether_a_problem_changed(write_problem):
    first, same, other = (
        write_problem(),
        write_problem(),
        write_problem(optimizer='optimizer = torch.optim.Adam'),
    )
    prints = [load_problem(find_problem(problem.path)).fingerprint() for problem in (first, same, other)]
    assert prints[0] == prints[1] != prints[2]
    assert all(isinstance(one, str) for one in prints)


def test_a_problem_that_is_no_file_has_no_fingerprint():
    assert takes(lambda width: None).fingerprint() is None


def test_the_fingerprint_of_a_package_is_of_its_own_modules(tmp_path, monkeypatch, problem_file):
    package = tmp_path / 'problem_whole'
    package.mkdir()
    (package / 'sizes.py').write_text('SIZE = 2')
    problem = problem_file(package, loss='from .sizes import SIZE\nloss = torch.nn.MSELoss')
    problem.path.write_text(
        problem.path.read_text().replace('torch.nn.Linear(width, 2)', 'torch.nn.Linear(width, SIZE)')
    )
    monkeypatch.syspath_prepend(tmp_path)
    before = load_problem(find_problem(f'problem_whole.{problem.name}')).fingerprint()
    (package / 'sizes.py').write_text('SIZE = 3')
    assert load_problem(find_problem(f'problem_whole.{problem.name}')).fingerprint() != before


def test_loading_is_marked_while_it_lasts(write_problem):
    probe = 'import sweeper.problem.reference as p\nLOADING = p.is_loading_a_problem()'
    problem = write_problem(record=probe)
    assert load_module(find_problem(problem.path)).LOADING
    assert not reference.is_loading_a_problem()
    with pytest.raises(ProblemError):
        load_module(find_problem(write_problem(record='1 / 0').path))
    assert not reference.is_loading_a_problem()


# `model` and its parameters


def takes(model):
    return Problem('here', model, torch.nn.MSELoss, 'inv-loss', lambda: None, None)


def test_a_model_that_is_no_module_is_a_clear_error():
    with pytest.raises(TypeError, match=r'model\(4\) returned 5 \(int\), not a torch.nn.Module'):
        takes(lambda width: 5).model((4,))


# The running program

GUARD = """
if __name__ == '__main__':
    run({})
"""
PROGRAM = """
import enum
import sys

from sweeper import FixedSweep, HyperparameterSettings, load, sweep

class Activation(enum.Enum):
    RELU = 'relu'
    TANH = 'tanh'

class Small:
    width = 3

class Large:
    width = 6

def model(size, activation):
    record(size.width)
    assert activation is Activation.RELU or activation is Activation.TANH
    function = torch.nn.ReLU() if activation is Activation.RELU else torch.nn.Tanh()
    return torch.nn.Sequential(torch.nn.Linear(4, size.width), function, torch.nn.Linear(size.width, 2))

SETTINGS = {settings!r}

def run(module_name='__main__', executor='local'):
    points = [(Small, Activation.RELU), (Large, Activation.TANH)]
    selector = FixedSweep.with_fixed_trials(points, 1)
    results = sweep(module_name, selector, 1, SETTINGS, 'out', cores=1, executor=executor, progress='none')
    assert [result.params for result in results] == points, results.failures
    assert str(load('out')) == str(results)
    print('done', len(results))
"""


@pytest.fixture
def write_program(write_problem, tiny):
    """Writes a program that is its own problem, with classes and enums of its own as parameters."""

    def write(ending):
        return write_problem(model=PROGRAM.replace('{settings!r}', repr(tiny)), ending=ending)

    return write


def run_python(*arguments, cwd, **options):
    environment = os.environ | {'PYTHONPATH': str(ROOT), 'PYTHONWARNINGS': 'ignore'}
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True,
        timeout=120, **options,
    )  # fmt: skip


def assert_swept(done, problem, sweeps=1):
    assert done.returncode == 0, done.stderr
    assert done.stdout == 'done 2\n' * sweeps
    assert set(problem.calls) == {'3', '6'}


@pytest.mark.slow
def test_a_script_can_be_its_own_problem_by_either_name(write_program, tmp_path, count_tuning_runs):
    problem = write_program(GUARD.format('') + "    run(__file__, 'inline')  # continues the same sweep\n")
    done = run_python(problem.path.name, cwd=tmp_path)
    assert_swept(done, problem, 2)
    dry_runs = 1
    once = dry_runs + sum(count_tuning_runs(tmp_path / 'out', point) + 1 for point in (0, 1))
    assert len(problem.calls) == once


@pytest.mark.slow
def test_a_module_that_is_run_can_be_its_own_problem(write_program, tmp_path):
    problem = write_program(GUARD.format(''))
    package = tmp_path / 'package'
    package.mkdir()
    problem.path = problem.path.rename(package / problem.path.name)
    (package / 'sibling.py').write_text('NUMBER = 1')
    problem.path.write_text('from .sibling import NUMBER\n' + problem.path.read_text())
    assert_swept(run_python('-m', f'package.{problem.name}', cwd=tmp_path), problem)


@pytest.mark.slow
def test_a_script_without_a_guard_is_a_clear_error(write_program, tmp_path):
    problem = write_program('run()\n')
    done = run_python(problem.path, cwd=tmp_path)
    assert done.returncode != 0
    assert "if __name__ == '__main__':" in done.stderr
    assert 'sweep() was called while its problem was being imported' in done.stderr
    assert problem.calls == []


def test_a_problem_without_a_guard_is_a_clear_error(write_program, tmp_path, sweep_inline):
    problem = write_program("run(__file__, 'inline')\n")
    with pytest.raises(ProblemError, match="Put the call under: if __name__ == '__main__':"):
        sweep_inline(problem.path, FixedSweep([((4, 4), 1)]), tmp_path / 'out')
    assert problem.calls == []


INTERACTIVE = textwrap.dedent("""
    from sweeper import FixedSweep, sweep
    sweep('__main__', FixedSweep([((1,), 1)]), 1, 'fastest', 'out', progress='none')
""")


@pytest.mark.parametrize(('arguments', 'standard_input'), [(['-c', INTERACTIVE], ''), (['-'], INTERACTIVE)])
def test_a_program_that_is_no_file_cannot_be_the_problem(arguments, standard_input, tmp_path):
    done = run_python(*arguments, cwd=tmp_path, input=standard_input)
    assert done.returncode != 0
    assert "ProblemError: module_name='__main__' needs a program that is a file" in done.stderr
    assert not (tmp_path / 'out').exists()


def test_in_a_worker_the_problem_takes_the_place_of_main(write_problem, monkeypatch):
    problem = write_problem()
    main = type(sys)('__main__')
    main.__file__, main.__spec__ = str(problem.path), None
    monkeypatch.setitem(sys.modules, '__main__', main)
    for name in ('__main__', problem.path):
        reference = find_problem(name)
        assert reference.is_main
        assert load_module(reference) is main
    assert load_module(reference, in_worker=True) is sys.modules['__main__'] is not main


ARGPARSE = """
import argparse, sys

parser = argparse.ArgumentParser()
parser.add_argument('--width', type=int, default=3)
arguments = parser.parse_args()
seen = list(sys.argv)
"""


def test_a_problem_does_not_see_the_arguments_of_whoever_sweeps_it(write_problem, monkeypatch):
    problem = write_problem(ending=ARGPARSE)
    monkeypatch.setattr(sys, 'argv', ['sweeper', 'run', str(problem.path), '--no-such-option'])
    module = load_module(find_problem(problem.path))
    assert (module.arguments.width, module.seen) == (3, [str(problem.path)])
    assert sys.argv[0] == 'sweeper'


def test_a_program_has_its_own_arguments_in_workers_too(write_problem, monkeypatch):
    problem = write_problem(ending=ARGPARSE)
    main = types.ModuleType('__main__')
    main.__file__, main.__spec__ = str(problem.path), None
    monkeypatch.setitem(sys.modules, '__main__', main)
    monkeypatch.setattr(sys, 'argv', [str(problem.path), '--width', '5'])
    reference = find_problem('__main__')
    monkeypatch.setattr(sys, 'argv', ['-c'])
    assert load_module(reference, in_worker=True).arguments.width == 5


def test_a_file_with_relative_imports_is_to_be_named_as_a_module(tmp_path):
    folder = tmp_path / 'inner_package'
    folder.mkdir()
    (folder / '__init__.py').write_text('')
    (folder / 'problem_relative.py').write_text('from .layers import Layer')
    with pytest.raises(ProblemError, match=r'pass its name, inner_package\.problem_relative'):
        load_module(find_problem(folder / 'problem_relative.py'))
