"""How often results may be looked at: the error of all looks together stays at 5%.

Whoever looks at the results, adds trials, and looks again until something is found, finds something in the
end. So each look gets a part of the 5% only (Bonferroni's inequality over looks; Lan and DeMets 1983,
Discrete sequential boundaries for clinical trials, on spending it as one goes).
"""

from __future__ import annotations

ALPHA = 0.05
"""How often at most, among sweeps and over all their looks, anything false is claimed."""


def level(look: int, planned: int | None = None) -> float:
    """Returns the part of `ALPHA` that a look has.

    Args:
        look: Counted from 1.
        planned: How many looks were planned: each has the same part, and one after them none. None if that
            is open: the first has half, and each after it half of what the one before had.
    """
    if planned is None:
        return ALPHA * 0.5**look
    return ALPHA / planned if look <= planned else 0.0
