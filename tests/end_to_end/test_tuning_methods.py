"""Sweeps whose tuning method is given as an argument."""

import json

import pytest

from sweeper import FixedHyperparameters, FixedSweep, RunRequest, Stage, Tuned, load, plot, report_page, train
from sweeper.errors import FolderError, PointFailedWarning

POINTS = [((2,), 1), ((4,), 2)]
FIXED = FixedHyperparameters(lr=0.1, batch_size=16, epochs=2)
CHOSEN = Tuned(0.01, 0.1, 16, 1, 2)


class Own:
    """Searches in two stages; notes what it is sent, and fails at what it is told to."""

    def __init__(self, fails=None):
        self.fails, self.seen = fails, []

    def __repr__(self):
        return 'Own()'

    def tune(self, train_size, seed, nuisance=()):
        for index in range(2):
            runs = [
                RunRequest.train_briefly(seed=seed + index, lr_min=0.01, lr_max=lr, batch_size=8, steps=3)
                for lr in (0.1, 0.2)
            ]
            self.seen.append((yield Stage(f'part {index}', runs)))
            if self.fails is not None:
                raise self.fails
        return CHOSEN


@pytest.mark.parametrize('executor', ['inline', pytest.param('local', marks=pytest.mark.slow)])
@pytest.mark.parametrize('argument', ['hparams', 'tuning'])
def test_fixed_hyperparameters_are_those_of_every_trial(
    executor, argument, write_problem, sweep_inline, tmp_path
):
    problem, options = write_problem(), {'hparams': 'fast', argument: FIXED, 'executor': executor}
    results = sweep_inline(problem.path, FixedSweep(POINTS), tmp_path / 'out', **options)
    assert [result[1:4] for result in results] == [(0.01, 0.1, 16)] * 2
    assert [trial.epochs for trials in results.trials.values() for trial in trials.values()] == [2, 2, 2]
    assert results.flags == {}
    settings = json.loads((tmp_path / 'out/sweep.json').read_text())['settings']
    assert settings['method'] == 'FixedHyperparameters' and settings['values']['lr'] == 0.1


def test_a_sweep_with_fixed_hyperparameters_is_continued_read_and_shown(
    write_problem, sweep_inline, tmp_path
):
    problem, out = write_problem(), tmp_path / 'out'
    first = sweep_inline(problem.path, FixedSweep(POINTS), out, hparams=FIXED)
    calls = len(problem.calls)
    again = sweep_inline(problem.path, FixedSweep(POINTS), out, hparams=FIXED)
    assert len(problem.calls) == calls and [one[:4] for one in first] == [one[:4] for one in again]
    assert len(load(out)) == 2
    assert 'FixedHyperparameters' in report_page(out)
    assert plot(out, 'tuning').axes
    other = FixedHyperparameters(lr=0.2, batch_size=16, epochs=2)
    with pytest.raises(FolderError, match=r'setting lr: 0.1 there, 0.2 asked'):
        sweep_inline(problem.path, FixedSweep(POINTS), out, hparams=other)


def test_a_method_of_ones_own_is_sent_the_results_of_its_runs(write_problem, sweep_inline, tmp_path):
    method = Own()
    results = sweep_inline(write_problem().path, FixedSweep(POINTS), tmp_path / 'out', hparams=method)
    assert len(results) == 2 and [len(results) for results in method.seen] == [2] * 4
    assert all(0 <= float(result['perf']) <= 1 for results in method.seen for result in results)
    misc = json.loads((tmp_path / 'out/points/0/hparams/misc.json').read_text())
    assert misc['steps'].keys() == {'part 0', 'part 1', 'first step'} and misc['cost']['parameters'] > 0


def test_a_method_that_fails_fails_the_point_and_says_why(write_problem, sweep_inline, tmp_path):
    with pytest.warns(PointFailedWarning):
        results = sweep_inline(
            write_problem().path, FixedSweep(POINTS), tmp_path / 'out', hparams=Own(KeyError('what is this'))
        )
    assert [(one.error.kind, one.error.phase) for one in results.failures] == [('KeyError', 'tuning')] * 2


def test_a_method_goes_on_where_it_was_interrupted(write_problem, sweep_inline, tmp_path):
    problem, out = write_problem(), tmp_path / 'out'
    with pytest.raises(KeyboardInterrupt):
        sweep_inline(problem.path, FixedSweep(POINTS[:1]), out, hparams=Own(KeyboardInterrupt()))
    done = len(problem.calls)
    sweep_inline(problem.path, FixedSweep(POINTS[:1]), out, hparams=Own())
    whole = write_problem()
    sweep_inline(whole.path, FixedSweep(POINTS[:1]), tmp_path / 'whole', hparams=Own())
    dry_run = 1
    assert done == dry_run + 2 and len(problem.calls) == len(whole.calls) + dry_run


def test_train_takes_a_method(write_problem, tmp_path):
    options = {'executor': 'inline', 'progress': 'none'}
    result = train(write_problem().path, (2,), tmp_path / 'out', tuning=FIXED, **options)
    assert result[1:4] == (0.01, 0.1, 16)
