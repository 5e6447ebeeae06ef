"""The answer of a sweep: which architecture is best, by how much, and how sure that is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ...points import Point
from ...store.layout import checked_folder
from ...store.records import Records
from ...store.store import Store
from ..collect import named
from ..flags import EXCLUSIONS, exclusions
from ..measure import Measure, measure_of
from .effects import Effect
from .influence import Influence, influence
from .statistics import (
    ManyPairs,
    Pairwise,
    compare_some,
    superiority,
    tied_for_first,
    trials_to_settle,
)

ALPHA = 0.05
MOST_IN_PAIRS = 1000
"""For how many architectures at most all pairs are looked at: their memory grows with the square."""
_MOST_NAMES = 4
_SMALLEST_P = 1e-6


@dataclass(frozen=True)
class Comparison:
    """Validation performances, and what follows from them.

    An architecture whose tuning or training is in doubt (`flags.EXCLUSIONS`) is not compared with any other.

    Attributes:
        points: The points that have trials.
        columns: Names of the parameters.
        cells: For each point, its parameters as text, one per column.
        scores: Shape `(points, trials)`; NaN where a point lacks a trial.
        test_scores: The same on test data, or None without a test split.
        flags: For each point, what is suspicious about it; empty if nothing is, about any.
        measure: What scores are, and which are better.
        epochs: For each point, how many its trials have; empty if that is not known.
    """

    points: Sequence[Point]
    columns: Sequence[str]
    cells: Sequence[Sequence[str]]
    scores: np.ndarray
    test_scores: np.ndarray | None = None
    flags: Sequence[Sequence[str]] = ()
    measure: Measure = Measure()  # noqa: RUF009 - it is frozen
    epochs: Sequence[float] = ()

    @cached_property
    def names(self) -> list[str]:
        """Of the points, for a person."""
        return [named(self.columns, cells, ' ') or '()' for cells in self.cells]

    @cached_property
    def means(self) -> np.ndarray:
        """Of each point's scores, shape `(points,)`."""
        means: np.ndarray = np.nanmean(self.scores, axis=1)
        return means

    @cached_property
    def exclusions(self) -> list[list[str]]:
        """For each point, the flags that make it not comparable; empty if it is comparable."""
        return [exclusions(flags) for flags in self.flags] or [[] for _ in self.points]

    @cached_property
    def comparable(self) -> list[int]:
        """Indices of the points that can be compared."""
        return [index for index, flags in enumerate(self.exclusions) if not flags]

    @cached_property
    def pairwise(self) -> Pairwise | ManyPairs:
        """Every point against every other; NaN for those that cannot be compared."""
        is_comparable = np.array([not flags for flags in self.exclusions], dtype=bool)
        compare = compare_some if len(self.scores) <= MOST_IN_PAIRS else ManyPairs
        return compare(self.scores, is_comparable, self.measure.val_to_train)

    @cached_property
    def first(self) -> list[int]:
        """Indices of the best point and of those that the trials cannot tell from it, best first."""
        return tied_for_first(self.scores, self.pairwise, ALPHA, self.measure.sign)

    def answer(self) -> str:
        """Says it in a few sentences: which is best, and which cannot be compared, why, and what to do."""
        if not self.names:
            return 'There are no trials yet.'
        return ' '.join(
            filter(None, (self._best(), self.not_comparable(), self._chosen_by(), self._lengths()))
        )

    def not_comparable(self) -> str:
        """Says which architectures cannot be compared, why, and what to do; '' if all can."""
        groups: dict[tuple[str, ...], list[int]] = {}
        for index, flags in enumerate(self.exclusions):
            if flags:
                groups.setdefault(tuple(flags), []).append(index)
        return ' '.join(self._doubted(flags, members) for flags, members in groups.items())

    def _doubted(self, flags: Sequence[str], members: Sequence[int]) -> str:
        members = sorted(members, key=self._rank)
        names = _listed([f'{self.names[index]} ({self._mean(index)})' for index in members])
        verb = 'is' if len(members) == 1 else 'are'
        why = '; '.join(f'{EXCLUSIONS[flag].why} ({flag})' for flag in flags)
        remedies = dict.fromkeys(EXCLUSIONS[flag].remedy for flag in flags)
        remedy = max(remedies, key=len)  # the longest has the others in it
        return f'{names} {verb} not comparable: {why}. To compare {_it(members)}, {remedy}.'

    def _best(self) -> str:
        """Says which of those that can be compared is best."""
        if not self.first:
            return ''
        best, *tied = self.first
        mean, count = self._mean(best) + self.measure.direction, len(self.comparable)
        if count == 1:
            only = 'architecture with trials' if len(self.names) == 1 else 'comparable architecture'
            return f'{self.names[best]} is the only {only}: {mean}.'
        if not tied:
            rank = 'better of 2' if count == 2 else f'best of {count}'
            comparable = ' comparable architectures' if count < len(self.names) else ''
            return f'{self.names[best]} is the {rank}{comparable}: {mean}; {self._lead(best)}.'
        others = _listed([self.names[index] for index in tied])
        better = '' if self.measure.info.higher else '; lower is better'
        mean = f'{self._extreme} mean ({self._mean(best)}{better})'
        return (
            f'{self.names[best]} has the {mean}, but {others} cannot be distinguished from it yet. '
            f'{self._what_would_settle_it(best, tied[0])}'
        )

    def on_test_data(self) -> str:
        """Says how the best does on test data, beside the data that it was chosen by; '' without a split."""
        if not self.first or self.test_scores is None:
            return ''
        best = self.first[0]
        tested, chosen = self._interval(self.test_scores[best]), self._interval(self.scores[best])
        if not tested:
            return ''
        name = '' if self.measure.is_plain else f'{self.measure.name} '
        sentence = f'On test data, {self.names[best]} reaches {name}{tested}; on validation data, {chosen}'
        if len(self.comparable) == 1:
            return f'{sentence}.'
        return (
            f'{sentence}, which tends to be too {"high" if self.measure.info.higher else "low"}, '
            f'as it is the {self._extreme} of {len(self.comparable)}. '
            f'Test data was not used to choose anything.'
        )

    @cached_property
    def influences(self) -> Influence:
        """What each parameter does, of the architectures that can be compared; nothing for sure if tied."""
        some, val_to_train = self.comparable, self.measure.val_to_train
        result = influence(
            [self.cells[index] for index in some], self.columns, self.scores[some],
            paired=val_to_train > 0, val_to_train=val_to_train,
        )  # fmt: skip
        is_known = not self.are_tied or result.unknown
        return result if is_known else replace(result, unknown='all architectures are tied')

    def effects(self) -> list[Effect]:
        """What each parameter does, the largest first, with what may be noise; empty if that is not known."""
        return list(self.influences.effects)

    def influence(self) -> str:
        """Says what the performance depends on, or why that is not known; '' if all are tied."""
        return '' if self.are_tied else self.influences.sentence(self.measure.name)

    @property
    def are_tied(self) -> bool:
        """Whether no two architectures differ, as far as the trials tell."""
        return len(self.first) == len(self.comparable)

    def _lead(self, best: int) -> str:
        second = min((index for index in self.comparable if index != best), key=self._rank)
        against = self.pairwise.row(best)
        gap, p = against.difference[second], against.p_adjusted[second]
        method = self.pairwise.correction
        corrected = f', {method}-corrected for {self._tests} comparisons' if self._tests > 1 else ''
        surely = f'p < {_SMALLEST_P:g}' if p < _SMALLEST_P else f'p = {p:.2g}'
        lead = f'{self.measure.number(abs(gap))} ahead of {self.names[second]}'
        return f'{lead} ({surely}, {self.test}{corrected})'

    @property
    def test(self) -> str:
        """The test of differences, for a person."""
        return 'corrected resampled t-test' if self.measure.val_to_train else 'paired test'

    def _what_would_settle_it(self, best: int, second: int) -> str:
        common = np.isfinite(self.scores[[best, second]]).all(axis=0)
        first, other = self.scores[best, common], self.scores[second, common]
        if len(first) < 2:
            return 'A single trial of each says nothing about differences.'
        share = superiority(self.measure.sign * first, self.measure.sign * other)
        chance = (
            f'A trial of {self.names[best]} beats one of {self.names[second]} with probability {share:.2f}, '
            f'judging by {len(first)} trials of each'
        )
        needed = trials_to_settle(first, other, ALPHA / self._tests, val_to_train=self.measure.val_to_train)
        if needed is None or needed <= len(first):
            return f'{chance}.'
        return (
            f'{chance}; if the difference is real, you would need about {needed} trials of each '
            f'({needed - len(first)} more) to confirm it.'
        )

    def _chosen_by(self) -> str:
        """Says that another metric was tuned by, if one was."""
        name, objective = self.measure.name, self.measure.objective
        return (
            '' if self.measure.is_objective else f'Learning rates were tuned by {objective}, not by {name}.'
        )

    def _lengths(self) -> str:
        """Says how long trials are, if not equally long for all."""
        if len(set(self.epochs)) < 2:
            return ''
        least, most = min(self.epochs), max(self.epochs)
        return f'Trials are {least:.3g} to {most:.3g} epochs long, as tuned for each architecture.'

    @property
    def _extreme(self) -> str:
        return 'highest' if self.measure.info.higher else 'lowest'

    def _rank(self, index: int) -> float:
        return -self.measure.sign * float(self.means[index])

    def _mean(self, index: int) -> str:
        return self.measure.text(float(self.means[index]))

    def _interval(self, scores: np.ndarray) -> str:
        return str(self.measure.interval(scores[np.isfinite(scores)]))

    @property
    def _tests(self) -> int:
        return len(self.comparable) * (len(self.comparable) - 1) // 2


def compare(source: Records | str | os.PathLike[str], metric: str | None = None) -> Comparison:
    """Compares the points of a sweep that have trials and did not fail.

    Args:
        source: The sweep's folder, finished or not.
        metric: The name of the metric to compare by; the objective by default.

    Raises:
        FolderError: The folder holds no sweep, or cannot be read.
        InvalidArgument: There is no such metric.
    """
    store = source if isinstance(source, Records) else Store.read(checked_folder(source))
    measure = measure_of(store.manifest.metrics, metric, store.manifest.val_to_train)
    trials = {point: store.trials(point) for point in store.points if store.error(point) is None}
    trials = {point: scores for point, scores in trials.items() if measure.values(scores.values())}
    scores = np.full((len(trials), max((max(scores) + 1 for scores in trials.values()), default=0)), np.nan)
    test_scores = np.full_like(scores, np.nan)
    for row, by_index in enumerate(trials.values()):
        for index, trial in by_index.items():
            scores[row, index] = measure.of(trial)
            test_scores[row, index] = measure.of(trial, 'test')
    cells = [store.parameter_cells(point) for point in trials]
    has_test = bool(np.isfinite(test_scores).any())
    return Comparison(
        list(trials),
        store.parameter_columns(),
        cells,
        scores,
        test_scores if has_test else None,
        [measure.flags(store.flags(point), measure.values(trials[point].values())) for point in trials],
        measure,
        [tuned.epochs for point in trials if (tuned := store.tuned(point)) is not None],
    )


def _listed(names: Sequence[str]) -> str:
    if len(names) > _MOST_NAMES:
        return f'{", ".join(names[:_MOST_NAMES])} and {len(names) - _MOST_NAMES} more'
    return ' and '.join(filter(None, (', '.join(names[:-1]), names[-1])))


def _it(members: Sequence[int]) -> str:
    return 'it' if len(members) == 1 else 'them'
