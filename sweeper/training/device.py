"""Which device a worker trains on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import InvalidArgument

if TYPE_CHECKING:
    import torch


def check_device(name: str) -> None:
    """Raises `InvalidArgument` if there is no such device; puts nothing on a GPU."""
    import torch

    if name == 'auto':
        return
    gpus = torch.cuda.device_count()
    reason = 'torch knows no such device'
    try:
        device = torch.device(name)
        reason = 'torch cannot compute with it here'
        if device.type != 'cuda':
            torch.zeros(1, device=device).item()
        elif (device.index or 0) >= gpus:
            reason = f'torch sees {gpus}' if gpus else 'torch sees no GPU'
            raise RuntimeError(reason)
    except (RuntimeError, TypeError, AssertionError, NotImplementedError) as error:
        there = "'cpu' or 'cuda'" if gpus else "'cpu'"
        message = (
            f"device={name!r}: must be 'auto' or a torch device that is there, such as {there} ({reason})"
        )
        raise (
            InvalidArgument(message)
            .naming(('device', name))
            .on_command_line(f'--device {name}: {message.partition(": ")[2]}'.replace("'", ''))
        ) from error


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
