"""States as plain values, which are read without pickle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

_PLAIN = (bool, int, float, str, bytes, type(None))


class NotKeepable(Exception):
    """A state cannot be kept, or one that was kept does not fit."""


def as_plain(tree: Any) -> Any:
    """Returns a copy of which every tensor has memory of its own, on the CPU.

    Args:
        tree: Numbers, texts and dense tensors in dicts, lists and tuples.

    Raises:
        NotKeepable: There is something else in it.
    """
    if type(tree) in _PLAIN:
        return tree
    if type(tree) in (torch.Tensor, torch.nn.Parameter) and tree.layout == torch.strided:
        return tree.detach().cpu().clone()
    if isinstance(tree, Mapping):
        return {as_plain(key): as_plain(value) for key, value in tree.items()}
    if type(tree) in (list, tuple):
        return type(tree)(as_plain(value) for value in tree)
    raise NotKeepable(f'it has a {type(tree).__name__}')


@torch.no_grad()
def copy_all(kept: Sequence[torch.Tensor], tensors: Sequence[torch.Tensor]) -> None:
    """Copies kept values into tensors; raises `NotKeepable` if they are of other shapes or types."""
    if [(t.shape, t.dtype) for t in kept] != [(t.shape, t.dtype) for t in tensors]:
        raise NotKeepable('its tensors are others')
    for value, tensor in zip(kept, tensors, strict=True):
        tensor.copy_(value)


def are_equal(tree: Any, other: Any) -> bool:
    """Whether two plain values are the same, to the bit."""
    if type(tree) is not type(other):
        return False
    if isinstance(tree, torch.Tensor):
        return tree.dtype == other.dtype and _bytes(tree) == _bytes(other)
    if isinstance(tree, dict):
        return tree.keys() == other.keys() and all(are_equal(tree[key], other[key]) for key in tree)
    if isinstance(tree, list | tuple):
        return len(tree) == len(other) and all(map(are_equal, tree, other))
    return bool(tree == other)


def _bytes(tensor: torch.Tensor) -> bytes:
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
