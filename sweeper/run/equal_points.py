"""Points that Python takes for equal without their being the same: `(1,)`, `(True,)` and `(1.0,)`."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable

from ..errors import EqualPointsWarning
from ..points import Point, label, point_key


class EqualPoints:
    """Warns of points that are trained as others, once of each.

    Args:
        as_kept: Returns the point of the folder that is equal to one.
    """

    def __init__(self, as_kept: Callable[[Point], Point]) -> None:
        self._as_kept = as_kept
        self._warned: set[str] = set()

    def warn(self, points: Iterable[Point]) -> None:
        """Warns of those of some points, all in the folder, whose values are not those of the folder."""
        for point in points:
            kept = self._as_kept(point)
            if kept is not point and (key := point_key(point)) != point_key(kept) and key not in self._warned:
                self._warned.add(key)
                warnings.warn(
                    f'the point ({label(point)}) is equal to ({label(kept)}) for Python, so both are one '
                    f'point, with the values of the latter; write the values as text to tell them apart',
                    EqualPointsWarning,
                    stacklevel=2,
                )
