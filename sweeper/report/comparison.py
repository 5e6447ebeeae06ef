"""The answer of a sweep: which architecture is best, by how much, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..points import Point
from ..store.store import Store
from .collect import named
from .effects import Effect, grid_effects, is_grid
from .statistics import Pairwise, compare_all, superiority, tied_for_first, trials_to_settle

ALPHA = 0.05
_MOST_NAMES = 4
_WORTH_TELLING = 0.01


@dataclass(frozen=True)
class Comparison:
    """Validation performances, and what follows from them.

    Attributes:
        points: The points that have trials.
        columns: Names of the parameters.
        cells: For each point, its parameters as text, one per column.
        scores: Shape `(points, trials)`; NaN where a point lacks a trial.
    """

    points: Sequence[Point]
    columns: Sequence[str]
    cells: Sequence[Sequence[str]]
    scores: np.ndarray

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
            return f'{self.names[best]} is the best of {len(self.names)}: {mean:.4f}; {self._lead(best)}.'
        others = ', '.join(self.names[one] for one in tied[:_MOST_NAMES])
        more = f' and {len(tied) - _MOST_NAMES} more' if len(tied) > _MOST_NAMES else ''
        told = 'has' if len(tied) == 1 else 'have'
        return (
            f'{self.names[best]} has the highest mean ({mean:.4f}), but {others}{more} {told} not been told '
            f'apart from it. {self._what_would_settle_it(best, tied[0])}'
        )

    def effects(self) -> list[Effect]:
        """What each parameter does, the largest first; nothing unless the points are a complete grid."""
        if len(self.cells) < 2 or not is_grid(self.cells):
            return []
        return grid_effects(self.cells, self.columns, self.means.tolist())

    def influence(self) -> str:
        """Says what the performance depends on; '' unless the points differ, and are a complete grid."""
        if len(self.first) == len(self.names):
            return ''
        told = [
            f'{" with ".join(effect.parameters)} {100 * effect.share:.0f}%'
            for effect in self.effects()
            if effect.share >= _WORTH_TELLING
        ]
        return f'Of the variance between architectures: {", ".join(told)}.' if told else ''

    def _lead(self, best: int) -> str:
        second = int(np.argsort(-self.means, kind='stable')[1])
        gap, p = self.pairwise.difference[best, second], self.pairwise.p_adjusted[best, second]
        return (
            f'{gap:.4f} ahead of {self.names[second]} (p = {p:.2g}, paired t-test, '
            f'Holm-corrected for {self._tests} comparisons)'
        )

    def _what_would_settle_it(self, best: int, second: int) -> str:
        common = np.isfinite(self.scores[[best, second]]).all(axis=0)
        one, other = self.scores[best, common], self.scores[second, common]
        if len(one) < 2:
            return 'With a single trial of each, nothing can be said about differences.'
        share = superiority(one, other)
        chance = (
            f'A trial of {self.names[best]} beats one of {self.names[second]} with probability {share:.2f}'
        )
        needed = trials_to_settle(one, other, ALPHA / self._tests)
        if needed is None or needed <= len(one):
            return f'{chance}.'
        return f'{chance}; if their difference is real, about {needed} trials of each would show it.'

    @property
    def _tests(self) -> int:
        return len(self.names) * (len(self.names) - 1) // 2


def compare(store: Store) -> Comparison:
    """Compares the points of a sweep that have trials and did not fail."""
    trials = {point: store.trials(point) for point in store.points if store.error(point) is None}
    trials = {point: one for point, one in trials.items() if one}
    scores = np.full((len(trials), max((max(one) + 1 for one in trials.values()), default=0)), np.nan)
    for row, one in enumerate(trials.values()):
        for index, trial in one.items():
            scores[row, index] = trial.perf_val
    cells = [store.parameter_cells(point) for point in trials]
    return Comparison(list(trials), store.parameter_columns(), cells, scores)
