"""Parallel coordinates: every architecture as a line through its parameters' values."""

from __future__ import annotations

from dataclasses import dataclass

from ..findings import Findings
from .axis import Axis, axis, swept
from .board import Board, board


@dataclass(frozen=True)
class ParallelCoordinates:
    """Every architecture as a line through its parameters' values, coloured by performance."""

    board: Board
    axes: list[Axis]


def parallel_coordinates(findings: Findings) -> ParallelCoordinates:
    """Returns the axes of all parameters that have more than one value."""
    return ParallelCoordinates(board(findings), [axis(findings, name) for name in swept(findings)])
