"""Nuisance parameters among the candidates: where they are tried, and which values stay in.

They are compared by the same rounds as learning rates and batch sizes. In the first they are scattered,
together with learning rates, since what is best of one depends on the other. What pays late, as regularisers
do, loses every brief training; so values that are far apart stay in until trainings are long.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..space.base import JUST_BELOW_1
from ..space.roles import TunedSpace
from .candidates import Candidate, Scored, grid, reference_size, winner, within
from .constants import CONSTANTS
from .effort import Effort

if TYPE_CHECKING:
    from ..space import Domain


def in_force(nuisance: Mapping[str, Domain], values: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Returns a candidate's values of nuisance parameters: those whose conditions hold, or all."""
    return tuple((nuisance.legal(values) if isinstance(nuisance, TunedSpace) else values).items())


def grid_and_scattered(
    settings: Effort, train_size: int, low: float, high: float, nuisance: Mapping[str, Domain]
) -> list[Candidate]:
    """Returns the candidates of the first round.

    Nuisance parameters have their defaults in the grid of learning rates from `low` to `high`. As many
    candidates again, for each of up to three of them, are scattered evenly over all values of all.
    """
    defaults = in_force(nuisance, {name: domain.default for name, domain in nuisance.items()})
    candidates = [
        candidate._replace(nuisance=defaults) for candidate in grid(settings, train_size, low, high)
    ]
    size, count = reference_size(settings, train_size), min(len(nuisance), CONSTANTS.most_scattered)
    for shares in _scattered(settings.lr_candidates * count, 1 + len(nuisance)):
        lr = within(settings, low * (high / low) ** shares[0])
        pairs = zip(nuisance.items(), shares[1:], strict=True)
        values = {name: domain.decode(share) for (name, domain), share in pairs}
        candidates.append(Candidate(lr, size, in_force(nuisance, values)))
    return candidates


def _scattered(count: int, dimensions: int) -> list[list[float]]:
    """Returns points of the unit cube that fill it evenly.

    An additive recurrence (Roberts 2018, The Unreasonable Effectiveness of Quasirandom Sequences).
    """
    golden = 2.0
    for _ in range(64):  # the root of x ** (dimensions + 1) == x + 1
        golden = (1 + golden) ** (1 / (dimensions + 1))
    return [
        [(0.5 + index * golden**-power) % 1 for power in range(1, dimensions + 1)]
        for index in range(1, count + 1)
    ]


def finalists(
    settings: Effort, scored: Sequence[Scored], nuisance: Mapping[str, Domain], most: int
) -> list[Candidate]:
    """Returns the best candidate of a round, and then the best of those far from all that are taken already.

    So what pays late, as regularisers do, gets its turn in trainings that are long enough.

    Args:
        settings: The settings, which say what is best.
        scored: The round; not all of it diverged.
        nuisance: The parameters whose values tell how far candidates are apart.
        most: How many to take at most.
    """
    taken: list[Candidate] = []
    left = [score for score in scored if math.isfinite(score.loss)]
    while left and len(taken) < most:
        best = winner(settings, left).candidate
        taken.append(best)
        left = [score for score in left if _distance(score.candidate, best, nuisance) >= CONSTANTS.far]
    return taken


def _distance(candidate: Candidate, other: Candidate, nuisance: Mapping[str, Domain]) -> float:
    """How far apart the values of nuisance parameters are, as a share of all values of one."""
    values, others = dict(candidate.nuisance), dict(other.nuisance)
    if values.keys() != others.keys():
        return 1.0
    return max((nuisance[name].distance(value, others[name]) for name, value in values.items()), default=0.0)


def varied(best: Candidate, nuisance: Mapping[str, Domain], step: float) -> list[Candidate]:
    """Returns candidates beside the best, each with another value of one nuisance parameter.

    Args:
        best: The best candidate so far.
        nuisance: The nuisance parameters.
        step: How far to go to either side, as a share of all values.
    """
    candidates = []
    for name, value in best.nuisance:
        share = nuisance[name].encode(value)
        for other in dict.fromkeys(
            nuisance[name].decode(min(max(share + by, 0.0), JUST_BELOW_1)) for by in (-step, step)
        ):
            if other != value:
                values = in_force(nuisance, {**dict(best.nuisance), name: other})
                if values != best.nuisance:  # as it is if the other value is forbidden
                    candidates.append(best._replace(nuisance=values))
    return list(dict.fromkeys(candidates))


def at_both_rates(finalists: Sequence[Candidate]) -> list[Candidate]:
    """Returns all but the best of some candidates, each also at the learning rate of the best."""
    best, *others = finalists
    return [candidate for other in others for candidate in dict.fromkeys((other, other._replace(lr=best.lr)))]
