"""How sure a choice is: the probability that no other candidate is better, given how much scores scatter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..results import WORSE
from .candidates import Scored
from .constants import CONSTANTS
from .scale import Scale


class Certainty(NamedTuple):
    """How sure a choice is.

    Attributes:
        probability: That it is the best of the candidates it was compared with.
        loss: How much better the best of them is, on average; a share of the way from an untrained model.
    """

    probability: float
    loss: float

    @property
    def is_toss_up(self) -> bool:
        """Whether another candidate is as likely to be better, and may be so by much."""
        return self.probability < CONSTANTS.certain and self.loss > WORSE


def certainty(
    scale: Scale, chosen: int, scored: Sequence[Scored], held_out: int, cycle: int = -1
) -> Certainty | None:
    """Says how sure it is that one of some candidates is the best; None if that cannot be told.

    What a candidate may really be is drawn from a normal distribution about its score. Its standard error is
    that of so many samples, or, if that is larger, what models with different parts held out tell, compared
    with those of other candidates on the same parts.

    Args:
        scale: Tells what is better.
        chosen: Its place among the candidates.
        scored: The candidates, which were trained equally long.
        held_out: On how many samples each model was scored.
        cycle: At the end of which cycle; the last by default.
    """
    if len(scored) < 2 or any(score.course is None for score in scored):
        return None
    places = np.array([scale.places(score, cycle) for score in scored])
    models = places.shape[1]
    errors = np.array([scale.standard_error(score, held_out * models) for score in scored])
    if models > 1:
        own = places - places.mean(axis=0)
        in_mean = len(scored) / (len(scored) - 1)  # each is a part of the mean that is taken off
        errors = np.maximum(errors, own.std(axis=1, ddof=1) * math.sqrt(in_mean / models))
    draws = np.random.default_rng(0).normal(size=(CONSTANTS.draws, len(scored)))
    draws = places.mean(axis=1) + errors * draws
    worse_by = draws.max(axis=1) - draws[:, chosen]
    return Certainty(float((worse_by < CONSTANTS.rounding).mean()), float(worse_by.mean()))
