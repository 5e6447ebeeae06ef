"""Trained networks are read back, and predict what they were scored by."""

import sys

import pytest
import torch

from sweeper import FixedSweep, load_model
from sweeper.errors import FolderError, InvalidArgument, ProblemError
from sweeper.options import _own_selector
from sweeper.report.representations import representations
from sweeper.store.records import Records
from sweeper.store.store import Store

pytestmark = pytest.mark.slow

DECLARED = """
from sweeper.m import _

class Scaled(torch.nn.Linear):
    def forward(self, inputs):
        return super().forward(inputs) * _('scale', 1.0)

def model():
    return Scaled(4, _('outputs', 2))
"""


@pytest.fixture
def swept(write_problem, sweep_inline, tmp_path):
    problem = write_problem()
    results = sweep_inline(problem.path, FixedSweep.with_grid({'width': [2, 8]}, 2), tmp_path / 'out')
    return problem, tmp_path / 'out', results


def accuracy(model):
    inputs = torch.randn(96, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return (model(inputs).argmax(1) == (inputs[:, 0] > 0)).float()[64:].mean().item()


def test_the_winner_is_read_back_and_scores_what_its_best_trial_scored(swept, monkeypatch):
    _, folder, results = swept
    best = max(results, key=lambda result: result.perf_val.mean())
    monkeypatch.setattr(Records, 'flags', lambda self, point: ['worse_than_tuned'])
    with pytest.warns(UserWarning, match='no architecture is comparable.*worse_than_tuned'):
        model = load_model(folder)
    assert not model.training
    assert accuracy(model) == pytest.approx(best.perf_val.max(), abs=1e-6)


def test_the_default_is_never_an_architecture_that_is_not_comparable(swept, monkeypatch):
    _, folder, results = swept
    best = max(results, key=lambda result: result.perf_val.mean())
    other = next(result for result in results if result.params != best.params)
    monkeypatch.setattr(
        Records, 'flags', lambda self, point: ['too_few_converged'] if point == best.params else []
    )
    assert accuracy(load_model(folder)) == pytest.approx(other.perf_val.max(), abs=1e-6)


def test_every_trial_of_every_architecture_is_read_back(swept):
    _, folder, results = swept
    for result in results:
        for trial, perf in enumerate(result.perf_val):
            for params in (result.params, dict(result.params)):
                assert accuracy(load_model(folder, params, trial=trial)) == pytest.approx(perf, abs=1e-6)


def test_declared_parameters_that_the_forward_pass_reads_have_their_values(
    write_problem, sweep_inline, tmp_path
):
    problem = write_problem(model=DECLARED)
    sweep_inline(problem.path, FixedSweep.with_grid({'scale': [3.0]}, 1), tmp_path / 'out')
    model = load_model(tmp_path / 'out')
    inputs = torch.ones(1, 4)
    assert torch.equal(model(inputs), 3 * torch.nn.functional.linear(inputs, model.weight, model.bias))
    with pytest.raises(RuntimeError):
        model(torch.ones(1, 5))
    assert torch.equal(model(inputs), model(inputs)), 'a failed call leaves nothing behind'


def test_what_is_not_there_is_named(swept, tmp_path):
    problem, folder, _ = swept
    with pytest.raises(InvalidArgument, match='no such architecture; there are width=2; width=8'):
        load_model(folder, {'width': 3})
    with pytest.raises(InvalidArgument, match='has the trials 0, 1'):
        load_model(folder, {'width': 2}, trial=2)
    with pytest.raises(FolderError):
        load_model(tmp_path / 'nowhere')
    (weights,) = folder.glob('points/0/trials/0/model.pt')
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(FolderError, match=r'model\.pt'):
        load_model(folder, {'width': 2}, trial=0)
    problem.path.write_text(problem.text.replace('ReLU', 'Tanh'))
    with pytest.raises(ProblemError, match='changed since the sweep'):
        load_model(folder)


def test_a_sweep_without_trials_has_no_winner(write_problem, sweep_inline, tmp_path):
    sweep_inline(write_problem().path, FixedSweep([((2,), 0)]), tmp_path / 'out')
    with pytest.raises(InvalidArgument, match='has no trial yet'):
        load_model(tmp_path / 'out')


PARSES = """
import argparse

def parsed():
    argparse.ArgumentParser().parse_args()  # ends the process if there are words that it does not know
"""


def test_a_problem_that_parses_its_arguments_sees_its_own_when_it_is_loaded_again(
    write_problem, sweep_inline, tmp_path, monkeypatch
):
    monkeypatch.setattr('sys.argv', ['look.py', '--of', 'someone else'])
    problem = write_problem(
        record=PARSES + 'record = lambda text: parsed()',
        dataset="""
def dataset():
    parsed()
    data = TensorDataset(torch.randn(96, 4, generator=torch.Generator().manual_seed(0)), torch.arange(96) % 2)
    return Subset(data, range(64)), Subset(data, range(64, 96))
""",
    )
    sweep_inline(problem.path, FixedSweep([((2,), 1)]), tmp_path / 'out')
    assert load_model(tmp_path / 'out', (2,))
    store = Store.read(tmp_path / 'out')
    assert representations(store, store.points).points
    assert sys.argv == ['look.py', '--of', 'someone else']


def test_a_problem_that_parses_its_arguments_sees_its_own_when_it_is_asked_what_to_try(
    write_problem, monkeypatch
):
    monkeypatch.setattr('sys.argv', ['sweeper', 'run', 'somewhere.py', '--trials', '2'])
    problem = write_problem(
        ending=f"""
{PARSES}
def selector(trials=1):
    from sweeper import FixedSweep
    parsed()
    return FixedSweep([((2,), trials)])
"""
    )
    assert _own_selector(str(problem.path), 2, False, 1).points_and_trials() == [((2,), 2)]
