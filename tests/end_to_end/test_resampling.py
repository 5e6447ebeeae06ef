"""Sweeps whose trials are resamples, as a user runs them."""

import json
import subprocess
import sys

import pytest

from sweeper import FixedHyperparameters, FixedSweep, compare
from sweeper.errors import FolderError, ProblemError
from sweeper.report.document import everything, markdown
from sweeper.store.store import Store

FIXED = FixedHyperparameters(lr=0.1, batch_size=8, epochs=2, cycle_epochs=1)
STREAM = """
class Endless(torch.utils.data.IterableDataset):
    def __len__(self):
        return 64

    def __iter__(self):
        return iter([(torch.zeros(4), 0)] * 64)


def dataset():
    return Endless(), Endless()
"""


def sweeper_command(*words):
    command = [sys.executable, '-m', 'sweeper', *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True)


def result(folder, point, trial):
    return json.loads((folder / f'points/{point}/trials/{trial}/result.json').read_text())


def files(folder):
    """All results, without what is different in every run."""
    found = {}
    for path in sorted(folder.glob('points/*/**/*')):
        if path.name == 'result.json':
            content = json.loads(path.read_text())
            found[str(path.relative_to(folder))] = {
                k: v for k, v in content.items() if k not in ('seconds', 'checksum')
            }
        elif path.suffix in ('.pt', '.npz', '.json'):
            found[str(path.relative_to(folder))] = path.read_bytes()
    return found


@pytest.fixture(scope='module')
def swept(problem_file, sweep_inline, tmp_path_factory):
    folder = tmp_path_factory.mktemp('resampled')
    problem = problem_file(folder)
    selector = FixedSweep.with_fixed_trials([(2,), (4,)], 5)
    sweep_inline(problem.path, selector, folder / 'out', hparams=FIXED, resample='folds:3')
    return problem, folder / 'out'


def test_the_same_trial_has_the_same_split_in_all_architectures(swept):
    for trial in range(5):
        splits = [result(swept[1], point, trial)['split'] for point in (0, 1)]
        sizes = {'train': 64, 'val': 32}
        assert splits == [{'round': trial // 3, 'fold': trial % 3, **sizes}] * 2
    manifest = json.loads((swept[1] / 'sweep.json').read_text())
    assert manifest['resample'] == {'splits': 'folds:3', 'samples': 96, 'val_to_train': 0.5}


def test_trials_that_are_added_later_are_those_of_one_sweep(swept, sweep_inline, tmp_path):
    for trials in (1, 4, 5):
        selector = FixedSweep.with_fixed_trials([(2,), (4,)], trials)
        sweep_inline(swept[0].path, selector, tmp_path / 'out', hparams=FIXED, resample='folds:3')
    assert files(tmp_path / 'out') == files(swept[1])


@pytest.mark.slow
def test_workers_give_the_same_as_this_process_and_lanes_say_why_they_are_none(swept, sweep_inline, tmp_path):
    options = {'hparams': FIXED, 'resample': 'folds:3', 'executor': 'local', 'cores': 2}
    for folder, more in (('out', {}), ('lanes', {'step': 'lanes'})):
        selector = FixedSweep.with_fixed_trials([(2,), (4,)], 5)
        sweep_inline(swept[0].path, selector, tmp_path / folder, **options, **more)
    assert files(tmp_path / 'out') == files(swept[1])
    step = result(tmp_path / 'lanes', 1, 4)['step']
    assert step.endswith('not in lanes, because each has a split of the data of its own')


@pytest.mark.parametrize('other', [None, 'folds:4', 'holdout:3'])
def test_a_folder_with_another_value_is_another_sweep(swept, sweep_inline, other):
    selector = FixedSweep.with_fixed_trials([(2,)], 5)
    message = f'holds another sweep .option resample: folds:3 there, {other or "none"} asked'
    with pytest.raises(FolderError, match=message):
        sweep_inline(swept[0].path, selector, swept[1], hparams=FIXED, resample=other)


def test_without_it_nothing_is_written_of_it(swept, sweep_inline, tmp_path):
    sweep_inline(swept[0].path, FixedSweep.with_fixed_trials([(2,)], 1), tmp_path / 'out', hparams=FIXED)
    assert 'split' not in result(tmp_path / 'out', 0, 0)
    assert 'resample' not in json.loads((tmp_path / 'out/sweep.json').read_text())


def test_the_report_is_corrected_and_says_so(swept):
    found = compare(swept[1])
    assert found.measure.val_to_train == 0.5 and found.verdict.method == 'corrected resampled t'
    store = Store.read(swept[1])
    assert 'corrected for resampling (Nadeau and Bengio 2003)' in markdown(store)
    document = json.loads(everything(store))
    assert document['resample']['splits'] == 'folds:3'


@pytest.mark.parametrize(
    ('sections', 'resample', 'message'),
    [
        ({}, 'folds:50', r"resample='folds:50': class 1 has 43 samples, and every class needs at least 50"),
        ({'dataset': STREAM}, 'folds:3', "resample='folds:3': the training data is a stream"),
        ({'ending': 'groups = 3'}, 'folds:3', r'groups of .* must be callable'),
        (
            {'ending': 'def group():\n    return []'},
            None,
            'group, which would be ignored; did you mean groups',
        ),
    ],
)
def test_what_cannot_be_split_is_an_error_before_anything_is_trained(
    sections, resample, message, write_problem, sweep_inline, tmp_path
):
    problem = write_problem(**sections)
    with pytest.raises(ProblemError, match=message):
        sweep_inline(problem.path, FixedSweep([((2,), 1)]), tmp_path / 'out', resample=resample)
    assert problem.calls == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ('sections', 'resample', 'message'),
    [
        ({}, 'folds:1', '--resample folds:1: must be folds: and a number of at least 2'),
        ({}, 'folds:50', '--resample folds:50: class 1 has 43 samples'),
        ({'dataset': STREAM}, 'folds:3', '--resample folds:3: the training data is a stream'),
    ],
)
def test_the_command_says_it_in_its_own_words(sections, resample, message, write_problem, tmp_path):
    command = ['run', write_problem(**sections).path, '--grid', 'width=2', '--resample', resample]
    done = sweeper_command(*command, '--out', tmp_path / 'out')
    assert done.returncode == 2 and f'error: {message}' in done.stderr


@pytest.mark.slow
def test_the_command_trains_as_many_trials_as_there_are_splits(write_problem, tmp_path):
    command = [
        'run',
        write_problem().path,
        '--grid',
        'width=2',
        '--lr',
        '0.1',
        '--batch-size',
        '8',
        '--epochs',
    ]
    done = sweeper_command(*command, '1', '--resample', 'holdout:4', '--out', tmp_path / 'out')
    assert done.returncode == 0 and 'corrected resampled t' in done.stdout
    assert [result(tmp_path / 'out', 0, trial)['split']['holdout'] for trial in range(4)] == [0, 1, 2, 3]
