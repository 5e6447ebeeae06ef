"""Schedules, clipping, and optimizers that get the model: what they do, in every kind of step."""

import io
import json
import math
from collections import namedtuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import pack_sequence, unpack_sequence
from torch.utils.data import TensorDataset

from sweeper import FixedSweep, sweep
from sweeper.problem.options import SCHEDULES
from sweeper.problem.problem import Problem
from sweeper.training.accumulation import parts_of
from sweeper.training.average import WeightAverage
from sweeper.training.data import as_split
from sweeper.training.runs import TrainingPlan, measure_curve, train_briefly, train_fully
from sweeper.training.schedule import PREDEFINED, learning_rates, triangular
from sweeper.training.scoring.evaluation import evaluate
from sweeper.training.scoring.scorer import scorer
from sweeper.training.workspace import Splits, Workspace

CPU = torch.device('cpu')
PLAN = TrainingPlan(lr_min=0.02, lr_max=0.2, batch_size=8, epochs=10, cycle_size_epochs=5)
OPTIMIZERS = {
    'plain': None,
    'momentum': lambda p, lr: torch.optim.SGD(p, lr, momentum=0.9),
    'adamw': lambda p, lr: torch.optim.AdamW(p, lr),
    'rmsprop': lambda p, lr: torch.optim.RMSprop(p, lr),  # captured without its update
}


def mlp():
    return nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 3))


def workspace(kind='eager', optimizer=None, architecture=mlp, **options):
    generator = torch.Generator().manual_seed(1)
    inputs = 3 * torch.randn(70, 6, generator=generator)
    split = as_split(TensorDataset(inputs, torch.randint(3, (70,), generator=generator)), CPU)
    problem = Problem(
        'here', architecture, nn.CrossEntropyLoss, 'classification', lambda: None, optimizer, **options
    )  # fmt: skip
    return Workspace(problem, Splits(split, split, None), CPU, kind)


def trained(here, lanes=False):
    done = train_fully(here, (), [3, 4] if lanes else [3], PLAN)
    return done[0]['step'][0], done[0]['scores']


@pytest.mark.parametrize('optimizer', OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_clipping_is_the_same_in_every_kind_of_step(optimizer):
    options = {'optimizer': optimizer, 'clip_norm': 0.1}
    kind, expected = trained(workspace(**options))
    assert kind == 'eager'
    assert expected != trained(workspace(optimizer=optimizer))[1], 'it makes a difference'
    assert trained(workspace(clip_norm=1e9, optimizer=optimizer)) == trained(workspace(optimizer=optimizer))
    kind, found = trained(workspace('captured', **options))
    assert kind == 'captured' and found == pytest.approx(expected, rel=1e-4)
    kind, found = trained(workspace('captured', **options), lanes=True)
    assert kind == ('captured' if optimizer is OPTIMIZERS['rmsprop'] else 'lanes')
    assert found == pytest.approx(expected, rel=1e-3)


def test_a_clipped_step_is_no_longer_than_the_norm():
    here = workspace(clip_norm=0.05)
    training = here.set_up_eagerly((), 3)
    model = training.learners[0].model
    before = [parameter.detach().clone() for parameter in model.parameters()]
    training.step.run([torch.arange(8)], [1.0])
    moved = torch.cat([(p - b).flatten() for p, b in zip(model.parameters(), before, strict=True)])
    assert moved.detach().norm().item() == pytest.approx(0.05, rel=1e-4)


def test_an_optimizer_whose_first_parameter_is_called_model_gets_the_model():
    names = []

    def optimizer(model, lr):
        names.append([name for name, _ in model.named_parameters()])
        groups = [
            {'params': [p for name, p in model.named_parameters() if 'bias' in name], 'weight_decay': 0.0},
            {'params': [p for name, p in model.named_parameters() if 'bias' not in name], 'lr': lr / 2},
        ]
        return torch.optim.AdamW(groups, lr, weight_decay=0.1)

    def by_parameters(parameters, lr):
        weights, biases = parameters[::2], parameters[1::2]
        groups = [{'params': biases, 'weight_decay': 0.0}, {'params': weights, 'lr': lr / 2}]
        return torch.optim.AdamW(groups, lr, weight_decay=0.1)

    for kind in ('eager', 'captured'):
        assert trained(workspace(kind, optimizer)) == trained(workspace(kind, by_parameters))
    assert names[0] == ['0.weight', '0.bias', '2.weight', '2.bias']


def by_hand(here, update, make=lambda p: torch.optim.SGD(p, 1.0), steps=20, seed=3):
    """Trains as a plain loop does; `update` takes a step and returns its loss. Returns model and losses."""
    model = here.fresh_model((), seed)[0]
    optimizer = make(model.parameters())
    losses = []
    for k in range(steps):
        optimizer.param_groups[0]['lr'] = 0.1
        inputs, targets = here.splits.train.batch(batch_of(k))
        losses.append(update(model, optimizer, inputs, targets))
    return model, losses


def batch_of(k):
    return (torch.arange(10) + 7 * k) % 70


def by_step(here, steps=20, seed=3):
    """Trains by the workspace's step at the same batches."""
    training = here.set_up((), seed, [batch_of(k) for k in range(steps)], epochs=4)
    losses = training.step.run([batch_of(k) for k in range(steps)], [0.1] * steps).losses
    training.step.update_models()
    return training, losses


def assert_same(model, expected, rel=1e-5):
    for (name, one), other in zip(model.state_dict().items(), expected.state_dict().values(), strict=True):
        torch.testing.assert_close(one, other, rtol=rel, atol=1e-6, msg=name)


def own_step(model, batch):
    return nn.functional.cross_entropy(model(batch[0]), batch[1])


@pytest.mark.parametrize('kind', ['eager', 'captured'])
@pytest.mark.parametrize('options', [{}, {'step': own_step}], ids=['default', 'own step'])
def test_bf16_is_autocast_around_each_forward_pass(kind, options):
    def update(model, optimizer, inputs, targets):
        optimizer.zero_grad()
        with torch.autocast('cpu', dtype=torch.bfloat16):
            loss = own_step(model, (inputs, targets))
        loss.backward()
        optimizer.step()
        return loss.item()

    here = workspace(kind, precision='bf16', **options)
    training, losses = by_step(here)
    model, expected = by_hand(here, update)
    assert training.kind[0] == kind and losses.dtype == torch.float32
    assert losses.tolist() == pytest.approx(expected, rel=1e-6)
    assert_same(training.learners[0].model, model)
    assert losses.tolist() != by_step(workspace(kind, **options))[1].tolist(), 'it makes a difference'


@pytest.mark.parametrize('style', ['classification', 'inv-loss'])
def test_bf16_is_used_in_evaluation_and_not_seen_by_what_scores(style):
    seen = []

    def predict(model, batch):
        seen.append(model(batch[0]).dtype)
        return model(batch[0])

    here = workspace(precision='bf16', predict=predict)
    model, objective = here.fresh_model((), 3)
    batch = here.splits.train.batch(torch.arange(8))
    assert objective.outputs(model, batch)[0].dtype == torch.float32 and seen == [torch.bfloat16]
    plain, objective = workspace(precision='bf16'), None
    objective = plain.fresh_model((), 3)[1]
    exact = workspace().fresh_model((), 3)[1].loss(model, batch)
    rounded = objective.loss(model, batch)
    assert rounded != exact and rounded.item() == pytest.approx(exact.item(), rel=0.05)
    assert objective.forward(model, batch)[1]()[0].dtype == torch.float32


def test_bf16_is_the_same_in_every_kind_of_step():
    kind, expected = trained(workspace(precision='bf16'))
    assert kind == 'eager' and expected != trained(workspace())[1]
    kind, found = trained(workspace('captured', precision='bf16'))
    assert kind == 'captured' and found == pytest.approx(expected, rel=1e-4)
    done = train_fully(workspace('captured', precision='bf16'), (), [3, 4], PLAN)
    assert done[0]['step'][0] == 'captured' and 'bfloat16' in str(done[0]['step'])
    assert done[0]['scores'] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize('kind', ['eager', 'captured'])
@pytest.mark.parametrize('options', [{}, {'step': own_step}], ids=['default', 'own step'])
def test_a_batch_in_parts_is_one_update_by_the_sum_of_their_gradients(kind, options):
    def update(model, optimizer, inputs, targets):
        optimizer.zero_grad()
        total = 0.0
        for start, stop in ((0, 3), (3, 6), (6, 10)):
            loss = own_step(model, (inputs[start:stop], targets[start:stop])) * (stop - start) / 10
            loss.backward()
            total += loss.item()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        return total

    def normalized():  # by each part's own mean
        return nn.Sequential(nn.Linear(6, 9), nn.BatchNorm1d(9), nn.ReLU(), nn.Linear(9, 3))

    here = workspace(kind, accumulate=3, clip_norm=0.5, architecture=normalized, **options)
    training, losses = by_step(here)
    model, expected = by_hand(here, update)
    assert training.kind[0] == kind and losses.tolist() == pytest.approx(expected, rel=1e-5)
    assert_same(training.learners[0].model, model)
    whole = by_step(workspace(kind, clip_norm=0.5, architecture=normalized, **options))[1]
    assert losses.tolist() != pytest.approx(whole.tolist(), rel=1e-3), 'it makes a difference'


@pytest.mark.parametrize('optimizer', OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_accumulation_is_the_same_in_every_kind_of_step(optimizer):
    whole = trained(workspace(optimizer=optimizer))[1]
    for parts in (1, 3, 100):  # more than a batch has samples, at last
        kind, expected = trained(workspace(optimizer=optimizer, accumulate=parts))
        assert kind == 'eager' and expected == pytest.approx(whole, rel=1e-3)
        kind, actual = trained(workspace('captured', optimizer, accumulate=parts))
        assert kind == 'captured' and actual == pytest.approx(expected, rel=1e-4)
    kind, actual = trained(workspace('captured', optimizer, accumulate=3), lanes=True)
    assert kind == ('captured' if optimizer is OPTIMIZERS['rmsprop'] else 'lanes')
    assert actual == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize('kind', ['eager', 'captured'])
def test_performance_is_measured_over_all_parts(kind):
    curves = [
        measure_curve(workspace(kind, accumulate=parts), (), [3], [0.01] * 50, [10] * 50)[0]
        for parts in (1, 4)
    ]
    assert curves[0]['step'][0] == kind
    for name in ('loss', 'perf'):
        assert curves[1][name] == pytest.approx(curves[0][name], rel=1e-4)


@given(st.integers(1, 12), st.integers(1, 15))
def test_parts_of_a_batch_are_all_its_samples(size, count):
    pair = namedtuple('pair', 'left right')
    lengths = [1 + k % 3 for k in range(size)]
    batch = {
        'pair': pair(torch.arange(size), torch.arange(2 * size).reshape(size, 2)),
        'texts': [str(k) for k in range(size)],
        'packed': pack_sequence([torch.arange(n) + k for k, n in enumerate(lengths)], enforce_sorted=False),
    }
    parts = parts_of(batch, count)
    sizes = [len(part['pair'].left) for part, _ in parts]
    assert len(parts) == min(size, count) and max(sizes) - min(sizes) <= 1
    assert [share for _, share in parts] == [n / size for n in sizes]
    assert torch.equal(torch.cat([part['pair'].right for part, _ in parts]), batch['pair'].right)
    assert [text for part, _ in parts for text in part['texts']] == batch['texts']
    unpacked = [tensor for part, _ in parts for tensor in unpack_sequence(part['packed'])]
    assert all(map(torch.equal, unpacked, unpack_sequence(batch['packed'])))


def test_a_batch_whose_first_dimension_is_not_the_sample_is_not_divided():
    for batch in ((torch.zeros(4, 2), torch.zeros(3)), (torch.zeros(4), torch.tensor(1.0)), 'text'):
        with pytest.raises(ValueError, match='only if the first dimension of all its tensors is the sample'):
            parts_of(batch, 2)


@pytest.mark.parametrize('options', [{}, {'clip_norm': 0.3}, {'accumulate': 2}], ids=str)
@pytest.mark.parametrize('kind', ['eager', 'captured'])
def test_an_optimizer_that_needs_a_closure_gets_one(kind, options):
    def update(model, optimizer, inputs, targets):
        losses = []

        def closure():
            optimizer.zero_grad()
            loss = own_step(model, (inputs, targets))
            loss.backward()
            if 'clip_norm' in options:
                nn.utils.clip_grad_norm_(model.parameters(), options['clip_norm'])
            losses.append(loss.item())
            return loss

        optimizer.step(closure)
        return losses[0]

    def optimizer(parameters, lr=1.0):
        return torch.optim.LBFGS(parameters, lr, max_iter=3)

    here = workspace(kind, optimizer, **options)
    training, losses = by_step(here, steps=8)
    model, expected = by_hand(here, update, optimizer, steps=8)
    assert training.kind[0] == 'eager' and ('LBFGS' in str(training.kind)) == (kind == 'captured')
    assert losses.tolist() == pytest.approx(expected, rel=1e-3)
    assert_same(training.learners[0].model, model, rel=1e-2)
    done = train_fully(here, (), [3, 4], PLAN)
    assert [trial['step'][0] for trial in done] == ['eager'] * 2
    assert not done[0]['diverged']


@pytest.mark.slow
def test_a_sweep_with_lbfgs_runs(write_problem, tmp_path, tiny):
    problem = write_problem(
        ending='def optimizer(parameters, lr):\n    return torch.optim.LBFGS(parameters, lr)\n'
    )
    results = sweep(
        problem.path, FixedSweep.with_fixed_trials([(4,)], 1), 1, tiny, tmp_path / 'out', executor='inline'
    )
    assert not results.failures and len(results) == 1


class Buffers(nn.Module):
    """A mask with infinities, indices, and running statistics."""

    def __init__(self):
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(6, 9), nn.BatchNorm1d(9), nn.Linear(9, 3)
        self.register_buffer('mask', torch.tensor([0.0, 0.0, -math.inf]))
        self.register_buffer('order', torch.tensor([7, 1, 5, 0, 3, 2, 4, 6, 8]))

    def forward(self, inputs):
        return self.last(self.norm(self.first(inputs))[:, self.order]).relu() + self.mask.clamp(min=-9)


@pytest.mark.parametrize('kind', ['eager', 'captured'])
@pytest.mark.parametrize('steps', [1, 20, 140])
@pytest.mark.parametrize('name', OPTIMIZERS)
def test_the_average_of_weights_is_what_is_evaluated(name, steps, kind):
    averages = {}

    def update(model, optimizer, inputs, targets):
        optimizer.zero_grad()
        loss = own_step(model, (inputs, targets))
        loss.backward()
        optimizer.step()
        for name, tensor in model.state_dict().items():
            is_averaged = name in dict(model.named_parameters()) or 'running' in name
            before = averages.get(name, tensor)
            averages[name] = 0.8 * before + 0.2 * tensor if is_averaged else tensor.clone()
        return loss.item()

    make = OPTIMIZERS[name]
    here = workspace(kind, ema=0.8, architecture=Buffers, optimizer=make)
    training, losses = by_step(here, steps)
    training.step.verify_last()
    model, expected = by_hand(here, update, *([] if make is None else [lambda p: make(p, 1.0)]), steps=steps)
    learner = training.learners[0]
    assert training.kind[0] == kind
    assert losses.tolist() == pytest.approx(expected, rel=1e-4, abs=1e-6), 'training is as without it'
    assert_same(learner.model, model)
    assert learner.evaluated is not learner.model
    for name, tensor in learner.evaluated.state_dict().items():
        torch.testing.assert_close(tensor, averages[name], rtol=1e-4, atol=1e-6, msg=name)


def test_an_average_that_a_captured_step_takes_wrongly_is_noticed(monkeypatch):
    averaging = WeightAverage.averaging
    monkeypatch.setattr(WeightAverage, 'averaging', lambda self: averaging(self)._replace(weight=0.3))
    expected = by_step(workspace('eager', ema=0.8))[0].learners[0].evaluated
    training, _ = by_step(workspace('captured', ema=0.8))
    assert 'eager, because replaying it gives other numbers' in str(training.kind)
    assert_same(training.learners[0].evaluated, expected)


def test_trials_and_brief_trainings_are_scored_by_the_average():
    here, plain = workspace(ema=0.97), workspace()
    (done,) = train_fully(here, (), [3], PLAN)
    (other,) = train_fully(plain, (), [3], PLAN)
    assert done['scores'] != other['scores'] and done['model_init'] == other['model_init']
    saved = torch.load(io.BytesIO(done['model']), weights_only=True)
    model, objective = here.fresh_model((), 3)
    assert list(saved) == list(model.state_dict())
    model.load_state_dict(saved)
    score = scorer('classification', objective.criterion)
    found = evaluate(model, here.splits.train, objective, score)
    assert found.loss == pytest.approx(done['scores']['loss_train'], rel=1e-6)
    briefs = [train_briefly(one, (), [3, 4], 0.02, 0.2, 8, steps=30)[0] for one in (here, plain)]
    assert briefs[0]['loss'] != briefs[1]['loss']
    lanes = train_fully(workspace('captured', ema=0.97), (), [3, 4], PLAN)
    assert lanes[0]['step'][0] == 'captured' and lanes[0]['scores'] == done['scores']


def test_a_diverged_training_has_a_diverged_average():
    (done,) = train_fully(
        workspace(ema=0.9, optimizer=lambda p, lr: torch.optim.SGD(p, 1e30 * lr)), (), [3], PLAN
    )
    assert done['diverged']


def test_a_model_with_lazy_modules_is_averaged():
    def lazy():
        return nn.Sequential(nn.LazyLinear(9), nn.ReLU(), nn.LazyLinear(3))

    (done,) = train_fully(workspace(ema=0.9, architecture=lazy), (), [3], PLAN)
    assert math.isfinite(done['scores']['loss_val'])


@pytest.mark.parametrize('steps', [1, 7, 400])
@pytest.mark.parametrize('name', [*PREDEFINED, 'own'])
def test_a_schedule_is_factors_of_the_tuned_rate(name, steps):
    schedule = (lambda progress: 1 - progress) if name == 'own' else name
    lrs = learning_rates(schedule, 0.01, 0.5, steps, 2)
    assert lrs.shape == (steps,) and (lrs >= 0).all() and lrs.max() <= 0.5
    if steps == 400 and name != 'constant':
        assert lrs[-1] < 0.01 < 0.49 < lrs.max()
    if name == 'own':
        assert lrs == pytest.approx(0.5 * (1 - (np.arange(steps) + 0.5) / steps))


def test_the_default_schedule_is_triangular():
    assert SCHEDULES[0] == 'triangular' and set(SCHEDULES[1:]) == set(PREDEFINED)
    assert np.array_equal(learning_rates('triangular', 0.1, 1.0, 30, 3), triangular(0.1, 1.0, 30, 3))


def test_one_cycle_and_cosine_are_those_of_torch():
    parameter, steps = nn.Parameter(torch.zeros(1)), 1000
    for name, make in {
        'cosine': lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, steps),
        'one-cycle': lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 0.5, total_steps=steps),
    }.items():
        optimizer = torch.optim.SGD([parameter], 0.5)
        scheduler, theirs = make(optimizer), []
        for _ in range(steps):
            theirs.append(optimizer.param_groups[0]['lr'])
            optimizer.step()
            scheduler.step()
        assert learning_rates(name, 0.1, 0.5, steps, 1) == pytest.approx(theirs, abs=0.005)


def test_the_schedule_holds_for_trials_and_for_brief_trainings():
    seen = []

    def schedule(progress):
        seen.append(progress)
        return 0.0

    here = workspace(schedule=schedule)
    _, scores = trained(here)
    assert (
        len(seen) == 90 and scores['loss_train'] == trained(workspace(schedule=lambda _: 0))[1]['loss_train']
    )
    (brief,) = train_briefly(here, (), [3], 0.01, 0.1, 8, steps=12)
    assert len(seen) == 102 and brief['loss'] == pytest.approx(scores['loss_train'], rel=1e-6)


def test_it_is_on_record_only_if_it_differs(write_problem, tmp_path, tiny):
    options = 'schedule = "cosine"\nclip_norm = 2\naccumulate = 3\nema = 0.9\nprecision = "bf16"\n'
    recorded = {'schedule': 'cosine', 'clip_norm': 2.0, 'accumulate': 3, 'ema': 0.9, 'precision': 'bf16'}
    for text, expected in ((options, recorded), ('', None)):
        problem = write_problem(ending=text)
        folder = tmp_path / f'out{len(text)}'
        results = sweep(
            problem.path, FixedSweep.with_fixed_trials([(4,)], 1), 1, tiny, folder, executor='inline'
        )
        final = json.loads((folder / 'points/0/hparams/final.json').read_text())
        assert not results.failures and final.get('training') == expected


def test_a_schedule_of_ones_own_goes_by_its_name():
    def warm_up(progress):
        return min(1.0, 10 * progress)

    assert workspace(schedule=warm_up).problem.training_options['schedule'].endswith('warm_up()')


BAD = {
    'schedule = "cosin"': "is 'cosin'; valid are triangular, one-cycle, cosine, constant, or a function",
    'schedule = 3': 'schedule of .* is 3; valid are',
    'def schedule(progress):\n    return None': r'schedule\(0.01\) returned None; it must be a factor',
    'def schedule(progress):\n    return -1': 'returned -1; it must be a factor',
    'def schedule():\n    return 1': 'a function of progress: TypeError',
    'clip_norm = 0': 'clip_norm of .* is 0; it must be a positive number',
    'accumulate = 0': 'accumulate of .* is 0; it must be a whole number of at least 1',
    'accumulate = 2.0': 'accumulate of .* is 2.0; it must be',
    'accumulate = True': 'accumulate of .* is True; it must be',
    'accumulate = 2\ndef train(run):\n    pass': 'is 2, which its own loop, train.run., would ignore',
    'ema = 1': 'ema of .* is 1; it must be a number between 0 and 1',
    'ema = "0.9"': "ema of .* is '0.9'; it must be",
    'ema = 0.9\ndef train(run):\n    pass': 'ema of .* is 0.9, which its own loop, train.run., would ignore',
    'clip_norm = "1"': "clip_norm of .* is '1'; it must be a positive number",
    f'clip_norm = {math.inf!r}'.replace('inf', 'float("inf")'): 'it must be a positive number',
}


@pytest.mark.parametrize('text', BAD)
def test_what_is_wrong_is_said_before_anything_is_trained(text, refused):
    refused(text, BAD[text])
