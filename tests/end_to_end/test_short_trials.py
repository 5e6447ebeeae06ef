"""Trials that are shorter than an epoch, from the settings to the page."""

import json

import numpy as np
import pytest

from sweeper import FixedHyperparameters, FixedSweep, load, report_page

from .test_cli import sweeper


def test_a_trial_shorter_than_an_epoch(write_problem, tmp_path, tiny, sweep_inline):
    settings = tiny.replace(trial_samples=40)  # of 64
    problem = write_problem()

    def run():
        selector = FixedSweep.with_fixed_trials([(4,), (8,)], 2)
        return sweep_inline(problem.path, selector, tmp_path / 'out', hparams=settings)

    results = run()
    final = json.loads((tmp_path / 'out/points/0/hparams/final.json').read_text())
    assert (final['epochs'], final['cycle_size_epochs']) == (0.625, 0.625)
    misc = json.loads((tmp_path / 'out/points/0/hparams/misc.json').read_text())
    assert misc['budget']['trial_samples'] == 40
    result = json.loads((tmp_path / 'out/points/0/trials/0/result.json').read_text())
    assert result['epochs'] == 0.625
    assert str(load(tmp_path / 'out')) == str(results)
    assert str(run()) == str(results)
    assert results.to_frame()['epochs'].tolist() == [0.625] * 4
    assert 'width' in report_page(tmp_path / 'out')


@pytest.mark.parametrize(('epochs', 'cycle'), [(0.5, 0.25), (1.5, 0.5)])
def test_fixed_hyperparameters_for_a_fraction_of_an_epoch(
    epochs, cycle, write_problem, tmp_path, sweep_inline
):
    fixed = FixedHyperparameters(lr=0.1, batch_size=8, epochs=epochs, cycle_epochs=cycle)
    selector = FixedSweep.with_fixed_trials([(4,)], 1)
    sweep_inline(write_problem().path, selector, tmp_path / 'out', hparams=fixed)
    with np.load(tmp_path / 'out/points/0/trials/0/throughtime.npz') as curves:
        ends = curves['epochs'].tolist()
    assert ends == [cycle * (number + 1) for number in range(len(ends))] and ends[-1] == epochs


@pytest.mark.slow
def test_fixed_epochs_on_the_command_line(write_problem, tmp_path):
    command = ['run', write_problem().path, '--grid', 'width=4', '--trials', '1', '--out', tmp_path / 'out']
    fixed = ['--lr', '0.1', '--batch-size', '8', '--epochs', '0.5']
    done = sweeper(*command, *fixed, '--executor', 'inline')
    assert done.returncode == 0, done.stderr
    final = json.loads((tmp_path / 'out/points/0/hparams/final.json').read_text())
    assert final['epochs'] == final['cycle_size_epochs'] == 0.5
