"""Performance against what an architecture costs, and who is best at its price."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ...errors import InvalidArgument
from ..collect import PointSummary
from ..findings import Findings
from .board import Board, board


@dataclass(frozen=True)
class AgainstCost:
    """Performance against a cost.

    Attributes:
        board: The architectures.
        label: What the cost is.
        costs: Of each architecture; None where it is not known.
        is_front: Whether no other is both cheaper (or as cheap) and better (the Pareto front, by means).
    """

    board: Board
    label: str
    costs: list[float | None]
    is_front: list[bool]


def _parameters(one: PointSummary) -> float | None:
    return one.cost.parameters if one.cost is not None else None


def _flops(one: PointSummary) -> float | None:
    return one.cost.flops if one.cost is not None else None


def _seconds(one: PointSummary) -> float | None:
    return one.seconds / one.epochs if one.epochs and math.isfinite(one.seconds) else None


COSTS: Mapping[str, tuple[str, Callable[[PointSummary], float | None]]] = {
    'parameters': ('parameters', _parameters),
    'flops': ('FLOPs of one sample, forward', _flops),
    'seconds': ('seconds per epoch', _seconds),
}


def against_cost(findings: Findings, cost: str) -> AgainstCost:
    """Returns performance against a cost.

    Args:
        findings: Of a sweep.
        cost: `parameters`, `flops` or `seconds` (per epoch, on the machine that trained).

    Raises:
        InvalidArgument: It is none of these.
    """
    if cost not in COSTS:
        raise InvalidArgument(f'unknown cost {cost!r}; valid are {", ".join(COSTS)}')
    label, of = COSTS[cost]
    costs = [of(one) for one in findings.compared]
    shown = board(findings)
    return AgainstCost(shown, label, costs, pareto_front(costs, shown.means))


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
