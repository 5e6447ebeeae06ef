"""Which GPUs this process may use, by the names that a worker is given them by.

What CUDA shows to this process is all that counts: `CUDA_VISIBLE_DEVICES`, as a batch system, Ray or a user
has set it, is taken over name by name. Numbers stay numbers, UUIDs stay UUIDs, and so do parts of a card
(MIG), of which CUDA shows a process only the first, whereas each worker may have its own.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress

from ...garbage import uncollected

VISIBLE = 'CUDA_VISIBLE_DEVICES'

_NVML = ('libnvidia-ml.so.1', 'nvml.dll')
_MIG = 'MIG-'
_OF_UUID = ('GPU-', _MIG)


def visible_gpus(device: str, environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Returns the NVIDIA GPUs that a sweep on a device can deal out, as `CUDA_VISIBLE_DEVICES` names them.

    Nothing is put on a GPU. Torch is imported only if there is a driver.

    Args:
        device: As `sweep` takes it: `auto` and `cuda` mean all that are visible, `cuda:1` that one of them.
        environ: The environment.

    Returns:
        Their names; none for other devices, and none if torch was not built for CUDA.
    """
    kind, _, index = device.partition(':')
    if kind not in ('auto', 'cuda') or not ('torch' in sys.modules or _has_driver()):
        return ()
    names = named_gpus(environ.get(VISIBLE))
    if not (names and names[0].startswith(_MIG)):  # torch counts those only by taking hold of one
        count = _count_gpus()
        names = tuple(map(str, range(count))) if names is None else names[:count]
    if not index:
        return names
    return (names[int(index)],) if index.isdecimal() and int(index) < len(names) else ()


def named_gpus(value: str | None) -> tuple[str, ...] | None:
    """Returns the GPUs that a value of `CUDA_VISIBLE_DEVICES` names; None if it is not set, for all.

    As CUDA reads it: names go up to the first that cannot be one or is of another kind than the first; a
    name that is there twice means none at all.
    """
    if value is None:
        return None
    prefix = next((prefix for prefix in _OF_UUID if value.strip().startswith(prefix)), None)
    names: list[str] = []
    for part in value.split(','):
        if prefix is not None:
            name = part.strip() if part.strip().startswith(prefix) else None
        else:
            number = re.match(r'\+?(\d+)', part.strip())
            name = str(int(number[1])) if number else None
        if name is None:
            break
        if name in names:
            return ()
        names.append(name)
    return tuple(names)


def in_groups(gpus: Sequence[str], gpus_per_run: int) -> list[tuple[str, ...]]:
    """Returns the GPUs that workers get together, neighbours in the given order; the last may be left out."""
    whole = len(gpus) - len(gpus) % gpus_per_run
    return [tuple(gpus[start : start + gpus_per_run]) for start in range(0, whole, gpus_per_run)]


def _has_driver() -> bool:
    for name in _NVML:
        with suppress(OSError):
            ctypes.CDLL(name)
            return True
    return False


def _count_gpus() -> int:
    with uncollected():
        import torch

    return torch.cuda.device_count() if torch.version.cuda is not None else 0
