"""Architectures against each other: their scores in a table, and what follows from them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ...amounts import checked_margin
from ...points import Point
from ...stats.design import Design
from ...stats.differences import Differences
from ...stats.verdict import Verdict
from ...store.layout import checked_folder
from ...store.records import Records
from ...store.store import Store
from ..collect import named
from ..flags import exclusions
from ..measure import Measure, is_diverged, measure_of, scores_of
from .answer import Answer
from .effects import Effect
from .influence import Influence, influence
from .judged import judged, table


@dataclass(frozen=True)
class Comparison:
    """Validation performances, and what follows from them.

    An architecture whose tuning or training is in doubt (`flags.EXCLUSIONS`) is not compared with any other.

    Attributes:
        points: The points that have trials.
        columns: Names of the parameters.
        cells: For each point, its parameters as text, one per column.
        scores: Shape `(points, trials)`; NaN where a point lacks a trial, or it diverged.
        test_scores: The same on test data, or None without a test split.
        flags: For each point, what is suspicious about it; empty if nothing is, about any.
        measure: What scores are, and which are better.
        epochs: For each point, how many its trials have; empty if that is not known.
        diverged: For each point, how many of its trials diverged; empty if none did.
        losses: Validation losses like scores, which decide between equal means; None if not known.
        design: How scores are compared.
    """

    points: Sequence[Point]
    columns: Sequence[str]
    cells: Sequence[Sequence[str]]
    scores: np.ndarray
    test_scores: np.ndarray | None = None
    flags: Sequence[Sequence[str]] = ()
    measure: Measure = Measure()  # noqa: RUF009 - it is frozen
    epochs: Sequence[float] = ()
    diverged: Sequence[int] = ()
    losses: np.ndarray | None = None
    design: Design = Design()  # noqa: RUF009 - it is frozen

    @cached_property
    def names(self) -> list[str]:
        """Of the points, for a person."""
        return [named(self.columns, cells, ' ') or '()' for cells in self.cells]

    @property
    def means(self) -> np.ndarray:
        """Of each point's scores, shape `(points,)`."""
        return self.verdict.means

    @cached_property
    def exclusions(self) -> list[list[str]]:
        """For each point, the flags that make it not comparable; empty if it is comparable."""
        return [exclusions(flags) for flags in self.flags] or [[] for _ in self.points]

    @cached_property
    def comparable(self) -> list[int]:
        """Indices of the points that can be compared."""
        return [index for index, flags in enumerate(self.exclusions) if not flags]

    @cached_property
    def verdict(self) -> Verdict:
        """Which is best, which may be, and by how much."""
        return judged(
            self.scores,
            self.measure,
            self.design,
            np.array([not flags for flags in self.exclusions], dtype=bool),
            np.array(self.diverged) if len(self.diverged) else None,
            self.losses,
        )

    @property
    def pairwise(self) -> Differences:
        """Every point against every other; NaN for those that cannot be compared."""
        return self.verdict.differences

    @property
    def first(self) -> list[int]:
        """Indices of the points among which the best is, with 95% confidence; best first."""
        return self.verdict.candidates

    @cached_property
    def sentences(self) -> Answer:
        """What all this says, in words."""
        return Answer(self.names, self.verdict, self.measure, self.exclusions, self.test_scores, self.epochs)

    def answer(self) -> str:
        """Says in at most three sentences which is best, and which cannot be compared."""
        return self.sentences.text

    def details(self) -> list[str]:
        """Says what else is to be known: how sure the answer is, and what it does not cover."""
        return self.sentences.details

    def not_comparable(self) -> str:
        """Says which architectures cannot be compared, why, and what to do; '' if all can."""
        return self.sentences.not_comparable

    def on_test_data(self) -> str:
        """Says how the best does on test data; '' without a split."""
        return self.sentences.on_test_data

    @cached_property
    def influences(self) -> Influence:
        """What each parameter does, of the architectures that can be compared; nothing for sure if tied."""
        some = self.comparable
        cells = [self.cells[index] for index in some]
        result = influence(cells, self.columns, self.verdict.scores[some], self.design)
        is_known = not self.are_tied or result.unknown
        return result if is_known else replace(result, unknown='all architectures are tied')

    def effects(self) -> list[Effect]:
        """What each parameter does, the largest first, with what may be noise; empty if that is not known."""
        return list(self.influences.effects)

    def influence(self) -> str:
        """Says what the performance depends on, or why that is not known; '' if all are tied."""
        sentence = '' if self.are_tied else self.influences.sentence(self.measure.name)
        so_far = sentence and self.design.is_interim
        return f'So far, {sentence[0].lower()}{sentence[1:]}' if so_far else sentence

    @property
    def are_tied(self) -> bool:
        """Whether any of the architectures may be the best, as far as the trials tell."""
        return len(self.first) == len(self.verdict.order)


def compare(
    source: Records | str | os.PathLike[str], metric: str | None = None, margin: float | None = None
) -> Comparison:
    """Compares the points of a sweep that have trials and did not fail.

    Args:
        source: The sweep's folder, finished or not.
        metric: The name of the metric to compare by; the objective by default.
        margin: The largest difference that does not matter, in the unit of the metric; that of the sweep by
            default, or else one that follows from the scores.

    Raises:
        FolderError: The folder holds no sweep, or cannot be read.
        InvalidArgument: There is no such metric, or the margin is not positive.
    """
    store = source if isinstance(source, Records) else Store.read(checked_folder(source))
    measure = measure_of(store.manifest.metrics, metric, store.manifest.val_to_train)
    trials = {point: store.trials(point) for point in store.points if store.error(point) is None}
    trials = {point: scores for point, scores in trials.items() if measure.values(scores.values())}
    rows = list(trials.values())
    scores, test_scores = (
        table([scores_of(row, measure, split) for row in rows]) for split in ('val', 'test')
    )
    loss = measure_of(store.manifest.metrics, 'loss')
    return Comparison(
        list(trials),
        store.parameter_columns(),
        [store.parameter_cells(point) for point in trials],
        scores,
        test_scores if np.isfinite(test_scores).any() else None,
        [measure.flags(store.flags(point), trials[point]) for point in trials],
        measure,
        [tuned.epochs for point in trials if (tuned := store.tuned(point)) is not None],
        [sum(is_diverged(trial, measure) for trial in row.values()) for row in rows],
        table([scores_of(row, loss) for row in rows]),
        design_of(store, measure, margin),
    )


def design_of(store: Records, measure: Measure, margin: float | None = None) -> Design:
    """Returns how trials are compared by a metric; the sweep's own margin is one of the objective."""
    design = store.design
    if margin is None:
        return design if measure.is_objective else replace(design, margin=None)
    return replace(design, margin=checked_margin(margin))
