"""All that a report shows of a sweep, found out when it is first asked for."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable
from functools import cached_property

from ..points import Point
from ..store.layout import checked_folder
from ..store.origin import commands
from ..store.records import Records
from ..store.store import Store
from .collect import PointSummary, named, summarise
from .measure import measure_of
from .parameters import Parameter, parameters
from .stats.comparison import Comparison, compare
from .stats.tunings import TuningShare, in_words, share_of_tuning


class Findings:
    """What tables, figures and pages are made of.

    Args:
        store: The sweep's folder, as it is now.
        metric: The name of the metric to look at; the objective by default.
        margin: The largest difference that does not matter, in its unit; as for `compare`.

    Raises:
        InvalidArgument: There is no such metric.
    """

    def __init__(self, store: Records, metric: str | None = None, margin: float | None = None) -> None:
        self.store, self.margin = store, margin
        self.measure = measure_of(store.manifest.metrics, metric, store.manifest.val_to_train)

    @classmethod
    def of(cls, source: Findings | str | os.PathLike[str], metric: str | None = None) -> Findings:
        """Returns those given, or reads a folder."""
        if not isinstance(source, Findings):
            return cls.read(source, metric)
        return source if metric is None else source.by(metric)

    @classmethod
    def read(cls, folder: str | os.PathLike[str], metric: str | None = None) -> Findings:
        """Reads a sweep's folder, finished or not.

        Raises:
            FolderError: It holds no sweep, or cannot be read.
            InvalidArgument: There is no such metric.
        """
        return cls(Store.read(checked_folder(folder)), metric)

    def by(self, metric: str) -> Findings:
        """Returns the same sweep's findings by another metric."""
        return self if metric == self.measure.name else Findings(self.store, metric)

    @cached_property
    def columns(self) -> list[str]:
        """Names of the parameters."""
        return self.store.parameter_columns()

    @cached_property
    def nuisance(self) -> list[str]:
        """Names of what was tuned beside learning rates and batch sizes."""
        return self.store.nuisance_names()

    @cached_property
    def commands(self) -> list[str]:
        """The commands that made the sweep, in order, if more than one added architectures; else none."""
        numbers = set(self.store.command_numbers().values())
        return commands(self.store.manifest.origin) if len(numbers) > 1 else []

    @cached_property
    def parameters(self) -> list[Parameter]:
        """What is done with each parameter, and where it is declared."""
        return parameters(self.store, [summary.cells for summary in self.summaries])

    @cached_property
    def comparison(self) -> Comparison:
        """The architectures that have trials, against each other."""
        return compare(self.store, self.measure.name, self.margin)

    @cached_property
    def tuning_share(self) -> TuningShare | None:
        """How much of the variance of trials is due to tuning; None if that cannot be told."""
        comparison = self.comparison
        return share_of_tuning(comparison.scores[comparison.comparable], self.store.manifest.tunings)

    @property
    def units(self) -> str:
        """What means and their intervals are over."""
        return 'tunings' if self.store.manifest.tunings > 1 else 'trials'

    @property
    def due_to_tuning(self) -> str:
        """The same in words; '' if architectures were tuned once."""
        tunings = self.store.manifest.tunings
        return in_words(self.tuning_share, tunings) if tunings > 1 else ''

    @cached_property
    def summaries(self) -> list[PointSummary]:
        """Of all points: the best first, then the unfinished, the failed."""
        order, points = self.comparison.verdict.order, self.comparison.points
        places = {points[index]: rank for rank, index in enumerate(order)}
        summaries = [
            self._compared(summary, order[places[summary.params]]) if summary.params in places else summary
            for summary in summarise(self.store, self.measure)
        ]
        return sorted(summaries, key=lambda summary: places.get(summary.params, len(places)))

    def _compared(self, summary: PointSummary, index: int) -> PointSummary:
        """Adds what the verdict says of an architecture: the one place that all outputs have it from."""
        verdict, shown = self.comparison.verdict, self.measure.shown
        behind, is_candidate = shown(verdict.behind[index]), summary.params in self.first
        return summary.compared_by(shown(verdict.intervals[index]), behind, is_candidate)

    @cached_property
    def compared(self) -> list[PointSummary]:
        """Of the points that have trials and did not fail: the best first."""
        return [summary for summary in self.summaries if summary.is_compared]

    def leading(self, most: int, most_failed: int) -> Findings:
        """The same with fewer summaries: the best, and the first that failed. All are compared as before."""
        failed = [summary for summary in self.summaries if summary.error is not None]
        others = [summary for summary in self.summaries if summary.error is None]
        return self.only(others[:most] + failed[:most_failed])

    def only(self, summaries: Iterable[PointSummary]) -> Findings:
        """The same with fewer points' summaries. All points are compared as before."""
        points = {summary.params for summary in summaries}
        shown = copy.copy(self)
        vars(shown).pop('compared', None)
        shown.summaries = [summary for summary in self.summaries if summary.params in points]
        return shown

    @cached_property
    def first(self) -> set[Point]:
        """Those that the best is among, with 95% confidence."""
        return {self.comparison.points[index] for index in self.comparison.first}

    def name(self, summary: PointSummary) -> str:
        """An architecture, for a person: its parameters by name."""
        return named(self.columns, summary.cells, ' ') or '()'
