"""A race: who is worse beyond doubt gets no more trials, and those that may be the best get them all.

All start with a few trials. At each look, whoever the best architectures beat leaves, by the same one-sided
comparisons that say which may be the best (`verdict`), of as many rivals as started; the error is shared
among the looks that are planned. So the best is thrown out in at most 5% of races, however many there are.

Sources: Maron and Moore 1994, Hoeffding races; Birattari et al. 2002, A racing algorithm for configuring
metaheuristics (F-race); Jennison and Turnbull 2000, Group sequential methods, for errors shared among looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .design import Design
from .verdict import Verdict, verdict

GROWTH = 1.6
"""How many times as many trials a contender has at a look as at the one before."""


def schedule(first: int, most: int) -> list[int]:
    """Returns how many trials of each contender are looked at: `schedule(3, 20)` is 3, 5, 8, 13 and 20."""
    looks = [first]
    while looks[-1] < most:
        looks.append(min(max(round(looks[-1] * GROWTH), looks[-1] + 1), most))
    return looks


class Race:
    """Who is still in the race, judging by scores.

    Args:
        looks: How many trials of each contender are there at each look, rising.
        sign: 1 if higher scores are better, else -1.
        design: How scores are compared; looks are counted here.

    Attributes:
        contenders: Indices of those still in, best first after a look.
        looks_made: How many looks there were.
        verdict: What the last of them came to; None before.
    """

    def __init__(self, count: int, looks: Sequence[int], sign: int = 1, design: Design | None = None) -> None:
        self.contenders = [*range(count)]
        self.looks, self.sign = list(looks), sign
        self.design = replace(design or Design(), planned_looks=len(self.looks))
        self.looks_made = 0
        self.verdict: Verdict | None = None

    @property
    def target(self) -> int:
        """How many trials each contender needs for the next look."""
        return self.looks[self.looks_made]

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be learned: one is left, all left are equivalent, or no look is."""
        return (
            len(self.contenders) < 2
            or self.looks_made == len(self.looks)
            or (self.verdict is not None and self._are_equivalent(self.verdict))
        )

    def _are_equivalent(self, latest: Verdict) -> bool:
        """Whether all left differ by less than the margin, if the user gave one."""
        return self.design.margin is not None and set(self.contenders) <= set(latest.equivalent)

    def leave(self, index: int) -> None:
        """Takes one out that failed."""
        if index in self.contenders:
            self.contenders.remove(index)

    def look(self, scores: np.ndarray, diverged: np.ndarray | None = None) -> None:
        """Looks at all scores so far: those whom the best beat leave.

        Args:
            scores: Of all that started, shape `(architectures, trials)`; NaN where there is none, or it
                diverged.
            diverged: How many trials of each diverged.
        """
        self.looks_made += 1
        design = replace(self.design, look=self.looks_made)
        latest = verdict(scores, sign=self.sign, design=design, diverged=diverged)
        left = set(self.contenders) & latest.unbeaten
        self.contenders = [index for index in latest.order if index in left]
        self.verdict = latest
