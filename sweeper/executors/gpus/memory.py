"""What runs take of a GPU's memory, measured in the process that runs them, and when it was not enough."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch

# How torch and the libraries below it say that a GPU has no memory left. A library that finds none for its
# own state only says that it could not be initialised.
_OUT_OF_MEMORY = re.compile(
    r'^(?:[\w.]*\bOutOfMemoryError\b|\S.*(?:CUDA out of memory|CUDA error: out of memory'
    r'|CU\w+_STATUS_(?:ALLOC_FAILED|NOT_INITIALIZED)|CUFFT_ALLOC_FAILED|DEVICE_ALLOCATION_FAILED'
    r'|cudaErrorMemoryAllocation))',
    re.MULTILINE,
)


@dataclass(frozen=True)
class GpuMemory:
    """The memory of a GPU, as a process on it sees it at the end of a run, in bytes.

    Attributes:
        peak: The most that torch had reserved during the run, data of the problem included. What CUDA itself
            takes for each process is not.
        reserved: What torch has reserved since the run ended.
        free: What nobody uses.
        total: What the GPU has.
    """

    peak: int
    reserved: int
    free: int
    total: int


class MemoryMeter(Protocol):
    """Measures the runs of a process, one after another."""

    def begin(self) -> None:
        """Called before a run."""

    def end(self) -> GpuMemory:
        """Called after a run, or before any.

        Raises:
            RuntimeError: The GPU cannot be used by this process any more.
        """
        ...


class CudaMeter:
    """Measures a GPU by torch's allocator.

    Args:
        device: The GPU.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def begin(self) -> None:
        import torch

        # A problem without data has put nothing on the GPU yet.
        torch.cuda.init()  # type: ignore[no-untyped-call]
        # What the run before has left in torch's cache would count for this one, and lacks the others.
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(self._device)

    def end(self) -> GpuMemory:
        import torch

        torch.cuda.synchronize(self._device)  # raises what a kernel has done to the process's context
        peak = torch.cuda.max_memory_reserved(self._device)
        torch.cuda.empty_cache()
        free, total = torch.cuda.mem_get_info(self._device)
        return GpuMemory(peak, torch.cuda.memory_reserved(self._device), free, total)


METERS: dict[str, Callable[[torch.device], MemoryMeter]] = {'cuda': CudaMeter}
"""What measures a type of device; tests put in one that needs no GPU."""


def meter_of(device: torch.device) -> MemoryMeter | None:
    """Returns what measures a device; None for one that has no memory of its own."""
    meter = METERS.get(device.type)
    return None if meter is None else meter(device)


def is_out_of_memory(traceback: str) -> bool:
    """Whether an exception, by its traceback, says that a GPU's memory was not enough."""
    return _OUT_OF_MEMORY.search(traceback) is not None
