import dataclasses
import io
import json
import math
import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from sweeper.points import NamedPoint
from sweeper.problem.problem import Problem
from sweeper.seeding import run_seed
from sweeper.training import data, runs
from sweeper.training.capture.verification import Verification
from sweeper.training.data import as_split
from sweeper.training.length import CHUNK
from sweeper.training.objective import Objective
from sweeper.training.runs import TrainingPlan
from sweeper.training.scoring.evaluation import evaluate
from sweeper.training.scoring.scorer import scorer
from sweeper.training.workspace import Splits, Workspace, load_splits

CPU = torch.device('cpu')
PLAN = TrainingPlan(lr_min=0.05, lr_max=0.5, batch_size=8, epochs=4, cycle_size_epochs=2)
BRIEF = {'lr_min': 0.05, 'lr_max': 0.5, 'batch_size': 8, 'steps': 36}
DIVERGING = dataclasses.replace(PLAN, lr_min=1e20, lr_max=1e30)


def dataset(samples, seed):
    inputs = torch.randn(samples, 4, generator=torch.Generator().manual_seed(seed))
    return TensorDataset(inputs, (inputs[:, 0] > 0).long())


def mlp(width):
    return nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Dropout(0.2), nn.Linear(width, 2))


class NoDropout(nn.Sequential):
    """The same with hidden units that nothing drops, so that training always goes down."""

    def __init__(self, width):
        super().__init__(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 2))


def problem(model=mlp, **changes):
    made = Problem('here', model, nn.CrossEntropyLoss, 'classification', lambda: None, None)
    return dataclasses.replace(made, **changes)


def workspace(model=mlp, test=False, step='auto', **changes):
    splits = [as_split(dataset(samples, seed), CPU) for seed, samples in enumerate((60, 40, 20))]
    return Workspace(problem(model, **changes), Splits(*splits[:2], splits[2] if test else None), CPU, step)


def assert_same(one, other):
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one.keys() - {'seconds'}:
            assert_same(one[key], other[key])
    elif isinstance(one, np.ndarray):
        assert np.array_equal(one, other)
    else:
        assert one == other


def measure_curve(workspace, point, seed, lrs, batch_sizes):
    return runs.measure_curve(workspace, point, [seed], lrs, batch_sizes)[0]


def train_briefly(workspace, point=(6,), seed=3, **changes):
    return runs.train_briefly(workspace, point, [seed], **{**BRIEF, **changes})[0]


def train_fully(workspace, point, seed, plan):
    return runs.train_fully(workspace, point, [seed], plan)[0]


LRS = np.geomspace(1e-3, 1.0, 40).tolist()
RUNS = {
    'measure_curve': lambda workspace, point=(6,), seed=3: measure_curve(
        workspace, point, seed, LRS, [8] * 40
    ),
    'train_briefly': train_briefly,
    'train_fully': lambda workspace, point=(6,), seed=3: train_fully(workspace, point, seed, PLAN),
}
every_run = pytest.mark.parametrize('run', RUNS.values(), ids=RUNS)


@every_run
def test_a_run_depends_on_its_seed(run):
    assert_same(run(workspace()), run(workspace()))
    with pytest.raises(AssertionError):
        assert_same(run(workspace(), seed=3), run(workspace(), seed=4))


@every_run
def test_a_run_does_not_depend_on_what_ran_before_in_the_process(run):
    shared = workspace()
    alone = run(shared)
    torch.manual_seed(99), np.random.seed(99), random.seed(99)
    torch.randn(7), np.random.rand(7), random.random()
    for other in RUNS.values():
        other(shared, (3,), 8)
    assert_same(run(shared), alone)


def same_network(name):
    return mlp(6)


@every_run
def test_every_architecture_draws_its_own_numbers(run):
    assert_same(run(workspace(same_network), ('a',)), run(workspace(same_network), ('a',)))
    with pytest.raises(AssertionError):
        assert_same(run(workspace(same_network), ('a',)), run(workspace(same_network), ('b',)))


def test_initialisation_depends_on_the_point_and_the_run_and_on_nothing_else():
    here, points = workspace(same_network), [('a',), ('b',), NamedPoint(name='a'), NamedPoint(name='b')]

    def weights(point, seed):
        torch.manual_seed(99)
        return here.fresh_model(point, seed)[0][0].weight.flatten().tolist()

    found = {(point, seed): tuple(weights(point, seed)) for point in points for seed in (3, 4)}
    assert len(set(found.values())) == 8
    assert all(tuple(weights(*key)) == drawn for key, drawn in found.items())


def test_user_code_may_draw_from_any_global_generator():
    def noisy(width):
        model = mlp(width)
        with torch.no_grad():
            model[0].bias.fill_(np.random.rand() + random.random())
        return model

    assert_same(RUNS['train_fully'](workspace(noisy)), RUNS['train_fully'](workspace(noisy)))


def record_inputs(seen):
    class Recorder(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.net = mlp(width)

        def forward(self, inputs):
            if self.training:
                seen.append(inputs[:, 0].tolist())
            return self.net(inputs)

    return Recorder


@every_run
def test_every_architecture_sees_the_data_in_the_same_order_by_seed(run):
    orders = []
    for width, seed in ((3, 1), (50, 1), (3, 2)):
        orders.append([])
        run(workspace(record_inputs(orders[-1]), step='eager'), (width,), seed)
    assert orders[0] == orders[1] != orders[2]
    assert len(orders[0]) > 30


# measure_curve


def test_a_curve_has_the_loss_and_performance_of_every_batch_before_its_update():
    seen = []
    here = workspace(record_inputs(seen), step='eager')
    sizes = [4, 4, 8, 16, 16]
    curve = measure_curve(here, (6,), 3, [0.1] * 5, sizes)
    assert [len(batch) for batch in seen] == sizes
    assert curve['loss'].shape == curve['perf'].shape == (5,)
    # the first batch by hand
    model, objective = here.fresh_model((6,), 3)
    order = torch.randperm(60, generator=torch.Generator().manual_seed(run_seed(3, 'order', 0)))[:4]
    inputs, targets = here.splits.train.batch(order)
    output = model(inputs)
    assert curve['loss'][0] == pytest.approx(objective.criterion(output, targets).item())
    assert curve['perf'][0] == pytest.approx((output.argmax(1) == targets).float().mean().item())


def test_a_curve_is_infinite_from_its_first_loss_that_is_not_finite():
    steps = []

    def loss():
        return lambda output, target: steps.append(0) or output.mean() * (math.nan if len(steps) > 20 else 1)

    curve = measure_curve(workspace(build_criterion=loss, step='eager'), (6,), 3, [0.1] * 100, [8] * 100)
    assert np.isfinite(curve['loss'][:20]).all()
    assert np.isinf(curve['loss'][20:]).all()
    assert (curve['perf'][20:] == 0).all()
    assert (curve['perf'][:20] > 0).any()
    assert 21 <= len(steps) <= 20 + CHUNK  # it stops soon after


def test_a_curve_whose_loss_recovers_stays_infinite():
    steps = []

    def loss():
        return lambda output, target: (
            steps.append(0) or (output**2).mean() + (math.inf if len(steps) == 5 else 0)
        )

    curve = measure_curve(workspace(build_criterion=loss, step='eager'), (6,), 3, [1e-9] * 30, [8] * 30)
    assert len(steps) == 30
    assert np.isfinite(curve['loss'][:4]).all()
    assert np.isinf(curve['loss'][4:]).all()


@pytest.mark.parametrize('lr', [0.1, 1e30])
@pytest.mark.parametrize('kind', ['eager', 'captured', 'lanes'])
def test_a_curve_tells_what_its_model_costs(kind, lr):
    curves = runs.measure_curve(workspace(NoDropout, step=kind), (6,), [3, 4], [lr] * 50, [8] * 50)
    cost = {'parameters': 44, 'trainable_parameters': 44, 'flops': 2 * (4 * 6 + 6 * 2), 'reason': None}
    assert [json.loads(curve['cost']) for curve in curves] == [cost, cost]


# train_briefly


class Forbidden(Dataset):
    def __len__(self):
        raise AssertionError('touched')

    def __getitem__(self, index):
        raise AssertionError('touched')


class ForbiddenSplit:
    def __len__(self):
        raise AssertionError('touched')

    def batch(self, indices):
        raise AssertionError('touched')

    batches = batch


def test_tuning_never_touches_validation_or_test_data():
    here = workspace()
    closed = dataclasses.replace(here, splits=Splits(here.splits.train, ForbiddenSplit(), ForbiddenSplit()))
    for name in ('measure_curve', 'train_briefly'):
        assert_same(RUNS[name](closed), RUNS[name](here))
    with pytest.raises(AssertionError, match='touched'):
        RUNS['train_fully'](closed)


@pytest.mark.parametrize('epochs', [1, 4])
def test_a_brief_training_scores_as_a_full_one_of_a_single_cycle_does(epochs):
    plan = dataclasses.replace(PLAN, epochs=epochs, cycle_size_epochs=epochs)
    brief, full = train_briefly(workspace(), steps=8 * epochs), train_fully(workspace(), (6,), 3, plan)
    scores = full['scores']
    assert brief == {'loss': scores['loss_train'], 'perf': scores['perf_train'], 'step': full['step']}


@pytest.mark.parametrize('steps', [1, 3, 7, 8, 9, 30])
def test_a_brief_training_may_be_shorter_or_longer_than_an_epoch(steps):
    orders = []
    for count in (steps, 36):
        orders.append([])
        train_briefly(workspace(record_inputs(orders[-1]), step='eager'), steps=count)
    assert len(orders[0]) == steps and orders[0] == orders[1][:steps]
    for start in range(0, steps - 7, 8):  # every epoch has all the data, in an order of its own
        epoch = [number for batch in orders[0][start : start + 8] for number in batch]
        assert len(set(epoch)) == 60
    assert steps < 16 or orders[0][:8] != orders[0][8:16]


def test_the_learning_rate_of_a_brief_training_goes_up_and_down_once():
    lrs = []

    class Noted(torch.optim.SGD):
        def step(self, *arguments):
            lrs.append(float(self.param_groups[0]['lr']))
            return super().step(*arguments)

    train_briefly(workspace(build_optimizer=Noted, step='eager'), steps=21)
    assert len(lrs) == 21 and min(lrs) >= 0.05 - 1e-9 and max(lrs) == pytest.approx(0.5)
    top = lrs.index(max(lrs))
    assert 0 < top < 20
    assert (np.diff(lrs[: top + 1]) > 0).all() and (np.diff(lrs[top:]) < 0).all()


def test_a_brief_training_is_scored_on_a_part_of_large_data(monkeypatch):
    seen = []

    class Watched(NoDropout):
        def forward(self, inputs):
            if not self.training:
                seen.append(inputs)
            return super().forward(inputs)

    whole = train_briefly(workspace(Watched, step='eager'))
    everything = torch.cat(seen)
    assert len(everything) == 60
    seen.clear()
    monkeypatch.setattr(runs, '_MOST_SCORED', 20)
    part = train_briefly(workspace(Watched, step='eager'))
    scored = torch.cat(seen)
    assert torch.equal(scored, everything[::3])
    assert part['loss'] != whole['loss']


def test_a_brief_training_is_scored_on_what_is_held_out_and_trained_on_the_rest():
    class Watched(nn.Linear):
        """Notes which samples it is trained on, and which it is scored on."""

        def forward(self, inputs):
            (trained if self.training else scored).extend(inputs[:, 0].tolist())
            return super().forward(inputs)

    held_out = []
    for seed, holdout_seed in ((0, 5), (1, 5), (0, 6)):
        trained, scored = [], []
        plan = BRIEF | {'holdout_seed': holdout_seed, 'held_out': 12}
        where = workspace(lambda: Watched(4, 2), step='eager')
        runs.train_briefly(where, (), [seed], **plan)
        everything = where.splits.train.data[0][:, 0].tolist()
        assert sorted({*trained} | {*scored}) == sorted(everything)
        assert {*trained}.isdisjoint(scored[:12]) and len(scored) == 24
        assert {*trained}.issuperset(scored[12:])  # how well they fit what they were trained on
        held_out.append(scored[:12])
    assert held_out[0] == held_out[1] != held_out[2]


def test_a_diverged_brief_training_has_infinite_loss_and_no_performance():
    found = train_briefly(workspace(), lr_min=1e20, lr_max=1e30)
    assert (found['loss'], found['perf']) == (math.inf, 0.0)


def test_a_brief_training_that_diverges_in_its_last_step_has_diverged():
    found = train_briefly(workspace(NoDropout), lr_min=1e25, lr_max=1e25, batch_size=60, steps=1)
    assert (found['loss'], found['perf']) == (math.inf, 0.0)


# train_fully


def loaded(content):
    return torch.load(io.BytesIO(content), weights_only=True)


@pytest.mark.parametrize('test', [False, True])
def test_a_full_training_scores_every_split(test):
    here = workspace(test=test)
    done = train_fully(here, (6,), 3, PLAN)
    splits = {'train': here.splits.train, 'val': here.splits.val} | (
        {'test': here.splits.test} if test else {}
    )
    assert set(done['scores']) == {f'{kind}_{name}' for kind in ('loss', 'perf') for name in splits}
    assert (done['epochs'], done['diverged']) == (4, False)
    model, criterion = mlp(6), nn.CrossEntropyLoss()
    model.load_state_dict(loaded(done['model']))
    for name, split in splits.items():
        score = evaluate(model, split, Objective(criterion), scorer('classification', criterion))
        assert done['scores'][f'loss_{name}'] == score.loss
        assert done['scores'][f'perf_{name}'] == score.perf


def test_a_full_training_learns():
    done = train_fully(workspace(NoDropout), (16,), 3, dataclasses.replace(PLAN, epochs=10))
    assert done['scores']['perf_train'] > 0.9
    assert done['scores']['perf_val'] > 0.8


def test_a_full_training_keeps_the_initial_model():
    here = workspace()
    done = train_fully(here, (6,), 3, PLAN)
    initial, final = loaded(done['model_init']), loaded(done['model'])
    fresh = here.fresh_model((6,), 3)[0].state_dict()
    assert all(torch.equal(initial[name], fresh[name]) for name in fresh)
    assert any(not torch.equal(initial[name], final[name]) for name in fresh)


@pytest.mark.parametrize(('epochs', 'cycle', 'ends'), [(4, 2, [2, 4]), (3, 3, [3]), (6, 2, [2, 4, 6])])
def test_throughtime_has_the_scores_at_the_end_of_every_cycle(epochs, cycle, ends):
    plan = dataclasses.replace(PLAN, epochs=epochs, cycle_size_epochs=cycle)
    done = train_fully(workspace(test=True), (6,), 3, plan)
    through = done['throughtime']
    assert through.keys() == {'epochs', 'loss_train', 'perf_train', 'loss_val', 'perf_val'}
    assert through['epochs'].tolist() == ends
    assert all(values.shape == (len(ends),) for values in through.values())
    assert all(through[name][-1] == done['scores'][name] for name in through.keys() - {'epochs'})


@pytest.mark.parametrize('test', [False, True])
def test_a_diverged_training_has_no_performance_and_stops_early(test):
    done = train_fully(workspace(test=test), (6,), 3, DIVERGING)
    assert done['diverged']
    assert done['epochs'] == 1
    assert {value for name, value in done['scores'].items() if name.startswith('loss')} == {math.inf}
    assert {value for name, value in done['scores'].items() if name.startswith('perf')} == {0.0}
    assert len(done['scores']) == 4 + 2 * test
    assert all(values.shape == (0,) for values in done['throughtime'].values())
    assert loaded(done['model_init']).keys() == loaded(done['model']).keys()


def test_a_training_that_diverges_in_its_last_step_has_diverged():
    one_step = TrainingPlan(lr_min=1e25, lr_max=1e25, batch_size=60, epochs=1, cycle_size_epochs=1)
    done = train_fully(workspace(NoDropout), (6,), 3, one_step)
    assert done['scores']['loss_train'] == math.inf
    assert done['scores']['perf_train'] == 0.0
    assert done['diverged']


def test_a_training_that_diverges_later_keeps_the_cycles_before():
    steps = []

    def loss():
        cross_entropy = nn.CrossEntropyLoss()

        def criterion(output, target):
            steps.append(output.requires_grad)
            return cross_entropy(output, target) * (math.nan if sum(steps) > 2 * 8 else 1)

        return criterion

    done = train_fully(workspace(build_criterion=loss, step='eager'), (6,), 3, PLAN)
    assert (done['epochs'], done['diverged']) == (3, True)
    assert done['throughtime']['epochs'].tolist() == [2]
    assert done['scores'] == {'loss_train': math.inf, 'perf_train': 0, 'loss_val': math.inf, 'perf_val': 0}


def test_inv_loss_and_named_points_train():
    regression = dataclasses.replace(problem(), build_criterion=nn.MSELoss, accuracy_style='inv-loss')
    inputs = torch.randn(40, 4)
    split = as_split(TensorDataset(inputs, inputs[:, :2]), CPU)
    done = train_fully(Workspace(regression, Splits(split, split, None), CPU), NamedPoint(width=5), 3, PLAN)
    scores = done['scores']
    assert scores['perf_val'] == pytest.approx(1 / (1 + scores['loss_val']))


# data


def test_splits_are_loaded_the_same_whatever_the_random_state():
    def datasets():
        return dataset(30, 1), TensorDataset(torch.rand(5, 4), torch.randint(2, (5,)))

    loads = []
    for noise in (1, 2):
        torch.manual_seed(noise)
        loads.append(load_splits(problem(load_datasets=datasets), 7, CPU))
    one, other = (splits.val.batch(torch.arange(5)) for splits in loads)
    assert data._equal(one, other)
    assert loads[0].test is None
    three = load_splits(problem(load_datasets=lambda: [dataset(n, 1) for n in (9, 8, 7)]), 7, CPU)
    assert [len(split) for split in three] == [9, 8, 7]


def test_item_by_item_data_trains_to_the_same_as_data_in_memory(monkeypatch):
    expected = RUNS['train_fully'](workspace(test=True))
    monkeypatch.setattr(data, 'IN_MEMORY_BYTES', 0)

    class Plain(Dataset):
        def __init__(self, tensors):
            self.tensors = tensors

        def __len__(self):
            return len(self.tensors)

        def __getitem__(self, index):
            return self.tensors[index]

    for workers in (0, 1):
        splits = Splits(
            *(
                as_split(DataLoader(Plain(dataset(n, seed)), num_workers=workers), CPU)
                for seed, n in enumerate((60, 40, 20))
            )
        )
        assert isinstance(splits.train, data.ItemSplit)
        assert_same(RUNS['train_fully'](Workspace(problem(), splits, CPU)), expected)


# When captured steps are verified


@pytest.fixture
def verified(monkeypatch):
    """After how many steps a run was verified; `None`: where Python state was compared."""
    after, verify, expect = [], Verification.verify, Verification.expect_changes
    monkeypatch.setattr(
        Verification,
        'verify',
        lambda self, feed, done, **last: after.append(done) or verify(self, feed, done, **last),
    )
    monkeypatch.setattr(Verification, 'expect_changes', lambda self: after.append(None) or expect(self))
    return after


def test_a_captured_run_is_verified_more_and_more_rarely_and_at_the_end(verified):
    assert str(train_briefly(workspace(step='captured'), steps=150)['step']) == 'captured'
    assert verified == [32, 128, 150]


def test_a_captured_run_of_few_steps_is_verified_at_its_end(verified):
    train_briefly(workspace(step='captured'), steps=20)
    assert verified == [20]


def test_python_state_is_compared_after_evaluations_only(verified):
    epochs = dataclasses.replace(PLAN, epochs=12, cycle_size_epochs=3)  # of 8 batches
    assert str(train_fully(workspace(step='captured'), (6,), 3, epochs)['step']) == 'captured'
    assert verified == [None, 24, 32, None, None, None, 96]
