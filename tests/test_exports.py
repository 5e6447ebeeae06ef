"""What the package exports, and what importing it costs."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import sweeper

PUBLIC = {
    'sweep', 'train', 'load', 'load_model', 'Sweeper',
    'ParamSelector', 'SweepListener', 'FixedSweep', 'GridSweep', 'RandomSweep', 'EvolutionSweep', 'Objective',
    'pareto_front', 'OptunaSelector', 'BudgetedSelector', 'RacingSweep', 'HalvingSweep',
    'TensorBoardListener', 'MLflowListener',
    'ParamsTask', 'ParamsTaskQueue',
    'HyperparameterSettings', 'SweepConfig', 'get_settings', 'FixedHyperparameters',
    'TuningMethod', 'Stage', 'RunRequest', 'Tuned', 'run_seed',
    'Space', 'Bits', 'Categorical', 'Condition', 'Integer', 'Float', 'NamedPoint', 'Ordinal',
    'PointResult', 'SweepResults', 'TrialResult', 'PointError', 'PointFailure',
    'Comparison', 'compare', 'mean_interval', 'plot', 'save_figure', 'report_page',
    'report_methods',
    'SweepError', 'InvalidArgument', 'InvalidPoint', 'ProblemError', 'FolderError', 'SelectorError',
    'PointFailed', 'TuningFailed', 'DeclarationError', 'MissingExtra',
    'ProblemWarning', 'DeclarationWarning', 'PointFailedWarning', 'DamagedFileWarning', 'ListenerWarning',
    'EqualPointsWarning', 'Selector', 'Proposal', 'WAIT', 'DONE', 'events',
    'Executor', 'LocalExecutor', 'RayExecutor', 'InlineExecutor', 'Resources', 'Task', 'Outcome', 'RunError',
    'WorkerSpec', 'run_task', 'Run', 'RunEvents', 'Callback', 'adapters', 'Metric', 'MetricInfo',
}  # fmt: skip
NAMESPACES = {'sweeper.adapters', 'sweeper.m', 'sweeper.declare', 'sweeper.testing'}  # as a whole


def test_all_is_complete():
    assert set(sweeper.__all__) == PUBLIC
    assert len(sweeper.__all__) == len(PUBLIC)
    assert sweeper._MODULES.keys() == PUBLIC


@pytest.mark.parametrize('name', sorted(PUBLIC - {'adapters', 'events'}))
def test_every_public_name_is_there_and_documented(name):
    exported = getattr(sweeper, name)
    assert exported.__doc__
    assert exported.__module__ == f'sweeper.{sweeper._MODULES[name]}' or name in sweeper.space.__all__


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


@pytest.mark.slow
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


ROOT = Path(__file__).parents[1]
SHOWN = [
    (path.name, code)
    for path in [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md'))]
    for code in re.findall(r'^```python\n(.*?)^```$', path.read_text(), re.MULTILINE | re.DOTALL)
]
SHOWN += [(path.name, path.read_text()) for path in sorted((ROOT / 'examples').glob('*.py'))]


def names_imported(code):
    """The names of the package that a source imports, and the modules of it that it imports them from."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and node.module.partition('.')[0] == 'sweeper':
            yield from ((node.module, name.name) for name in node.names)
        elif isinstance(node, ast.Import):
            yield from ((name.name, '') for name in node.names if name.name.partition('.')[0] == 'sweeper')


@pytest.mark.parametrize(('document', 'code'), SHOWN, ids=[document for document, _ in SHOWN])
def test_documents_and_examples_use_only_what_is_public(document, code):
    for module, name in names_imported(code):
        assert module in NAMESPACES or (module == 'sweeper' and name in PUBLIC), f'{module}: {name}'


def test_the_reader_of_what_documents_use_sees_it_all():
    assert list(names_imported('def f():\n    from sweeper.io import x, y\nimport sweeper.api, os')) == [
        ('sweeper.api', ''), ('sweeper.io', 'x'), ('sweeper.io', 'y')
    ]  # fmt: skip
    assert len(SHOWN) > 15 and any(name for _, code in SHOWN for _, name in names_imported(code))


ONLY_ON_POSIX = ('fcntl', 'resource', 'termios', 'pwd', 'grp', 'pty')


@pytest.mark.slow
def test_results_can_be_read_where_there_is_no_posix(tmp_path, write_problem, sweep_inline):
    """As on Windows, which lacks these modules, and whose `os` lacks some functions."""
    sweep_inline(write_problem().path, sweeper.FixedSweep([((4,), 1)]), tmp_path / 'out')
    code = f"""
import os, sys
import psutil, torch  # which have versions for Windows
for name in {ONLY_ON_POSIX}:
    sys.modules[name] = None
for name in ('fork', 'killpg', 'getpgrp', 'setsid', 'O_NOFOLLOW', 'O_NONBLOCK', 'sched_getaffinity'):
    delattr(os, name)
from sweeper import *
results = load({str(tmp_path / 'out')!r})
print(len(results), len(results.to_frame()), len(compare({str(tmp_path / 'out')!r}).points))
print(type(load_model({str(tmp_path / 'out')!r})).__name__)
"""
    assert run_python(code) == ['1', '1', '1', 'Sequential']
