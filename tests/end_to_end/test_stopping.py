"""Trials that stop early, from the option to the folder."""

import json

import pytest

from sweeper import FixedHyperparameters, FixedSweep, FolderError, ProblemError, load

from .test_cli import sweeper

FIXED = FixedHyperparameters(lr=1.0, batch_size=8, epochs=40, cycle_epochs=1)


def test_when_a_trial_stopped_is_on_record(write_problem, tmp_path, sweep_inline):
    path, folder = write_problem().path, tmp_path / 'out'

    def run(**options):
        selector = FixedSweep.with_fixed_trials([(4,), (8,)], 2)
        return sweep_inline(path, selector, folder, hparams=FIXED, **options)

    results = run(stop='held-out', patience=2)
    manifest = json.loads((folder / 'sweep.json').read_text())
    assert manifest['stopping'] == {'stop': 'held-out', 'patience': 2}
    final = json.loads((folder / 'points/0/hparams/final.json').read_text())
    assert final['training'] == {'stop': 'held-out', 'patience': 2}
    assert (results.to_frame()['epochs'] < 40).all()
    assert str(load(folder)) == str(results)
    assert str(run(stop='held-out', patience=2)) == str(results)
    for options, named in (({}, 'stop'), ({'stop': 'held-out', 'patience': 3}, 'patience')):
        with pytest.raises(FolderError, match=named):
            run(**options)


def test_without_data_nothing_can_be_held_out(tmp_path, sweep_inline):
    path = tmp_path / 'playing.py'
    path.write_text(
        'import torch\n\n'
        'def model(width):\n    return torch.nn.Linear(width, 1)\n\n'
        'def train(run):\n    for batch in run:\n        run.report(torch.ones(()))\n        run.score(0.5)\n'
    )
    selector = FixedSweep.with_fixed_trials([(4,)], 1)
    with pytest.raises(ProblemError, match=r"stop='held-out': 'playing' has no dataset\(\)"):
        sweep_inline(path, selector, tmp_path / 'out', hparams=FIXED, stop='held-out')


def test_of_a_single_group_nothing_can_be_held_out(write_problem, tmp_path, sweep_inline):
    problem = write_problem(ending='def groups():\n    return [0] * sum(map(len, dataset()))\n')
    selector = FixedSweep.with_fixed_trials([(4,)], 1)
    with pytest.raises(ProblemError, match=r"stop='held-out': no training samples of .* can be held out"):
        sweep_inline(problem.path, selector, tmp_path / 'out', hparams=FIXED, stop='held-out')
    assert not (tmp_path / 'out' / 'points').exists()


@pytest.mark.slow
def test_it_is_an_option_of_the_command_line(write_problem, tmp_path):
    command = ['run', write_problem().path, '--grid', 'width=4', '--trials', '1', '--out', tmp_path / 'out']
    fixed = ['--lr', '1.0', '--batch-size', '8', '--epochs', '40', '--executor', 'inline']
    done = sweeper(*command, *fixed, '--stop', 'held-out', '--patience', '1')
    assert done.returncode == 0, done.stderr
    final = json.loads((tmp_path / 'out/points/0/hparams/final.json').read_text())
    assert final['training'] == {'stop': 'held-out', 'patience': 1}
