"""How indices and batches get onto a device without Python waiting for it.

A copy from ordinary memory to a GPU waits until the GPU has taken it; one from pinned memory is only queued
(torch's *CUDA semantics*, *Use pinned memory buffers*). Torch's allocator does not give pinned memory to
others before a queued copy has been made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch


def runs_ahead(device: torch.device) -> bool:
    """Whether Python goes on while the device computes, so that reading a number makes it wait."""
    return device.type != 'cpu'


def onto(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Returns a tensor on a device; the copy is queued, not waited for, if it goes from the CPU to a GPU."""
    if tensor.device.type != 'cpu' or not runs_ahead(device):
        return tensor.to(device)
    return pinned(tensor, device).to(device, non_blocking=True)


def pinned(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Returns a tensor of the CPU in memory from which a device can take it by itself."""
    return tensor.pin_memory() if device.type == 'cuda' else tensor


def all_onto(tensors: Sequence[torch.Tensor], device: torch.device) -> Sequence[torch.Tensor]:
    """Returns tensors of one type, such as the indices of some batches, on a device, by a single copy."""
    if not runs_ahead(device) or not tensors or tensors[0].device.type != 'cpu':
        return tensors
    joined = onto(torch.cat([tensor.reshape(-1) for tensor in tensors]), device)
    parts = torch.split(joined, [tensor.numel() for tensor in tensors])
    return [part.view(tensor.shape) for part, tensor in zip(parts, tensors, strict=True)]


def free_memory(device: torch.device) -> int | None:
    """Returns how many bytes of a GPU nobody has taken; None where that is not known, or the CPU's."""
    return torch.cuda.mem_get_info(device)[0] if device.type == 'cuda' else None


def numbers(rows: Sequence[Sequence[torch.Tensor | None]]) -> list[list[Any]]:
    """Reads rows of scalar tensors, None where there is none, in one go if the device runs ahead."""
    scalars = [scalar for row in rows for scalar in row if scalar is not None]
    if scalars and runs_ahead(scalars[0].device):
        values = iter(torch.stack([scalar.detach().double().reshape(()) for scalar in scalars]).tolist())
    else:
        values = (scalar.item() for scalar in scalars)
    return [[None if scalar is None else next(values) for scalar in row] for row in rows]
