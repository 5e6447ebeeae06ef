"""How much of the variance of trials is due to tuning, where architectures were tuned several times.

A one-way analysis of variance with random effects in each architecture, all of them pooled (Searle, Casella
and McCulloch 1992, Variance Components, chapter 3): tunings are a sample of those that there could be.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_CONFIDENCE = 0.95


@dataclass(frozen=True)
class TuningShare:
    """The share of the variance of an architecture's trials that is due to their tuning, in [0, 1].

    Attributes:
        share: The estimate; 0 if tunings differ by no more than trials of one tuning do.
        low: The lower end of its 95% confidence interval.
        high: The upper end.
        p: Of the F test that tunings differ.
        architectures: How many tell something of it.
    """

    share: float
    low: float
    high: float
    p: float
    architectures: int


def share_of_tuning(scores: np.ndarray, tunings: int) -> TuningShare | None:
    """Returns what share of the variance of trials within an architecture is due to its tunings.

    The variances are taken to be the same in all architectures. The interval is exact for normal scores with
    the same number of trials in each tuning.

    Args:
        scores: Shape `(architectures, trials)`; trial `i` belongs to tuning `i % tunings`. What is not finite
            is left out.
        tunings: How often each architecture was tuned.

    Returns:
        None if that cannot be told: there is one tuning, no tuning has two trials, or no two trials differ.
    """
    from scipy.special import fdtrc, fdtri  # slow to import

    between, within, weight = 0.0, 0.0, 0.0
    free_between, free_within, architectures = 0, 0, 0
    for row in np.asarray(scores, dtype=float):
        groups = [own[np.isfinite(own)] for own in (row[number::tunings] for number in range(tunings))]
        groups = [own for own in groups if len(own)]
        if len(groups) < 2:
            continue
        counts = np.array([len(own) for own in groups])
        means = np.array([own.mean() for own in groups])
        center = np.average(means, weights=counts)
        between += float((counts * (means - center) ** 2).sum())
        within += float(sum(((own - own.mean()) ** 2).sum() for own in groups))
        weight += float(counts.sum() - (counts**2).sum() / counts.sum())
        free_between += len(groups) - 1
        free_within += int((counts - 1).sum())
        architectures += 1
    if not free_between or not free_within or not between + within > 0:
        return None
    each = weight / free_between  # trials per tuning
    if within == 0:
        return TuningShare(1.0, 1.0, 1.0, 0.0, architectures)
    ratio = (between / free_between) / (within / free_within)
    tail = (1 - _CONFIDENCE) / 2
    low, high = (ratio / float(fdtri(free_between, free_within, at)) for at in (1 - tail, tail))
    p = float(fdtrc(free_between, free_within, ratio))
    shares = [_share(value, each) for value in (ratio, low, high)]
    return TuningShare(shares[0], shares[1], shares[2], p, architectures)


def _share(ratio: float, each: float) -> float:
    """The share that a ratio of mean squares, between tunings and within them, stands for."""
    excess = max(0.0, (ratio - 1) / each)
    return float(excess / (1 + excess))


def in_words(due: TuningShare | None, tunings: int) -> str:
    """Says what share of the variance of trials is due to so many tunings, of which there are several."""
    if due is None:
        return (
            f'How much of the variance of trials is due to tuning cannot be told from these {tunings} '
            f'tunings: that takes trials of two tunings of a comparable architecture, and two trials of one.'
        )
    many = 'architecture' if due.architectures == 1 else 'architectures'
    return (
        f"Of the variance of an architecture's trials, {100 * due.share:.0f}% is due to tuning (95% "
        f'interval {100 * due.low:.0f}% to {100 * due.high:.0f}%; {tunings} tunings of '
        f'{due.architectures} {many}); the rest is that of the trials of one tuning.'
    )
