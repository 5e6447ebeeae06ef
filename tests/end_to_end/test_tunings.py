"""Sweeps that tune every architecture more than once, as a user runs them."""

import json
import subprocess
import sys
import warnings

import numpy as np
import pytest

from sweeper import (
    FixedHyperparameters,
    FixedSweep,
    InvalidArgument,
    RunRequest,
    Stage,
    SweepConfig,
    Tuned,
    load,
    load_model,
    run_seed,
    sweep,
)
from sweeper.errors import FolderError, PointFailedWarning, ProblemWarning, TuningFailed
from sweeper.report import terminal
from sweeper.report.document import everything, markdown
from sweeper.report.findings import Findings
from sweeper.report.page.content import details, overview
from sweeper.store.store import Store
from tests.crash.compare import contents
from tests.end_to_end.test_parts import Halving

POINTS = [(2,), (4,)]
WITH_DROPOUT = {
    'imports': """
from pathlib import Path

import torch
from torch.utils.data import Subset, TensorDataset

from sweeper.m import _
""",
    'model': """
def model(width):
    has_more = _('extra', False, choices=[False, True], role='nuisance')
    extra = torch.nn.Linear(4, 4) if has_more else torch.nn.ReLU()
    return torch.nn.Sequential(extra, torch.nn.Linear(4, width), torch.nn.Linear(width, 2))
""",
}


class ByItsSeed:
    """Chooses by the seed that it is given, and by what it measured; fails for one seed."""

    def __init__(self, fails=None, names=()):
        self.fails, self.names = fails, names

    def __repr__(self):
        return 'ByItsSeed()'

    def tune(self, train_size, seed, nuisance=()):
        plan = {'lr_min': 0.01, 'lr_max': 0.1, 'batch_size': 8, 'steps': 3}
        (result,) = yield Stage('search', [RunRequest.train_briefly(seed=run_seed(seed, 'own', 0), **plan)])
        if seed == self.fails:
            raise TuningFailed('it does not learn')
        is_first = int(seed == 0)
        return Tuned(
            0.01, 0.1 + float(result['perf']) / 10, 4 + 4 * is_first, 1, 1 + is_first,
            nuisance={name: bool(seed) for name in self.names},
        )  # fmt: skip


def fixed(trials=4):
    return FixedSweep.with_fixed_trials(POINTS, trials)


@pytest.fixture(scope='module')
def swept(problem_file, sweep_inline, tmp_path_factory):
    folder = tmp_path_factory.mktemp('several')
    problem = problem_file(folder)
    results = sweep_inline(problem.path, fixed(), folder / 'out', tunings=2)
    return problem, folder / 'out', results


@pytest.fixture(scope='module')
def swept_by_seeds(problem_file, sweep_inline, tmp_path_factory):
    folder = tmp_path_factory.mktemp('by_seeds')
    options = {'tunings': 2, 'tuning': ByItsSeed(), 'hparams': 'fast'}
    results = sweep_inline(problem_file(folder).path, fixed(), folder / 'out', **options)
    return folder / 'out', results


def test_each_trial_is_trained_as_its_own_tuning_says(swept_by_seeds):
    results = swept_by_seeds[1]
    for point in POINTS:
        tunings = results.tunings[point]
        assert len({one.epochs for one in tunings}) == 2  # so that it can be seen
        for index, trial in results.trials[point].items():
            assert trial.epochs == tunings[index % 2].epochs
    frame = results.to_frame()
    assert [*frame['tuning']] == [0, 1, 0, 1] * 2
    assert [*frame['lr_end'][:4]] == [tunings.lr_max for tunings in results.tunings[POINTS[0]]] * 2


def test_the_first_tuning_is_that_of_a_sweep_that_tunes_once(swept, sweep_inline, tmp_path):
    sweep_inline(swept[0].path, fixed(1), tmp_path / 'once')
    for name in ('final.json', 'lr_vs_perf.npz', 'candidates.npz'):
        often, once = (folder / f'points/1/hparams/{name}' for folder in (swept[1], tmp_path / 'once'))
        assert often.read_bytes() == once.read_bytes()
    often, once = (contents(folder / 'points/1/trials/0') for folder in (swept[1], tmp_path / 'once'))
    assert often == once
    assert 'tunings' not in json.loads((tmp_path / 'once/sweep.json').read_text())
    assert 'tuning' not in (tmp_path / 'once/points/results.csv').read_text().split('\n')[0].split(',')


def test_the_tunings_differ_and_are_all_on_disk(swept):
    own = swept[1] / 'points/0/hparams'
    assert (own / 'candidates.npz').read_bytes() != (own / 'tunings/1/candidates.npz').read_bytes()
    assert json.loads((own / 'misc.json').read_text())['tunings'] == 2
    assert json.loads((swept[1] / 'sweep.json').read_text())['tunings'] == 2
    assert load(swept[1]).tunings == swept[2].tunings
    assert load(swept[1]).to_frame().equals(swept[2].to_frame())


def test_interrupted_anywhere_it_ends_as_if_nothing_had_happened(swept, sweep_inline, tmp_path, monkeypatch):
    runs, write = [0], Store.write_run

    def interrupted(*args):
        write(*args)
        runs[0] += 1
        if runs[0] in (1, 4, 9):
            raise KeyboardInterrupt

    monkeypatch.setattr(Store, 'write_run', interrupted)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            sweep_inline(swept[0].path, fixed(2), tmp_path / 'out', tunings=2)
    for trials in (2, 4):
        sweep_inline(swept[0].path, fixed(trials), tmp_path / 'out', tunings=2)
    assert contents(tmp_path / 'out' / 'points') == contents(swept[1] / 'points')


@pytest.mark.slow
@pytest.mark.parametrize('step', ['auto', 'lanes'])
def test_it_is_the_same_in_worker_processes(step, swept, sweep_inline, tmp_path):
    options = {'tunings': 2, 'step': step}
    for name, more in (('out', {'executor': 'local', 'cores': 2}), ('inline', {})):
        sweep_inline(swept[0].path, fixed(), tmp_path / name, 2, **options, **more)
    assert contents(tmp_path / 'out' / 'points') == contents(tmp_path / 'inline' / 'points')


@pytest.mark.parametrize('other', [1, 3])
def test_a_folder_is_continued_with_as_many_tunings_only(other, swept, sweep_inline):
    with pytest.raises(FolderError, match=f'tunings: 2 there, {other} asked'):
        sweep_inline(swept[0].path, fixed(6), swept[1], tunings=other)


def test_one_that_fails_fails_the_architecture(write_problem, sweep_inline, tmp_path):
    options = {'tunings': 3, 'hparams': ByItsSeed(fails=run_seed(0, 'tuning', 2))}
    with pytest.warns(PointFailedWarning):
        results = sweep_inline(write_problem().path, fixed(3), tmp_path / 'out', **options)
    assert [str(failure.error) for failure in results.failures] == [
        'TuningFailed in tuning: tuning 3 of 3: it does not learn'
    ] * 2


def test_trials_that_are_trained_in_part_go_on_with_the_same_tuning(write_problem, sweep_inline, tmp_path):
    path, method = write_problem().path, ByItsSeed()
    halving = Halving([2, 4], trials=2, fractions=(0.5, 1.0))
    results = sweep_inline(path, halving, tmp_path / 'out', hparams=method, tunings=2, step='eager')
    (last,) = (result.params for result in results if len(result.perf_val))
    whole = FixedSweep.with_fixed_trials([last], 2)
    sweep_inline(path, whole, tmp_path / 'whole', hparams=method, tunings=2, step='eager')
    ours = contents(tmp_path / f'out/points/{results.ids[last]}/trials')
    assert ours == contents(tmp_path / 'whole/points/0/trials')


def test_a_network_is_loaded_with_the_nuisance_parameters_of_its_own_trial(
    write_problem, sweep_inline, tmp_path
):
    problem = write_problem(**WITH_DROPOUT)
    method = ByItsSeed(names=['extra'])
    results = sweep_inline(problem.path, fixed(2), tmp_path / 'out', hparams=method, tunings=2)
    assert [one.nuisance for one in results.tunings[POINTS[0]]] == [{'extra': False}, {'extra': True}]
    names = [type(load_model(tmp_path / 'out', (2,), trial=trial)[0]).__name__ for trial in (0, 1)]
    assert names == ['ReLU', 'Linear']


def test_a_number_of_trials_that_no_multiple_is_is_remarked_on(swept, sweep_inline, tmp_path):
    with pytest.warns(ProblemWarning, match='the number of trials, 5, is not a multiple of the number of'):
        sweep_inline(swept[0].path, fixed(5), tmp_path / 'out', tunings=2)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        sweep_inline(swept[0].path, fixed(4), swept[1], tunings=2)


@pytest.mark.parametrize('value', [0, -1, 1.5, True, 'two'])
def test_a_number_that_cannot_be_is_refused(value):
    with pytest.raises(InvalidArgument, match='tunings='):
        SweepConfig(tunings=value)


def test_what_is_given_is_not_tuned_more_than_once(tmp_path):
    given = FixedHyperparameters(lr=0.1, batch_size=8)
    with pytest.raises(InvalidArgument, match='tunings=2: must be 1 where hyperparameters are given'):
        sweep('none', fixed(), 1, given, tmp_path, tunings=2)
    assert SweepConfig(tuning=given).tunings == 1


def test_a_method_of_ones_own_cannot_return_several(write_problem, sweep_inline, tmp_path):
    class Several(ByItsSeed):
        def tune(self, train_size, seed, nuisance=()):
            yield from ()
            return Tuned(0.1, 0.1, 8, 1, 1, alternatives=(Tuned(0.1, 0.1, 8, 1, 1),))

    with pytest.warns(PointFailedWarning):
        results = sweep_inline(write_problem().path, fixed(1), tmp_path / 'out', hparams=Several())
    assert 'alternatives' in results.failures[0].error.message


@pytest.mark.slow
@pytest.mark.parametrize(('tunings', 'trials'), [(2, 4), (3, 3)])
def test_the_command_takes_as_many_trials_of_each_tuning(tunings, trials, write_problem, tmp_path):
    out = tmp_path / 'out'
    command = ['run', write_problem().path, '--grid', 'width=2', '--tunings', tunings, '--out', out]
    short = ['--preset', 'fastest', '--setting', 'trial_samples=640']
    done = subprocess.run(
        [sys.executable, '-m', 'sweeper', *map(str, [*command, *short])], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    results = load(out)
    assert len(results[0].perf_val) == trials and np.isfinite(results[0].perf_val).all()
    assert len(results.tunings[results[0].params]) == tunings


def test_reports_show_the_tunings_and_say_how_much_is_due_to_them(swept_by_seeds):
    store = Store.read(swept_by_seeds[0])
    findings = Findings(store)
    said, comparison = findings.due_to_tuning, findings.comparison
    assert comparison.verdict.design.tunings == 2 and 'as tuned here' not in ' '.join(comparison.details())
    assert 'due to tuning' in said and '2 tunings' in said
    document = json.loads(everything(store))
    share = document['due_to_tuning']
    assert document['tunings'] == 2 and share['low'] <= share['share'] <= share['high']
    for summary, row in zip(findings.summaries, document['architectures'], strict=True):
        tunings = swept_by_seeds[1].tunings[summary.params]
        assert [one['lr_end'] for one in row['tunings']] == [one.lr_max for one in tunings]
        spread = max(one.lr_max for one in tunings) / min(one.lr_max for one in tunings)
        assert summary.lr_spread == spread and summary.lr_range[1] == tunings[0].lr_max
    assert said in markdown(store) and said in overview(findings)['notes']
    assert 'confidence interval over tunings' in markdown(store) and overview(findings)['units'] == 'tunings'
    shown = details(findings)[0][0]
    assert [one['tuning'] for one in shown['tunings']] == [0, 1]
    assert [trial['tuning'] for trial in shown['trials']] == [0, 1, 0, 1]


def test_the_table_has_a_column_for_how_far_they_are_apart(swept_by_seeds, capsys):
    terminal.show(Store.read(swept_by_seeds[0]))
    printed = ' '.join(capsys.readouterr().out.split())
    assert 'lr spread' in printed and 'each tuned twice' in printed
    assert 'over tunings' in printed and 'in 2 tunings each' in printed


def test_of_a_single_tuning_nothing_is_said(swept, sweep_inline, tmp_path, capsys):
    sweep_inline(swept[0].path, fixed(2), tmp_path / 'once')
    store = Store.read(tmp_path / 'once')
    terminal.show(store)
    said = everything(store) + markdown(store) + capsys.readouterr().out + str(overview(Findings(store)))
    said = said.replace('test_tunings', '')  # in the command, where this file is named in it
    assert not any(word in said for word in ('tunings', 'lr spread', 'due to tuning', 'due_to'))
    assert details(Findings(store))[0][0]['tunings'] == []
