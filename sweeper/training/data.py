"""The data of a problem, in memory where that is possible, batched by indexing."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from typing import Any, Protocol, TypeAlias, TypeGuard

import torch
from torch.nn.utils.rnn import PackedSequence
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset, default_collate

from ..seeding import states_of_other_generators
from .checking.loaders import reading_options
from .transfer import all_onto, onto

IN_MEMORY_BYTES = 2**30
"""A split that would take more memory than this as tensors is read item by item."""

_PROBES = 8
_LONGEST_REPR = 80


Batch: TypeAlias = Any
"""What items are collated to: inputs and targets, or whatever a problem's own step takes."""


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
    """A split held as tensors whose first dimension is the sample.

    Args:
        data: All items as one batch.
        device: Where it goes, and batches are.

    Attributes:
        is_resident: Whether the data are where batches are.
    """

    is_resident = True

    def __init__(self, data: Batch, device: torch.device) -> None:
        self.data = map_tensors(data, lambda tensor: tensor.to(device))
        self.device = device
        self._size = len(next(leaves(data)))

    def __len__(self) -> int:
        return self._size

    def batch(self, indices: torch.Tensor) -> Batch:
        return taken(self.data, onto(indices, self.device))

    def batches(self, order: Sequence[torch.Tensor]) -> Iterator[Batch]:
        return map(self.batch, all_onto(order, self.device) if self.is_resident else order)

    def suspect(self, indices: torch.Tensor) -> Batch | None:
        return self.batch(indices)

    def places(self, indices: torch.Tensor) -> list[int]:
        places: list[int] = indices.tolist()
        return places


class NoData:
    """What a problem without data trains on: a batch is the number of its samples, such as episodes.

    Args:
        size: How many samples an epoch has.
    """

    def __init__(self, size: int) -> None:
        self._size = size

    def __len__(self) -> int:
        return self._size

    def batch(self, indices: torch.Tensor) -> Batch:
        return len(indices)

    def batches(self, order: Sequence[torch.Tensor]) -> Iterator[Batch]:
        return map(self.batch, order)

    def suspect(self, indices: torch.Tensor) -> Batch | None:
        return None

    def places(self, indices: torch.Tensor) -> list[int]:
        places: list[int] = indices.tolist()
        return places


class ItemSplit:
    """A split read item by item: too large for memory, or different at every reading.

    Args:
        dataset: The items.
        device: Where batches go.
        loader: Says which processes read (its `num_workers` and their options), and how items become a batch.
    """

    def __init__(
        self, dataset: Dataset[Any], device: torch.device, loader: DataLoader[Any] | None = None
    ) -> None:
        self._dataset, self._device = dataset, device
        self._reading = reading_options(loader)
        self._collate = loader.collate_fn if has_own_collate(loader) else _collate
        self._suspect: tuple[torch.Tensor, Batch] | None = None  # the first batch that is not finite

    @property
    def dataset(self) -> Dataset[Any]:
        """The items."""
        return self._dataset

    def of(self, dataset: Dataset[Any]) -> ItemSplit:
        """Returns other items as a split, read and put into batches in the same way."""
        other = copy(self)
        other._dataset, other._suspect = dataset, None
        return other

    def on(self, device: torch.device) -> ItemSplit:
        """Returns the same items as a split whose batches go to a device."""
        other = copy(self)
        other._device = device
        return other

    @property
    def sources(self) -> tuple[object, ...]:
        """What reads items, and makes batches of them."""
        return self._dataset, self._collate, self._reading

    def __len__(self) -> int:
        return len(self._dataset)  # type: ignore[arg-type]

    def batch(self, indices: torch.Tensor) -> Batch:
        return self._moved(self._items(indices))

    def batches(self, order: Sequence[torch.Tensor]) -> Iterator[Batch]:
        self._suspect = None
        for indices, batch in zip(order, self._read(order), strict=True):
            if self._suspect is None and not_finite(batch, len(indices)):
                self._suspect = indices, batch
            yield self._moved(batch)

    def suspect(self, indices: torch.Tensor) -> Batch | None:
        suspect = self._suspect  # a later one had a finite loss, or came after the first
        is_it = suspect is not None and torch.equal(suspect[0], indices)
        return self._moved(suspect[1]) if suspect is not None and is_it else None

    def places(self, indices: torch.Tensor) -> list[int]:
        places: list[int] = indices.tolist()
        return places

    def _items(self, indices: torch.Tensor) -> Batch:
        return self._collate([self._dataset[index] for index in indices.tolist()])

    def _read(self, order: Sequence[torch.Tensor]) -> Iterator[Batch]:
        """Reads one batch after another, on the CPU, where looking at their values is no waiting."""
        if self._reading['num_workers'] == 0:
            return map(self._items, order)
        # What items draw depends on the run and on which they are, and takes nothing from the model's draws.
        chosen = torch.cat(list(order)).numpy().tobytes()
        seeds = torch.Generator().manual_seed(zlib.crc32(chosen, torch.initial_seed() % 2**32))
        loader = DataLoader(
            self._dataset,
            batch_sampler=[indices.tolist() for indices in order],
            collate_fn=self._collate,
            generator=seeds,
            **self._reading,
        )
        return iter(loader)

    def _moved(self, batch: Batch) -> Batch:
        return map_tensors(batch, lambda tensor: onto(tensor, self._device))


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


def as_split(dataset: Dataset[Any] | DataLoader[Any], device: torch.device) -> InMemorySplit | ItemSplit:
    """Returns `dataset` as a split, as tensors in memory if it is or cheaply becomes tensors.

    It becomes tensors if every item has the same shapes, reading an item twice gives the same values
    (no random augmentation), and all of it fits in `IN_MEMORY_BYTES`. A `DataLoader` with workers or a
    `collate_fn` is taken at its word: they read and collate the items.
    """
    if isinstance(dataset, DataLoader):
        if dataset.num_workers or has_own_collate(dataset):
            return ItemSplit(dataset.dataset, device, dataset)
        dataset = dataset.dataset
    data = _tensors_of(dataset)
    if data is None and _is_cheap(dataset):
        data = _collate([dataset[index] for index in range(len(dataset))])  # type: ignore[arg-type]
    return ItemSplit(dataset, device) if data is None else InMemorySplit(data, device)


def _tensors_of(dataset: Dataset[Any]) -> Batch | None:
    """Returns all items of a dataset that already is tensors as one batch, or None."""
    if type(dataset) is TensorDataset:  # a subclass may change the items
        return tuple(dataset.tensors)
    if type(dataset) is Subset:
        whole = _tensors_of(dataset.dataset)
        if whole is not None:
            return taken(whole, torch.as_tensor(list(dataset.indices)))
    return None


def _is_cheap(dataset: Dataset[Any]) -> bool:
    size, probes = len(dataset), probed(dataset)  # type: ignore[arg-type]
    first = _collate([dataset[probes[0]]])
    if size * _bytes(first) > IN_MEMORY_BYTES or not is_tensors(first):
        return False
    random_states = _random_states()
    for index in probes:
        item, repeat = _collate([dataset[index]]), _collate([dataset[index]])
        if _shapes(item) != _shapes(first) or not _equal(item, repeat):
            return False
    return _random_states() == random_states  # else reading an item draws at random: an augmentation


def probed(dataset: Dataset[Any]) -> list[int]:
    """Returns the indices of a few items that are spread over a dataset."""
    size = len(dataset)  # type: ignore[arg-type]
    return sorted({index * (size - 1) // max(1, _PROBES - 1) for index in range(_PROBES)})


def has_random_items(dataset: Dataset[Any]) -> bool:
    """Whether items of a dataset are drawn at random when they are read, as far as some of them tell."""
    random_states = _random_states()
    for index in probed(dataset):
        item, repeat = dataset[index], dataset[index]
        try:
            if not _equal(_collate([item]), _collate([repeat])):
                return True
        except (TypeError, ValueError, RuntimeError):  # only a collate_fn of its own can tell
            pass
    return _random_states() != random_states


def _random_states() -> tuple[Any, ...]:
    return torch.get_rng_state().tolist(), states_of_other_generators()


def _collate(items: Sequence[Any]) -> Batch:
    """Stacks items into one batch, in containers like theirs; Python floats become torch's default float."""
    return _as_item(default_collate(list(items)), items[0])


def is_pair(batch: Batch) -> bool:
    """Whether a batch, or an item, is inputs and targets."""
    return isinstance(batch, tuple | list) and len(batch) == 2


def pair_of(batch: Batch) -> tuple[Any, torch.Tensor]:
    """Returns a batch's inputs and targets.

    Raises:
        TypeError: It is no pair of them.
    """
    if not is_pair(batch):
        kind = f'{len(batch)} parts' if isinstance(batch, tuple | list) else f'a {type(batch).__name__}'
        raise TypeError(f'a batch must be (inputs, targets) for the default step and metrics; got {kind}')
    inputs, targets = batch
    return inputs, targets


def inputs_of(batch: Batch) -> Any:
    """Returns a batch's inputs, or all of one that is no pair."""
    return batch[0] if is_pair(batch) else batch


def has_label(batch: Batch, label: int) -> bool:
    """Whether the targets of a batch have this label."""
    return is_pair(batch) and isinstance(batch[1], torch.Tensor) and bool((batch[1] == label).any())


def map_tensors(tree: Any, function: Any) -> Any:
    """Applies `function` to every tensor of a tensor, or of a tuple, list or dict of tensors and texts."""
    if isinstance(tree, torch.Tensor):
        return function(tree)
    if isinstance(tree, PackedSequence):
        parts = (tree.sorted_indices, tree.unsorted_indices)
        return PackedSequence(
            function(tree.data),
            tree.batch_sizes,
            *(part if part is None else function(part) for part in parts),
        )
    if isinstance(tree, str | bytes):
        return tree
    if isinstance(tree, Mapping):
        return like(tree, {key: map_tensors(value, function) for key, value in tree.items()})
    if isinstance(tree, tuple | list):
        return like(tree, [map_tensors(value, function) for value in tree])
    raise TypeError(
        f'an input must be a tensor, an array or a number, or a tuple, list or dict of these; '
        f'got {" ".join(repr(tree).split())[:_LONGEST_REPR]} ({type(tree).__name__}) in one'
    )


def taken(tree: Any, indices: torch.Tensor) -> Any:
    """A tensor, or a tuple, list or dict of tensors, at these indices, as a copy."""
    return map_tensors(tree, lambda tensor: tensor[indices])


def first_text(tree: Any) -> str | bytes | None:
    """Returns a text of a tree, if it has any."""
    if isinstance(tree, str | bytes):
        return tree
    parts = tree.values() if isinstance(tree, Mapping) else tree if isinstance(tree, tuple | list) else ()
    return next((text for part in parts if (text := first_text(part)) is not None), None)


def is_tensors(tree: Any) -> bool:
    """Whether all that is in a tree are tensors whose first dimension may be the sample."""
    if isinstance(tree, Mapping):
        return all(map(is_tensors, tree.values()))
    if isinstance(tree, tuple | list) and not isinstance(tree, PackedSequence):
        return all(map(is_tensors, tree))
    return isinstance(tree, torch.Tensor)


def like(tree: Any, values: Any) -> Any:
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
        return like(item, {key: _as_item(inputs[key], item[key]) for key in inputs})
    if isinstance(item, tuple | list) and isinstance(inputs, tuple | list):
        return like(item, [_as_item(*both) for both in zip(inputs, item, strict=True)])
    return inputs


def leaves(tree: Any) -> Iterator[torch.Tensor]:
    """The tensors of a tensor, or of a tuple, list or dict of tensors."""
    tensors: list[torch.Tensor] = []
    map_tensors(tree, tensors.append)
    yield from tensors


def not_finite(batch: Batch, size: int) -> dict[str, list[int] | None]:
    """What of a batch has values that are NaN or infinite.

    Args:
        batch: The batch.
        size: How many samples it has.

    Returns:
        `inputs` or `targets` (of a batch that is no pair: `items`) and the numbers of the samples that have
        them; None where that cannot be told, since a tensor's first dimension is not the sample.
    """
    parts = dict(zip(('inputs', 'targets'), batch, strict=True)) if is_pair(batch) else {'items': batch}
    rows_of = {name: _rows(part, size) for name, part in parts.items()}
    return {name: sorted(rows) or None for name, rows in rows_of.items() if rows is not None}


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

    return map_tensors(batch, filled)


def _bytes(tree: Any) -> int:
    return sum(tensor.nbytes for tensor in leaves(tree))


def _shapes(tree: Any) -> list[torch.Size]:
    return [tensor.shape for tensor in leaves(tree)]


def _equal(tree: Any, other: Any) -> bool:
    return all(torch.equal(a, b) for a, b in zip(leaves(tree), leaves(other), strict=True))
