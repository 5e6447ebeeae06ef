"""Sweeps whose tuning chooses another length of training for each architecture: used and shown everywhere."""

import csv
import io
import json

import numpy as np
import pytest

from sweeper import (
    DONE,
    WAIT,
    FixedSweep,
    Proposal,
    RunRequest,
    Selector,
    Stage,
    Tuned,
    load,
    plot,
    report_page,
)
from sweeper.report.document import everything, markdown, table
from sweeper.report.findings import Findings
from sweeper.report.page.content import overview
from sweeper.report.table import comparison_table
from sweeper.store.store import Store

from .test_resampling import files

WIDTHS = [(2,), (8,)]
LENGTHS = {(2,): 2, (8,): 6}


class ByCost:
    """Trains large networks three times as long as small ones."""

    def tune(self, train_size, seed, nuisance=()):
        run = RunRequest.measure_curve(seed=seed, lrs=[0.1], batch_sizes=[8])
        (curve,) = yield Stage('one step', [run])
        is_large = json.loads(str(curve['cost']))['parameters'] > 30
        return Tuned(0.05, 0.5, 16, 2, 6 if is_large else 2)


@pytest.fixture
def run(write_problem, sweep_inline, tmp_path):
    problem = write_problem()

    def run(trials=2, folder='out', widths=WIDTHS, **options):
        selector = FixedSweep.with_fixed_trials(widths, trials)
        return sweep_inline(problem.path, selector, tmp_path / folder, hparams=ByCost(), **options)

    run.path, run.out, run.problem = problem.path, tmp_path / 'out', problem
    return run


def result(folder, point, trial):
    return json.loads((folder / f'points/{point}/trials/{trial}/result.json').read_text())


@pytest.mark.parametrize('step', ['auto', 'lanes'])
def test_each_architecture_is_trained_for_its_own_length(run, step):
    results = run(step=step)
    for point, (width, epochs) in enumerate(LENGTHS.items()):
        final = json.loads((run.out / f'points/{point}/hparams/final.json').read_text())
        assert (final['epochs'], final['cycle_size_epochs']) == (epochs, 2)
        assert [trial.epochs for trial in results.trials[width].values()] == [epochs] * 2
        through = np.load(run.out / f'points/{point}/trials/1/throughtime.npz')
        assert through['epochs'].tolist() == [*range(2, epochs + 1, 2)]
    assert results.to_frame()['epochs'].tolist() == [2, 2, 6, 6]
    with open(run.out / 'points/results.csv') as file:
        assert [row['epochs'] for row in csv.DictReader(file)] == ['2', '2', '6', '6']
    assert str(load(run.out)) == str(results)


def printed(renderable):
    from rich.console import Console

    console = Console(width=200, record=True, file=io.StringIO())
    console.print(renderable)
    return console.export_text()


def test_reports_show_the_lengths_where_they_differ(run):
    run()
    store = Store.read(run.out)
    findings = Findings(store)
    assert 'Trials are 2 to 6 epochs long, as tuned for each architecture.' in findings.comparison.details()
    shown = printed(comparison_table(findings.summaries, findings.columns))
    heading, *rows = shown.splitlines()
    end = heading.index('epochs') + len('epochs')  # numbers are at the right
    assert {row.split()[0]: row[:end].split()[-1] for row in rows[:2]} == {'2': '2', '8': '6'}
    assert 'epochs: the length of a trial, tuned for each architecture' in shown
    assert '| epochs |' in markdown(store)
    rows = {row['width']: row['epochs'] for row in csv.DictReader(io.StringIO(table(store)))}
    assert rows == {'2': '2', '8': '6'}
    told = json.loads(everything(store))['architectures']
    assert {one['params']['width']: one['epochs'] for one in told} == {2: 2, 8: 6}
    assert {row['name']: row['epochs'] for row in overview(findings)['rows']} == {'width=2': 2, 'width=8': 6}
    assert 'the length of its trials' in report_page(run.out)
    for figure in ('training', 'tuning', 'cost', 'board'):
        assert plot(run.out, figure).axes
    seconds = [summary.seconds_per_epoch for summary in findings.summaries]
    means = [summary.seconds / summary.epochs for summary in findings.summaries]
    assert seconds == pytest.approx(means)


def test_where_all_are_equally_long_nothing_is_said_of_it(run):
    run(widths=WIDTHS[:1])
    store = Store.read(run.out)
    findings = Findings(store)
    shown = printed(comparison_table(findings.summaries, findings.columns))
    assert 'epochs' not in findings.comparison.answer() + shown + markdown(store)


def test_more_trials_of_a_resumed_sweep_are_as_long_and_none_is_done_again(run, tmp_path):
    run(trials=1)
    results = run(trials=3)
    assert [[*map(int, {t.epochs for t in trials.values()})] for trials in results.trials.values()] == [
        [2],
        [6],
    ]
    run(trials=3, folder='whole')
    assert files(run.out) == files(tmp_path / 'whole')


class InPart(Selector):
    """Asks for half of each trial, and then for the rest of them."""

    def __init__(self):
        self.rounds = [[Proposal(point, 1, fraction) for point in WIDTHS] for fraction in (0.5, 1.0)]
        self.missing, self.heard = 0, []

    def ask(self):
        if self.missing == 0 and self.rounds:
            self.ahead = self.rounds.pop(0)
            self.missing = len(self.ahead)
        if self.ahead:
            return self.ahead.pop(0)
        return WAIT if self.missing else DONE

    def tell(self, event):
        if type(event).__name__ == 'TrialsDone':
            self.heard.append((event.point, event.fraction, *(t.epochs for t in event.trials.values())))
            self.missing -= 1


def test_a_fraction_is_one_of_the_architecture_s_own_length(run, sweep_inline, tmp_path):
    selector = InPart()
    sweep_inline(run.path, selector, tmp_path / 'out', hparams=ByCost())
    # Half of six epochs ends with the second cycle.
    assert sorted(selector.heard) == [((2,), 0.5, 2), ((2,), 1.0, 2), ((8,), 0.5, 4), ((8,), 1.0, 6)]
    run(trials=1, folder='whole')
    parts = files(tmp_path / 'out')
    for name, content in files(tmp_path / 'whole').items():
        if '/trials/' in name:
            assert parts[name] == content


def test_resamples_and_trials_that_stop_early_have_that_length_at_most(run, tmp_path):
    results = run(resample='holdout:2', folder='resampled')
    assert [{t.epochs for t in trials.values()} for trials in results.trials.values()] == [{2}, {6}]
    results = run(stop='held-out', patience=1, folder='stopped')
    for width, trials in results.trials.items():
        assert all(trial.epochs in range(2, LENGTHS[width] + 1, 2) for trial in trials.values())
    for folder in ('resampled', 'stopped'):
        for summary in Findings(Store.read(tmp_path / folder)).summaries:
            assert summary.epochs == LENGTHS[summary.params]


def test_loggers_are_told_the_length(run):
    pytest.importorskip('tensorboard')
    from sweeper.listeners.logger import Logger

    class Keeping(Logger):
        def keep_trials(self, point, trials):
            self.kept = {**getattr(self, 'kept', {}), point: self.hyperparameters(point)['epochs']}

        def keep_failure(self, point, error):
            raise AssertionError(error)

    logger = Keeping()
    run(listeners=[logger])
    assert logger.kept == LENGTHS
