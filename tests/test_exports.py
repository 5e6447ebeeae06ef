"""What the package exports, and what importing it costs."""

import subprocess
import sys

import pytest

import sweeper

PUBLIC = {
    'sweep', 'Sweeper', 'train', 'load', 'load_model',
    'ParamSelector', 'SweepListener', 'FixedSweep',
    'ParamsTask', 'ParamsTaskQueue',
    'HyperparameterSettings', 'get_settings',
    'PointResult', 'SweepResults', 'SweepError',
    'NamedPoint',
}  # fmt: skip


def test_all_is_complete_and_sorted():
    assert set(sweeper.__all__) == PUBLIC
    assert sweeper.__all__ == sorted(sweeper.__all__)


@pytest.mark.parametrize('name', sorted(PUBLIC))
def test_every_public_name_is_there_and_documented(name):
    exported = getattr(sweeper, name)
    assert exported.__doc__
    assert exported.__module__.startswith('sweeper.')


def run_python(code):
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, '-c', code], check=True, capture_output=True, text=True)
    return done.stdout.split()


def test_importing_the_package_imports_nothing_heavy():
    heavy = {'torch', 'numpy', 'scipy', 'ignite', 'rich', 'sklearn', 'sweeper.api'}
    assert not heavy.intersection(run_python('import sys, sweeper; print(*sys.modules)'))


def test_what_sweep_is_imported_with_imports_nothing_that_is_needed_later_only():
    code = 'import sys; from sweeper import sweep; print(*sys.modules)'
    assert not {'torch', 'scipy', 'ignite', 'rich', 'sklearn'}.intersection(run_python(code))


def test_help_on_the_command_line_imports_nothing_of_what_runs():
    code = "import sys, sweeper.cli; sys.argv[1:] = ['--help']\n"
    code += 'try: sweeper.cli.main()\nexcept SystemExit: print(*sys.modules)'
    assert not {'torch', 'numpy', 'scipy', 'ignite', 'sweeper.api'}.intersection(run_python(code))


def test_names_are_there_for_completion_for_star_imports_and_for_pickles():
    assert PUBLIC.issubset(dir(sweeper))
    assert run_python('from sweeper import *; print(sweep.__module__)') == ['sweeper.api']
    code = 'import pickle, sweeper; print(pickle.loads(pickle.dumps(sweeper.NamedPoint(a=1)))["a"])'
    assert run_python(code) == ['1']


def test_a_name_that_is_not_there_is_an_error_that_names_it():
    with pytest.raises(AttributeError, match="'sweeper' has no attribute 'swep'"):
        sweeper.swep  # noqa: B018
    with pytest.raises(ImportError, match='swep'):
        from sweeper import swep  # noqa: F401
