import itertools
import os
from collections import OrderedDict, UserDict
from typing import NamedTuple

import numpy as np
import pytest
import torch
import torch.nn.utils.rnn
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset

from sweeper.training import data
from sweeper.training.batches import ShuffledBatches, SizedBatches, steps_per_epoch
from sweeper.training.checking.loaders import reading_options
from sweeper.training.data import (
    InMemorySplit,
    ItemSplit,
    as_split,
    leaves,
)

CPU = torch.device('cpu')


class Items(Dataset):
    """A map-style dataset that computes its items."""

    def __init__(self, item, size=20):
        self.item, self.size = item, size

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        if not 0 <= index < self.size:
            raise IndexError(index)
        return self.item(index)


def tensors(size=20):
    return TensorDataset(torch.arange(size * 3.0).reshape(size, 3), torch.arange(size))


def assert_same_batches(one, other, *index_lists):
    assert len(one) == len(other)
    for indices in index_lists or ([0], [3, 1, 2], [5, 5]):
        (x, y), (x2, y2) = one.batch(torch.tensor(indices)), other.batch(torch.tensor(indices))
        assert data._equal((x, y), (x2, y2))
        assert data._shapes((x, y)) == data._shapes((x2, y2))
        assert y.dtype == y2.dtype


@pytest.mark.parametrize(
    'dataset',
    [
        tensors(),
        Subset(tensors(), [7, 3, 3, 9, 0, 1]),
        Subset(tensors(), np.array([7, 3, 3, 9, 0, 1])),
        Subset(Subset(tensors(), range(10, 20)), [9, 8, 7, 0, 1, 2]),
        Subset(Items(lambda i: (torch.full((2,), float(i)), i)), [5, 4, 3, 2, 1, 0]),
        Items(lambda i: (torch.full((2,), float(i)), i % 3)),
        Items(lambda i: (np.full((2, 2), i, dtype=np.float32), np.int64(i))),
        Items(lambda i: (float(i), float(i))),
        Items(lambda i: ({'a': torch.full((2,), float(i)), 'b': i}, i)),
        Items(lambda i: ((torch.full((2,), float(i)), np.float32(i)), i)),
        Items(lambda i: [torch.full((2,), float(i)), torch.eye(2)[i % 2]]),
    ],
    ids=lambda dataset: type(dataset).__name__,
)
def test_what_is_or_cheaply_becomes_tensors_is_in_memory_with_the_batches_of_the_items(dataset):
    split = as_split(dataset, CPU)
    assert isinstance(split, InMemorySplit)
    assert_same_batches(split, ItemSplit(dataset, CPU))


def test_a_batch_holds_the_samples_asked_for_in_order():
    split = as_split(Subset(Subset(tensors(), range(10, 20)), [9, 8, 7]), CPU)
    inputs, targets = split.batch(torch.tensor([2, 0]))
    assert targets.tolist() == [17, 19]
    assert inputs.tolist() == [[51.0, 52.0, 53.0], [57.0, 58.0, 59.0]]


def test_inputs_keep_the_structure_of_a_dict_or_a_tuple():
    named = as_split(Items(lambda i: ({'a': torch.ones(2), 'b': float(i)}, i)), CPU)
    inputs, _ = named.batch(torch.tensor([4, 5]))
    assert inputs.keys() == {'a', 'b'}
    assert inputs['a'].shape == (2, 2)
    assert inputs['b'].tolist() == [4.0, 5.0]
    pair = as_split(Items(lambda i: ((torch.ones(2), i), i)), CPU)
    inputs, _ = pair.batch(torch.tensor([4, 5]))
    assert isinstance(inputs, tuple)
    assert inputs[1].tolist() == [4, 5]


def test_python_float_targets_are_of_the_default_dtype():
    split = as_split(Items(lambda i: (torch.ones(1), i / 3)), CPU)
    assert split.batch(torch.tensor([1]))[1].dtype == torch.float32


def test_a_dataset_that_augments_at_random_is_read_item_by_item():
    dataset = Items(lambda i: (torch.full((2,), float(i)) + torch.rand(2), i))
    split = as_split(dataset, CPU)
    assert isinstance(split, ItemSplit)
    one, again = split.batch(torch.tensor([0, 1]))[0], split.batch(torch.tensor([0, 1]))[0]
    assert not torch.equal(one, again)


def test_a_tensor_dataset_that_is_subclassed_to_augment_keeps_its_augmentation():
    class Noisy(TensorDataset):
        def __getitem__(self, index):
            inputs, target = super().__getitem__(index)
            return inputs + torch.rand(inputs.shape), target

    for dataset in (Noisy(*tensors().tensors), Subset(Noisy(*tensors().tensors), range(10))):
        assert isinstance(as_split(dataset, CPU), ItemSplit)


def test_a_tensor_dataset_that_is_subclassed_to_normalise_keeps_its_values():
    class Negated(TensorDataset):
        def __getitem__(self, index):
            inputs, target = super().__getitem__(index)
            return -inputs, target

    split = as_split(Negated(*tensors().tensors), CPU)
    assert isinstance(split, InMemorySplit)
    assert split.batch(torch.tensor([1]))[0].tolist() == [[-3.0, -4.0, -5.0]]


def test_items_of_different_shapes_are_read_item_by_item():
    split = as_split(Items(lambda i: (torch.ones(1 + i), i)), CPU)
    assert isinstance(split, ItemSplit)
    assert split.batch(torch.tensor([4]))[0].shape == (1, 5)


def test_what_is_too_large_for_memory_is_read_item_by_item(monkeypatch):
    dataset = Items(lambda i: (torch.ones(8), torch.ones(2)))  # 40 bytes per item
    monkeypatch.setattr(data, 'IN_MEMORY_BYTES', 20 * 40)
    assert isinstance(as_split(dataset, CPU), InMemorySplit)
    monkeypatch.setattr(data, 'IN_MEMORY_BYTES', 20 * 40 - 1)
    split = as_split(dataset, CPU)
    assert isinstance(split, ItemSplit)
    inputs, targets = split.batch(torch.tensor([3, 4]))
    assert inputs.shape == (2, 8)
    assert targets.shape == (2, 2)


def who_reads(index):
    return torch.tensor([float(index), float(os.getpid())]), index


def test_the_workers_of_a_loader_read_its_items():
    split = as_split(DataLoader(Items(who_reads), batch_size=99, shuffle=True, num_workers=2), CPU)
    assert len(split) == 20
    order = [torch.tensor([3, 1]), torch.tensor([4]), torch.tensor([0, 2, 5])]
    read = [(inputs, targets.tolist()) for inputs, targets in split.batches(order)]
    assert [targets for _, targets in read] == [indices.tolist() for indices in order]
    assert [inputs[:, 0].tolist() for inputs, _ in read] == [targets for _, targets in read]
    processes = {pid for inputs, _ in read for pid in inputs[:, 1].tolist()}
    assert len(processes) == 2 and os.getpid() not in processes


def test_the_workers_of_a_loader_start_as_it_says():
    options = {'timeout': 50, 'prefetch_factor': 3, 'worker_init_fn': who_reads}
    loader = DataLoader(tensors(), num_workers=2, multiprocessing_context='spawn', **options)
    options['num_workers'] = 2
    used = reading_options(loader)
    assert used.pop('multiprocessing_context').get_start_method() == 'spawn'
    assert used == options
    assert reading_options(DataLoader(tensors())) == reading_options(None) == {'num_workers': 0}


def padded(items):
    inputs, targets = zip(*items, strict=True)
    return torch.nn.utils.rnn.pad_sequence(list(inputs), batch_first=True), torch.tensor(targets)


@pytest.mark.parametrize('workers', [0, 1])
def test_a_loader_may_say_how_items_become_a_batch(workers):
    items = Items(lambda i: (torch.ones(1 + i), i))
    split = as_split(DataLoader(items, collate_fn=padded, num_workers=workers), CPU)
    [(inputs, targets)] = split.batches([torch.tensor([4, 1])])
    assert inputs.tolist() == [[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]]
    assert targets.tolist() == [4, 1]


def test_a_loader_that_asks_for_nothing_is_its_dataset():
    split = as_split(DataLoader(tensors(), batch_size=3), CPU)
    assert isinstance(split, InMemorySplit)
    assert_same_batches(split, as_split(tensors(), CPU))


@pytest.mark.parametrize('size', [1, 2, 7, 8, 9])
def test_small_datasets_are_taken_whole(size):
    split = as_split(Items(lambda i: (torch.ones(2), i), size), CPU)
    assert split.batch(torch.arange(size))[1].tolist() == list(range(size))


def epoch(batches):
    return [indices.tolist() for indices in batches]


@given(samples=st.integers(1, 300), batch_size=st.integers(1, 350), seed=st.integers(0, 2**62))
def test_an_epoch_has_every_sample_once_in_batches_of_nearly_one_size(samples, batch_size, seed):
    batches = ShuffledBatches(samples, batch_size, seed)
    for _ in range(2):
        found = epoch(batches)
        sizes = [len(batch) for batch in found]
        assert sorted(itertools.chain(*found)) == list(range(samples))
        assert len(found) == len(batches) == steps_per_epoch(samples, batch_size)
        assert max(sizes) - min(sizes) <= 1
        assert max(sizes) <= batch_size


def test_epochs_are_in_new_orders_and_the_same_by_seed():
    one, same, other = (ShuffledBatches(64, 8, seed) for seed in (5, 5, 6))
    first, second = epoch(one), epoch(one)
    assert first != second
    assert [epoch(same), epoch(same)] == [first, second]
    assert epoch(other) != first


def test_the_order_of_the_data_leaves_the_global_random_state_alone():
    state = torch.get_rng_state()
    epoch(ShuffledBatches(64, 8, 0))
    epoch(SizedBatches(64, [8, 9], 0))
    assert torch.equal(torch.get_rng_state(), state)


@given(samples=st.integers(1, 60), data_=st.data(), seed=st.integers(0, 2**62))
def test_sized_batches_have_the_sizes_asked_and_no_sample_twice(samples, data_, seed):
    sizes = data_.draw(st.lists(st.integers(1, samples), min_size=1, max_size=20))
    batches = SizedBatches(samples, sizes, seed)
    found = epoch(batches)
    assert [len(batch) for batch in found] == sizes
    assert len(batches) == len(sizes)
    assert all(len(set(batch)) == len(batch) for batch in found)
    assert epoch(SizedBatches(samples, sizes, seed)) == found


def test_sized_batches_go_through_all_the_data_before_they_repeat_any():
    found = epoch(SizedBatches(10, [4, 6, 5, 5], 0))
    assert sorted(found[0] + found[1]) == list(range(10)) == sorted(found[2] + found[3])
    assert found[0] + found[1] != found[2] + found[3]


class Pair(NamedTuple):
    left: torch.Tensor
    right: torch.Tensor


@pytest.mark.parametrize(
    'item',
    [
        Pair(torch.ones(2), torch.zeros(3)),
        [torch.ones(2), torch.zeros(3)],
        (torch.ones(2), torch.zeros(3)),
        {'a': torch.ones(2)},
        UserDict(a=torch.ones(2)),
        OrderedDict(a=torch.ones(2)),
        {'a': Pair(torch.ones(2), [torch.ones(1)])},
    ],
    ids=lambda item: type(item).__name__,
)
def test_containers_of_inputs_keep_their_type(item):
    def kinds(tree):
        if isinstance(tree, torch.Tensor):
            return None
        inner = tree.values() if hasattr(tree, 'values') else tree
        return type(tree), [kinds(one) for one in inner]

    split = as_split([(item, 0)] * 6, torch.device('cpu'))
    assert isinstance(split, InMemorySplit)
    assert kinds(split.batch(torch.arange(2))[0]) == kinds(item)


@pytest.mark.parametrize('item', [0.5, (0.5, 1.5), {'a': 0.5}, Pair(0.5, [2.5])])
def test_python_floats_are_of_the_default_type_as_inputs_too(item):
    split = as_split([(item, 0.5)] * 6, torch.device('cpu'))
    inputs, targets = split.batch(torch.arange(2))
    assert {tensor.dtype for tensor in leaves(inputs)} == {targets.dtype} == {torch.float32}


def test_packed_sequences_stay_what_they_are():
    def collate(items):
        inputs, targets = zip(*items, strict=True)
        return torch.nn.utils.rnn.pack_sequence(inputs, enforce_sorted=False), torch.tensor(targets)

    items = [(torch.full((n, 2), float(n)), n) for n in (1, 3, 2)]
    split = as_split(DataLoader(items, collate_fn=collate), torch.device('cpu'))
    inputs, _ = split.batch(torch.arange(3))
    assert isinstance(inputs, torch.nn.utils.rnn.PackedSequence)
    padded, lengths = torch.nn.utils.rnn.pad_packed_sequence(inputs, batch_first=True)
    assert lengths.tolist() == [1, 3, 2] and padded[1, 2].tolist() == [3, 3]
