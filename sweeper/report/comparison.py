"""The answer of a sweep: which architecture is best, by how much, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..errors import MissingExtra
from ..points import Point
from ..store.store import Store
from .collect import named
from .effects import EXACT, FANOVA, Effect, grid_effects, is_grid
from .importance import importances
from .statistics import (
    Interval,
    Pairwise,
    compare_all,
    mean_interval,
    superiority,
    tied_for_first,
    trials_to_settle,
)

ALPHA = 0.05
_MOST_NAMES = 4
_WORTH_TELLING = {EXACT: 0.01, FANOVA: 0.05}
_SMALLEST_P = 1e-6


@dataclass(frozen=True)
class Comparison:
    """Validation performances, and what follows from them.

    Attributes:
        points: The points that have trials.
        columns: Names of the parameters.
        cells: For each point, its parameters as text, one per column.
        scores: Shape `(points, trials)`; NaN where a point lacks a trial.
        test_scores: The same on test data, or None without a test split.
    """

    points: Sequence[Point]
    columns: Sequence[str]
    cells: Sequence[Sequence[str]]
    scores: np.ndarray
    test_scores: np.ndarray | None = None

    @cached_property
    def names(self) -> list[str]:
        """Of the points, for a person."""
        return [named(self.columns, cells, ' ') for cells in self.cells]

    @cached_property
    def means(self) -> np.ndarray:
        """Of each point's scores, shape `(points,)`."""
        means: np.ndarray = np.nanmean(self.scores, axis=1)
        return means

    @cached_property
    def pairwise(self) -> Pairwise:
        """Every point against every other."""
        return compare_all(self.scores)

    @cached_property
    def first(self) -> list[int]:
        """Indices of the best point and of those that the trials cannot tell from it, best first."""
        return tied_for_first(self.scores, self.pairwise, ALPHA)

    def answer(self) -> str:
        """Says it in a sentence or two."""
        if not self.first:
            return 'There are no trials yet.'
        best, *tied = self.first
        mean = float(self.means[best])
        if len(self.names) == 1:
            return f'{self.names[best]} is the only one with trials: {mean:.4f}.'
        if not tied:
            rank = 'better of 2' if len(self.names) == 2 else f'best of {len(self.names)}'
            return f'{self.names[best]} is the {rank}: {mean:.4f}; {self._lead(best)}.'
        others = ', '.join(self.names[one] for one in tied[:_MOST_NAMES])
        more = f' and {len(tied) - _MOST_NAMES} more' if len(tied) > _MOST_NAMES else ''
        told = 'has' if len(tied) == 1 else 'have'
        return (
            f'{self.names[best]} has the highest mean ({mean:.4f}), but {others}{more} {told} not been told '
            f'apart from it. {self._what_would_settle_it(best, tied[0])}'
        )

    def on_test_data(self) -> str:
        """Says how the best does on test data, beside the data that it was chosen by; '' without a split."""
        if not self.first or self.test_scores is None:
            return ''
        best = self.first[0]
        tested, chosen = _interval(self.test_scores[best]), _interval(self.scores[best])
        if not str(tested):
            return ''
        told = f'On test data {self.names[best]} has {tested}, on validation data {chosen}'
        if len(self.names) == 1:
            return f'{told}.'
        return (
            f'{told}: as the highest of {len(self.names)} this tends to be too high, '
            f'while nothing was chosen by test data.'
        )

    def effects(self) -> list[Effect]:
        """What each parameter does, the largest first.

        On a complete grid that is exact, with interactions of two; otherwise main effects are estimated, if
        there are enough points and what it takes is installed (if not, `influence` says what to install).
        """
        with suppress(MissingExtra):
            return self._effects
        return []

    def influence(self) -> str:
        """Says what the performance depends on; '' if nothing can be said, or all points are tied."""
        if len(self.first) == len(self.names):
            return ''
        try:
            effects = self._effects
        except MissingExtra as missing:
            return str(missing)
        told = [
            f'{" with ".join(effect.parameters)} {100 * effect.share:.0f}%'
            for effect in effects
            if effect.share >= _WORTH_TELLING[effect.method]
        ]
        if len(effects) < 2 or not told:
            return ''
        estimated = f', estimated by {FANOVA}' if effects[0].method == FANOVA else ''
        return f'Of the variance between architectures{estimated}: {", ".join(told)}.'

    @cached_property
    def _effects(self) -> list[Effect]:
        if len(self.cells) < 2:
            return []
        find = grid_effects if is_grid(self.cells) else importances
        return find(self.cells, self.columns, self.means.tolist())

    def _lead(self, best: int) -> str:
        second = int(np.argsort(-self.means, kind='stable')[1])
        gap, p = self.pairwise.difference[best, second], self.pairwise.p_adjusted[best, second]
        corrected = f', Holm-corrected for {self._tests} comparisons' if self._tests > 1 else ''
        surely = f'p < {_SMALLEST_P:g}' if p < _SMALLEST_P else f'p = {p:.2g}'
        return f'{gap:.4f} ahead of {self.names[second]} ({surely}, paired test{corrected})'

    def _what_would_settle_it(self, best: int, second: int) -> str:
        common = np.isfinite(self.scores[[best, second]]).all(axis=0)
        one, other = self.scores[best, common], self.scores[second, common]
        if len(one) < 2:
            return 'With a single trial of each, nothing can be said about differences.'
        share = superiority(one, other)
        chance = (
            f'A trial of {self.names[best]} beats one of {self.names[second]} with probability {share:.2f}, '
            f'judging by {len(one)} of each'
        )
        needed = trials_to_settle(one, other, ALPHA / self._tests)
        if needed is None or needed <= len(one):
            return f'{chance}.'
        settled = f'about {needed} trials of each ({needed - len(one)} more) would show it'
        return f'{chance}; if their difference is real, {settled}.'

    @property
    def _tests(self) -> int:
        return len(self.names) * (len(self.names) - 1) // 2


def compare(store: Store) -> Comparison:
    """Compares the points of a sweep that have trials and did not fail."""
    trials = {point: store.trials(point) for point in store.points if store.error(point) is None}
    trials = {point: one for point, one in trials.items() if one}
    scores = np.full((len(trials), max((max(one) + 1 for one in trials.values()), default=0)), np.nan)
    test_scores = np.full_like(scores, np.nan)
    for row, one in enumerate(trials.values()):
        for index, trial in one.items():
            scores[row, index] = trial.perf_val
            if trial.perf_test is not None:
                test_scores[row, index] = trial.perf_test
    cells = [store.parameter_cells(point) for point in trials]
    has_test = bool(np.isfinite(test_scores).any())
    return Comparison(
        list(trials), store.parameter_columns(), cells, scores, test_scores if has_test else None
    )


def _interval(scores: np.ndarray) -> Interval:
    return mean_interval(scores[np.isfinite(scores)])
