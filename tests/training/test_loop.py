import copy

import pytest
import torch
from torch import nn

from sweeper.problem.problem import Problem
from sweeper.training.data import InMemorySplit
from sweeper.training.length import CHUNK, Length
from sweeper.training.loop import Loop
from sweeper.training.objective import Objective
from sweeper.training.optimizers import PlainSGD, build_optimizer
from sweeper.training.scoring.scorer import Scorer
from sweeper.training.steps import EagerStep


def problem(optimizer=None):
    return Problem('here', nn.Linear, nn.MSELoss, 'inv-loss', lambda: None, optimizer)


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))


def batches(count=12, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return [
        (torch.randn(4, 3, generator=generator), torch.randn(4, 2, generator=generator)) for _ in range(count)
    ]


def split(count=12):
    """The same batches as data: batch i is made of the samples `indices(count)[i]`."""
    inputs, targets = (torch.cat(parts) for parts in zip(*batches(count), strict=True))
    return InMemorySplit((inputs, targets), torch.device('cpu'))


def indices(count=12):
    return list(torch.arange(4 * count).split(4))


def loop(model, optimizer, lrs, after_chunk=None, count=12):
    return Loop(EagerStep(model, Objective(nn.MSELoss()), optimizer, split(count)), lrs, after_chunk)


def freeze_first(model):
    model[0].requires_grad_(False)


def add_unused(model):
    model.unused = nn.Parameter(torch.ones(3))
    model.forward = lambda inputs: model[2](model[1](model[0](inputs)))


@pytest.mark.parametrize('change', [lambda model: None, freeze_first, add_unused])
def test_plain_sgd_is_torch_sgd_step_for_step(change):
    lrs = [0.5 / (1 + i) for i in range(12)]
    ours, theirs = network(), network()
    change(ours), change(theirs)
    initial = copy.deepcopy(ours.state_dict())
    trainable = [p for p in theirs.parameters() if p.requires_grad]
    optimizers = PlainSGD(ours.parameters(), lrs[0]), torch.optim.SGD(trainable, lrs[0])
    for lr, (inputs, targets) in zip(lrs, batches(), strict=True):
        for model, optimizer in zip((ours, theirs), optimizers, strict=True):
            optimizer.param_groups[0]['lr'] = lr
            optimizer.zero_grad()
            nn.functional.mse_loss(model(inputs), targets).backward()
            optimizer.step()
        for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert torch.equal(one, other)
    moved = [name for name, value in ours.state_dict().items() if not torch.equal(value, initial[name])]
    assert '2.weight' in moved
    assert 'unused' not in moved


def test_a_model_without_trainable_parameters_is_a_clear_error():
    with pytest.raises(ValueError, match='no trainable parameters'):
        PlainSGD(nn.ReLU().parameters(), 0.1)
    with pytest.raises(ValueError, match='no trainable parameters'):
        PlainSGD(nn.Linear(2, 2).requires_grad_(False).parameters(), 0.1)


def test_the_loop_trains_as_a_plain_one_does():
    lrs = [0.1 * (1 + i) for i in range(12)]
    model, reference = network(), network()
    score = Scorer('inv-loss')
    step = EagerStep(model, Objective(nn.MSELoss()), build_optimizer(problem(), model), split(), score)
    seen = []
    Loop(step, lrs, lambda *measured: seen.append(measured)).run(indices())
    ((losses, perfs),) = seen
    for k, (lr, (inputs, targets)) in enumerate(zip(lrs, batches(), strict=True)):
        optimizer = torch.optim.SGD(reference.parameters(), lr)
        expected_loss = nn.functional.mse_loss(reference(inputs), targets)
        expected_loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        assert torch.equal(losses[k], expected_loss) and not losses.requires_grad
        assert torch.equal(perfs[k], 1 / (1 + expected_loss)) and not perfs.requires_grad
    for one, other in zip(model.parameters(), reference.parameters(), strict=True):
        assert torch.equal(one, other)


class Recording(torch.optim.SGD):
    """Records the learning rates of its groups at every step."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.rates = []

    def step(self):
        self.rates.append([group['lr'] for group in self.param_groups])
        super().step()


def test_every_step_has_its_learning_rate_over_all_epochs():
    model, lrs = network(), [0.01 * (1 + i) for i in range(12)]
    optimizer = build_optimizer(problem(lambda parameters, lr: Recording(parameters, lr)), model)
    assert isinstance(optimizer, Recording)
    stops = []
    loop(model, optimizer, lrs).run(indices(4), Length(3, 1, 4), lambda done: stops.append(done))
    assert optimizer.rates == [[lr] for lr in lrs]
    assert stops == [4, 8, 12]


def test_a_groups_learning_rate_is_its_factor():
    model, lrs = network(), [0.01, 0.02, 0.04]
    groups = [{'params': model[0].parameters()}, {'params': model[2].parameters(), 'lr': 0.1}]
    loop(model, optimizer := Recording(groups, 1.0), lrs).run(indices(3))
    assert optimizer.rates == [pytest.approx([lr, lr / 10]) for lr in lrs]


def test_the_users_optimizer_decides_how_to_step():
    def momentum(parameters, lr):
        return torch.optim.SGD(parameters, lr, momentum=0.9)

    model, reference = network(), network()
    loop(model, build_optimizer(problem(momentum), model), [0.1] * 12).run(indices())
    optimizer = momentum(reference.parameters(), 0.1)
    for inputs, targets in batches():
        optimizer.zero_grad()
        nn.functional.mse_loss(reference(inputs), targets).backward()
        optimizer.step()
    for one, other in zip(model.parameters(), reference.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize('wrong', [None, 5, nn.Linear(1, 1)])
def test_an_optimizer_function_that_returns_something_else_is_a_clear_error(wrong):
    with pytest.raises(TypeError, match=r"optimizer\(parameters, lr\) of 'here' returned .*torch.optim"):
        build_optimizer(problem(lambda parameters, lr: wrong), network())


def test_an_optimizer_may_go_through_the_parameters_twice():
    def decayed(parameters, lr):
        groups = [[p for p in parameters if p.ndim == n] for n in (2, 1)]
        return torch.optim.SGD([{'params': group} for group in groups], lr)

    optimizer = build_optimizer(problem(decayed), network())
    assert [len(group['params']) for group in optimizer.param_groups] == [2, 2]


def test_steps_can_end_the_training():
    model, losses = network(), []

    def after_chunk(chunk, _):
        losses.extend(chunk.tolist())
        return len(losses) == 8

    loop(model, PlainSGD(model.parameters(), 1.0), [0.1] * 12, after_chunk).run(indices(4), Length(3, 1, 4))
    assert len(losses) == 8


def test_long_epochs_go_in_chunks():
    model, chunks = network(), []
    count = 2 * CHUNK + 3
    training = loop(
        model,
        PlainSGD(model.parameters(), 1.0),
        [0.1] * 2 * count,
        lambda losses, _: chunks.append(len(losses)),
        count,
    )
    training.run(indices(count), Length(2, 1, count))
    assert chunks == [CHUNK, CHUNK, 3] * 2


def test_an_epoch_can_end_the_training():
    model, stops = network(), []

    def at_stop(steps):
        stops.append(steps)
        return steps == 8

    loop(model, PlainSGD(model.parameters(), 1.0), [0.1] * 12).run(indices(4), Length(3, 1, 4), at_stop)
    assert stops == [4, 8]


def test_an_error_in_a_step_comes_through_as_it_is():
    model = nn.Linear(99, 2)
    with pytest.raises(RuntimeError, match='shapes cannot be multiplied'):
        loop(model, PlainSGD(model.parameters(), 1.0), [0.1] * 12).run(indices())
