"""Models trained side by side train as they would alone."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from sweeper.problem.problem import Problem
from sweeper.training import runs
from sweeper.training.data import ItemSplit, as_split
from sweeper.training.workspace import Splits, Workspace

CPU = torch.device('cpu')
PLAN = runs.TrainingPlan(lr_min=0.01, lr_max=0.2, batch_size=8, epochs=6, cycle_size_epochs=3)
BRIEF = {'lr_min': 0.01, 'lr_max': 0.2, 'batch_size': 8, 'steps': 40}  # more than four epochs
LRS, SIZES = np.geomspace(1e-3, 0.5, 60).tolist(), [8] * 60


def mlp():
    return nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 3))


def normalised():
    return nn.Sequential(nn.Linear(6, 9, bias=False), nn.BatchNorm1d(9), nn.Tanh(), nn.Linear(9, 3))


def workspace(build=mlp, optimizer=None, test=True, style='classification', loss=nn.CrossEntropyLoss):
    inputs = torch.randn(70, 6, generator=torch.Generator().manual_seed(1))
    targets = (inputs[:, 0] > 0).long() + (inputs[:, 1] > 1).long()
    if style == 'inv-loss':
        targets, loss = inputs[:, :3].contiguous(), nn.MSELoss
    split = as_split(TensorDataset(inputs, targets), CPU)
    problem = Problem('here', lambda *_: build(), loss, style, lambda: None, optimizer)
    return Workspace(problem, Splits(split, split, split if test else None), CPU, 'lanes')


RUNS = {
    'measure_curve': lambda workspace, seeds: runs.measure_curve(workspace, (), seeds, LRS, SIZES),
    'train_briefly': lambda workspace, seeds: runs.train_briefly(workspace, (), seeds, **BRIEF),
    'train_fully': lambda workspace, seeds: runs.train_fully(workspace, (), seeds, PLAN),
}
every_run = pytest.mark.parametrize('run', RUNS.values(), ids=RUNS)
OPTIMIZERS = {
    'plain': None,
    'momentum': lambda p, lr: torch.optim.SGD(p, lr, momentum=0.5),
    'adam': lambda p, lr: torch.optim.Adam(p, lr / 10),
}


def assert_close(one, other):
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one.keys() - {'seconds', 'step', 'cost', 'model', 'model_init'}:
            assert_close(one[key], other[key])
    elif isinstance(one, str):
        assert one == other
    else:
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


@every_run
@pytest.mark.parametrize('build', [mlp, normalised])
@pytest.mark.parametrize('optimizer', OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_every_lane_is_the_run_that_it_stands_for(run, build, optimizer):
    here, seeds = workspace(build, optimizer), [3, 1, 4]
    together = run(here, seeds)
    assert {str(one['step']) for one in together} == {'in 3 lanes'}
    for seed, found in zip(seeds, together, strict=True):
        (alone,) = run(here, [seed])
        assert_close(found, alone)
        if 'model_init' in alone:
            assert found['model_init'] == alone['model_init'] != found['model']
    assert together[0]['loss' if 'loss' in together[0] else 'model'] is not together[1]


@every_run
def test_regression_in_lanes(run):
    here = workspace(style='inv-loss')
    for found, seed in zip(run(here, [3, 1]), [3, 1], strict=True):
        assert str(found['step']) == 'in 2 lanes'
        assert_close(found, run(here, [seed])[0])


def test_a_lane_depends_on_its_seed_and_its_place_alone():
    """Bit for bit; else a trial would depend on which others it is done with."""
    here = workspace()
    one, other = (RUNS['train_fully'](here, [3, second, 5, 6]) for second in (1, 9))
    for lane in (0, 2, 3):
        assert one[lane]['model'] == other[lane]['model']
        assert one[lane]['scores'] == other[lane]['scores']
    assert one[1]['model'] != other[1]['model']


class Explosive(nn.Module):
    """Diverges if its first weight happens to be positive."""

    def __init__(self):
        super().__init__()
        self.net = mlp()

    def forward(self, inputs):
        factor = torch.where(self.net[0].weight[0, 0] > 0, float('inf'), 1.0)
        return self.net(inputs) * factor


def test_a_lane_that_diverges_leaves_its_neighbours_alone():
    here, seeds = workspace(Explosive), list(range(8))
    together = RUNS['train_fully'](here, seeds)
    diverged = [one['diverged'] for one in together]
    assert 0 < sum(diverged) < 8
    for seed, found in zip(seeds, together, strict=True):
        (alone,) = RUNS['train_fully'](here, [seed])
        assert (found['diverged'], found['epochs']) == (alone['diverged'], alone['epochs'])
        assert_close(found['scores'], alone['scores'])
    for seed, found in zip(seeds, RUNS['measure_curve'](here, seeds), strict=True):
        assert_close(found, RUNS['measure_curve'](here, [seed])[0])


def convolutional():
    return nn.Sequential(nn.Unflatten(1, (1, 6)), nn.Conv1d(1, 1, 3), nn.Flatten(), nn.Linear(4, 3))


@pytest.mark.parametrize(
    ('build', 'reason'),
    [
        (lambda: nn.Sequential(mlp(), nn.Dropout(0.2)), 'random operation'),
        (convolutional, 'convolutions'),
        (lambda: nn.Sequential(nn.Linear(6, 9000), nn.Linear(9000, 3)), 'parameters'),
    ],
    ids=['dropout', 'convolution', 'large'],
)  # fmt: skip
@every_run
def test_where_there_can_be_no_lanes_runs_are_done_one_by_one(run, build, reason):
    here = workspace(build)
    together = run(here, [3, 1])
    for found, seed in zip(together, [3, 1], strict=True):
        assert 'not in lanes, because' in str(found['step']) and reason in str(found['step'])
        (alone,) = run(here, [seed])
        assert str(found['step']).startswith(str(alone['step']))
        assert alone.get('model') == found.get('model')
        assert_close(found, alone)


class Loss(nn.Module):
    """A criterion with a tensor of its own, by which the output is scaled."""

    def __init__(self, scale, is_updated=False):
        super().__init__()
        self.is_updated = is_updated
        if isinstance(scale, nn.Parameter):
            self.scale = scale
        else:
            self.register_buffer('scale', scale)

    def forward(self, output, target):
        if self.is_updated:
            self.scale.add_(0.1)
        return nn.functional.cross_entropy(self.scale * output, target)


@pytest.mark.parametrize(
    'loss',
    [
        lambda: Loss(nn.Parameter(torch.tensor(2.0))),
        lambda: Loss(nn.Parameter(torch.rand(3), requires_grad=False)),
        lambda: Loss(torch.rand(3)),
        lambda: Loss(torch.ones(3), is_updated=True),
    ],
    ids=['trained', 'another for every seed', 'a buffer, another for every seed', 'updated'],
)
@every_run
def test_a_criterion_with_tensors_that_differ_between_runs_has_no_lanes(run, loss):
    here = workspace(loss=loss)
    together = run(here, [3, 1])
    for found, seed in zip(together, [3, 1], strict=True):
        (expected,) = run(dataclasses.replace(here, step='eager'), [seed])
        assert 'not in lanes, because' in str(found['step'])
        assert_close(found, expected)


def test_batches_of_many_sizes_have_no_lanes():
    curves = runs.measure_curve(workspace(), (), [3, 1], LRS, [8, 9, 10] * 20)
    assert 'more than 2 sizes' in str(curves[0]['step'])


def test_an_optimizer_of_the_users_own_and_data_item_by_item_have_no_lanes():
    own = workspace(optimizer=lambda p, lr: torch.optim.RMSprop(p, lr))
    assert 'RMSprop' in str(RUNS['train_briefly'](own, [3, 1])[0]['step'])
    here = workspace()
    split = ItemSplit(TensorDataset(*here.splits.train.data), CPU)
    items = Workspace(here.problem, Splits(split, split, None), CPU, 'lanes')
    assert 'not in memory' in str(RUNS['train_briefly'](items, [3, 1])[0]['step'])


@every_run
def test_a_declared_parameter_may_be_read_in_forward(run):
    """Reading it is no change of state: lanes stay lanes, and give what runs alone and eager ones give."""
    from sweeper.m import _

    class Reading(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = mlp()

        def forward(self, inputs):
            return self.net(inputs) * _('gain', 1.0)

    here = workspace(Reading)
    for values in ({'gain': 2.0}, {}):
        with _.using(values):
            together = run(here, [3, 1])
        for found, seed in zip(together, [3, 1], strict=True):
            with _.using(values):
                (alone,) = run(here, [seed])
            with _.using(values):
                (eager,) = run(dataclasses.replace(here, step='eager'), [seed])
            assert str(found['step']) == 'in 2 lanes' and str(alone['step']).startswith(
                ('captured', 'eager, because it')
            )
            assert_close(found, eager)
            assert_close(alone, eager)
