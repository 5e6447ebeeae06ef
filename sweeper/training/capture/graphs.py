"""Graphs of work on a device: what was asked of it once, to be asked again by a single call.

On a GPU that is a CUDA graph. Which rules work must keep to be captured is in torch's notes on CUDA semantics
(*CUDA Graphs*, *Constraints*): it reads and writes the same memory each time, reads no number in between, and
does nothing on the CPU, which would be left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch

from ...garbage import uncollected

WARM_UPS = 3
"""How often work is done before it is captured: libraries set themselves up, and choose, at first."""


class Graph(Protocol):
    """Captured work."""

    def replay(self) -> None:
        """Asks for the work once more; random numbers go on as if it had been asked for piece by piece."""
        ...


class GraphBackend(Protocol):
    """Makes graphs."""

    def capture(self, work: Callable[[], object], neighbour: Graph | None = None) -> Graph:
        """Captures work.

        Args:
            work: Called several times: `WARM_UPS` times in earnest, then to be captured. Whoever calls this
                puts back what it changes, random states included.
            neighbour: A graph of this backend that does not run at the same time, and whose outputs are read
                before this one runs: they may share memory.

        Raises:
            Exception: The work does what cannot be captured.
        """
        ...


class CudaGraphs:
    """Makes CUDA graphs.

    Args:
        device: The GPU.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def capture(self, work: Callable[[], object], neighbour: Graph | None = None) -> Graph:
        with torch.cuda.device(self._device), uncollected():  # to free another graph would be an error now
            outer = torch.cuda.current_stream()
            side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            side.wait_stream(outer)
            with torch.cuda.stream(side):  # which is left in any case, as `torch.cuda.graph` does not do
                for _ in range(WARM_UPS):
                    work()
                graph = torch.cuda.CUDAGraph()
                pool = neighbour.pool() if isinstance(neighbour, torch.cuda.CUDAGraph) else None
                # Other threads, such as one that pins a loader's batches, may use the GPU meanwhile.
                with torch.cuda.graph(graph, pool=pool, stream=side, capture_error_mode='thread_local'):
                    work()
            outer.wait_stream(side)
        return graph


def graphs_for(device: torch.device) -> GraphBackend | None:
    """Returns what makes graphs of work on a device; None where there are none, as on the CPU."""
    return CudaGraphs(device) if device.type == 'cuda' else None
