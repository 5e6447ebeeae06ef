"""Streams: `IterableDataset`s that say how many samples an epoch has."""

import io
import itertools
import json
import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from sweeper import FixedSweep, ProblemError
from sweeper.problem.problem import Problem
from sweeper.training import runs
from sweeper.training.data import as_split
from sweeper.training.runs import TrainingPlan
from sweeper.training.schedule import triangular
from sweeper.training.stream import split_of
from sweeper.training.workspace import Splits, Workspace

CPU = torch.device('cpu')
SAMPLES, BATCH = 100, 8
PLAN = TrainingPlan(0.02, 0.2, BATCH, epochs=4, cycle_size_epochs=2)
INPUTS = torch.randn(SAMPLES, 4, generator=torch.Generator().manual_seed(0))
TARGETS = (INPUTS[:, 0] > 0).long()


class Numbers(IterableDataset):
    """An endless stream that says when an epoch is over."""

    def __init__(self, size=SAMPLES, shuffles=False):
        self.size, self.shuffles, self.begun, self.read = size, shuffles, 0, 0

    def __len__(self):
        return self.size

    def __iter__(self):
        self.begun += 1
        order = random.sample(range(SAMPLES), SAMPLES) if self.shuffles else range(SAMPLES)
        for index in itertools.cycle(order):
            self.read += 1
            yield INPUTS[index], TARGETS[index]


def mlp():
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Dropout(0.2), nn.Linear(6, 2))


def workspace(stream, step='auto', val=None, model=mlp, **options):
    problem = Problem(
        'here', model, nn.CrossEntropyLoss, 'classification', lambda: None, None, **options
    )  # fmt: skip
    splits = Splits(split_of(stream, CPU), split_of(val or stream, CPU), None)
    return Workspace(problem, splits, CPU, step)


def trial(space, plan=PLAN, seed=3):
    (done,) = runs.train_fully(space, (), [seed], plan)
    return {name: done[name] for name in ('scores', 'model', 'epochs', 'diverged')}, done['step']


@pytest.mark.parametrize('step', ['eager', 'captured'])
def test_a_trial_reads_the_stream_in_its_order_once_an_epoch(step):
    done, kind = trial(workspace(Numbers(), step, model=lambda: nn.Linear(4, 2)))
    assert kind.kind == step
    torch.manual_seed(0)
    initial = runs.train_fully(workspace(Numbers(), model=lambda: nn.Linear(4, 2)), (), [3], PLAN)[0]
    model, loss = nn.Linear(4, 2), nn.CrossEntropyLoss()
    model.load_state_dict(torch.load(io.BytesIO(initial['model_init']), weights_only=True))
    lrs = iter(triangular(0.02, 0.2, 4 * 13, 2).tolist())
    for _ in range(4):
        for indices in torch.arange(SAMPLES).tensor_split(13):
            optimizer = torch.optim.SGD(model.parameters(), next(lrs))
            optimizer.zero_grad()
            loss(model(INPUTS[indices]), TARGETS[indices]).backward()
            optimizer.step()
    trained = torch.load(io.BytesIO(done['model']), weights_only=True)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(trained[name], value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('shuffles', [False, True])
@pytest.mark.parametrize('step', ['eager', 'captured', 'lanes'])
def test_every_run_reads_it_afresh(shuffles, step):
    stream = Numbers(shuffles=shuffles)
    shared = workspace(stream, step)
    first, _ = trial(shared)
    runs.train_briefly(shared, (), [9], lr_min=0.01, lr_max=0.1, batch_size=7, steps=5)
    runs.measure_curve(shared, (), [4], [0.01] * 20, [7] * 20)
    assert trial(shared)[0] == first == trial(workspace(Numbers(shuffles=shuffles), step))[0]
    assert trial(shared, seed=4)[0] != first


def test_a_part_of_an_epoch_is_read_as_far_as_it_is_needed():
    stream = Numbers(10**9)
    val = TensorDataset(INPUTS, TARGETS)
    space = workspace(stream, val=val)
    split = space.splits.train
    order = [torch.arange(5), torch.arange(5, 9)]
    assert [len(batch[0]) for batch in split.batches(order)] == [5, 4]
    assert stream.read == 9
    training = split.for_training()
    list(training.batches(order)), list(training.batches([torch.arange(9, 12)]))
    assert (stream.read, stream.begun) == (9 + 12, 2)
    list(training.batches([torch.arange(10**9, 10**9 + 3)]))  # of the next epoch
    assert (stream.read, stream.begun) == (9 + 12 + 3, 3)


def test_it_is_evaluated_like_the_same_data_in_memory():
    from sweeper.training.scoring.evaluation import evaluation_order

    stream, data = split_of(Numbers(), CPU), as_split(TensorDataset(INPUTS, TARGETS), CPU)
    pairs = zip(stream.batches(evaluation_order(stream)), data.batches(evaluation_order(data)), strict=True)
    assert all(torch.equal(a, b) for one, other in pairs for a, b in zip(one, other, strict=True))


class Short(Numbers):
    def __iter__(self):
        return itertools.islice(super().__iter__(), 40)


def test_a_stream_that_ends_early_is_an_error():
    with pytest.raises(ProblemError, match=r'Short ended after 40 samples; its __len__ says that .* 100'):
        trial(workspace(Short()))


def test_nothing_of_a_stream_is_held_out():
    brief = {'lr_min': 0.01, 'lr_max': 0.1, 'batch_size': 7, 'steps': 5}
    with pytest.raises(ProblemError, match='is a stream, of which nothing can be held out'):
        runs.train_briefly(workspace(Numbers()), (), [9], holdout_seed=0, held_out=10, **brief)


def pairs_of(items):
    inputs, targets = zip(*items, strict=True)
    return torch.stack(inputs) + 1, torch.stack(targets)


def test_a_loader_makes_its_batches():
    split = split_of(DataLoader(Numbers(), collate_fn=pairs_of), CPU)
    assert torch.equal(split.batch(torch.arange(3))[0], INPUTS[:3] + 1)


STREAM = """
from torch.utils.data import IterableDataset

class Stream(IterableDataset):
    def __init__(self, size, seed):
        self.size, self.seed = size, seed

    def __len__(self):
        return self.size

    def __iter__(self):
        generator = torch.Generator().manual_seed(self.seed)
        while True:
            inputs = torch.randn(4, generator=generator)
            yield inputs, (inputs[0] > 0).long()

def dataset():
    return Stream(64, 0), Stream(32, 1)
"""


def test_a_sweep_over_streams(write_problem, sweep_inline, tmp_path, tiny):
    from sweeper import sweep

    problem, folders = write_problem(dataset=STREAM), [tmp_path / 'inline', tmp_path / 'local']
    settings = tiny.replace(trial_samples=4000, max_cycles=20)
    selector = FixedSweep.with_fixed_trials([(4,)], 2)
    inline = sweep_inline(problem.path, selector, folders[0], hparams=settings)
    selector = FixedSweep.with_fixed_trials([(4,)], 2)
    local = sweep(problem.path, selector, 1, settings, folders[1], cores=2, progress='none')
    assert np.array_equal(inline[0].perf_val, local[0].perf_val) and inline[0].perf_val.mean() > 0.6
    assert json.loads((folders[0] / 'sweep.json').read_text())['train_size'] == 64
