"""Which of several points nothing else is better than in every objective: fronts, ranks and crowding.

Everywhere a point's values are a sequence with one number per objective, of which higher is better.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

Values: TypeAlias = Sequence[float]


def dominates(values: Values, others: Values) -> bool:
    """Whether values are at least as good as others in every objective, and better in one."""
    pairs = list(zip(values, others, strict=True))
    return all(own >= other for own, other in pairs) and any(own > other for own, other in pairs)


def on_front(points: Sequence[Values]) -> list[bool]:
    """Returns for each point whether no other dominates it. Equal points are on the front together."""
    best_first = sorted(range(len(points)), key=lambda index: tuple(points[index]), reverse=True)
    is_on, front = [False] * len(points), list[int]()
    for index in best_first:  # no point dominates one that comes before it
        if not any(dominates(points[other], points[index]) for other in front):
            front.append(index)
            is_on[index] = True
    return is_on


def front_ranks(points: Sequence[Values]) -> list[int]:
    """Returns the number of each point's front: 0 of the Pareto front, 1 of that of all others, and so on.

    This is the non-dominated sorting of NSGA-II (Deb et al. 2002, section III A).
    """
    ranks, left, rank = [0] * len(points), list(range(len(points))), 0
    while left:
        is_on = on_front([points[index] for index in left])
        for index, is_next in zip(left, is_on, strict=True):
            ranks[index] = rank if is_next else rank + 1
        left = [index for index, is_next in zip(left, is_on, strict=True) if not is_next]
        rank += 1
    return ranks


def crowding(points: Sequence[Values]) -> list[float]:
    """Returns each point's crowding distance among points of one front (Deb et al. 2002, section III B).

    That is how far apart the neighbours on either side are, as a share of the range, summed over objectives;
    infinity at the ends.
    """
    distances = [0.0] * len(points)
    for values in zip(*points, strict=True):
        order = sorted(range(len(points)), key=values.__getitem__)
        width = values[order[-1]] - values[order[0]]
        distances[order[0]] = distances[order[-1]] = math.inf
        for before, index, after in zip(order, order[1:], order[2:], strict=False):
            between = values[after] - values[before]
            distances[index] += between / width if 0 < width < math.inf else 0.0
    return distances


class ParetoArchive:
    """Keeps the points of a growing set that no other dominates.

    Attributes:
        front: Their values, in the order in which they came.
    """

    def __init__(self) -> None:
        self.front: list[tuple[float, ...]] = []

    def add(self, values: Values) -> bool:
        """Takes a point; returns whether it is on the front, and not equal to one that was there already."""
        new = tuple(values)
        if any(front == new or dominates(front, new) for front in self.front):
            return False
        self.front = [front for front in self.front if not dominates(new, front)] + [new]
        return True
