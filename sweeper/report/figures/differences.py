"""By how much every architecture is behind the best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..findings import Findings
from ..measure import Measure
from .board import MOST_ROWS
from .numbers import finite
from .paper import BLUE, GREY, all_shown, legend_above, room

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BAND = '#EEEEEE'


@dataclass(frozen=True)
class Differences:
    """The architectures that can be compared, the best first; all lists have one element for each.

    Attributes:
        names: The architectures' names, to be read.
        differences: By how much each is behind the best, in the unit of performances; 0 of the best itself.
        lows: Lower end of its 95% interval, or None where there is none.
        highs: Upper end.
        is_first: Whether it may be the best.
        margin: The largest difference that does not matter; NaN if that is not known.
        measure: What performances are.
    """

    names: list[str]
    differences: list[float]
    lows: list[float | None]
    highs: list[float | None]
    is_first: list[bool]
    margin: float
    measure: Measure


def differences(findings: Findings) -> Differences:
    """Returns the differences to the best of a sweep."""
    compared = [(summary, behind) for summary in findings.compared if (behind := summary.behind) is not None]
    return Differences(
        names=[findings.name(summary) for summary, _ in compared],
        differences=[behind.mean for _, behind in compared],
        lows=[finite(behind.low) for _, behind in compared],
        highs=[finite(behind.high) for _, behind in compared],
        is_first=[summary.may_be_best for summary, _ in compared],
        margin=findings.comparison.verdict.margin,
        measure=findings.measure,
    )


def differences_height(data: Differences) -> float:
    """Inches that its rows need."""
    return 0.75 + 0.165 * max(2, min(len(data.names), MOST_ROWS))


def draw_differences(data: Differences, axes: Axes) -> None:
    """Draws a row per architecture, the best at the top: its difference to the best with the 95% interval."""
    names = data.names[:MOST_ROWS]
    rows = range(len(names))
    if data.margin > 0:
        axes.axvspan(-data.margin, data.margin, color=_BAND, linewidth=0, zorder=0)
    axes.axvline(0, color=GREY, linewidth=0.6, zorder=1)
    handles, texts = [], []
    for is_first, colour, text in ((True, BLUE, 'may be the best'), (False, GREY, 'is not the best')):
        chosen = [row for row in rows if data.is_first[row] == is_first]
        bars = [(row, low, high) for row in chosen
                if (low := data.lows[row]) is not None and (high := data.highs[row]) is not None]  # fmt: skip
        if bars:
            axes.hlines(*zip(*bars, strict=True), color=colour, linewidth=0.9, zorder=2)
        drawn = axes.plot(
            [data.differences[row] for row in chosen], chosen, 'o', color=colour, linestyle='', zorder=3
        )
        if chosen:
            handles += drawn
            texts.append(text)
    axes.set_yticks(rows, all_shown(names, room(axes, 0.55)))
    axes.tick_params(axis='y', length=0)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis='x')
    left_out = len(data.names) - len(names)
    note = f'\nthe best {len(names)} of {len(data.names)} architectures' if left_out else ''
    band = f'\ngrey: less than {data.measure.number(data.margin)}, the margin' if data.margin > 0 else ''
    axes.set_xlabel(f'{data.measure.title}: difference to the best{band}{note}')
    legend_above(axes, handles, texts)
