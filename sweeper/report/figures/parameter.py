"""Performance against one parameter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..collect import named
from ..findings import Findings
from ..order import value_order
from .axis import Axis, axis, draw_axis, swept
from .board import CROSS, Board, board, draw_performances, notes
from .paper import BLACK, BLUE, MARKERS, ORANGE, PALETTE, legend_above, limited_to

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FEW = 20
_LONG = 10


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
    columns = [column for column in swept(findings) if column != name]
    others = [findings.columns.index(column) for column in columns]
    groups = [
        named(columns, [summary.cells[index] for index in others], ' ') for summary in findings.compared
    ]
    return ByParameter(board(findings), axis(findings, name), groups)


def parameter_height(data: ByParameter) -> float:
    """Inches that it, its legend and its labels need."""
    groups = len(set(data.groups))
    rows = -(-groups // 2) if 1 < groups <= len(PALETTE) else 1
    slant = 0.45 if max(map(len, data.axis.labels or ['']), default=0) > _LONG else 0.0
    note = 0.13 * (not all(data.board.is_comparable))
    return 2.3 + 0.13 * rows + slant + note


def draw_parameter(data: ByParameter, axes: Axes) -> None:
    """Draws a line per group; if these are too many, all architectures as dots and the mean at each value.

    What is not comparable is a cross, and neither on a line nor in a mean.
    """
    every = [index for index, place in enumerate(data.axis.places) if place is not None]
    known = [index for index in every if data.board.is_known[index]]
    placed = [index for index in known if data.board.is_comparable[index]]
    doubted = [index for index in known if not data.board.is_comparable[index]]
    groups = sorted({data.groups[index] for index in placed}, key=value_order)
    members = [[index for index in placed if data.groups[index] == group] for group in groups]
    draw_axis(data.axis, axes)
    if len(groups) <= len(PALETTE) and any(len(group) > 1 for group in members):
        lines = [_draw_group(data, axes, group, index, len(groups)) for index, group in enumerate(members)]
        if len(groups) > 1:
            legend_above(axes, lines, groups)
    else:
        _draw_crowd(data, axes, placed)
    if doubted:
        places = [data.axis.places[index] or 0.0 for index in doubted]
        draw_performances(data.board, axes, doubted, places, ORANGE, CROSS)
    axes.set_xlabel(axes.get_xlabel() + notes(data.board, bool(doubted), every))
    axes.set_ylabel(data.board.title)
    axes.grid(axis='y')
    limited_to(data.board.measure, axes)


def _draw_group(data: ByParameter, axes: Axes, group: Sequence[int], index: int, groups: int) -> Any:
    colour, marker = PALETTE[index], MARKERS[index]
    group = sorted(group, key=lambda index: data.axis.places[index] or 0.0)
    places = _beside([data.axis.places[index] or 0.0 for index in group], data.axis, index - (groups - 1) / 2)
    draw_performances(data.board, axes, group, places, colour, marker)
    # Labels that are no numbers have nothing in between.
    style = '-' if data.axis.labels is None else ':'
    means = [data.board.means[index] for index in group]
    return axes.plot(places, means, style, marker=marker, color=colour, linewidth=1)[0]


def _draw_crowd(data: ByParameter, axes: Axes, placed: Sequence[int]) -> None:
    places = np.array([data.axis.places[index] or 0.0 for index in placed])
    means = np.array([data.board.means[index] for index in placed])
    values = np.unique(places)
    if len(placed) <= _FEW and len(values) == len(placed):
        draw_performances(data.board, axes, placed, places.tolist(), BLUE, 'o')
        return
    is_shared = len(values) <= min(_FEW, len(placed) - 1)
    scattered = np.random.default_rng(0).uniform(-3, 3, len(placed)) * is_shared
    beside = [_beside([place], data.axis, by)[0] for place, by in zip(places, scattered, strict=True)]
    dots = axes.plot(beside, means, linestyle='', marker='o', markeredgewidth=0, color=BLUE, alpha=0.45)
    if not is_shared:
        return
    for place in values:
        ends = [_beside([place], data.axis, by)[0] for by in (-5, 5)]
        bar = axes.plot(ends, [means[places == place].mean()] * 2, color=BLACK, linewidth=1.6, zorder=3)
    legend_above(axes, [dots[0], bar[0]], ['architecture', 'mean over architectures'])


def _beside(places: Sequence[float], data: Axis, steps: float) -> list[float]:
    """Moves places a little, so that what is at the same place can be distinguished."""
    different = sorted({place for place in data.places if place is not None})
    if not data.is_log:
        gaps = np.diff(different)
        step = min(0.012 * (different[-1] - different[0]) or 0.03, min(gaps, default=1.0) / 12)
        return [place + steps * step for place in places]
    gaps = np.diff(np.log(different))
    step = min(0.012 * sum(gaps), min(gaps) / 12)
    return [place * math.exp(steps * step) for place in places]
