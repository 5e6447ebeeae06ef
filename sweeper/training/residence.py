"""Data that is in memory: on the device if it fits there, else in the CPU's memory."""

from __future__ import annotations

import torch

from .data import Batch, InMemorySplit, leaves, map_tensors, taken
from .transfer import free_memory, onto

_SHARE = 2
"""Data may take one part in so many of what is free on a GPU; models need the rest."""


class HostSplit(InMemorySplit):
    """A split held as tensors on the CPU, whose batches go to a device as they are needed.

    Args:
        data: All items as one batch.
        device: Where batches go.
    """

    is_resident = False

    def __init__(self, data: Batch, device: torch.device) -> None:
        super().__init__(data, torch.device('cpu'))
        self.device = device

    def batch(self, indices: torch.Tensor) -> Batch:
        return map_tensors(taken(self.data, indices), lambda tensor: onto(tensor, self.device))


def resident(split: InMemorySplit, device: torch.device) -> InMemorySplit:
    """Returns a split for a device: its data are there if that leaves enough room for models.

    Which it is makes no difference to batches, and so to results.
    """
    room = free_memory(device)
    size = sum(tensor.nbytes for tensor in leaves(split.data))
    kind = InMemorySplit if room is None or size * _SHARE <= room else HostSplit
    return kind(split.data, device)
