"""Trials that stop when they do not improve on held-out training data."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from sweeper.problem.problem import Problem
from sweeper.training.checkpoints.checkpoint import CheckpointPlan
from sweeper.training.data import as_split
from sweeper.training.runs import TrainingPlan, train_fully
from sweeper.training.workspace import Splits, Workspace

CPU = torch.device('cpu')
PLAN = TrainingPlan(lr_min=0.1, lr_max=0.3, batch_size=9, epochs=30, cycle_size_epochs=1)
STOPPING = dataclasses.replace(PLAN, patience=2, holdout_seed=3)


def data(samples, seed, is_noise=False):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(samples, 4, generator=generator)
    noise = torch.randint(2, (samples,), generator=generator)
    return TensorDataset(inputs, noise if is_noise else (inputs[:, 0] > 0).long())


def mlp(width):
    return nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 2))


def workspace(is_noise=True, step='auto', samples=90, **changes):
    problem = Problem('here', mlp, nn.CrossEntropyLoss, 'inv-loss', lambda: None, None)
    splits = [as_split(data(n, seed, is_noise), CPU) for seed, n in enumerate((samples, 40))]
    return Workspace(dataclasses.replace(problem, **changes), Splits(*splits, None), CPU, step)


def stalled(perfs, patience):
    """After which cycle training is to stop."""
    for cycle in range(len(perfs)):
        if cycle - int(np.argmax(perfs[: cycle + 1])) >= patience:
            return cycle + 1
    return len(perfs)


@pytest.mark.parametrize('step', ['eager', 'captured'])
@pytest.mark.parametrize('patience', [1, 2, 5])
def test_a_trial_stops_after_so_many_cycles_without_improvement(step, patience):
    plan = dataclasses.replace(STOPPING, patience=patience)
    (result,) = train_fully(workspace(step=step), (16,), [1], plan)
    scores = result['throughtime']
    assert result['epochs'] == len(scores['epochs']) < PLAN.epochs
    assert stalled(scores['perf_held_out'], patience) == result['epochs']
    assert result['scores']['perf_val'] == scores['perf_val'][-1]


def test_a_trial_that_improves_goes_on_to_its_end():
    (result,) = train_fully(
        workspace(is_noise=False, samples=2000), (16,), [1], dataclasses.replace(STOPPING, epochs=3)
    )
    assert result['epochs'] == 3


def test_what_is_held_out_is_a_tenth_that_is_the_same_in_all_trials_and_is_not_trained_on():
    seen = []

    def step(model, batch):
        seen.extend(batch[0][:, 0].tolist() if model.training else [])
        return nn.functional.cross_entropy(model(batch[0]), batch[1])

    space = workspace(step='eager')
    space = dataclasses.replace(space, problem=dataclasses.replace(space.problem, step=step))
    everything = {*space.splits.train.data[0][:, 0].tolist()}
    held_out = []
    for seed in (1, 2):
        seen.clear()
        train_fully(space, (4,), [seed], STOPPING)
        held_out.append(everything - {*seen})
    assert len(everything) == 90 and len(held_out[0]) == 9
    assert held_out[0] == held_out[1]


def test_without_it_nothing_is_held_out():
    (result,) = train_fully(workspace(), (16,), [1], PLAN)
    assert result['epochs'] == PLAN.epochs
    assert {*result['throughtime']} == {'epochs', 'loss_train', 'perf_train', 'loss_val', 'perf_val'}


def test_in_lanes_each_stops_by_itself():
    space = workspace(step='lanes')
    results = train_fully(space, (16,), [1, 2, 3], STOPPING)
    alone = [train_fully(space, (16,), [seed], STOPPING)[0] for seed in (1, 2, 3)]
    assert [result['epochs'] for result in results] == [result['epochs'] for result in alone]
    assert [result['model'] for result in results] == [result['model'] for result in alone]
    assert 'not in lanes, because each stops when it has stalled itself' in str(results[0]['step'])


def test_one_that_was_killed_stops_where_it_would_have(tmp_path, monkeypatch):
    from sweeper.training.checkpoints.checkpoint import Checkpoint

    (expected,) = train_fully(workspace(), (16,), [1], STOPPING)
    write, count = Checkpoint.write, iter(range(1, 100))

    def killed(checkpoint, state):
        write(checkpoint, state)
        if next(count) == expected['epochs'] - 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoint, 'write', killed)
    kept = CheckpointPlan(str(tmp_path), 0, '')
    with pytest.raises(KeyboardInterrupt):
        train_fully(workspace(), (16,), [1], STOPPING, 0, kept)
    (result,) = train_fully(workspace(), (16,), [1], STOPPING, 0, kept)
    assert (result['epochs'], result['model']) == (expected['epochs'], expected['model'])
    assert result['throughtime'].keys() == expected['throughtime'].keys()
    assert all((result['throughtime'][k] == expected['throughtime'][k]).all() for k in result['throughtime'])


def test_with_handlers_it_stops_too():
    (result,) = train_fully(workspace(attach=lambda engine, run: None), (16,), [1], STOPPING, 0)
    assert result['epochs'] == len(result['throughtime']['epochs']) < PLAN.epochs
