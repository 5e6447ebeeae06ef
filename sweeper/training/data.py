"""The data of a problem, in memory where that is possible, batched by indexing."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, TypeGuard

import torch
from torch.nn.utils.rnn import PackedSequence
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset, default_collate

from ..seeding import states_of_other_generators

IN_MEMORY_BYTES = 2**30
"""A split that would take more memory than this as tensors is read item by item."""

_PROBES = 8


Batch: TypeAlias = tuple[Any, torch.Tensor]
"""Inputs and targets."""


class Split(Protocol):
    """One split of a problem's data: batches by index."""

    def __len__(self) -> int: ...

    def batch(self, indices: torch.Tensor) -> Batch:
        """Returns what is at `indices` (a 1-d integer tensor), as one batch."""
        ...

    def batches(self, order: Sequence[torch.Tensor]) -> Iterator[Batch]:
        """Returns one batch after another."""
        ...

    def suspect(self, indices: torch.Tensor) -> Batch | None:
        """Returns a batch of the latest `batches` as it was, if it may have values that are not finite."""
        ...

    def places(self, indices: torch.Tensor) -> list[int]:
        """Returns where samples are in the dataset that the split was made of."""
        ...


class InMemorySplit:
    """A split held as tensors whose first dimension is the sample."""

    def __init__(self, inputs: Any, targets: torch.Tensor, device: torch.device) -> None:
        self.inputs = map_tensors(inputs, lambda tensor: tensor.to(device))
        self.targets = targets.to(device)
        self._device = device

    def __len__(self) -> int:
        return len(self.targets)

    def batch(self, indices: torch.Tensor) -> Batch:
        indices = indices.to(self._device)
        return taken(self.inputs, indices), self.targets[indices]

    def batches(self, order: Sequence[torch.Tensor]) -> Iterator[Batch]:
        return map(self.batch, order)

    def suspect(self, indices: torch.Tensor) -> Batch | None:
        return self.batch(indices)

    def places(self, indices: torch.Tensor) -> list[int]:
        places: list[int] = indices.tolist()
        return places


class ItemSplit:
    """A split read item by item: too large for memory, or different at every reading.

    Args:
        dataset: The items.
        device: Where batches go.
        loader: Says which processes read (its `num_workers`), and how items become a batch.
    """

    def __init__(
        self, dataset: Dataset[Any], device: torch.device, loader: DataLoader[Any] | None = None
    ) -> None:
        self._dataset, self._device = dataset, device
        self._workers = 0 if loader is None else loader.num_workers
        self._worker_init = None if loader is None else loader.worker_init_fn
        self._collate = loader.collate_fn if has_own_collate(loader) else _collate
        self._suspect: tuple[torch.Tensor, Batch] | None = None  # the first batch that is not finite

    def __len__(self) -> int:
        return len(self._dataset)  # type: ignore[arg-type]

    def batch(self, indices: torch.Tensor) -> Batch:
        return self._moved(self._collate([self._dataset[index] for index in indices.tolist()]))

    def batches(self, order: Sequence[torch.Tensor]) -> Iterator[Batch]:
        self._suspect = None
        for indices, batch in zip(order, self._read(order), strict=True):
            if self._suspect is None and not_finite(batch):
                self._suspect = indices, batch
            yield batch

    def suspect(self, indices: torch.Tensor) -> Batch | None:
        found = self._suspect  # one that comes later than another had a finite loss, or came after the first
        return found[1] if found is not None and torch.equal(found[0], indices) else None

    def places(self, indices: torch.Tensor) -> list[int]:
        places: list[int] = indices.tolist()
        return places

    def _read(self, order: Sequence[torch.Tensor]) -> Iterator[Batch]:
        if self._workers == 0:
            return map(self.batch, order)
        # What items draw depends on the run and on which they are, and takes nothing from the model's draws.
        chosen = torch.cat(list(order)).numpy().tobytes()
        seeds = torch.Generator().manual_seed(zlib.crc32(chosen, torch.initial_seed() % 2**32))
        loader = DataLoader(
            self._dataset,
            batch_sampler=[indices.tolist() for indices in order],
            num_workers=self._workers,
            worker_init_fn=self._worker_init,
            collate_fn=self._collate,
            generator=seeds,
        )
        return map(self._moved, loader)

    def _moved(self, batch: Any) -> Batch:
        inputs, targets = batch
        return map_tensors(inputs, lambda tensor: tensor.to(self._device)), targets.to(self._device)


class SplitPart:
    """Some samples of a split.

    Args:
        split: The split to read.
        indices: Which samples, shape `(samples,)`.
    """

    def __init__(self, split: Split, indices: torch.Tensor) -> None:
        self._split, self._indices = split, indices

    def __len__(self) -> int:
        return len(self._indices)

    def batch(self, indices: torch.Tensor) -> Batch:
        return self._split.batch(self._indices[indices])

    def batches(self, order: Sequence[torch.Tensor]) -> Iterator[Batch]:
        return self._split.batches([self._indices[indices] for indices in order])

    def suspect(self, indices: torch.Tensor) -> Batch | None:
        return self._split.suspect(self._indices[indices])

    def places(self, indices: torch.Tensor) -> list[int]:
        return self._split.places(self._indices[indices])


def has_own_collate(dataset: object) -> TypeGuard[DataLoader[Any]]:
    """Whether this is a loader that makes batches of items in a way of its own."""
    return isinstance(dataset, DataLoader) and dataset.collate_fn is not default_collate


def as_split(dataset: Dataset[Any] | DataLoader[Any], device: torch.device) -> Split:
    """Returns `dataset` as a split, as tensors in memory if it is or cheaply becomes tensors.

    It becomes tensors if every item has the same shapes, reading an item twice gives the same values
    (no random augmentation), and all of it fits in `IN_MEMORY_BYTES`. A `DataLoader` with workers or a
    `collate_fn` is taken at its word: they read and collate the items.
    """
    if isinstance(dataset, DataLoader):
        if dataset.num_workers or has_own_collate(dataset):
            return ItemSplit(dataset.dataset, device, dataset)
        dataset = dataset.dataset
    tensors = _tensors_of(dataset)
    if tensors is None and _is_cheap(dataset):
        tensors = _collate([dataset[index] for index in range(len(dataset))])  # type: ignore[arg-type]
    if tensors is None:
        return ItemSplit(dataset, device)
    return InMemorySplit(tensors[0], tensors[1], device)


def _tensors_of(dataset: Dataset[Any]) -> Batch | None:
    """Returns all inputs and targets of a dataset that already is two tensors, or None."""
    if type(dataset) is TensorDataset and len(dataset.tensors) == 2:  # a subclass may change the items
        return dataset.tensors[0], dataset.tensors[1]
    if type(dataset) is Subset:
        whole = _tensors_of(dataset.dataset)
        if whole is not None:
            indices = torch.as_tensor(list(dataset.indices))
            return map_tensors(whole[0], lambda tensor: tensor[indices]), whole[1][indices]
    return None


def _is_cheap(dataset: Dataset[Any]) -> bool:
    size = len(dataset)  # type: ignore[arg-type]
    probes = sorted({index * (size - 1) // max(1, _PROBES - 1) for index in range(_PROBES)})
    first = _collate([dataset[probes[0]]])
    if size * _bytes(first) > IN_MEMORY_BYTES:
        return False
    random_states = _random_states()
    for index in probes:
        item, repeat = _collate([dataset[index]]), _collate([dataset[index]])
        if _shapes(item) != _shapes(first) or not _equal(item, repeat):
            return False
    return _random_states() == random_states  # else reading an item draws at random: an augmentation


def _random_states() -> tuple[Any, ...]:
    return torch.get_rng_state().tolist(), states_of_other_generators()


def _collate(items: Sequence[Any]) -> Batch:
    """Stacks `(input, target)` items into one batch; Python floats become torch's default float."""
    inputs = _as_item(default_collate([item[0] for item in items]), items[0][0])
    targets = default_collate([item[1] for item in items])
    if not isinstance(targets, torch.Tensor):
        raise TypeError(f'a target must be a tensor, an array or a number; got {items[0][1]!r}')
    if isinstance(items[0][1], float):
        targets = targets.to(torch.get_default_dtype())
    return inputs, targets


def map_tensors(tree: Any, function: Any) -> Any:
    """Applies `function` to every tensor of a tensor, or of a tuple, list or dict of tensors."""
    if isinstance(tree, torch.Tensor):
        return function(tree)
    if isinstance(tree, PackedSequence):
        parts = (tree.sorted_indices, tree.unsorted_indices)
        return PackedSequence(
            function(tree.data),
            tree.batch_sizes,
            *(part if part is None else function(part) for part in parts),
        )
    if isinstance(tree, Mapping):
        return _like(tree, {key: map_tensors(value, function) for key, value in tree.items()})
    if isinstance(tree, tuple | list):
        return _like(tree, [map_tensors(value, function) for value in tree])
    raise TypeError(
        f'an input must be a tensor, an array or a number, or a tuple, list or dict of these; '
        f'got {tree!r} ({type(tree).__name__}) in one'
    )


def taken(tree: Any, indices: torch.Tensor) -> Any:
    """A tensor, or a tuple, list or dict of tensors, at these indices, as a copy."""
    return map_tensors(tree, lambda tensor: tensor[indices])


def _like(tree: Any, values: Any) -> Any:
    """Returns values in a container of the same type, as far as that can be made of them."""
    if isinstance(tree, tuple) and hasattr(tree, '_fields'):
        return type(tree)(*values)
    try:
        return type(tree)(values)
    except TypeError:
        return values if isinstance(tree, Mapping) else tuple(values)


def _as_item(inputs: Any, item: Any) -> Any:
    """Returns collated inputs in containers like an item's, its Python floats as torch's default float."""
    if isinstance(item, float) and isinstance(inputs, torch.Tensor):
        return inputs.to(torch.get_default_dtype())
    if isinstance(item, Mapping) and isinstance(inputs, Mapping):
        return _like(item, {key: _as_item(inputs[key], item[key]) for key in inputs})
    if isinstance(item, tuple | list) and isinstance(inputs, tuple | list):
        return _like(item, [_as_item(*both) for both in zip(inputs, item, strict=True)])
    return inputs


def leaves(tree: Any) -> Iterator[torch.Tensor]:
    """The tensors of a tensor, or of a tuple, list or dict of tensors."""
    found: list[torch.Tensor] = []
    map_tensors(tree, found.append)
    yield from found


def not_finite(batch: Batch) -> dict[str, list[int] | None]:
    """What of a batch has values that are NaN or infinite.

    Returns:
        `inputs` or `targets` and the numbers of the samples that have them; None where that cannot be told,
        since a tensor's first dimension is not the sample.
    """
    inputs, targets = batch
    found = {'inputs': _rows(inputs, len(targets)), 'targets': _rows(targets, len(targets))}
    return {name: sorted(rows) or None for name, rows in found.items() if rows is not None}


def _rows(tree: Any, size: int) -> set[int] | None:
    rows: set[int] | None = None
    for tensor in leaves(tree):
        if not _may_be_infinite(tensor) or torch.isfinite(tensor.sum()):
            continue
        is_finite = torch.isfinite(tensor)
        if not is_finite.all():
            rows = rows or set()
            if tensor.ndim and len(tensor) == size:
                rows.update(torch.nonzero(~is_finite.reshape(size, -1).all(1)).flatten().tolist())
    return rows


def _may_be_infinite(tensor: torch.Tensor) -> bool:
    return tensor.is_floating_point() or tensor.is_complex()


def with_zeros(batch: Batch) -> Batch:
    """A batch with 0 in place of the values that are NaN or infinite."""

    def filled(tensor: torch.Tensor) -> torch.Tensor:
        return torch.where(torch.isfinite(tensor), tensor, 0) if _may_be_infinite(tensor) else tensor

    return map_tensors(batch[0], filled), filled(batch[1])


def _bytes(tree: Any) -> int:
    return sum(tensor.nbytes for tensor in leaves(tree))


def _shapes(tree: Any) -> list[torch.Size]:
    return [tensor.shape for tensor in leaves(tree)]


def _equal(one: Any, other: Any) -> bool:
    return all(torch.equal(a, b) for a, b in zip(leaves(one), leaves(other), strict=True))


class ShuffledBatches:
    """The training batches of an epoch, as indices, in a new random order at every iteration.

    There are `ceil(samples / batch_size)` batches whose sizes differ by one at most and do not exceed
    `batch_size`: every sample is used once an epoch, and no stray batch of one sample upsets a
    batch normalisation.

    Args:
        samples: How many samples there are.
        batch_size: The most samples of a batch.
        seed: Seeds the order of the samples in each epoch.
        among: The indices of the samples, shape `(samples,)`; from 0 on by default.
    """

    def __init__(self, samples: int, batch_size: int, seed: int, among: torch.Tensor | None = None) -> None:
        self._samples, self._among = samples, among
        self._count = steps_per_epoch(samples, batch_size)
        self._order = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[torch.Tensor]:
        permutation = torch.randperm(self._samples, generator=self._order)
        if self._among is not None:
            permutation = self._among[permutation]
        return iter(permutation.tensor_split(self._count))


class SizedBatches:
    """Batches of the given sizes, as indices, drawn through one random order of the data after another."""

    def __init__(self, samples: int, sizes: Sequence[int], seed: int) -> None:
        self._samples = samples
        self._sizes = sizes
        self._order = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return len(self._sizes)

    def __iter__(self) -> Iterator[torch.Tensor]:
        left = torch.empty(0, dtype=torch.long)
        for size in self._sizes:
            if len(left) < size:
                left = torch.randperm(self._samples, generator=self._order)
            yield left[:size]
            left = left[size:]


def steps_per_epoch(samples: int, batch_size: int) -> int:
    """Returns how many batches an epoch has."""
    return -(-samples // batch_size)
