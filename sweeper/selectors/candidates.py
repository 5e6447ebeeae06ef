"""The points that a selector starts from: given, or those of a space."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import InvalidArgument
from ..points import Point, as_point
from ..space import Space
from ..space.forms import as_space
from ..space.roles import scientific
from .fixed import FixedSweep
from .grid import GridSweep
from .random import RandomSweep

_MOST_LISTED = 1000


def points_of(
    space: Iterable[Sequence[Any] | Mapping[str, Any]] | Space | Mapping[str, Any],
    points: int | None = None,
    seed: int = 0,
) -> list[Point]:
    """Returns points that are given, without duplicates, or those of a space.

    Args:
        space: Points, a space, or a mapping from names to ranges.
        points: How many points of a space to draw, evenly spread; all by default, if they can be listed.
        seed: Seeds the drawing.

    Raises:
        InvalidArgument: There are none, too many to be listed, or not so many.
    """
    if not isinstance(space, Space | Mapping):
        if points is not None:
            raise InvalidArgument(f'points={points}: goes with a space, not with points that are given')
        listed = list(dict.fromkeys(map(as_point, space)))
        if not listed:
            raise InvalidArgument('space=[]: must have points')
        return listed
    space = as_space(space)
    selector: FixedSweep
    if points is None:
        size = scientific(space).size
        if size > _MOST_LISTED:
            number = 'infinitely many' if math.isinf(size) else f'{size:.4g}'
            message = f'the space has {number} points: say how many to draw'
            raise InvalidArgument(f'points=None: {message}').on_command_line(f'{message} with --points')
        selector = GridSweep(space)
    else:
        selector = RandomSweep(space, points, seed=seed)
    return [as_point(point) for point, _ in selector.points_and_trials()]
