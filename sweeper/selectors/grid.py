"""A grid: every combination of values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..space import Space
from ..space.forms import as_space
from ..space.roles import scientific
from .fixed import FixedSweep


class GridSweep(FixedSweep):
    """Tries every point of a space, or a grid of evenly spaced values.

    Args:
        space: What to try, or a mapping from names to ranges, as for `FixedSweep.with_random_trials`.
        trials: Trials of every point.
        counts: How many values of each parameter, or of all, to take; all by default.

    Raises:
        InvalidArgument: A parameter has infinitely many values, and no count.
    """

    def __init__(
        self,
        space: Space | Mapping[str, Any],
        trials: int = 3,
        counts: Mapping[str, int] | int | None = None,
    ) -> None:
        self.whole_space = as_space(space)
        self.space = scientific(self.whole_space)
        super().__init__((point, trials) for point in self.space.grid(counts))
