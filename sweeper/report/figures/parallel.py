"""Parallel coordinates: every architecture as a line through its parameters' values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..findings import Findings
from ..measure import Measure
from .axis import Axis, axis, swept
from .board import Board, board
from .numbers import exactly, shortly
from .paper import BLACK, GREY, ORANGE, all_shown, colours_of, room, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_TICKS = 8
_FEW = 12
_PALEST = 0.15


@dataclass(frozen=True)
class ParallelCoordinates:
    """Every architecture as a line through its parameters' values, coloured by performance."""

    board: Board
    axes: list[Axis]


def parallel_coordinates(findings: Findings) -> ParallelCoordinates:
    """Returns the axes of all parameters that have more than one value."""
    return ParallelCoordinates(board(findings), [axis(findings, name) for name in swept(findings)])


def draw_parallel_coordinates(data: ParallelCoordinates, axes: Axes) -> None:
    """Draws a line per architecture through its values and its performance; the best are drawn last.

    Those that are not comparable are dotted.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    measure, means = data.board.measure, np.array(data.board.means)
    known = means[np.isfinite(means)]
    worst = (known.min() if measure.info.higher else known.max()) if len(known) else 0.0
    means = measure.sign * np.where(np.isfinite(means), means, worst)  # the best are up
    norm = Normalize(means.min(), means.max() if np.ptp(means) else means.max() + 1e-3)
    heights = np.array([*(_heights(coordinate, means) for coordinate in data.axes), norm(means)]).T
    # The palest colours are hard to see as lines.
    seen = Normalize(float(means.min() - _PALEST * np.ptp(means)), norm.vmax)
    colours = ScalarMappable(seen, colours_of(Measure())).to_rgba(means)
    faint = min(1.0, 4 / len(means) ** 0.5)
    for place in reversed(range(len(means))):
        is_first = data.board.is_first[place] and place < _FEW
        is_excluded = not data.board.is_comparable[place]
        axes.plot(
            heights[place], linestyle=':' if is_excluded else '-', alpha=1.0 if place == 0 else faint,
            color=ORANGE if is_excluded else colours[place], clip_on=False,
            linewidth=1.8 if is_first else 0.9, marker='o', markersize=2.5, markeredgewidth=0,
        )  # fmt: skip
    for index, coordinate in enumerate(data.axes):
        _draw_coordinate(
            axes, index, shown(coordinate.name, room(axes, 1 / len(data.axes))), *_ticks(coordinate)
        )
    ticks = np.linspace(float(norm.vmin or 0), float(norm.vmax or 0), 5)
    texts = [shortly(measure.sign * tick, measure) for tick in ticks]
    _draw_coordinate(
        axes, len(data.axes), measure.title.replace(' ', '\n', 1), norm(ticks).tolist(), texts, -1
    )
    axes.set_xlim(-0.3, len(data.axes) + 0.35)
    axes.set_ylim(-0.04, 1.04)
    axes.set_axis_off()
    if not all(data.board.is_comparable):
        axes.text(0, -0.12, 'orange, dotted: not comparable', fontsize=7, verticalalignment='top')


def _heights(data: Axis, means: np.ndarray) -> np.ndarray:
    """Where along its axis each architecture is: in [0, 1], or NaN; the better a little above the worse."""
    at = _scaled(data, np.array([np.nan if place is None else place for place in data.places], dtype=float))
    different = np.unique(at[np.isfinite(at)])
    if len(different) == np.isfinite(at).sum():
        return at
    band = min(0.03, 0.35 * float(np.diff(different).min())) if len(different) > 1 else 0.03
    ranks = np.argsort(np.argsort(means, kind='stable')) / max(1, len(means) - 1)
    return at + band * (2 * ranks - 1)


def _scaled(data: Axis, places: np.ndarray) -> np.ndarray:
    known = np.array([place for place in data.places if place is not None], dtype=float)
    if data.is_log:
        known, places = np.log(known), np.log(places)
    low, high = float(known.min()), float(known.max())
    return (places - low) / (high - low) if high > low else np.full_like(places, 0.5)


def _ticks(data: Axis) -> tuple[list[float], list[str]]:
    """Heights and texts of the marks along an axis: its values, or some of them if they are many."""
    different = np.unique([place for place in data.places if place is not None])
    if data.labels is None and len(different) > _MOST_TICKS:
        inner = np.linspace(0, 1, 5)
        low, high = different[0], different[-1]
        different = low * (high / low) ** inner if data.is_log else low + (high - low) * inner
        return inner.tolist(), [f'{float(f"{value:.3g}"):g}' for value in different]
    step = -(-len(different) // (2 * _MOST_TICKS))
    kept = different[::step]
    if data.labels is None:
        texts = [exactly(value) for value in kept]
    else:
        texts = all_shown([data.labels[int(value)] for value in kept], 14)
    return _scaled(data, kept).tolist(), texts


def _draw_coordinate(
    axes: Axes, index: int, name: str, heights: Sequence[float], texts: Sequence[str], left: int = 1
) -> None:
    axes.plot([index, index], [0, 1], color=GREY, linewidth=0.8, zorder=1)
    axes.text(index, 1.08, name, horizontalalignment='center', verticalalignment='bottom', fontsize=8)
    for height, text in zip(heights, texts, strict=True):
        axes.plot([index - 0.02 * left, index], [height] * 2, color=GREY, linewidth=0.8, zorder=1)
        axes.text(
            index - 0.035 * left, height, text, fontsize=6.5, color=BLACK, zorder=5,
            horizontalalignment='right' if left > 0 else 'left', verticalalignment='center',
            bbox={'facecolor': 'white', 'alpha': 0.75, 'linewidth': 0, 'pad': 0.6},
        )  # fmt: skip
