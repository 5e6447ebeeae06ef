import dataclasses
import itertools
import os
import random

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import Dataset, TensorDataset

from sweeper.metric import Metric
from sweeper.problem.problem import Problem
from sweeper.training import loop, runs
from sweeper.training.callbacks import Callback
from sweeper.training.checkpoints.checkpoint import Checkpoint, CheckpointPlan
from sweeper.training.data import as_split
from sweeper.training.resampling.option import Resampling
from sweeper.training.resampling.resampler import Pool, Resampler
from sweeper.training.workspace import Splits, Workspace

CPU = torch.device('cpu')
PLAN = runs.TrainingPlan(lr_min=0.01, lr_max=0.1, batch_size=9, epochs=6, cycle_size_epochs=1)


class Killed(BaseException):
    pass


def data(samples, seed):
    inputs = torch.randn(samples, 4, generator=torch.Generator().manual_seed(seed))
    return TensorDataset(inputs, (inputs[:, 0] > 0).long())


def mlp(width):
    return nn.Sequential(nn.Linear(4, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, 2))


def dropout(width):
    return nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Dropout(0.3), nn.Linear(width, 2))


def plain(width):
    return nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 2))


class NoisyInputs(Dataset):
    """Read item by item, with random augmentation."""

    def __init__(self, whole):
        self.whole = whole

    def __len__(self):
        return len(self.whole)

    def __getitem__(self, index):
        x, y = self.whole[index]
        return x + 0.1 * torch.randn(4) + 0.01 * float(np.random.rand()) + 0.01 * random.random(), y


def own_step(model, batch):
    inputs, targets = batch
    return nn.functional.cross_entropy(model(inputs + 0.1 * torch.randn_like(inputs)), targets)


def sgd(parameters, lr):
    return torch.optim.SGD(parameters, lr, momentum=0.9, weight_decay=1e-3)


def adamw(parameters, lr):
    return torch.optim.AdamW(parameters, lr * 0.1)


def rmsprop(parameters, lr):
    return torch.optim.RMSprop(parameters, lr * 0.01)


def nadam(model, lr):
    names = dict(model.named_parameters())
    groups = [{'params': list(names.values())[:1], 'lr': lr * 0.01}, {'params': list(names.values())[1:]}]
    return torch.optim.NAdam(groups, lr * 0.001)


def lbfgs(parameters, lr):
    return torch.optim.LBFGS(parameters, lr, max_iter=3)


def workspace(model=mlp, step='auto', train=None, **changes):
    problem = Problem('here', model, nn.CrossEntropyLoss, 'classification', lambda: None, None)
    splits = [as_split(train or data(72, 0), CPU), *(as_split(data(n, n), CPU) for n in (40, 20))]
    return Workspace(dataclasses.replace(problem, **changes), Splits(*splits), CPU, step)


class Writes:
    """Counts the states that are written, and kills the trial after one of them."""

    def __init__(self, monkeypatch):
        self.count, self.last = 0, None
        write = Checkpoint.write

        def counted(checkpoint, state):
            write(checkpoint, state)
            self.count += 1
            if self.count == self.last:
                raise Killed

        monkeypatch.setattr(Checkpoint, 'write', counted)


@pytest.fixture
def writes(monkeypatch):
    return Writes(monkeypatch)


@pytest.fixture
def steps(monkeypatch):
    """Counts the steps that are trained."""
    counter = itertools.count()
    advance = loop.Loop._advance

    def counted(self, batches):
        for _ in batches:
            next(counter)
        return advance(self, batches)

    monkeypatch.setattr(loop.Loop, '_advance', counted)
    return lambda: next(counter)  # counts itself


def without_seconds(results):
    return [{k: v for k, v in result.items() if k != 'seconds'} for result in results]


def assert_same(results, expected):
    for result, other in zip(without_seconds(results), without_seconds(expected), strict=True):
        throughtime, others = result.pop('throughtime'), other.pop('throughtime')
        assert result == other
        assert {k: v.tobytes() for k, v in throughtime.items()} == {k: v.tobytes() for k, v in others.items()}


def train(space, folder=None, seeds=(5,), plan=PLAN):
    checkpoints = CheckpointPlan(str(folder), 0, 'this') if folder is not None else None
    random.seed(0)
    return runs.train_fully(space, (6,), seeds, plan, 0, checkpoints)


TOTAL = [0]


def share(outputs, targets):
    return float((outputs.argmax(1) == targets).double().mean())


def counting_share(outputs, targets):
    TOTAL[0] += 1
    return share(outputs, targets) / TOTAL[0]


KINDS = {
    'captured': {},
    'captured with dropout': {'model': dropout},
    'captured, momentum': {'build_optimizer': sgd},
    'captured, AdamW': {'build_optimizer': adamw, 'model': dropout},
    'captured gradients': {'build_optimizer': rmsprop},
    'captured gradients, groups of the model': {'build_optimizer': nadam, 'clip_norm': 0.5},
    'eager': {'step': 'eager', 'build_optimizer': adamw},
    'closures': {'build_optimizer': lbfgs},
    'read item by item': {'train': NoisyInputs(data(72, 0)), 'model': dropout},
    'own step': {'problem_step': own_step, 'schedule': 'cosine', 'build_optimizer': sgd},
    'average': {'ema': 0.9, 'build_optimizer': sgd},
    'bfloat16 in parts': {'precision': 'bf16', 'accumulate': 2, 'clip_norm': 1.0, 'model': plain},
    'criterion with parameters': {'build_criterion': lambda: Scaled()},
    'metrics': {
        'accuracy_style': None,
        'metrics': {'share': Metric(share, higher=True), 'nll': Metric('loss')},
    },
    'own schedule': {'schedule': lambda progress: 1 - progress / 2},
}


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, output, target):
        return nn.functional.cross_entropy(output * self.scale, target) + 0 * self.scale


def space_of(kind):
    changes = {**KINDS[kind]}
    made = workspace(**{name: value for name, value in changes.items() if name != 'problem_step'})
    if 'problem_step' in changes:
        made = dataclasses.replace(
            made, problem=dataclasses.replace(made.problem, step=changes['problem_step'])
        )
    return made


@pytest.mark.parametrize('kind', KINDS)
def test_a_trial_that_is_killed_goes_on_where_it_was_as_if_it_had_not_been(kind, tmp_path, writes, steps):
    expected = train(space_of(kind))
    before = steps()
    for last in range(1, PLAN.epochs):  # killed after each cycle
        writes.last = last
        with pytest.raises(Killed):
            train(space_of(kind), tmp_path)
    writes.last = None
    assert_same(train(space_of(kind), tmp_path), expected)
    assert writes.count == PLAN.epochs - 1
    assert steps() - before - 1 == 8 * PLAN.epochs  # no step is taken twice


def test_trials_in_lanes_go_on_together(tmp_path, writes, steps):
    space = workspace(plain, step='lanes', build_optimizer=sgd)
    seeds = tuple(range(4))
    expected = train(space, seeds=seeds)
    assert {result['step'].kind for result in expected} == {'lanes'}
    for last in (1, 3):
        writes.last = last
        with pytest.raises(Killed):
            train(space, tmp_path, seeds)
    assert os.listdir(tmp_path) == ['0-3.pt']
    before, writes.last = steps(), None
    assert_same(train(space, tmp_path, seeds), expected)
    assert steps() - before - 1 == 8 * (PLAN.epochs - 3)


def test_trials_that_turn_out_not_to_go_side_by_side_keep_their_states_one_by_one(tmp_path, writes, steps):
    space = workspace(dropout, step='lanes')
    seeds = (1, 2)
    expected = train(space, seeds=seeds)
    writes.last = PLAN.epochs - 1 + 2  # in the second cycle of the second
    with pytest.raises(Killed):
        train(space, tmp_path, seeds)
    before, writes.last = steps(), None
    assert_same(train(space, tmp_path, seeds), expected)
    assert steps() - before - 1 == 8 * (1 + PLAN.epochs - 2)


def test_a_step_that_turns_eager_goes_on_eagerly(tmp_path, writes, steps):
    class Turning(nn.Module):
        """Captured at first; what it does changes after forty steps."""

        def __init__(self, width):
            super().__init__()
            self.layer = nn.Linear(4, 2)
            self.register_buffer('calls', torch.zeros(()))

        def forward(self, x):
            if self.training:
                self.calls += 1
            return self.layer(x) * (1 if float(self.calls.detach().numpy()) < 40 else 2)

    space = workspace(Turning)
    expected = train(space)
    assert expected[0]['step'].kind == 'eager'
    writes.last = 2
    with pytest.raises(Killed):
        train(space, tmp_path)
    writes.last = None
    assert_same(train(space, tmp_path), expected)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kinds=st.sampled_from(sorted(KINDS)),
    kills=st.lists(st.integers(1, 3), max_size=3),
    cycle=st.sampled_from([1, 2, 3, 0.3, 0.5, 1.4]),
    batch_size=st.integers(5, 40),
)
def test_whenever_it_is_killed_it_ends_the_same(kinds, kills, cycle, batch_size, tmp_path_factory):
    folder, plan = tmp_path_factory.mktemp('states'), dataclasses.replace(
        PLAN, batch_size=batch_size, epochs=3 * cycle, cycle_size_epochs=cycle
    )  # fmt: skip
    expected = train(space_of(kinds), plan=plan)
    with pytest.MonkeyPatch.context() as patch:
        writes = Writes(patch)
        for after in kills:
            writes.count, writes.last = 0, after
            try:
                train(space_of(kinds), folder, plan=plan)
            except Killed:
                continue
        writes.last = None
        assert_same(train(space_of(kinds), folder, plan=plan), expected)


class Counting(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layer, self.calls = nn.Linear(4, 2), 0

    def forward(self, x):
        self.calls += 1
        return self.layer(x) / self.calls


COUNTER = {'steps': 0}


def counting_step(model, batch):
    COUNTER['steps'] += 1
    return nn.functional.cross_entropy(model(batch[0]) / COUNTER['steps'], batch[1])


class Counted(torch.optim.SGD):
    def step(self, closure=None):
        self.count = getattr(self, 'count', 0) + 1
        return super().step(closure)


class Quiet(Callback):
    pass


@pytest.mark.parametrize(
    'changes',
    [
        {'model': Counting},
        {'build_optimizer': Counted},
        {'accuracy_style': None, 'metrics': {'share': Metric(counting_share, higher=True)}},
        {'callbacks': lambda: [Quiet()]},
        {'attach': lambda engine, run: None},
        {'model': lambda width: nn.Sequential(nn.LazyLinear(2))},
    ],
)
def test_what_might_go_on_otherwise_is_not_kept(changes, tmp_path, writes):
    TOTAL[0] = 0
    result = train(workspace(**changes), tmp_path)
    TOTAL[0] = 0
    assert_same(result, train(workspace(**changes)))
    assert writes.count == 0
    assert os.listdir(tmp_path) == []


def test_a_step_that_counts_is_not_kept(tmp_path, writes):
    made = workspace()
    made = dataclasses.replace(made, problem=dataclasses.replace(made.problem, step=counting_step))
    COUNTER['steps'] = 0
    train(made, tmp_path)
    assert writes.count == 0


def test_a_state_of_another_trial_is_of_no_use(tmp_path, writes):
    train(workspace(), tmp_path, seeds=(4,))
    count = writes.count
    assert_same(train(workspace(), tmp_path), train(workspace()))
    assert writes.count == 2 * count


@pytest.mark.parametrize('damage', [b'', b'nothing', None])
def test_a_damaged_state_is_of_no_use(damage, tmp_path, writes):
    expected = train(workspace(), tmp_path)
    path = tmp_path / '0.pt'
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data) if damage is None else damage)
    assert_same(train(workspace(), tmp_path), expected)
    assert writes.count == 2 * (PLAN.epochs - 1)


def test_a_link_in_place_of_a_state_is_not_followed(tmp_path, writes):
    expected = train(workspace(), tmp_path / 'states')
    (tmp_path / 'states/0.pt').rename(tmp_path / 'elsewhere.pt')
    (tmp_path / 'states/0.pt').symlink_to(tmp_path / 'elsewhere.pt')
    content = (tmp_path / 'elsewhere.pt').read_bytes()
    assert_same(train(workspace(), tmp_path / 'states'), expected)
    assert writes.count == 2 * (PLAN.epochs - 1)
    assert (tmp_path / 'elsewhere.pt').read_bytes() == content
    assert not (tmp_path / 'states/0.pt').is_symlink()


def test_states_are_as_far_apart_as_is_said(tmp_path, writes):
    plan = CheckpointPlan(str(tmp_path), 3600, 'this')
    runs.train_fully(workspace(), (6,), (5,), PLAN, 0, plan)
    assert writes.count == 0


def test_a_state_that_cannot_be_written_does_not_fail_the_trial(tmp_path, capsys):
    (tmp_path / 'states').write_text('a file')
    assert_same(train(workspace(), tmp_path / 'states'), train(workspace()))
    assert 'could not be saved' in capsys.readouterr().out


def test_a_trial_may_save_before_its_point_has_a_folder_but_not_in_a_sweep_that_is_gone(tmp_path, writes):
    train(workspace(), tmp_path / '0' / 'checkpoints')
    assert os.listdir(tmp_path / '0' / 'checkpoints') == ['0.pt']
    assert_same(train(workspace(), tmp_path / 'gone' / '0' / 'checkpoints'), train(workspace()))
    assert os.listdir(tmp_path) == ['0']


def test_a_state_of_another_split_is_of_no_use(tmp_path, writes, steps):
    resampler = Resampler(Resampling('folds', 4), Pool(72, 40), 0)
    checkpoints = CheckpointPlan(str(tmp_path), 0, 'this')

    def train(split):
        return runs.train_fully(workspace(), (6,), (5,), PLAN, 0, checkpoints, split)

    expected = train(resampler.split(1))
    writes.last = writes.count + 3
    with pytest.raises(Killed):
        train(resampler.split(0))
    before, writes.last = steps(), None
    assert_same(train(resampler.split(1)), expected)
    assert steps() - before - 1 == -(-84 // 9) * PLAN.epochs
