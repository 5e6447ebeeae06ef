"""The leader board: every architecture's performance with its interval."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..findings import Findings


@dataclass(frozen=True)
class Board:
    """The architectures that have trials, the best first; all lists have one element for each.

    Attributes:
        names: For a person.
        means: Mean validation performance.
        lows: Lower end of its 95% interval, or None where there is none.
        highs: Upper end.
        trials: Validation performance of each trial.
        is_first: Whether it is the best, or not told apart from it.
    """

    names: list[str]
    means: list[float]
    lows: list[float | None]
    highs: list[float | None]
    trials: list[list[float]]
    is_first: list[bool]


def board(findings: Findings) -> Board:
    """Returns the leader board of a sweep."""
    comparison, compared = findings.comparison, findings.compared
    first = {comparison.points[index] for index in comparison.first}
    return Board(
        names=[findings.name(one) for one in compared],
        means=[one.perf_val.mean for one in compared],
        lows=[_finite(one.perf_val.low) for one in compared],
        highs=[_finite(one.perf_val.high) for one in compared],
        trials=[one.perfs for one in compared],
        is_first=[one.params in first for one in compared],
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
