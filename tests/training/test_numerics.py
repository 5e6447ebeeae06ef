"""A problem's precision, memory format and determinism: in force while its runs go on, on record, checked."""

import json
import os

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from sweeper import FixedSweep, sweep, work
from sweeper.problem.problem import Problem
from sweeper.training.data import as_split
from sweeper.training.isolation.switches import torch_switches
from sweeper.training.workspace import Splits, Workspace

CPU = torch.device('cpu')
SHAPE = (1, 8, 8)


class Convolution(nn.Module):
    """Writes down torch's switches, and how what it convolves lies in memory, when it is called."""

    def __init__(self, seen):
        super().__init__()
        self.layer, self.head, self._seen = nn.Conv2d(1, 4, 3), nn.Linear(144, 2), seen

    def forward(self, images):
        images = self.layer(images)
        is_last = images.is_contiguous(memory_format=torch.channels_last)
        switches = torch_switches()
        del switches['grad']  # which an evaluation turns off
        self._seen.append((switches, is_last))
        return self.head(images.flatten(1))


def workspace(seen, **options):
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(24, *SHAPE, generator=generator)
    split = as_split(TensorDataset(images, (images.mean((1, 2, 3)) > 0).long()), CPU)
    problem = Problem(
        'here',
        lambda: Convolution(seen),
        nn.CrossEntropyLoss,
        'classification',
        lambda: None,
        None,
        **options,
    )
    return Workspace(problem, Splits(split, split, None), CPU, 'eager')


def switches_in_a_run(**options):
    seen = []
    work.train_briefly(workspace(seen, **options), (), 3, lr_min=0.01, lr_max=0.1, batch_size=8, steps=3)
    assert len(seen) > 3
    assert all(one == seen[0] for one in seen), 'in training and in evaluation'
    return seen[0]


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        ({}, ('highest', True, False)),
        ({'precision': 'tf32'}, ('high', True, False)),
        ({'precision': 'float32'}, ('highest', False, False)),
        ({'precision': 'bf16'}, ('highest', True, False)),
        ({'deterministic': True}, ('highest', True, True)),
        ({'deterministic': True, 'precision': 'tf32'}, ('high', True, True)),
    ],
)
def test_torch_computes_as_asked_while_a_run_goes_on_and_as_before_afterwards(options, expected, monkeypatch):
    monkeypatch.setenv('CUBLAS_WORKSPACE_CONFIG', ':4096:8')
    before = torch_switches()
    switches, _ = switches_in_a_run(**options)
    found = switches['precision'], switches['cudnn'][3], switches['deterministic'][0]
    assert found == expected
    assert switches['cudnn'][1] is False
    assert torch_switches() == before


def test_deterministic_products_need_a_workspace_of_a_fixed_size(monkeypatch):
    monkeypatch.setenv('CUBLAS_WORKSPACE_CONFIG', 'to be removed in the end')
    monkeypatch.delenv('CUBLAS_WORKSPACE_CONFIG')
    switches_in_a_run(deterministic=True)
    assert os.environ['CUBLAS_WORKSPACE_CONFIG'] == ':4096:8'


def test_what_the_users_process_has_set_comes_back(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, 'allow_tf32', False)
    torch.set_float32_matmul_precision('medium')
    try:
        assert switches_in_a_run(precision='tf32')[0]['precision'] == 'high'
        assert torch.get_float32_matmul_precision() == 'medium' and not torch.backends.cudnn.allow_tf32
    finally:
        torch.set_float32_matmul_precision('highest')


@pytest.mark.parametrize(('asked', 'is_last'), [(None, True), (True, True), (False, False)])
def test_channels_are_last_if_that_is_asked_or_known_to_be_faster(asked, is_last):
    assert switches_in_a_run(channels_last=asked)[1] is is_last


def test_an_algorithm_that_is_not_deterministic_is_an_error(monkeypatch):
    monkeypatch.setenv('CUBLAS_WORKSPACE_CONFIG', ':4096:8')
    seen = []

    def refused(batch):
        seen.append(torch.are_deterministic_algorithms_enabled())
        raise RuntimeError('it does not have a deterministic implementation')

    here = workspace([], deterministic=True, step=lambda model, batch: refused(batch))
    with pytest.raises(RuntimeError, match='deterministic implementation'):
        work.train_briefly(here, (), 3, lr_min=0.01, lr_max=0.1, batch_size=8, steps=3)
    assert {*seen} == {True} and not torch.are_deterministic_algorithms_enabled()


def test_all_of_it_is_on_record(write_problem, tmp_path, tiny):
    text = 'precision = "tf32"\nchannels_last = False\ndeterministic = True\n'
    problem = write_problem(ending=text)
    results = sweep(
        problem.path, FixedSweep.with_fixed_trials([(4,)], 1), 1, tiny, tmp_path / 'out', executor='inline'
    )
    final = json.loads((tmp_path / 'out/points/0/hparams/final.json').read_text())
    assert not results.failures
    assert final['training'] == {'precision': 'tf32', 'channels_last': False, 'deterministic': True}


BAD = {
    'precision = "fp16"': "precision of .* is 'fp16'; valid are 'bf16', for forward passes in bfloat16",
    'precision = []': r'precision of .* is \[\]; valid are',
    'channels_last = 1': 'channels_last of .* is 1; it must be True or False',
    'channels_last = "yes"': "channels_last of .* is 'yes'; it must be True or False",
    'deterministic = 1': 'deterministic of .* is 1; it must be True, for deterministic algorithms only',
    'deterministic = None': 'deterministic of .* is None',
}


@pytest.mark.parametrize('text', BAD)
def test_what_is_wrong_is_said_before_anything_is_trained(text, refused):
    refused(text, BAD[text])
