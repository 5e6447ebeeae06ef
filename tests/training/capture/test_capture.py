"""A captured step does what the eager one does, or is not used."""

import random
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from sweeper.problem.problem import Problem
from sweeper.step_kind import StepKind
from sweeper.training.batches import ShuffledBatches
from sweeper.training.capture import capture, script
from sweeper.training.capture.updates import UpdateRule
from sweeper.training.data import ItemSplit, as_split
from sweeper.training.workspace import Splits, Workspace

CPU = torch.device('cpu')
SAMPLES, BATCH_SIZE, EPOCHS = 70, 8, 6  # batches of 8 and of 7


def data(shape=(6,), classes=3, samples=SAMPLES):
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(samples, *shape, generator=generator)
    return TensorDataset(inputs, torch.randint(classes, (samples,), generator=generator))


def workspace(model, shape=(6,), step='captured', optimizer=None, loss=nn.CrossEntropyLoss, dataset=None):
    problem = Problem('here', model, loss, 'classification', lambda: None, optimizer)
    split = as_split(data(shape) if dataset is None else dataset, CPU)
    return Workspace(problem, Splits(split, split, None), CPU, step)


def order(seed=2, samples=SAMPLES):
    return ShuffledBatches(samples, BATCH_SIZE, seed)


def trained(here, measures_perf=False, lr=0.05):
    """Trains; returns the kind of step, losses, performances, and the state dict."""
    training = here.set_up((), 3, list(order()), EPOCHS, measures_perf)
    batches, losses, perfs = order(), [], []
    for epoch in range(EPOCHS):
        epoch_batches = list(batches)
        lrs = [lr * (1 + epoch + k / 10) for k in range(len(epoch_batches))]
        results = training.step.run(epoch_batches, lrs)
        losses.append(results.losses)
        perfs.append(results.perfs)
    return str(training.kind), torch.cat(losses), torch.cat(perfs), training.learners[0].model.state_dict()


def assert_same_training(build, rtol=0.0, atol=0.0, **options):
    kind, *found = trained(workspace(build, **options))
    assert kind == 'captured'
    _, *expected = trained(workspace(build, **{**options, 'step': 'eager'}))
    for one, other in zip(found[:2], expected[:2], strict=True):
        torch.testing.assert_close(one, other, rtol=rtol, atol=atol)
    for name in expected[2]:
        torch.testing.assert_close(found[2][name], expected[2][name], rtol=rtol, atol=atol)
    assert not torch.isnan(found[0]).any()


def mlp():
    return nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 3))


class Recurrent(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer, self.head = layer(6, 5, batch_first=True), nn.Linear(5, 3)

    def forward(self, inputs):
        return self.head(self.layer(inputs)[0][:, -1])


class Attention(nn.Module):
    def __init__(self, dropout=0.0):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(6, 2, 8, dropout=dropout, batch_first=True)
        self.head = nn.Linear(6, 3)

    def forward(self, inputs):
        return self.head(self.layer(inputs).mean(1))


class Embedded(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.head = nn.Embedding(5, 4, padding_idx=0), nn.Linear(4, 3)

    def forward(self, inputs):
        return self.head(self.embedding((inputs.abs() * 2).clamp(max=4).long()).sum(1))


def cnn(*extra):
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), *extra, nn.Flatten(),
        nn.Linear(16, 3),
    )  # fmt: skip


NETWORKS = {
    'mlp': (mlp, (6,)),
    'deep tanh': (lambda: nn.Sequential(*[m for _ in range(4) for m in (nn.Linear(6, 6), nn.Tanh())]), (6,)),
    'dropout': (lambda: nn.Sequential(nn.Linear(6, 20), nn.Dropout(0.4), nn.ReLU(), nn.Linear(20, 3)), (6,)),
    'batch norm': (
        lambda: nn.Sequential(nn.Linear(6, 9), nn.BatchNorm1d(9), nn.GELU(), nn.Linear(9, 3)),
        (6,),
    ),
    'cnn': (cnn, (2, 6, 6)),
    'cnn with dropout': (lambda: cnn(nn.Dropout2d(0.3)), (2, 6, 6)),
    'rnn': (lambda: Recurrent(nn.RNN), (5, 6)),
    'gru': (lambda: Recurrent(nn.GRU), (5, 6)),
    'lstm': (lambda: Recurrent(nn.LSTM), (5, 6)),
    'attention': (Attention, (5, 6)),
    'attention with dropout': (lambda: Attention(0.2), (5, 6)),
    'embedding': (Embedded, (5,)),
}


@pytest.mark.parametrize(('build', 'shape'), NETWORKS.values(), ids=NETWORKS)
def test_every_kind_of_network_trains_bit_for_bit_as_eagerly(build, shape):
    assert_same_training(build, shape=shape)


@pytest.mark.parametrize(('build', 'shape'), NETWORKS.values(), ids=NETWORKS)
def test_performance_is_measured_too(build, shape):
    _, losses, perfs, _ = trained(workspace(build, shape), measures_perf=True)
    _, expected_losses, expected_perfs, _ = trained(workspace(build, shape, 'eager'), measures_perf=True)
    assert torch.equal(losses, expected_losses)
    assert torch.equal(perfs, expected_perfs)
    assert perfs.unique().numel() > 2


OPTIMIZERS = {
    'sgd': lambda p, lr: torch.optim.SGD(p, lr),
    'sgd with momentum': lambda p, lr: torch.optim.SGD(p, lr, momentum=0.9, dampening=0.1, weight_decay=0.01),
    'sgd with nesterov': lambda p, lr: torch.optim.SGD(p, lr, momentum=0.8, nesterov=True),
    'adam': lambda p, lr: torch.optim.Adam(p, lr, weight_decay=0.01),
    'adamw': lambda p, lr: torch.optim.AdamW(p, lr, betas=(0.8, 0.99), eps=1e-6),
    'groups': lambda p, lr: torch.optim.SGD(
        [{'params': p[:2]}, {'params': p[2:], 'lr': lr / 4, 'momentum': 0.5}], lr, momentum=0.9
    ),
    'amsgrad': lambda p, lr: torch.optim.Adam(p, lr, amsgrad=True),
    'maximize': lambda p, lr: torch.optim.SGD(p, lr, maximize=True),
    'rmsprop': lambda p, lr: torch.optim.RMSprop(p, lr, momentum=0.5),
}


@pytest.mark.parametrize('optimizer', OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_every_optimizer_updates_as_it_does_eagerly(optimizer):
    assert_same_training(mlp, optimizer=optimizer, rtol=1e-5, atol=1e-7)


class Doubling(torch.optim.SGD):
    """An optimizer of the user's own."""

    def step(self, closure=None):
        super().step(closure)
        super().step(closure)


def test_an_optimizer_of_the_users_own_is_called_itself():
    assert_same_training(mlp, optimizer=lambda p, lr: Doubling(p, lr))


def test_an_optimizer_with_a_hook_is_called_itself():
    def optimizer(parameters, lr):
        made = torch.optim.SGD(parameters, lr)
        made.register_step_post_hook(lambda *_: [p.data.clamp_(-0.1, 0.1) for p in parameters])
        return made

    assert_same_training(mlp, optimizer=optimizer)
    assert max(value.abs().max() for value in trained(workspace(mlp, optimizer=optimizer))[3].values()) <= 0.1


def frozen():
    model = mlp()
    model[0].requires_grad_(False)
    return model


class Unused(nn.Module):
    def __init__(self):
        super().__init__()
        self.net, self.unused = mlp(), nn.Parameter(torch.ones(3))

    def forward(self, inputs):
        return self.net(inputs)


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.other, self.head = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 3)
        self.other.weight = self.one.weight

    def forward(self, inputs):
        return self.head(torch.relu(self.other(torch.relu(self.one(inputs)))))


class Constants(nn.Module):
    """Has tensors that are neither parameters nor buffers, and makes some as it runs."""

    def __init__(self):
        super().__init__()
        self.net, self.mask = mlp(), (torch.rand(6) > 0.3).float()

    def forward(self, inputs):
        shift = torch.tensor([0.5, 0.1, -0.3])
        shift[0] += 1
        return self.net(inputs * self.mask) + shift


class InPlace(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = mlp()
        self.register_buffer('mean', torch.zeros(6))

    def forward(self, inputs):
        self.mean.mul_(0.9).add_(inputs.detach().mean(0), alpha=0.1)
        inputs.sub_(self.mean)
        hidden = self.net[0](inputs)
        hidden[:, 0] = 0
        return self.net[2](hidden.relu_())


def parametrized():
    return nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Linear(6, 9)), nn.ReLU(), nn.Linear(9, 3))


@pytest.mark.parametrize('build', [frozen, Unused, Tied, Constants, InPlace, parametrized])
def test_unusual_modules_are_captured_all_the_same(build):
    assert_same_training(build)


def test_a_criterion_with_tensors_of_its_own():
    assert_same_training(mlp, loss=lambda: nn.CrossEntropyLoss(torch.tensor([1.0, 2.0, 0.5])))
    assert_same_training(mlp, loss=lambda: lambda out, y: nn.functional.nll_loss(out.log_softmax(1), y))


def test_inputs_may_be_several_tensors():
    class Pair(torch.utils.data.Dataset):
        def __len__(self):
            return SAMPLES

        def __getitem__(self, index):
            inputs, target = data()[index]
            return {'left': inputs[:3], 'right': inputs[3:]}, target

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right = nn.Linear(3, 3), nn.Linear(3, 3)

        def forward(self, inputs):
            return self.left(inputs['left']) * self.right(inputs['right'])

    assert_same_training(Model, dataset=Pair())


def test_data_that_is_read_item_by_item():
    split = ItemSplit(data(), CPU)
    losses = []
    for step in ('eager', 'captured'):
        here = workspace(mlp, step=step)
        here = Workspace(here.problem, Splits(split, split, None), CPU, step)
        kind, loss, *_ = trained(here)
        assert kind == step
        losses.append(loss)
    assert torch.equal(*losses)


@pytest.mark.parametrize(
    'draw', [torch.rand, np.random.rand, random.uniform], ids=['torch', 'numpy', 'random']
)
def test_items_may_be_drawn_at_random(draw):
    """Each reading gives others, as in augmentation, and a captured step gets those of the eager one."""

    class Augmented(torch.utils.data.Dataset):
        def __len__(self):
            return SAMPLES

        def __getitem__(self, index):
            inputs, target = data()[index]
            noise = float(draw(0, 1) if draw is random.uniform else draw(1)[0])
            return inputs + noise, target

    assert_same_training(mlp, dataset=Augmented())


# What cannot be captured


class ByValue(nn.Module):
    """Control flow that depends on data."""

    def __init__(self):
        super().__init__()
        self.net = mlp()

    def forward(self, inputs):
        return self.net(inputs) if inputs.sum() > 0 else self.net(-inputs)


class ByShape(ByValue):
    def forward(self, inputs):
        return self.net(inputs) + inputs[inputs > 0].mean()


class Counting(ByValue):
    """Changes with the number of calls."""

    calls = 0

    def forward(self, inputs):
        self.calls += 1
        return self.net(inputs) / self.calls


class Reassigning(ByValue):
    def __init__(self):
        super().__init__()
        self.register_buffer('seen', torch.zeros(()))

    def forward(self, inputs):
        self.seen = self.seen + 1
        return self.net(inputs) / self.seen


class Remembering(ByValue):
    def __init__(self):
        super().__init__()
        self.history = []

    def forward(self, inputs):
        self.history.append(len(inputs))
        return self.net(inputs) / len(self.history)


class NumpyNoise(ByValue):
    def forward(self, inputs):
        return self.net(inputs) * float(np.random.rand())


class PythonNoise(ByValue):
    def forward(self, inputs):
        return self.net(inputs) * random.random()


class ThroughNumpy(ByValue):
    """Computes something from the data that torch does not see."""

    def forward(self, inputs):
        return self.net(inputs) * torch.from_numpy(inputs.numpy().mean(1, keepdims=True))


class Accumulating(ByValue):
    """Writes to a tensor that is neither parameter nor buffer."""

    def __init__(self):
        super().__init__()
        self.seen = torch.zeros(())

    def forward(self, inputs):
        self.seen.add_(1e-9)
        return self.net(inputs) + self.seen


def closure():
    steps = []

    class Module(ByValue):
        def forward(self, inputs):
            steps.append(0)
            return self.net(inputs) / len(steps)

    return Module()


def hooked():
    model = mlp()
    model[0].register_forward_hook(lambda module, inputs, output: output * 2)
    return model


def sparse():
    return nn.Sequential(
        OrderedDict(cut=Cut(), embedding=nn.Embedding(5, 6, sparse=True), mean=Mean(), head=nn.Linear(6, 3))
    )


class Cut(nn.Module):
    def forward(self, inputs):
        return (inputs.abs() * 2).clamp(max=4).long()


class Mean(nn.Module):
    def forward(self, inputs):
        return inputs.mean(1)


@pytest.mark.parametrize(
    ('build', 'reason'),
    [
        (ByValue, 'depends on the values of tensors'),
        (ByShape, 'depends on the values of tensors'),
        (Counting, 'changes variables or attributes'),
        (Reassigning, 'changes variables or attributes'),
        (Remembering, 'changes variables or attributes'),
        (Accumulating, 'changes variables or attributes'),
        (closure, 'changes variables or attributes'),
        (NumpyNoise, 'random numbers from numpy'),
        (PythonNoise, 'random numbers from numpy'),
        (ThroughNumpy, 'gives other numbers'),
        (hooked, 'has hooks'),
        (sparse, 'sparse gradients'),
    ],
)
@pytest.mark.parametrize('step', ['auto', 'captured'])
def test_what_cannot_be_captured_is_eager_and_says_why(build, reason, step):
    kind, losses, _, state = trained(workspace(build, step=step))
    assert kind.startswith('eager, because ') and reason in kind
    _, expected, _, expected_state = trained(workspace(build, step='eager'))
    assert torch.equal(losses, expected)
    assert all(torch.equal(state[name], expected_state[name]) for name in state)


def test_a_criterion_that_changes_with_time_is_eager():
    def loss():
        calls = []

        def criterion(output, target):
            calls.append(0)
            return nn.functional.cross_entropy(output, target) * len(calls)

        return criterion

    kind, losses, *_ = trained(workspace(mlp, loss=loss))
    assert 'changes variables' in kind
    assert torch.equal(losses, trained(workspace(mlp, loss=loss, step='eager'))[1])


def test_a_model_that_raises_does_so_as_it_would_eagerly():
    class Wrong(ByValue):
        def forward(self, inputs):
            raise ZeroDivisionError('as it is')

    training = workspace(Wrong).set_up((), 3, list(order()), EPOCHS)
    assert 'raised ZeroDivisionError: as it is' in str(training.kind)
    with pytest.raises(ZeroDivisionError, match='as it is'):
        training.step.run(list(order()), [0.1] * len(order()))


def test_a_replay_that_differs_is_noticed(monkeypatch):
    def wrong(optimizer, parameter):
        return UpdateRule(lambda p, g, *_: [f'{p}.add_({g}, alpha=-lr * 1.01)'])

    monkeypatch.setattr(capture, 'update_rule', wrong)
    assert 'gives other numbers' in trained(workspace(mlp))[0]


def test_what_the_interpreter_does_not_take_is_eager(monkeypatch):
    monkeypatch.setattr(script, '_INDEX', 'torch.no_such_function({0}, {1})')
    kind, losses, *_ = trained(workspace(mlp))
    assert "torch's interpreter does not take it" in kind
    assert torch.equal(losses, trained(workspace(mlp, step='eager'))[1])


# When it is worth it


def test_auto_captures_where_it_is_worth_it():
    here = workspace(mlp, step='auto')
    assert here.set_up((), 3, list(order()), EPOCHS).kind == StepKind('captured')
    assert 'fewer than' in here.set_up((), 3, list(order()), 1).kind.reason
    sizes = [torch.arange(n) for n in (3, 4, 5)] * 30
    assert 'sizes' in here.set_up((), 3, sizes, 1).kind.reason


def test_capturing_leaves_no_trace():
    """Not in the model, nor in the random numbers that training will draw."""
    dropout = NETWORKS['dropout'][0]
    training = workspace(dropout).set_up((), 3, list(order()), EPOCHS)
    drawn = torch.rand(3)
    fresh, _ = workspace(dropout).fresh_model((), 3)
    assert torch.equal(torch.rand(3), drawn)
    for one, other in zip(training.learners[0].model.parameters(), fresh.parameters(), strict=True):
        assert torch.equal(one, other) and one.grad is None


def test_models_of_one_architecture_share_a_compiled_script():
    script.compiled.cache_clear()
    for seed in (1, 2, 3):
        workspace(mlp).set_up((), seed, list(order()), EPOCHS)
    assert (script.compiled.cache_info().misses, script.compiled.cache_info().hits) == (1, 5)  # two sizes
