"""Performance against what an architecture costs, and who is best at its price."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import InvalidArgument
from ..collect import PointSummary
from ..findings import Findings
from .board import CROSS, Board, board, draw_performances, notes
from .numbers import is_wide
from .paper import BLUE, FAINT, GREY, ORANGE, legend_above, limited_to

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_NAMES, _MOST_INTERVALS = 8, 30


@dataclass(frozen=True)
class AgainstCost:
    """Performance against a cost.

    Attributes:
        board: The architectures.
        label: What the cost is.
        costs: Of each architecture; None where it is not known.
        is_front: Whether no other is both cheaper (or as cheap) and better (the Pareto front, by means);
            one that cannot be compared is not on the front, and bars nobody.
    """

    board: Board
    label: str
    costs: list[float | None]
    is_front: list[bool]


def _parameters(summary: PointSummary) -> float | None:
    return summary.cost.parameters if summary.cost is not None else None


def _flops(summary: PointSummary) -> float | None:
    return summary.cost.flops if summary.cost is not None else None


def _seconds(summary: PointSummary) -> float | None:
    return summary.seconds_per_epoch


COSTS: Mapping[str, tuple[str, Callable[[PointSummary], float | None]]] = {
    'parameters': ('parameters', _parameters),
    'flops': ('FLOPs of one sample, forward', _flops),
    'seconds': ('seconds per epoch', _seconds),
}


def against_cost(findings: Findings, cost: str) -> AgainstCost:
    """Returns performance against a cost.

    Args:
        findings: What is known of the sweep.
        cost: `parameters`, `flops` or `seconds` (per epoch, on the machine that trained).

    Raises:
        InvalidArgument: It is none of these.
    """
    if cost not in COSTS:
        raise InvalidArgument(f'there is no cost {cost}; valid are {", ".join(COSTS)}')
    label, of = COSTS[cost]
    costs = [of(summary) for summary in findings.compared]
    shown = board(findings)
    can_be = zip(shown.is_comparable, shown.is_known, strict=True)
    compared = [cost if all(can) else None for cost, can in zip(costs, can_be, strict=True)]
    signed = [shown.measure.sign * mean for mean in shown.means]
    return AgainstCost(shown, label, costs, pareto_front(compared, signed))


def pareto_front(costs: Sequence[float | None], performances: Sequence[float]) -> list[bool]:
    """Returns for each whether no other costs at most as much and performs better, or costs less and as well.

    Args:
        costs: Lower is better; what has None is not on the front and bars nobody.
        performances: Higher is better.
    """
    ranked = sorted(
        (cost, -perf, index)
        for index, (cost, perf) in enumerate(zip(costs, performances, strict=True))
        if cost is not None
    )
    front, best, at = [False] * len(costs), math.inf, math.nan
    for cost, loss, index in ranked:
        if loss < best or (loss == best and cost == at):
            front[index], best, at = True, loss, cost
    return front


def against_cost_height(data: AgainstCost) -> float:
    """Inches that it and the names of its front need."""
    return 2.4 + 0.14 * min(sum(data.is_front), _MOST_NAMES)


def draw_against_cost(data: AgainstCost, axes: Axes) -> None:
    """Draws performance against cost, with the Pareto front as steps and by name; of many, only means."""
    costs = [(index, cost) for index, cost in enumerate(data.costs) if cost is not None]
    front = sorted((cost, index) for index, cost in costs if data.is_front[index])
    rest = [(cost, index) for index, cost in costs if not data.is_front[index]]
    behind = [(cost, index) for cost, index in rest if data.board.is_comparable[index]]
    doubted = [(cost, index) for cost, index in rest if not data.board.is_comparable[index]]
    doubted = [(cost, index) for cost, index in doubted if data.board.is_known[index]]
    for chosen, colour, marker in ((doubted, ORANGE, CROSS), (behind, GREY, 'o'), (front, BLUE, 'o')):
        places, indices = [cost for cost, _ in chosen], [index for _, index in chosen]
        if len(chosen) <= _MOST_INTERVALS:
            draw_performances(data.board, axes, indices, places, colour, marker)
        else:
            means = [data.board.means[index] for index in indices]
            axes.plot(places, means, marker, color=colour, alpha=FAINT, markersize=2.6, markeredgewidth=0)
    reached = [data.board.means[index] for _, index in front]
    axes.step([cost for cost, _ in front], reached, where='post', color=BLUE, linewidth=0.9, zorder=1)
    _name(data, axes, front)
    if is_wide(data.costs):
        axes.set_xscale('log')
    unknown = data.costs.count(None)
    note = f'\nunknown of {unknown} of {len(data.costs)} architectures' if unknown else ''
    note += notes(data.board, bool(doubted), [index for index, _ in costs])
    axes.set_xlabel(f'{data.label}{note}')
    axes.set_ylabel(data.board.title)
    axes.margins(x=0.08)
    axes.grid(axis='y')
    limited_to(data.board.measure, axes)


def _name(data: AgainstCost, axes: Axes, front: Sequence[tuple[float, int]]) -> None:
    """Numbers the front, where nothing else is, and says above who they are."""
    at: dict[tuple[float, float], list[str]] = {}
    for cost, index in front:
        at.setdefault((cost, data.board.means[index]), []).append(data.board.names[index])
    step = max(1, -(-len(at) // _MOST_NAMES))
    numbered = [*enumerate(list(at.items())[::-step][::-1], 1)]  # the best in any case
    for number, (place, _) in numbered:
        axes.annotate(
            str(number), place, (-4, 3), textcoords='offset points',
            horizontalalignment='right', fontsize=7, color=BLUE, fontweight='bold',
        )  # fmt: skip
    blank = axes.plot([], [], linestyle='')[0]
    names = [f'{number} {", ".join(names)}' for number, (_, names) in numbered]
    some = f', {len(names)} of {len(at)}' if step > 1 else ''
    legend_above(axes, [blank] * len(names), names, f'Pareto front{some}:')
