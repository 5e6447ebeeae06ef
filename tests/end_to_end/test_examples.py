"""The examples and the README's code, with a small budget."""

import ast
import importlib.util
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sweeper import FixedSweep, load, sweep

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
DECLARED = ROOT / 'examples' / 'declared_cnn.py'  # it imports the other
EXAMPLES = [path for path in sorted((ROOT / 'examples').glob('*.py')) if path.stem != 'declared_layers']

_LONG = {
    'cartpole_reinforce', 'evolution', 'halving', 'names_rnn', 'optuna_search', 'racing',
    'reviews_transformer', 'sequence_rnn', 'shapes_unet',
}  # fmt: skip


def loaded(path):
    spec = importlib.util.spec_from_file_location(f'example_{path.stem}', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _selector(path):
    """The example's own; searches of fewer points."""
    make = loaded(path).selector
    return make(points=3) if 'points' in inspect.signature(make).parameters else make()


@pytest.fixture(scope='module')
def folders(tmp_path_factory, tiny):
    """Runs an example's own selector once, or what it declares; returns results and folder."""
    done = {}

    def run(path):
        if path not in done:
            folder = tmp_path_factory.mktemp(path.stem) / 'out'
            is_declared = path == DECLARED
            selector = FixedSweep.with_declared(path, 1, points=2) if is_declared else _selector(path)
            done[path] = sweep(path, selector, 1, tiny, folder, executor='inline', progress='none'), folder
        return done[path]

    return run


@pytest.mark.parametrize(
    'path',
    [pytest.param(path, id=path.stem, marks=[pytest.mark.long] * (path.stem in _LONG)) for path in EXAMPLES],
)
def test_example_runs(folders, path):
    if 'lightning' in path.stem:
        pytest.importorskip('lightning')
    results, _ = folders(path)
    assert results
    assert not results.failures
    assert sum(len(result.perf_val) for result in results) > 0


def test_custom_selector_asks_again_and_tunes_ahead(folders, monkeypatch):
    path = ROOT / 'examples' / 'custom_selector.py'
    module = loaded(path)
    selector, proposed = module.selector(), []
    heard = {2: 0.3, 4: 0.8, 8: 0.9, 16: 0.901}
    while selector.has_more_trials():
        proposal = selector.get_next_trials()
        assert proposal is not None
        (size,), trials = proposal
        proposed.append(proposal)
        if trials:
            selector.on_trials_completed((size,), [], [], [heard[size]] * trials, [])
    assert ((4,), 0) in proposed
    assert proposed[-2:] == [((8,), 2), ((16,), 2)]
    assert sum(trials for (size,), trials in proposed if size == 16) == 4


def test_the_declared_example_is_swept_by_the_command_that_it_shows(tmp_path):
    source = DECLARED.read_text()
    assert 'sweep(' not in source and 'selector' not in source
    lines = [line.split() for line in ast.get_docstring(ast.parse(source)).splitlines()]
    (command,) = (line for line in lines if '--declared' in line)
    shorter = ['--points', '1', '--trials', '0', '--out', tmp_path, '--sweep-cores', '1', '--set', 'kernel=3']
    subprocess.run([sys.executable, '-m', *command, *shorter], cwd=ROOT, check=True, capture_output=True)
    assert [set(result.params) for result in load(tmp_path)] == [{'width', 'depth', 'kernel', 'activation'}]
    final = json.loads((tmp_path / 'points/0/hparams/final.json').read_text())
    assert 0 <= final['nuisance']['momentum'] <= 0.95


def test_the_figure_is_drawn_from_the_points_folder(folders):
    path = ROOT / 'examples' / 'digits_mlp.py'
    _, folder = folders(path)
    figure = loaded(path).draw(folder)
    assert figure.read_bytes().startswith(b'\x89PNG')


def test_the_readmes_module_is_a_problem(tmp_path, tiny):
    (code,) = re.findall(r'```python\n(# digits.py\n.*?)```', (ROOT / 'README.md').read_text(), re.DOTALL)
    path = tmp_path / 'readme_digits.py'
    path.write_text(code)
    selector = FixedSweep.with_fixed_trials([(16, 'ReLU'), (32, 'Tanh')], trials=1)
    results = sweep(path, selector, 1, tiny, tmp_path / 'out', executor='inline', progress='none')
    assert len(results) == 2


def test_the_readmes_two_commands_are_what_ci_runs():
    readme = (ROOT / 'README.md').read_text()
    for name, word in (('main-job', 'sweeper run examples/digits_mlp.py'), ('tests', 'pytest')):
        (command,) = re.findall(rf'<!-- {name} -->\n```bash\n(.*)\n```', readme)
        assert command.startswith('python3 -m venv .venv && .venv/bin/pip install')
        assert word in command
    assert 'for name in main-job tests' in (ROOT / '.ci' / 'run').read_text()


def test_the_tuning_method_of_the_documents_keeps_the_contract_and_runs(
    tmp_path, write_problem, sweep_inline
):
    text = (ROOT / 'docs' / 'tuning.md').read_text()
    method, suite = re.findall(r'```python\n(from .*?)```', text, re.DOTALL)
    assert len(method.splitlines()) < 30
    names = {'__name__': 'documented'}
    exec(method, names)
    exec(suite, names)
    tests = names['TestRandomSearch']()
    for name in dir(tests):
        if name.startswith('test_'):
            getattr(tests, name)()
    chosen = names['RandomSearch'](candidates=3, batch_size=16, epochs=2)
    results = sweep_inline(
        write_problem().path, FixedSweep([((2,), 1), ((4,), 1)]), tmp_path / 'out', hparams=chosen
    )
    assert len(results) == 2 and all(result.bs == 16 for result in results)
    assert {trial.epochs for trials in results.trials.values() for trial in trials.values()} == {2}


def test_docs_selector_runs(tmp_path, write_problem, sweep_inline):
    text = (ROOT / 'docs' / 'selectors.md').read_text()
    (code,) = re.findall(r'```python\n(from sweeper import ParamSelector.*?)```', text, re.DOTALL)
    names = {}
    exec(code, names)
    selector = names['UntilGoodEnough']([2, 4, 8], enough=0.0)
    results = sweep_inline(write_problem().path, selector, tmp_path / 'out')
    assert [result.params for result in results] == [(2,)]
