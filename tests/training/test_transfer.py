"""On a device that runs ahead of Python nothing is read in between, and copies are queued.

No GPU is needed: tensors on torch's device `meta` have no values, so that reading one is an error.
"""

import math

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from sweeper.errors import NotFiniteData
from sweeper.problem.problem import Problem
from sweeper.training import average, data_check, transfer
from sweeper.training.average import WeightAverage
from sweeper.training.batches import ShuffledBatches
from sweeper.training.data import InMemorySplit, ItemSplit, as_split
from sweeper.training.dispatch import OperatorMode
from sweeper.training.loop import Loop
from sweeper.training.objective import Objective
from sweeper.training.plan import loop_of
from sweeper.training.residence import HostSplit, resident
from sweeper.training.scoring import evaluation
from sweeper.training.scoring.scorer import scorer
from sweeper.training.stream import split_of
from sweeper.training.workspace import Splits, Workspace

CPU, AHEAD = torch.device('cpu'), torch.device('meta')
READS = ('_local_scalar_dense', 'equal', 'is_nonzero', 'item')


class Reads(OperatorMode):
    """Counts how often Python asks a tensor for its value."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func.overloadpacket.__name__ in READS
        return func(*args, **(kwargs or {}))


@pytest.fixture
def ahead(monkeypatch):
    """Treats the CPU as a device that runs ahead."""
    for module in (transfer, evaluation, data_check, average):
        monkeypatch.setattr(module, 'runs_ahead', lambda _: True)


class Images(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.norm, self.head = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Linear(144, 3)

    def forward(self, images):
        return self.head(nn.functional.dropout(self.norm(self.layer(images)), 0.1, self.training).flatten(1))


def data(samples=70, first=0.0):
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(samples, 1, 8, 8, generator=generator)
    images[0, 0, 0, 0] += first
    return TensorDataset(images, torch.randint(3, (samples,), generator=generator))


def workspace(device=CPU, split=None, style='classification', optimizer=None, **options):
    loss = nn.CrossEntropyLoss if device == CPU else lambda: nn.functional.cross_entropy
    problem = Problem('here', Images, loss, style, lambda: None, optimizer, **options)
    split = as_split(data(), device) if split is None else split
    return Workspace(problem, Splits(split, split, None), device, 'eager')


OPTIONS = {
    'plain SGD': {},
    'momentum': {'optimizer': lambda p, lr: torch.optim.SGD(p, lr, momentum=0.9, nesterov=True)},
    'Adam': {'optimizer': lambda p, lr: torch.optim.Adam(p, lr, weight_decay=0.1)},
    'AdamW, clipped': {'optimizer': lambda p, lr: torch.optim.AdamW(p, lr), 'clip_norm': 0.5},
    'an average of weights': {'ema': 0.9},
    'in parts': {'accumulate': 2},
    'another metric': {'style': 'inv-loss'},
}


@pytest.mark.parametrize('options', OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize('measures_perf', [False, True])
def test_no_step_reads_a_number(options, measures_perf):
    training = workspace(AHEAD, **options).set_up((), 3, [], 4, measures_perf)
    batches = [*ShuffledBatches(70, 8, 1)]
    losses, perfs = training.step.run(batches, [0.1] * len(batches))
    assert losses.device == AHEAD and losses.shape == (len(batches),)
    assert perfs.shape == (len(batches) if measures_perf else 0,)
    with pytest.raises(RuntimeError, match='cannot be called on meta tensors'):
        losses[0].item()


def test_a_training_reads_once_in_a_chunk_of_steps(ahead):
    training = workspace().set_up((), 3, [], 4)
    loop = loop_of(training, [0.1] * 128)
    with Reads() as reads:
        loop.run(_Repeated(4))
    assert loop.done == 128
    assert reads.count <= 5  # four chunks, and the end


class _Repeated:
    """Epochs of so many chunks of equal batches."""

    def __init__(self, chunks):
        self._batches = [torch.arange(8)] * (32 * chunks)

    def __len__(self):
        return len(self._batches)

    def __iter__(self):
        return iter(self._batches)


@pytest.mark.parametrize('style', ['classification', 'inv-loss'])
def test_an_evaluation_reads_once_and_comes_to_the_same(style, monkeypatch, ahead):
    monkeypatch.setattr(evaluation, '_EVALUATION_BATCH', 10)
    here = workspace(style=style)
    learner = here.learner((), 3, False)
    arguments = learner.model, here.splits.val, learner.objective, learner.score
    rows = []
    numbers = transfer.numbers
    monkeypatch.setattr(evaluation, 'numbers', lambda read: rows.append(len(read)) or numbers(read))
    with Reads() as reads:
        found = evaluation.evaluate(*arguments)
    assert rows == [7] and reads.count == 0  # `tolist` is one copy to the CPU
    monkeypatch.undo()
    monkeypatch.setattr(evaluation, '_EVALUATION_BATCH', 10)
    with Reads() as reads:
        assert evaluation.evaluate(*arguments) == found
    assert reads.count >= 7


def ignored_labels():
    inputs = torch.randn(30, 6, generator=torch.Generator().manual_seed(1))
    targets = torch.arange(30) % 3
    targets[10:20] = -100  # a batch without any
    return as_split(TensorDataset(inputs, targets), CPU)


def test_labels_that_do_not_count_are_left_out_all_the_same(monkeypatch, ahead):
    monkeypatch.setattr(evaluation, '_EVALUATION_BATCH', 10)
    torch.manual_seed(3)
    model, split, criterion = nn.Linear(6, 3), ignored_labels(), nn.CrossEntropyLoss()
    score = scorer('classification', criterion, None, -100)
    found = evaluation.evaluate(model, split, Objective(criterion), score)
    monkeypatch.undo()
    assert math.isfinite(found.loss) and 0 <= found.perf <= 1
    monkeypatch.setattr(evaluation, '_EVALUATION_BATCH', 10)
    assert evaluation.evaluate(model, split, Objective(criterion), score) == found


@pytest.mark.parametrize('of_items', [False, True])
def test_data_that_are_not_finite_are_an_error_though_it_is_read_late(ahead, monkeypatch, of_items):
    monkeypatch.setattr(evaluation, '_EVALUATION_BATCH', 10)
    dataset = data(first=math.nan)
    split = ItemSplit(dataset, CPU) if of_items else as_split(dataset, CPU)
    here = workspace(split=split)
    learner = here.learner((), 3, False)
    with pytest.raises(NotFiniteData, match='first in sample 0'):
        evaluation.evaluate(learner.model, split, learner.objective, learner.score)
    training = here.set_up((), 3, [], 4)
    with pytest.raises(NotFiniteData, match='first in sample 0'):
        loop_of(training, [0.1] * 9).run(ShuffledBatches(70, 8, 1))


def test_losses_are_looked_at_while_the_next_chunk_is_computed(ahead):
    """Which is so for data on the device only: of others a batch is not kept for long."""
    here = workspace(split=as_split(data(first=math.nan), CPU))
    training = here.set_up((), 3, [], 4)
    taken = []

    def after_chunk(losses, _):
        taken.append(len(losses))
        return False

    class Data:
        def __len__(self):
            return 64

        def __iter__(self):
            return iter([torch.arange(8)] * 64)

    with pytest.raises(NotFiniteData):
        loop_of(training, [0.1] * 64, after_chunk).run(Data())
    assert taken == [32], 'the second chunk was under way'


def test_the_average_of_weights_is_the_same_on_a_device(ahead, monkeypatch):
    def averaged():
        torch.manual_seed(3)
        model = Images()
        average = WeightAverage(model, 0.9)
        for _ in range(4):
            with torch.no_grad():
                for tensor in (*model.parameters(), *model.buffers()):
                    tensor.add_(1)
            average.update()
        return average.tensors

    found = averaged()
    monkeypatch.undo()
    expected = averaged()
    assert len(found) == len(expected) and all(map(torch.equal, found, expected))


def test_all_indices_go_over_in_one_copy_that_is_queued(monkeypatch):
    copies = []

    class Copies(OperatorMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            if func.overloadpacket.__name__ == '_to_copy':
                copies.append((args[0].shape, kwargs['device'].type, kwargs['non_blocking']))
            return func(*args, **(kwargs or {}))

    split = InMemorySplit(data()[:], AHEAD)
    order = [torch.arange(8), torch.arange(8), torch.arange(5)]
    with Copies():
        shapes = [batch[0].shape for batch in split.batches(order)]
    assert shapes == [(8, 1, 8, 8), (8, 1, 8, 8), (5, 1, 8, 8)]
    assert copies == [((21,), 'meta', True)]
    lanes = torch.zeros(4, 8, dtype=torch.long)
    assert [part.shape for part in transfer.all_onto([lanes, lanes], AHEAD)] == [(4, 8), (4, 8)]
    assert transfer.all_onto(order, CPU) is order


def test_only_what_goes_to_a_gpu_is_pinned(monkeypatch):
    pinned = []
    monkeypatch.setattr(torch.Tensor, 'pin_memory', lambda tensor: pinned.append(tensor) or tensor)
    tensor = torch.zeros(3)
    transfer.onto(tensor, AHEAD)
    transfer.onto(tensor, CPU)
    assert not pinned
    assert transfer.pinned(tensor, torch.device('cuda')) is tensor and pinned == [tensor]


@pytest.mark.parametrize('kind', ['items', 'loader', 'stream'])
def test_what_is_read_is_looked_at_before_it_goes_to_the_device(kind, monkeypatch):
    from sweeper.training import data as data_module

    looked_at = []
    not_finite = data_module.not_finite
    monkeypatch.setattr(
        data_module,
        'not_finite',
        lambda batch, size: looked_at.append(batch[0].device) or not_finite(batch, size),
    )
    given = {
        'items': lambda: ItemSplit(data(), AHEAD),
        'loader': lambda: as_split(DataLoader(data(), num_workers=1), AHEAD),
        'stream': lambda: split_of(_Stream(data()), AHEAD),
    }[kind]()
    batches = [*given.batches([torch.arange(4), torch.arange(4, 8)])]
    assert [batch[0].device for batch in batches] == [AHEAD, AHEAD]
    assert looked_at == [CPU, CPU]


class _Stream(torch.utils.data.IterableDataset):
    def __init__(self, dataset):
        self._dataset = dataset

    def __len__(self):
        return len(self._dataset)

    def __iter__(self):
        return (self._dataset[k] for k in range(len(self)))


def test_data_that_do_not_fit_stay_and_their_batches_go_over(monkeypatch):
    from sweeper.training import residence

    split = as_split(data(), CPU)
    size = sum(tensor.nbytes for tensor in split.data)
    for room, kind in ((None, InMemorySplit), (2 * size, InMemorySplit), (2 * size - 1, HostSplit)):
        monkeypatch.setattr(residence, 'free_memory', lambda _, room=room: room)
        assert type(resident(split, AHEAD)) is kind
        assert type(split_of(data(), AHEAD)) is kind
    held = resident(split, AHEAD)
    assert not held.is_resident and held.device == AHEAD and held.data[0].device == CPU
    assert held.batch(torch.arange(3))[0].device == AHEAD
    assert [batch[1].device for batch in held.batches([torch.arange(3)])] == [AHEAD]


def test_batches_from_the_cpus_memory_train_the_same_model(monkeypatch):
    from sweeper.training import residence

    def trained(room, step):
        monkeypatch.setattr(residence, 'free_memory', lambda _: room)
        here = workspace(split=split_of(data(), CPU))
        batches = ShuffledBatches(70, 8, 1)
        training = Workspace(here.problem, here.splits, CPU, step).set_up((), 3, [*batches], 9)
        assert training.kind.kind == step
        Loop(training.step, [0.1] * 9).run(ShuffledBatches(70, 8, 1))
        return [*training.learners[0].model.state_dict().values()]

    for step in ('eager', 'captured'):
        assert all(map(torch.equal, trained(0, step), trained(None, step)))


def test_a_resample_of_both_is_on_the_device_if_both_are(monkeypatch):
    from sweeper.training.resampling.pool import _selected

    split = as_split(data(), CPU)
    held = HostSplit(split.data, CPU)
    chosen = torch.arange(140) % 2 == 0
    expected = _selected(Splits(split, split, None), chosen, split)
    assert type(expected) is InMemorySplit and len(expected) == 70
    for both in ((split, held), (held, split), (held, held)):
        found = _selected(Splits(*both, None), chosen, both[0])
        assert type(found) is HostSplit
        assert all(map(torch.equal, found.data, expected.data))
