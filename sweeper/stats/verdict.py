"""Which architecture is best, which may be, and which are as good as it.

Three questions, each with a test of its own, and each answered falsely in at most 5% of sweeps, over all
looks at the results:

- *Is it better than every other?* All pairs are compared (`differences`), and corrected for that (Holm 1979).
- *Which may be the best?* Those that no other beats in one of so many one-sided comparisons as there are
  others (Gupta 1965, On some multiple decision rules; Hsu 1996, Multiple comparisons, chapter 4), after
  Sidak.
- *Which are as good?* Those whose difference to the best lies within a margin (two one-sided tests,
  Schuirmann 1987).

Trials that diverged have no score, but count: an architecture is better than another only if it has the
better mean and converges in no smaller share of its trials.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .advice import Advice, Spread, default_margin
from .design import Design
from .differences import Differences
from .intervals import MODERATED, RESAMPLED, STUDENT, Interval
from .looks import ALPHA

_RIVALS = 10
"""How many of the first are looked at to see whom they beat; more would hardly leave fewer."""
_DIGITS = 12
"""Means that agree in so many are equal: they differ by rounding."""


@dataclass(frozen=True, eq=False)
class Verdict:
    """What scores say of architectures; see `verdict`.

    Attributes:
        scores: What is compared: a score per trial, or the mean of those of a tuning if there are several;
            shape `(architectures, units)`, NaN where there is none.
        sign: 1 if higher scores are better, else -1.
        design: How they are compared.
        diverged: How many trials of each diverged, shape `(architectures,)`.
        converged: How many did not.
        losses: Mean losses, which decide between equal means; NaN where not known.
        differences: All comparisons.
    """

    scores: np.ndarray
    sign: int
    design: Design
    diverged: np.ndarray
    converged: np.ndarray
    losses: np.ndarray
    differences: Differences

    @property
    def means(self) -> np.ndarray:
        """Of each architecture's scores, shape `(architectures,)`; NaN without any."""
        return self.differences.means

    @cached_property
    def order(self) -> list[int]:
        """Those that are compared, best first: by the mean, and by the loss where means are equal.

        Where numbers of trials differ, means of few are drawn towards the mean of all, as far as their
        spread says that they differ by chance: else the first would mostly be one of few trials. What is not
        chance is taken to be at least as much.
        """
        ranks = self.sign * _rounded(self._ranked_means)
        losses = _rounded(np.where(np.isnan(self.losses), math.inf, self.losses))
        compared = np.flatnonzero(self.differences.is_compared)
        return [int(index) for index in sorted(compared, key=lambda index: (-ranks[index], losses[index]))]

    @cached_property
    def _ranked_means(self) -> np.ndarray:
        compared = self.differences.is_compared
        if len(set(np.isfinite(self.scores[compared]).sum(axis=1))) < 2:
            return self.means
        errors = np.where(compared, self.differences.errors[0], np.nan)
        if not np.isfinite(errors).any():
            return self.means
        squares = np.where(np.isfinite(errors), errors, np.nanmax(errors)) ** 2
        by_chance = float(np.mean(squares[compared]))
        between = max(float(np.var(self.means[compared], ddof=1)) - by_chance, by_chance)
        weights = between / _positive(between + squares)
        centre = np.average(self.means[compared], weights=1 / _positive(between + squares[compared]))
        return np.where(weights > 0, centre + weights * (self.means - centre), self.means)

    @property
    def best(self) -> int | None:
        """Which comes first; None if none is compared."""
        return self.order[0] if self.order else None

    @cached_property
    def shares(self) -> np.ndarray:
        """The share of trials that converged, shape `(architectures,)`."""
        shares: np.ndarray = self.converged / np.maximum(self.converged + self.diverged, 1)
        return shares

    def is_better(self, index: int) -> np.ndarray:
        """Whether an architecture is better than each, corrected for all pairs; shape `(architectures,)`."""
        row = self.differences.row(index)
        is_ahead = (self.sign * row.difference > 0) & (self.shares[index] >= self.shares)
        better: np.ndarray = is_ahead & (row.p_adjusted < ALPHA)
        return better

    @cached_property
    def winner(self) -> int | None:
        """Which is better than every other; None if that cannot be said."""
        return None if self.design.is_interim else self._winner

    @cached_property
    def _winner(self) -> int | None:
        if len(self.order) < 2 or len(self.unbeaten) > 1:
            return None
        best, *others = self.order
        return best if self.is_better(best)[others].all() and best in self.unbeaten else None

    @cached_property
    def undecided(self) -> list[int]:
        """Than which the best is not known to be better; best first."""
        if self.best is None:
            return []
        is_better = self.is_better(self.best)
        return [index for index in self.order[1:] if not is_better[index]]

    @cached_property
    def candidates(self) -> list[int]:
        """Among which the best is, with 95% confidence; best first."""
        if self._winner is not None:
            return [self._winner]
        unbeaten = self.unbeaten.union(self.order[:1])
        if (
            len(unbeaten) == 1
        ):  # which says less than being the winner: so whom it does not beat is named, too
            unbeaten.update(self.undecided)
        return [index for index in self.order if index in unbeaten]

    @cached_property
    def unbeaten(self) -> set[int]:
        """Those that no other beats in one-sided comparisons: the best is among them, with 95% confidence."""
        tests = max(len(self.order) - 1, 1)
        limit = -math.expm1(math.log1p(-self.design.level) / tests)
        unbeaten = set(self.order)
        for index in self.order[:_RIVALS]:  # what others may beat is beaten by these, if by any
            difference, p = self.differences.uncorrected(index)
            is_behind = (self.sign * difference > 0) & (p / 2 <= limit)
            beaten = is_behind & (self.shares[index] >= self.shares)
            unbeaten.difference_update(np.flatnonzero(beaten).tolist())
        return unbeaten

    @cached_property
    def margin(self) -> float:
        """The difference that is too small to matter; NaN if none is given, and none follows from scores."""
        given = self.design.margin
        if given is not None or self.best is None:
            return math.nan if given is None else given
        return default_margin(float(self.means[self.best]), self.spread, self.design)

    @cached_property
    def equivalent(self) -> list[int]:
        """Which differ from the best by less than the margin, itself included; best first.

        If all candidates do, each test is at the level of the look; else it is that divided by their number.
        """
        if self.best is None or self.design.is_interim or len(self.order) < 2:
            return []
        others = [index for index in self.order if index != self.best]
        rivals = [index for index in self.candidates if index != self.best] or others
        p = self._p_within_margin
        if (p[rivals] <= self.design.level).all():
            limit = self.design.level
            chosen = [index for index in rivals if p[index] <= limit]
        else:
            chosen = [index for index in others if p[index] <= self.design.level / len(others)]
        return [self.best, *chosen] if chosen else []

    @cached_property
    def _p_within_margin(self) -> np.ndarray:
        """P-values of the two one-sided tests that each differs from the best by the margin or more."""
        from scipy.special import stdtr  # slow to import

        assert self.best is not None
        difference, error, freedom = self.differences.errors_of(self.best)
        with np.errstate(invalid='ignore', divide='ignore'):
            p = stdtr(freedom, -(self.margin - np.abs(difference)) / error)
        return np.where(np.isfinite(p), p, 1.0)

    @cached_property
    def behind(self) -> list[Interval]:
        """By how much each is behind the best, with the 95% interval; of the best itself, 0."""
        if self.best is None:
            return [Interval(math.nan)] * len(self.scores)
        row = self.differences.row(self.best)
        ends = np.sort(np.stack([self.sign * row.low, self.sign * row.high]), axis=0)
        intervals = []
        for gap, low, high in zip(self.sign * row.difference, *ends, strict=True):
            method = '' if math.isnan(low) else self.method
            intervals.append(Interval(float(gap), float(low), float(high), method))
        return intervals

    @property
    def method(self) -> str:
        """The name of the distribution that intervals of differences are from."""
        if self.design.val_to_train:
            return RESAMPLED
        return MODERATED if self.differences.is_moderated else STUDENT

    @cached_property
    def intervals(self) -> list[Interval]:
        """Of each architecture's mean, at 95%, cut off at the limits of scores."""
        from scipy.special import stdtrit

        errors, freedom = self.differences.errors
        method = STUDENT if self.design.paired and not self.design.val_to_train else self.method
        result = []
        counts = np.isfinite(self.scores).sum(axis=1)
        for mean, error, degrees, count in zip(self.means, errors, freedom, counts, strict=True):
            if not error > 0 or not degrees > 0:
                result.append(Interval(float(mean), equal=int(count) if count > 1 else 0))
                continue
            half = float(stdtrit(degrees, 0.975) * error)
            interval = Interval(float(mean), float(mean) - half, float(mean) + half, method)
            result.append(interval.within(*self.design.limits))
        return result

    @cached_property
    def spread(self) -> Spread | None:
        """How much differences between single trials vary, in the mean over all; None if unknown."""
        variances = self.differences.variances[0]
        known = [index for index in self.order if variances[index] > 0]
        if not known:
            return None
        freedom = float(max((np.isfinite(self.scores[known]).sum(axis=1) - 1).sum(), 1))
        of_pairs = self.differences.variance_of_pairs if self.design.paired else 0.0
        return Spread(of_pairs or 2 * float(np.mean(variances[known])), freedom)

    @property
    def advice(self) -> Advice:
        """What more trials could show."""
        counts = np.isfinite(self.scores[self.order]).sum(axis=1)
        level = self.design.level / max(self.differences.pairs, 1)
        return Advice(
            self.spread, self.margin, level, int(np.median(counts)) if len(counts) else 0, self.design
        )


def verdict(
    scores: np.ndarray,
    *,
    sign: int = 1,
    design: Design | None = None,
    diverged: np.ndarray | None = None,
    losses: np.ndarray | None = None,
    is_compared: np.ndarray | None = None,
) -> Verdict:
    """Compares architectures by the scores of their trials.

    Args:
        scores: Shape `(architectures, trials)`; NaN for a trial that is missing or diverged.
        sign: 1 if higher scores are better, -1 if lower ones are.
        design: How; by default unpaired, at the first look.
        diverged: How many trials of each diverged, shape `(architectures,)`; none by default.
        losses: Losses like scores, which decide between equal means.
        is_compared: Which to compare, shape `(architectures,)`; all that have scores by default.
    """
    scores, design = np.asarray(scores, dtype=float), design or Design()
    converged = np.isfinite(scores).sum(axis=1)
    units = _means_of_tunings(np.where(np.isfinite(scores), scores, np.nan), design.tunings)
    known = np.full(len(scores), np.nan)
    if losses is not None:
        losses = np.where(np.isfinite(losses), losses, np.nan)
        has_losses = np.isfinite(losses).any(axis=1)
        known[has_losses] = np.nanmean(losses[has_losses], axis=1)
    none = np.zeros(len(scores), dtype=int)
    return Verdict(
        units, sign, design, none if diverged is None else np.asarray(diverged), converged, known,
        Differences(units, is_compared, design),
    )  # fmt: skip


def _means_of_tunings(scores: np.ndarray, tunings: int) -> np.ndarray:
    """Returns the mean score of each tuning of each architecture; scores as they are if there is one."""
    if tunings < 2:
        return scores
    means = np.full((len(scores), tunings), np.nan)
    for tuning in range(tunings):
        some = scores[:, tuning::tunings]
        has_some = np.isfinite(some).any(axis=1)
        means[has_some, tuning] = np.nanmean(some[has_some], axis=1)
    return means


def _rounded(values: np.ndarray) -> np.ndarray:
    """Returns values rounded to so many digits as tell the largest of them."""
    size = np.max(np.abs(values), initial=0, where=np.isfinite(values))
    if size == 0:
        return values
    unit = 10.0 ** (np.floor(np.log10(size)) - _DIGITS)
    rounded: np.ndarray = np.where(np.isfinite(values), np.round(values / unit) * unit, values)
    return rounded


def _positive(values: np.ndarray) -> np.ndarray:
    positive: np.ndarray = np.maximum(values, np.finfo(float).tiny)
    return positive
