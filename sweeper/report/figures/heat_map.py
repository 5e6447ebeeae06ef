"""Mean performance for every pair of values of two parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..findings import Findings
from ..measure import Measure
from .axis import axis, draw_labels
from .board import comparable_or_all
from .numbers import finite, shortly
from .paper import BLACK, all_shown, colours_of, room, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_CELLS = 24
_WRITTEN = 6


@dataclass(frozen=True)
class HeatMap:
    """Mean performance for every pair of values.

    Attributes:
        x: Name of the parameter along the columns.
        y: Name of the parameter along the rows.
        columns: The first parameter's values, one per column.
        rows: The second parameter's values, one per row.
        means: Over the architectures of that pair, `means[row][column]`; None where there is none.
        counts: How many these are.
        left_out: How many architectures have no part in these means, because they are not comparable.
        measure: What performances are.
    """

    x: str
    y: str
    columns: list[str]
    rows: list[str]
    means: list[list[float | None]]
    counts: list[list[int]]
    left_out: int = 0
    measure: Measure = Measure()  # noqa: RUF009 - it is frozen


def heat_map(findings: Findings, x: str, y: str) -> HeatMap:
    """Returns mean performance for every pair of values of two parameters.

    It is that of the comparable architectures; only if there is none, of all.

    Raises:
        InvalidArgument: There is no such parameter.
    """
    across, along = axis(findings, x), axis(findings, y)
    shape = len(along.values), len(across.values)
    sums, counts = np.zeros(shape), np.zeros(shape, dtype=int)
    kept = comparable_or_all(findings.compared)
    for row, column, summary, is_kept in zip(
        along.indices, across.indices, findings.compared, kept, strict=True
    ):
        if row is not None and column is not None and is_kept:
            sums[row, column] += summary.perf_val.mean
            counts[row, column] += 1
    means = [
        [finite(float(total / count)) if count else None for total, count in zip(*line, strict=True)]
        for line in zip(sums, counts, strict=True)
    ]
    return HeatMap(
        x, y, across.values, along.values, means, counts.tolist(), kept.count(False), findings.measure
    )


def heat_map_height(data: HeatMap) -> float:
    """Inches that its rows need."""
    rows, columns = len(data.rows), len(data.columns)
    return 2.8 if max(rows, columns) > _MOST_CELLS else 1.0 + min(0.3 * max(3, rows), 3.6)


def draw_heat_map(data: HeatMap, axes: Axes) -> None:
    """Draws a cell per pair of values, with its number where there is room; many pairs are dots in order."""
    means = np.array([[np.nan if mean is None else mean for mean in row] for row in data.means], dtype=float)
    drawn = (_draw_dots if max(means.shape) > _MOST_CELLS else _draw_cells)(data, means, axes)
    draw_labels(data.columns, axes)
    step = max(1, -(-len(data.rows) // max(1, room(axes, 0.35, along=1))))
    rows = range(0, len(data.rows), step)
    axes.set_yticks(rows, all_shown([data.rows[row] for row in rows], room(axes, 0.25)))
    note = f'\n{data.left_out} not comparable: left out' if data.left_out else ''
    axes.set_xlabel(shown(data.x, room(axes)) + note)
    axes.set_ylabel(shown(data.y, room(axes, along=1)))
    bar = axes.figure.colorbar(
        drawn,
        ax=axes,
        label='\n'.join(filter(None, (f'{_over(data)}{data.measure.title}', data.measure.direction.strip()))),
        fraction=0.05,
        pad=0.02,
        aspect=30,
    )
    bar.outline.set_visible(False)


def _draw_cells(data: HeatMap, means: np.ndarray, axes: Axes) -> Any:
    edges = [np.arange(count + 1) - 0.5 for count in means.shape[::-1]]
    drawn = axes.pcolormesh(
        *edges, np.ma.masked_invalid(means), cmap=colours_of(data.measure), edgecolors='white', linewidth=1
    )
    axes.invert_yaxis()
    axes.set_facecolor('#EEEEEE')  # where there is none
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    if room(axes, 1 / means.shape[1]) >= _WRITTEN:
        _write(data, means, axes, drawn)
    return drawn


def _draw_dots(data: HeatMap, means: np.ndarray, axes: Axes) -> Any:
    rows, columns = np.nonzero(np.isfinite(means))
    axes.set_xlim(-1, means.shape[1])
    axes.set_ylim(means.shape[0], -1)
    return axes.scatter(
        columns, rows, c=means[rows, columns], cmap=colours_of(data.measure), s=12, linewidths=0
    )


def _write(data: HeatMap, means: np.ndarray, axes: Axes, drawn: Any) -> None:
    for (row, column), mean in np.ndenumerate(means):
        if np.isfinite(mean):
            red, green, blue, _ = drawn.cmap(drawn.norm(mean))
            is_dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
            axes.text(
                column, row, shortly(mean, data.measure), color='white' if is_dark else BLACK,
                horizontalalignment='center', verticalalignment='center', fontsize=6.5,
            )  # fmt: skip


def _over(data: HeatMap) -> str:
    most = max(map(max, data.counts), default=0)
    return f'mean over ≤ {most} architectures:\n' if most > 1 else ''
