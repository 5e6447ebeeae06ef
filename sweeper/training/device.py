"""Which device a worker trains on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def resolve_device(name: str, worker: int) -> torch.device:
    """Returns the device for a worker.

    Args:
        name: A torch device, or `auto`: a GPU if torch has one, the CPU otherwise. `auto` and `cuda`
            deal the GPUs out to the workers in turn.
        worker: The worker's number.
    """
    import torch

    if name == 'auto':
        name = 'cuda' if torch.cuda.is_available() else 'cpu'
    if name == 'cuda':
        name = f'cuda:{worker % torch.cuda.device_count()}'
    return torch.device(name)
