"""What more trials could show, and what those that there are could have shown."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .design import Design
from .intervals import share_of_mean

MOST_TRIALS = 100
"""What takes more trials than this is too small to be worth confirming."""
POWER = 0.8
_COVERAGE = 0.8


class Trials(NamedTuple):
    """How many trials of each it takes, between two ends, as well as the variance is known.

    Attributes:
        least: The lower end.
        most: The upper end; None if it is more than `MOST_TRIALS`.
    """

    least: int
    most: int | None


class Spread(NamedTuple):
    """How much a difference between one trial of each of two architectures varies.

    Attributes:
        variance: Of the difference.
        freedom: How many degrees of freedom that estimate has.
    """

    variance: float
    freedom: float


@dataclass(frozen=True)
class Advice:
    """What more trials could show.

    Attributes:
        spread: How much differences vary; None if nothing is known of it.
        margin: The difference that matters; NaN if not known.
        level: At which each pair is compared, two-sided.
        count: How many trials of each there are, in the median.
        design: How they are compared.
    """

    spread: Spread | None
    margin: float
    level: float
    count: int
    design: Design

    @property
    def trials(self) -> Trials | None:
        """How many trials of each would show a difference as large as the margin; None if too many."""
        if self.spread is None or not self.margin > 0:
            return None
        return trials_needed(self.margin, self.spread, self.level, self.design)

    @property
    def smallest_gap(self) -> float:
        """The least difference that these trials would have shown in four of five sweeps; NaN if unknown."""
        if self.spread is None or not self.level:
            return math.nan
        return smallest_gap(self.count, self.spread, self.level, self.design)


def trials_needed(gap: float, known: Spread, level: float, design: Design) -> Trials | None:
    """Returns how many trials of each would show a difference, with probability `POWER`.

    Args:
        gap: The difference.
        known: How much differences between single trials vary.
        level: At which it is tested, two-sided.
        design: How.

    Returns:
        The ends of the interval for that number that the uncertainty of the variance leaves (80%); None if
        the lower one is above `MOST_TRIALS`.
    """
    from scipy.special import chdtri

    tails = ((1 - _COVERAGE) / 2, (1 + _COVERAGE) / 2)
    variances = sorted(known.variance * known.freedom / chdtri(known.freedom, tail) for tail in tails)
    least, most = (_trials(gap, variance, level, design) for variance in variances)
    return None if least is None else Trials(least, most)


def _trials(gap: float, variance: float, level: float, design: Design) -> int | None:
    from scipy.special import nctdtr, stdtrit  # scipy.stats takes far longer to import

    if not level:
        return None
    n = np.arange(2, MOST_TRIALS + 1)
    freedom = (n - 1) * (1.0 if design.paired else 2.0)
    critical = stdtrit(freedom, 1 - level / 2)
    shift = gap / np.sqrt(variance * share_of_mean(n, design.val_to_train))
    is_enough = nctdtr(freedom, np.minimum(shift, 1e3), critical) <= 1 - POWER
    return int(n[int(np.argmax(is_enough))]) if is_enough.any() else None


def smallest_gap(n: int, known: Spread, level: float, design: Design) -> float:
    """Returns the least difference that `n` trials of each show with probability `POWER`."""
    from scipy.special import stdtrit

    freedom = known.freedom
    quantiles = stdtrit(freedom, 1 - level / 2) + stdtrit(freedom, POWER)
    return float(quantiles * np.sqrt(known.variance * share_of_mean(np.asarray(n), design.val_to_train)))


def default_margin(best: float, known: Spread | None, design: Design) -> float:
    """Returns a difference that is too small to matter, if the user gave none; NaN if nothing is known.

    Of a share of validation samples, such as an accuracy: the standard error that these samples leave, at the
    best mean. Of other metrics: half the standard deviation between trials.

    Args:
        best: The best mean.
        known: How much differences between single trials vary; None if nothing is known of it.
        design: How scores are compared.
    """
    resolution = design.resolution
    if resolution and design.limits == (0, 1):
        share = float(np.clip(best, resolution, 1 - resolution))
        return math.sqrt(share * (1 - share) * resolution)
    return math.nan if known is None else math.sqrt(known.variance / 2) / 2
