"""The leader board: every architecture's performance with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..collect import PointSummary
from ..findings import Findings
from ..measure import Measure
from .numbers import finite
from .paper import BLUE, FAINT, GREY, ORANGE, all_shown, legend_above, limited_to, room

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CROSS = 'X'
CROSSES = 'orange crosses: not comparable'

MOST_ROWS = 40


@dataclass(frozen=True)
class Board:
    """The architectures that have trials, the best first; all lists have one element for each.

    Attributes:
        names: The architectures' names, to be read.
        means: Mean validation performance; infinite of one that diverged, if that is how bad it is.
        lows: Lower end of its 95% interval, or None where there is none.
        highs: Upper end.
        trials: Validation performance of each trial.
        is_first: Whether it may be the best.
        is_comparable: Whether it can be compared with the others.
        measure: What performances are.
    """

    names: list[str]
    means: list[float]
    lows: list[float | None]
    highs: list[float | None]
    trials: list[list[float]]
    is_first: list[bool]
    is_comparable: list[bool]
    measure: Measure = Measure()  # noqa: RUF009 - it is frozen

    @cached_property
    def is_known(self) -> list[bool]:
        """Whether there is a finite mean to draw."""
        return [*map(math.isfinite, self.means)]

    @property
    def title(self) -> str:
        """What is along the axis of performances."""
        return f'{self.measure.title}{self.measure.direction}'


def board(findings: Findings) -> Board:
    """Returns the leader board of a sweep."""
    compared = findings.compared
    return Board(
        names=[findings.name(summary) for summary in compared],
        means=[summary.perf_val.mean for summary in compared],
        lows=[finite(summary.perf_val.low) for summary in compared],
        highs=[finite(summary.perf_val.high) for summary in compared],
        trials=[summary.converged for summary in compared],
        is_first=[summary.may_be_best for summary in compared],
        is_comparable=[not summary.exclusions for summary in compared],
        measure=findings.measure,
    )


def notes(data: Board, crosses: bool, chosen: Sequence[int]) -> str:
    """Lines below a figure: what crosses are, if there are some, and how many of those chosen diverged."""
    diverged = sum(not data.is_known[index] for index in chosen)
    return f'\n{CROSSES}' * crosses + f'\n{diverged} diverged: not shown' * bool(diverged)


def comparable_or_all(compared: Sequence[PointSummary]) -> list[bool]:
    """Returns for each architecture whether it is comparable; only True if none is."""
    is_comparable = [not summary.exclusions for summary in compared]
    return is_comparable if any(is_comparable) else [True] * len(is_comparable)


def board_height(data: Board) -> float:
    """Inches that its rows need."""
    return 0.75 + 0.165 * max(2, min(len(data.names), MOST_ROWS))


def draw_board(data: Board, axes: Axes) -> None:
    """Draws a row per architecture, the best at the top: mean, 95% interval and single trials."""
    shown = zip(data.names[:MOST_ROWS], data.is_known, strict=False)
    names = [name if is_known else f'{name} (diverged)' for name, is_known in shown]
    rows = range(len(names))
    tied = [row for row in rows if data.is_first[row]]
    doubted = [row for row in rows if not data.is_comparable[row]]
    behind = [row for row in rows if not data.is_first[row] and data.is_comparable[row]]
    best = 'the best' if len(tied) == 1 else 'may be the best'
    parts = [(tied, BLUE, 'o', best), (behind, GREY, 'o', 'worse than the best')]
    parts = [part for part in (*parts, (doubted, ORANGE, CROSS, 'not comparable')) if part[0]]
    for chosen, colour, marker, _ in reversed(parts):
        draw_performances(data, axes, chosen, chosen, colour, marker, is_level=True, beside=0.27)
    most = room(axes, 0.55)
    axes.set_yticks(rows, all_shown(names, most))
    axes.tick_params(axis='y', length=0)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis='x')
    left_out = len(data.names) - len(names)
    note = f'\nthe best {len(names)} of {len(data.names)} architectures' if left_out else ''
    axes.set_xlabel(f'{data.title}{note}')
    limited_to(data.measure, axes, 'x')
    marks: list[Any] = [
        axes.errorbar([], [], xerr=[], fmt=marker, color=colour, elinewidth=0.9)
        for _, colour, marker, _ in parts
    ]
    texts = [text for *_, text in parts]
    if any(len(trials) > 1 for trials in data.trials):
        marks += axes.plot([], [], 'o', color=GREY, alpha=FAINT, markersize=2.6, markeredgewidth=0)
        texts.append('a trial')
    legend_above(axes, marks if len(data.names) > 1 else [], texts)


def draw_performances(
    data: Board, axes: Axes, chosen: Sequence[int], places: Sequence[float], colour: str, marker: str,
    is_level: bool = False, beside: float = 0.0,
) -> None:  # fmt: skip
    """Draws architectures at places: means, 95% intervals where there are some, single trials faintly.

    Args:
        data: The architectures.
        axes: Where to draw.
        chosen: Indices of those to draw.
        places: Of each of these.
        colour: The colour of all marks.
        marker: The marker of the means, as matplotlib knows it.
        is_level: Whether performance goes along x, and the places are along y.
        beside: By how much single trials stand beside their place.
    """

    def turned(place: Any, performance: Any) -> tuple[Any, Any]:
        return (performance, place) if is_level else (place, performance)

    several = [
        (place, [*filter(math.isfinite, data.trials[index])])
        for index, place in zip(chosen, places, strict=True)
    ]
    several = [(place, trials) for place, trials in several if len(trials) > 1]
    crowd = [place for place, trials in several for _ in trials]
    axes.plot(
        *turned([place + beside for place in crowd], [perf for _, trials in several for perf in trials]),
        linestyle='', marker='o', markersize=2.6, markeredgewidth=0, color=colour, alpha=FAINT, zorder=2,
    )  # fmt: skip
    bars = [(place, data.lows[index], data.highs[index]) for index, place in zip(chosen, places, strict=True)]
    known = np.array([bar for bar in bars if None not in bar], dtype=float).reshape(-1, 3)
    (axes.hlines if is_level else axes.vlines)(*known.T, color=colour, linewidth=0.9, zorder=2.5)
    means = [(place, data.means[index]) for index, place in zip(chosen, places, strict=True)]
    means = [(place, mean) for place, mean in means if math.isfinite(mean)]
    axes.plot(
        *turned([place for place, _ in means], [mean for _, mean in means]),
        linestyle='', marker=marker, color=colour, zorder=3,
    )  # fmt: skip
