"""How scores are compared, which is settled before anyone looks at them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .looks import level


@dataclass(frozen=True)
class Design:
    """How scores are compared.

    Attributes:
        paired: Whether trials of the same number have something in common that makes their scores alike, such
            as the split of the data.
        val_to_train: Validation samples per training sample if trials are resamples; else 0.
        look: Which look at the results this is, counted from 1.
        planned_looks: How many there will be; None if that is open.
        is_interim: Whether trials are still to come, so that nothing is claimed yet.
        margin: A difference that is too small to matter, in the unit of scores; None for one that follows
            from them (`advice.default_margin`).
        limits: The lowest and the highest score that there can be.
        resolution: The least difference that scores can have, such as 1 / (validation samples) of an
            accuracy; 0 if that is not known.
        tunings: How often each architecture was tuned: trial `i` belongs to tuning `i % tunings`.
    """

    paired: bool = False
    val_to_train: float = 0.0
    look: int = 1
    planned_looks: int | None = None
    is_interim: bool = False
    margin: float | None = None
    limits: tuple[float, float] = (-math.inf, math.inf)
    resolution: float = 0.0
    tunings: int = 1

    @property
    def level(self) -> float:
        """How often this look may claim what is false."""
        return level(self.look, self.planned_looks)
