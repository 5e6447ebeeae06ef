"""Batches, inputs and outputs as messages show them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

_MOST_PARTS = 6


def described(value: Any) -> str:
    """Returns the data type and shape of a tensor, the size of the batch left open, or a tree of them."""
    if isinstance(value, torch.Tensor):
        text = f'{value.dtype} of shape {shape_of(value)}'
        if value.dtype in (torch.int64, torch.int32) and value.numel():
            text += f' from {int(value.min())} to {int(value.max())}'
        return text
    if isinstance(value, Mapping) and value:
        parts = [f'{key!r}: {described(part)}' for key, part in [*value.items()][:_MOST_PARTS]]
        return f'{{{_joined(parts, len(value))}}}'
    if isinstance(value, tuple | list) and value and not isinstance(value[0], str | bytes):
        return f'({_joined([described(part) for part in value[:_MOST_PARTS]], len(value))})'
    if value is None or isinstance(value, int | float):
        return repr(value)
    return f'a {type(value).__name__}'


def shape_of(tensor: torch.Tensor, batch: str = 'n') -> str:
    """Returns a tensor's shape, the size of the batch left open."""
    if tensor.ndim == 0:
        return '()'
    rest = ''.join(f', {size}' for size in tensor.shape[1:])
    return f'({batch}{rest or ","})'


def _joined(parts: list[str], count: int) -> str:
    return ', '.join([*parts, '…'] if count > len(parts) else parts)
