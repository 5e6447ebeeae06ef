"""Problems with a step or a prediction of their own train as those do that need none."""

from collections import UserDict, namedtuple

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import Dataset, TensorDataset

from sweeper.problem.problem import Problem
from sweeper.training.batches import ShuffledBatches
from sweeper.training.data import InMemorySplit, ItemSplit, as_split
from sweeper.training.runs import TrainingPlan, measure_curve, train_briefly, train_fully
from sweeper.training.workspace import Splits, Workspace

CPU = torch.device('cpu')
SAMPLES, BATCH_SIZE, EPOCHS = 70, 8, 10
PLAN = TrainingPlan(lr_min=0.01, lr_max=0.1, batch_size=BATCH_SIZE, epochs=EPOCHS, cycle_size_epochs=5)
KINDS = ('eager', 'captured', 'lanes')

Pair = namedtuple('Pair', 'left right same')


def tensors():
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(SAMPLES, 6, generator=generator)
    return inputs, (inputs[:, 0] > 0).long() + (inputs[:, 1] > 1).long()


class Items(Dataset):
    """The same samples, each in a container."""

    def __init__(self, make):
        self.make, self.data = make, list(zip(*tensors(), strict=True))

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        return self.make(*self.data[index])


def mlp():
    return nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 3))


def workspace(step=None, predict=None, dataset=None, kind='eager', model=mlp, **options):
    loss = None if step is not None else nn.CrossEntropyLoss
    style = options.pop('style', 'classification')
    problem = Problem(
        'here', model, loss, style, lambda: None, options.pop('optimizer', None), step=step, predict=predict
    )
    split = as_split(TensorDataset(*tensors()) if dataset is None else dataset, CPU)
    return Workspace(problem, Splits(split, split, None), CPU, kind)


def trained(here, lanes=False):
    """Trains fully; returns the kinds of step, and all that came out."""
    done = train_fully(here, (), [3, 4] if lanes else [3], PLAN)
    return {trial['step'][0] for trial in done}, [
        {name: trial[name] for name in ('scores', 'diverged', 'epochs', 'model')}
        | {'loss_val': trial['throughtime']['loss_val'].tolist()}
        for trial in done
    ]


def text(*item):
    return {'x': item[0], 'y': item[1], 'name': 'a text'}


CONTAINERS = {
    'dict': (lambda x, y: {'x': x, 'y': y}, lambda batch: (batch['x'], batch['y'])),
    'user dict': (lambda x, y: UserDict(x=x, y=y), lambda batch: (batch['x'], batch['y'])),
    'named tuple': (lambda x, y: Pair(x[:3], x[3:], y), lambda b: (torch.cat([b.left, b.right], 1), b.same)),
    'nested': (
        lambda x, y: ((x[:2], [x[2:]]), {'y': y}),
        lambda batch: (torch.cat([batch[0][0], batch[0][1][0]], 1), batch[1]['y']),
    ),
    'pair': (lambda x, y: (x, y), lambda batch: batch),
    'with texts': (text, lambda batch: (batch['x'], batch['y'])),
}
ALONE = {'user dict': 'captured', 'with texts': 'eager'}  # what cannot be trained in lanes, or not captured


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('name', CONTAINERS)
def test_batches_of_any_shape_train_and_score_as_pairs_do(name, kind):
    make, read = CONTAINERS[name]

    def step(model, batch):
        inputs, targets = read(batch)
        return functional.cross_entropy(model(inputs), targets)

    def predict(model, batch):
        inputs, targets = read(batch)
        return model(inputs), targets

    kinds, found = trained(workspace(step, predict, Items(make), kind), kind == 'lanes')
    assert kinds == {ALONE.get(name, kind) if kind == 'lanes' else 'eager' if name == 'with texts' else kind}
    if kinds == {kind}:
        assert found == trained(workspace(kind=kind), kind == 'lanes')[1]
    else:
        assert found[0] == trained(workspace())[1][0]


class Vae(nn.Module):
    def __init__(self, latent=2):
        super().__init__()
        self.encoder, self.decoder = nn.Linear(6, 2 * latent), nn.Linear(latent, 6)

    def encode(self, inputs):
        return self.encoder(inputs).chunk(2, 1)

    def decode(self, latent):
        return self.decoder(latent)


def vae_step(model, batch):
    mean, log_variance = model.encode(batch[0])
    latent = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
    divergence = -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum(1).mean()
    return functional.mse_loss(model.decode(latent), batch[0]) + 0.1 * divergence


def siamese_step(model, batch):
    left, right = (model(part) for part in batch[0].chunk(2))
    same = (batch[1].chunk(2)[0] == batch[1].chunk(2)[1]).float()
    distance = (left - right).pow(2).sum(1)
    return (same * distance + (1 - same) * (1 - distance).clamp(min=0)).mean()


def accumulating(model, batch):
    return sum(
        functional.cross_entropy(model(x), y)
        for x, y in zip(batch[0].chunk(2), batch[1].chunk(2), strict=True)
    )


STEPS = {'vae': (vae_step, Vae), 'two passes': (accumulating, mlp), 'contrastive': (siamese_step, mlp)}


@pytest.mark.parametrize(('step', 'model'), STEPS.values(), ids=STEPS)
@pytest.mark.parametrize('optimizer', [None, lambda p, lr: torch.optim.AdamW(p, lr)], ids=['sgd', 'adamw'])
def test_an_own_step_is_captured_and_gives_the_same(step, model, optimizer):
    even = TensorDataset(*(tensor[:64] for tensor in tensors()))
    options = {'model': model, 'dataset': even, 'style': 'inv-loss', 'optimizer': optimizer}
    kinds, expected = trained(workspace(step, **options))
    assert kinds == {'eager'}
    kinds, found = trained(workspace(step, kind='captured', **options))
    assert kinds == {'captured'} and found == expected
    kinds, found = trained(workspace(step, kind='captured', **options), lanes=True)
    assert kinds == ({'captured'} if step is vae_step else {'lanes'})  # lanes draw no random numbers
    assert found[0]['scores'] == pytest.approx(expected[0]['scores'], rel=1e-3)


@pytest.mark.parametrize('kind', KINDS)
def test_a_prediction_scores_what_the_step_does_not_give(kind):
    def predict(model, batch):
        return model(batch[0]).flip(1)  # the targets are the batch's

    kinds, found = trained(workspace(predict=predict, kind=kind), kind == 'lanes')
    assert kinds == {kind}
    for trial, plain in zip(found, trained(workspace(kind=kind), kind == 'lanes')[1], strict=True):
        assert trial['model'] == plain['model'], 'it trains the same'
        assert trial['scores']['loss_val'] == plain['scores']['loss_val']
        assert trial['scores']['perf_val'] != plain['scores']['perf_val']


@pytest.mark.parametrize('kind', KINDS)
def test_the_performance_of_every_step_is_that_of_the_prediction(kind):
    def step(model, batch):
        return functional.cross_entropy(model(batch['x']), batch['y'])

    def predict(model, batch):
        return model(batch['x']), batch['y']

    data = Items(lambda x, y: {'x': x, 'y': y})
    lrs, sizes = [0.05] * 80, [8] * 80
    for found, expected in zip(
        measure_curve(workspace(step, predict, data, kind), (), [3, 4], lrs, sizes),
        measure_curve(workspace(kind=kind), (), [3, 4], lrs, sizes),
        strict=True,
    ):
        assert found['loss'].tolist() == expected['loss'].tolist()
        assert found['perf'].tolist() == expected['perf'].tolist()


def test_a_part_of_the_training_data_is_held_out_of_any_batch():
    seen = []

    def step(model, batch):
        seen.extend(batch['x'][:, 0].tolist())
        return functional.cross_entropy(model(batch['x']), batch['y'])

    here = workspace(step, None, Items(lambda x, y: {'x': x, 'y': y}), style='inv-loss')
    train_briefly(here, (), [3], 0.01, 0.1, BATCH_SIZE, steps=40, holdout_seed=5, held_out=12)
    assert len(set(seen)) == SAMPLES


def test_any_batch_is_in_memory_if_it_is_tensors_and_read_by_item_if_not():
    for make, _ in CONTAINERS.values():
        split = as_split(Items(make), CPU)
        assert isinstance(split, ItemSplit if 'a text' in str(make(*tensors())) else InMemorySplit)
        assert len(split) == SAMPLES
        first = next(iter(ShuffledBatches(SAMPLES, BATCH_SIZE, 0)))
        assert type(split.batch(first)) is type(make(*tensors()))


def test_a_step_that_raises_since_the_model_has_diverged_has_diverged():
    def step(model, batch):
        output = model(batch[0])
        if not output.isfinite().all():
            raise ValueError('not finite')
        return functional.cross_entropy(output, batch[1]) * 1e6

    (done,) = train_fully(workspace(step), (), [3], PLAN)
    assert done['diverged'] and done['scores']['loss_val'] == float('inf')


def test_a_step_that_anneals_a_weight_by_a_count_of_its_own_is_eager():
    count = [0]

    def step(model, batch):
        count[0] += 1
        return (
            functional.cross_entropy(model(batch[0]), batch[1])
            + count[0] / 100 * model(batch[0]).pow(2).mean()
        )

    outcomes = []
    for kind in ('eager', 'captured'):
        count[0] = 0
        outcomes.append(trained(workspace(step, kind=kind)))
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][0] == {'eager'}
