"""Numbers in a captured step are tensors, and what every step has is computed once: no bit changes."""

import functools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional
from torch.utils.data import TensorDataset

from sweeper.problem.problem import Problem
from sweeper.training.batches import ShuffledBatches
from sweeper.training.capture import making
from sweeper.training.data import as_split
from sweeper.training.workspace import Splits, Workspace

CPU = torch.device('cpu')
GENERATOR = torch.Generator().manual_seed(0)
INPUTS = torch.randn(33, 5, generator=GENERATOR)
LABELS = torch.randint(3, (33,), generator=GENERATOR)
ARITHMETIC = {
    'add': lambda x, c: x + c,
    'sub': lambda x, c: x - c,
    'reversed sub': lambda x, c: c - x,
    'mul': lambda x, c: x * c,
    'div': lambda x, c: x / c,
    'reversed div': lambda x, c: c / (x**2 + 1),
    'add with a factor': lambda x, c: torch.add(x, x, alpha=c),
    'in place': lambda x, c: x.clone().mul_(c).div_(3).add_(1).sub_(c),
    'whole numbers': lambda x, c: (x > 0).long() * 2 * c + x,
    'a single number': lambda x, c: x * (x.sum() * c),
    'float64': lambda x, c: (x.double() * c + 1).float(),
    'bfloat16': lambda x, c: (x.bfloat16() * c).float(),
    'transposed': lambda x, c: (x.t() / c - 1).t(),
}


def trained(step, optimizer=None, kind='captured', dtype=torch.float32):
    def build():
        return nn.Linear(5, 3, dtype=dtype)

    problem = Problem('here', build, None, 'inv-loss', lambda: None, optimizer, step=step)
    split = as_split(TensorDataset(INPUTS.to(dtype), LABELS), CPU)
    training = Workspace(problem, Splits(split, split, None), CPU, kind).set_up((), 3, order(), 9)
    losses = training.step.run(order(), [0.01 * (1 + k) for k in range(len(order()))]).losses
    training.step.verify_last()
    return str(training.kind), losses, [*training.learners[0].model.parameters()]


def order():
    return list(ShuffledBatches(len(INPUTS), 8, 2))


def assert_same(*arguments, **options):
    kind, losses, parameters = trained(*arguments, **options)
    assert kind == 'captured'
    _, expected, expected_parameters = trained(*arguments, **options, kind='eager')
    assert torch.equal(losses, expected)
    assert all(map(torch.equal, parameters, expected_parameters))


@settings(deadline=None, max_examples=8)
@given(
    number=st.one_of(st.floats(-3, 3).filter(lambda x: abs(x) > 1e-3), st.integers(1, 9)),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
@pytest.mark.parametrize('name', ARITHMETIC)
def test_arithmetic_with_numbers_is_as_eagerly_to_the_last_bit(name, number, dtype):
    def step(model, batch):
        outputs = ARITHMETIC[name](model(batch[0]), number).to(dtype)
        return functional.cross_entropy(outputs, batch[1]) / 2 + 0.01 * outputs.square().mean()

    assert_same(step, dtype=dtype)


OPTIMIZERS = {
    'sgd': functools.partial(torch.optim.SGD, momentum=0.9, weight_decay=0.1, nesterov=True),
    'adam': functools.partial(torch.optim.Adam, weight_decay=0.1, betas=(0.8, 0.99)),
    'adamw': torch.optim.AdamW,
}


def in_groups(kind, model, lr):
    weight, bias = model.parameters()
    return kind([{'params': [weight], 'weight_decay': 0.2}, {'params': [bias], 'lr': lr / 3}], lr=lr)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize('kind', OPTIMIZERS)
def test_groups_of_an_optimizer_are_updated_as_eagerly(kind, dtype):
    def step(model, batch):
        return functional.cross_entropy(model(batch[0]), batch[1])

    def optimizer(model, lr):
        return in_groups(OPTIMIZERS[kind], model, lr)

    (name, losses, parameters), (_, expected, expected_parameters) = (
        trained(step, optimizer, way, dtype) for way in ('captured', 'eager')
    )
    assert name == 'captured'
    torch.testing.assert_close(losses, expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(parameters, expected_parameters, rtol=1e-5, atol=1e-6)


# What is the same in every step


def sources(step, monkeypatch):
    texts, compiled = [], making.compiled

    def kept(source):
        texts.append(source)
        return compiled(source)

    monkeypatch.setattr(making, 'compiled', kept)
    assert_same(step)
    return [text.partition('for i in range') for text in texts]


def test_what_is_the_same_in_every_step_is_computed_before_the_loop(monkeypatch):
    def step(model, batch):
        weights = torch.ones(3).cumsum(0) / 6
        return (model(batch[0]).square() * weights).mean()

    for before, _, loop in sources(step, monkeypatch):
        assert 'cumsum' in before and 'torch.ones(' in before and 'cumsum' not in loop


def test_what_is_written_to_is_made_in_every_step(monkeypatch):
    def step(model, batch):
        total = torch.zeros(3)
        part = total[:2]
        part.add_(model(batch[0]).detach().mean(0)[:2])
        return (model(batch[0]) - total).square().mean()

    for before, _, loop in sources(step, monkeypatch):
        assert 'torch.zeros(' not in before and 'aten.zeros(' in loop


def test_what_is_drawn_is_drawn_in_every_step(monkeypatch):
    def step(model, batch):
        return (model(batch[0]) + torch.rand(3)).square().mean()

    for before, _, loop in sources(step, monkeypatch):
        assert 'rand' in loop and 'rand' not in before


def test_parts_of_a_batch_that_the_step_does_not_use_are_not_taken(monkeypatch):
    for *_, loop in sources(lambda model, batch: model(batch[0]).square().mean(), monkeypatch):
        assert 'data[0]' in loop and 'data[1]' not in loop
