"""Performance against one parameter."""

from __future__ import annotations

from dataclasses import dataclass

from ..collect import named
from ..findings import Findings
from .axis import Axis, axis, swept
from .board import Board, board


@dataclass(frozen=True)
class ByParameter:
    """Performance against one parameter.

    Attributes:
        board: The architectures.
        axis: Where they stand.
        groups: For each architecture, its other parameters: those of a group differ in this one alone.
    """

    board: Board
    axis: Axis
    groups: list[str]


def by_parameter(findings: Findings, name: str) -> ByParameter:
    """Returns performance against a parameter.

    Raises:
        InvalidArgument: There is no such parameter.
    """
    others = [index for index, one in enumerate(findings.columns) if one in swept(findings) and one != name]
    columns = [findings.columns[index] for index in others]
    groups = [named(columns, [one.cells[index] for index in others], ' ') for one in findings.compared]
    return ByParameter(board(findings), axis(findings, name), groups)
