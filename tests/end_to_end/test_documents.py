"""The documents' commands and code: read as the command line and Python do, and run where they can be."""

import ast
import re
import shlex
from functools import cache
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import sweeper
from sweeper.cli import app
from sweeper.tuning.settings import PRESETS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md'))]
BLOCKS = [
    (path, language, text)
    for path in DOCUMENTS
    for language, text in re.findall(r'^```(\w*)\n(.*?)^```$', path.read_text(), re.MULTILINE | re.DOTALL)
]

NOT_IN_THE_REPOSITORY = {
    'digits.py': 'the first example of the README (run by test_examples.py), or of docs/parameters.md',
    'large.py': "stands for the reader's own",
    'model.py': "stands for the reader's own",
    'net.py': 'written by docs/parameters.md itself (run by tests/declare/test_guide.py)',
    'train.py': 'written by docs/parameters.md itself (run by tests/declare/test_guide.py)',
}
NOT_RUN = {
    'README.md: # digits.py': 'run by test_examples.py',
    'README.md: from sweeper.m import _': 'a part of a module that continues the first example',
    'problems.md: from sweeper import adapters': "needs the reader's own module; examples/ has a whole one",
    'parameters.md: # net.py': 'run by tests/declare/test_guide.py',
    'parameters.md: # train.py': 'run by tests/declare/test_guide.py',
    'sweeper run': 'trains for seconds to hours; the first one of the README is run by CI',
    'sweeper params': 'run by tests/declare/test_guide.py',
}


def lines_of(text):
    """The commands of a block, without prompts, comments and what they print."""
    prompted = re.findall(r'^\$ (.*)$', text, re.MULTILINE)
    return prompted or [line for line in text.splitlines() if line.strip() and not line.startswith('#')]


def calls(program):
    """Arguments of every call of a program in the documents, with the document."""
    found = []
    for path, language, text in BLOCKS:
        if language in ('bash', 'console', ''):
            for line in lines_of(text):
                for command in line.split('&&'):
                    try:
                        words = shlex.split(command, comments=True)
                    except ValueError:
                        continue  # a table that was printed, or a tree of files
                    if words and Path(words[0]).name == program:
                        found.append((f'{path.name}: {shlex.join(words)}', words[1:]))
    return found


SWEEPER, PYTHON = calls('sweeper'), calls('python')
PYTHON_BLOCKS = [(path, text) for path, language, text in BLOCKS if language == 'python']


@cache
def commands():
    return typer.main.get_command(app)


@pytest.mark.parametrize('words', [words for _, words in SWEEPER], ids=[name for name, _ in SWEEPER])
def test_every_command_is_one_that_the_command_line_takes(words):
    command = commands().commands[words[0]]
    arguments = command.make_context(f'sweeper {words[0]}', words[1:]).params
    for file in (arguments.get('module'), *(arguments.get('paths') or [])):
        if file and str(file).endswith('.py'):
            assert str(file) in NOT_IN_THE_REPOSITORY or (ROOT / file).exists(), f'there is no {file}'
    if arguments.get('preset'):
        assert arguments['preset'] in PRESETS


@pytest.mark.parametrize('words', [words for _, words in PYTHON], ids=[name for name, _ in PYTHON])
def test_every_python_program_is_there(words):
    file = next((word for word in words if word.endswith('.py')), None)
    assert file is None or file in NOT_IN_THE_REPOSITORY or (ROOT / file).exists()


def test_there_are_commands_in_several_documents():
    assert len({name.partition(':')[0] for name, _ in SWEEPER}) >= 4


@pytest.mark.parametrize(
    ('path', 'text'),
    PYTHON_BLOCKS,
    ids=[f'{path.name}: {text.splitlines()[0]}' for path, text in PYTHON_BLOCKS],
)
def test_every_python_block_is_python_and_imports_what_there_is(path, text):
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or '').split('.')[0] == 'sweeper':
            if node.module == 'sweeper.m':
                continue  # gives a manager of any name
            for name in node.names:
                module = __import__(node.module, fromlist=[name.name])
                assert hasattr(module, name.name)


RUN = [(path, text) for path, text in PYTHON_BLOCKS if f'{path.name}: {text.splitlines()[0]}' not in NOT_RUN]
RUN_COMMANDS = [(name, words) for name, words in SWEEPER if f'sweeper {words[0]}' not in NOT_RUN]


@pytest.fixture(scope='module')
def at_work(tmp_path_factory, tiny):
    """A folder in which the documents' sweep is done, in `out/digits`."""
    folder = tmp_path_factory.mktemp('documents')
    example = ROOT / 'examples/digits_mlp.py'
    (folder / 'digits.py').write_text('def model(width: int = 8): ...\n')
    sweeper.sweep(
        example, sweeper.FixedSweep.with_grid({'hidden': [16, 32], 'nonlinearity': ['relu', 'tanh']}, 2), 1,
        tiny, folder / 'out/digits', executor='inline', progress='none',
    )  # fmt: skip
    return folder


@pytest.mark.parametrize(
    ('path', 'text'), RUN, ids=[f'{path.name}: {text.splitlines()[0]}' for path, text in RUN]
)
def test_a_block_runs_on_a_finished_sweep(at_work, monkeypatch, path, text):
    for module in ('pandas', 'matplotlib', 'plotly'):
        pytest.importorskip(module)
    if 'mlflow' in text:
        pytest.importorskip('mlflow')
        pytest.importorskip('tensorboard')
    monkeypatch.chdir(at_work)
    monkeypatch.setenv('MPLBACKEND', 'Agg')
    text = text.replace(
        "FixedSweep.with_declared('digits.py', trials=3)", 'None'
    )  # the README's has no declarations
    exec(compile(text, str(path), 'exec'), {'__name__': 'documents'})


@pytest.mark.parametrize(
    'words', [words for _, words in RUN_COMMANDS], ids=[name for name, _ in RUN_COMMANDS]
)
def test_a_command_runs_on_a_finished_sweep(at_work, monkeypatch, words):
    for module in ('matplotlib', 'plotly'):
        pytest.importorskip(module)
    monkeypatch.chdir(at_work)
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output


def test_what_is_not_run_is_still_in_the_documents():
    blocks = {f'{path.name}: {text.splitlines()[0]}' for path, text in PYTHON_BLOCKS}
    assert set(NOT_RUN) <= blocks | {f'sweeper {words[0]}' for _, words in SWEEPER}


def test_the_table_of_settings_is_that_of_the_presets():
    rows = re.findall(
        r'^\| `(\w+)` \| ([\d.]+) \|(.*)\|$', (ROOT / 'docs/tuning.md').read_text(), re.MULTILINE
    )
    told = {name: [budget, *(cell.strip() for cell in rest.split('|'))] for name, budget, rest in rows}
    assert told == {
        name: [
            f'{one.tuning_budget:g}', str(one.lr_candidates),
            f'{one.batch_candidates}, from {one.batch_start} to {one.batch_end}', str(one.rounds),
            f'{one.trial_samples:,}',
        ]
        for name, one in PRESETS.items()
    }  # fmt: skip
