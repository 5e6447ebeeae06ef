"""Shares of trials, such as of those that converged, with their confidence intervals.

Source: Wilson 1927, Probable inference, the law of succession, and statistical inference; recommended for few
trials by Brown, Cai and DasGupta 2001, Interval estimation for a binomial proportion.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple


class Share(NamedTuple):
    """How many of some trials, and between which ends their share lies, with the given confidence.

    Attributes:
        number: How many.
        total: Of how many; at least 1.
        low: The lower end, at least 0.
        high: The upper end, at most 1.
    """

    number: int
    total: int
    low: float
    high: float

    def __str__(self) -> str:
        return f'{self.number} of {self.total} ({self.low:.2f} to {self.high:.2f})'


def share(count: int, total: int, confidence: float = 0.95) -> Share:
    """Returns a share with Wilson's interval, which tells something even of none or all."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    middle = (count + z * z / 2) / (total + z * z)
    half = z / (total + z * z) * math.sqrt(count * (total - count) / total + z * z / 4)
    low = 0.0 if count == 0 else max(middle - half, 0.0)
    return Share(count, total, low, 1.0 if count == total else min(middle + half, 1.0))
