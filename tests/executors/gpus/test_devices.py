"""Runs on a CPU and on a GPU are never mixed: not among workers, machines, nor sessions of one folder."""

import json
from dataclasses import replace

import pytest

from sweeper import FixedSweep, FolderError, InlineExecutor, SweepError, sweep
from sweeper.problem.problem import load_problem
from sweeper.training.facts import check

PROBLEM = """
import torch

accuracy_style = 'classification'
loss = torch.nn.CrossEntropyLoss


def dataset():
    inputs = torch.randn(32, 4)
    data = torch.utils.data.TensorDataset(inputs, (inputs[:, 0] > 0).long())
    return data, data


def model(width):
    return torch.nn.Sequential(torch.nn.Linear(4, width), torch.nn.Linear(width, 2))
"""


class Elsewhere(InlineExecutor):
    """Runs on machines with GPUs, which are imitated; from the given number on, runs are done on a CPU."""

    tells_facts = True

    def __init__(self, on_gpus=10**9):
        super().__init__()
        self.on_gpus = on_gpus

    def start(self, spec, expect_work=True, on_output=None):
        self.spec = spec
        super().start(spec, expect_work, on_output)

    def problem_facts(self):
        problem = load_problem(self.spec.problem)
        return replace(check(problem, self.spec.seed, self.spec.device)[0], device='cuda')

    def wait(self):
        self.on_gpus -= 1
        device = 'cuda' if self.on_gpus >= 0 else 'cpu'
        return [(key, replace(outcome, device=device)) for key, outcome in super().wait()]


@pytest.fixture
def train(problem_path, tiny, tmp_path):
    def train(executor, widths=(3,), **options):
        points = FixedSweep([((width,), 2) for width in widths])
        return sweep(
            problem_path, points, 1, tiny, tmp_path / 'out', executor=executor, progress='none', **options
        )

    return train


def manifest(tmp_path):
    return json.loads((tmp_path / 'out/sweep.json').read_text())


def test_the_folder_says_on_which_type_of_device_its_runs_were_done(train, tmp_path):
    assert len(train(Elsewhere())) == 1
    assert manifest(tmp_path)['device'] == 'cuda'


@pytest.mark.parametrize('on_gpus', [1, 4], ids=['from the start', 'under way'])
def test_a_run_on_another_type_of_device_ends_the_sweep(train, on_gpus):
    with pytest.raises(SweepError, match='a run was done on cpu, and those of this sweep are done on cuda'):
        train(Elsewhere(on_gpus))


def test_what_one_machine_began_is_not_continued_on_the_other_type_of_device_unasked(train, tmp_path):
    train(Elsewhere())
    with pytest.raises(FolderError, match='device: cuda there, cpu asked'):
        train(InlineExecutor(), (3, 5), device='cpu')
    results = train(InlineExecutor(), (3, 5), device='cpu', if_changed='accept:device')
    assert len(results) == 2
    assert manifest(tmp_path)['device'] == 'cpu'
    assert manifest(tmp_path)['changes'] == ['device: cuda there, cpu asked']
