"""A batch in parts, whose gradients are accumulated before one update."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import torch
from torch.nn.utils.rnn import PackedSequence, pack_sequence, unpack_sequence

from .data import Batch, like
from .objective import Objective, Outputs


def forward_in_parts(
    objective: Objective, model: torch.nn.Module, batch: Batch, parts: int
) -> Iterator[tuple[torch.Tensor, Outputs, float]]:
    """Computes the loss of one part of a batch after another.

    Yields:
        The loss times the part's share of the samples, what gives the outputs and targets to score, and the
        share. These losses add up to the batch's mean.
    """
    for part, share in parts_of(batch, parts):
        loss, outputs = objective.forward(model, part)
        yield loss * share, outputs, share


def parts_of(batch: Batch, count: int) -> list[tuple[Batch, float]]:
    """Divides a batch by its samples.

    Args:
        batch: Its tensors' first dimension is the sample.
        count: How many parts; fewer if there are fewer samples.

    Returns:
        The parts, whose sizes differ by one at most, and their shares of the samples.

    Raises:
        ValueError: Its tensors differ in their first dimension.
    """
    sizes = {*_sizes(batch)}
    if len(sizes) != 1 or None in sizes:
        lengths = ', '.join(sorted('none' if size is None else str(size) for size in sizes))
        raise ValueError(
            f'a batch can be divided only if the first dimension of all its tensors is the sample; it is of '
            f'size {lengths or "none"}'
        )
    size = int(sizes.pop())  # type: ignore[arg-type]
    count = min(count, size)
    bounds = [size * k // count for k in range(count + 1)]
    return [(_part(batch, start, stop), (stop - start) / size) for start, stop in pairwise(bounds)]


def _is_texts(tree: Any) -> bool:
    return (
        isinstance(tree, tuple | list) and bool(tree) and all(isinstance(leaf, str | bytes) for leaf in tree)
    )


def _sizes(tree: Any) -> Iterator[int | None]:
    if isinstance(tree, torch.Tensor):
        yield tree.shape[0] if tree.ndim else None
    elif isinstance(tree, PackedSequence):
        yield int(tree.batch_sizes[0])
    elif _is_texts(tree):
        yield len(tree)
    elif isinstance(tree, Mapping | tuple | list):
        for value in tree.values() if isinstance(tree, Mapping) else tree:
            yield from _sizes(value)


def _part(tree: Any, start: int, stop: int) -> Any:
    if isinstance(tree, torch.Tensor) or _is_texts(tree):
        return tree[start:stop]
    if isinstance(tree, PackedSequence):
        return pack_sequence(unpack_sequence(tree)[start:stop], enforce_sorted=False)
    if isinstance(tree, Mapping):
        return like(tree, {key: _part(value, start, stop) for key, value in tree.items()})
    if isinstance(tree, tuple | list):
        return like(tree, [_part(value, start, stop) for value in tree])
    return tree
