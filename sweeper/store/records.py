"""What is in a sweep's folder, as values: what the files of every point say."""

from __future__ import annotations

import sys
from copy import copy
from dataclasses import dataclass, field, replace

from ..points import Point
from ..results import (
    PointError,
    PointFailure,
    PointResult,
    SweepResults,
    TrialResult,
    Tuned,
    scores_of,
)
from ..stats.design import Design
from .layout import PointLayout, SweepLayout
from .looks import Look, look_of
from .lookup import Lookup
from .manifest import Manifest
from .origin import added_by, command_numbers
from .rejections import Rejections


@dataclass(eq=False, slots=True)
class PointRecord:
    """What is on disk of a point.

    Attributes:
        tuned: What its tuning came to, without report and curves; None if it is not done.
        by_index: Its trials so far, in any order; `trials` has them rising.
        errors: Which of its runs failed, that which counts first.
        parts: By fraction below 1, trials that were trained so far only, by index.
    """

    tuned: Tuned | None = None
    by_index: dict[int, TrialResult] = field(default_factory=dict)
    errors: list[PointError] = field(default_factory=list)
    parts: dict[float, dict[int, TrialResult]] = field(default_factory=dict)
    _is_sorted: bool = False

    @property
    def trials(self) -> dict[int, TrialResult]:
        """Its trials so far, by index, rising: sorted here, not whenever one of thousands is added."""
        if not self._is_sorted:
            self.by_index, self._is_sorted = dict(sorted(self.by_index.items())), True
        return self.by_index

    def trials_at(self, fraction: float) -> dict[int, TrialResult]:
        """Its trials so far, by index in any order, as they were after a fraction of the training."""
        return self.by_index if fraction == 1 else self.parts.get(fraction, {})

    def add_trial(self, index: int, result: TrialResult) -> None:
        """Another trial is on disk."""
        self.by_index[index] = with_shared_texts(result)
        self._is_sorted = False

    def flags(self) -> list[str]:
        """What is suspicious: the flags of the tuning, and what the trials show of it."""
        return self.tuned.flags_with(self.trials) if self.tuned else []

    def result(self, point: Point) -> PointResult | None:
        """The point's result; None if it is not tuned, or failed."""
        if self.tuned is None or self.errors:
            return None
        tuned, scores = self.tuned, scores_of([*self.trials.values()])
        return PointResult(point, tuned.lr_min, tuned.lr_max, tuned.batch_size, *scores)


def with_shared_texts(result: TrialResult) -> TrialResult:
    """Returns the same with texts that are kept once for all results: there may be very many."""
    reason = result.step_reason
    return replace(
        result, step=sys.intern(result.step), step_reason=None if reason is None else sys.intern(reason)
    )


class Records:
    """What is in a sweep's folder. `Store.read` returns it; a sweep under way keeps it up to date.

    Args:
        layout: The folder.
        manifest: Which sweep it is.
        lookup: Its points; one that more were added to takes its place.

    Attributes:
        by_point: What is there of each point, in the order in which they were proposed.
        rejections: Which points were not trained because of limits.
    """

    def __init__(self, layout: SweepLayout, manifest: Manifest, lookup: Lookup) -> None:
        self.layout, self.manifest, self.lookup = layout, manifest, lookup
        self.by_point: dict[Point, PointRecord] = {point: PointRecord() for point in lookup.points}
        self.rejections = Rejections()

    def copy(self) -> Records:
        """Returns one that stays as this one is now, for another thread."""
        kept = copy(self)
        kept.by_point = {
            point: PointRecord(record.tuned, {**record.trials}, record.errors)
            for point, record in self.by_point.items()
        }
        return kept

    @property
    def look(self) -> Look:
        """Which look at the results it is to see what is there."""
        return look_of(self.trial_counts, self.manifest.looks)

    @property
    def design(self) -> Design:
        """How trials are compared, at this look."""
        return self.manifest.design(self.look)

    @property
    def trial_counts(self) -> list[int]:
        """How many trials each point has, in the order of their ids."""
        return [len(record.by_index) for record in self.by_point.values()]

    # Which points

    @property
    def points(self) -> list[Point]:
        """All points, in the order in which they were proposed."""
        return list(self.lookup.points)

    @property
    def parameter_names(self) -> list[str]:
        """The names of the parameters of points that are tuples, as far as they are known."""
        return list(self.lookup.names)

    def points_by(self, selector: str) -> list[Point]:
        """The points that selectors of this class added, in order, and those that nobody knows who added."""
        points = self.lookup.points
        added = zip(points, added_by(self.manifest.origin, len(points)), strict=True)
        return [point for point, origin in added if origin.selector in (selector, None)]

    def command_numbers(self) -> dict[Point, int | None]:
        """Which command added each point, counted from 1 on; None where that is not known."""
        points = self.lookup.points
        return dict(zip(points, command_numbers(self.manifest.origin, len(points)), strict=True))

    def as_kept(self, point: Point) -> Point:
        """The point that is there and equal to this one, to Python: 1 for True, say."""
        return self.lookup.points[self.lookup.ids[point]]

    def id_of(self, point: Point) -> int:
        """The number of a point's folder."""
        return self.lookup.ids[point]

    def files(self, point: Point) -> PointLayout:
        """Where a point's files are."""
        return self.layout.point(self.lookup.ids[point])

    def parameter_columns(self) -> list[str]:
        """The names of the points' parameters, as the CSV files have them."""
        return list(self.lookup.columns)

    def parameter_cells(self, point: Point) -> list[str]:
        """A point's values as text, one per parameter column."""
        return self.lookup.cells(point)

    # What is there of them; nothing of a point that is not

    def tuned(self, point: Point) -> Tuned | None:
        """What a point's tuning came to, or None; it has no curves."""
        return self._of(point).tuned

    def trials(self, point: Point) -> dict[int, TrialResult]:
        """A point's trials so far, by index, rising."""
        return dict(self._of(point).trials)

    def errors(self, point: Point) -> list[PointError]:
        """Which runs of a point failed, that which counts first."""
        return list(self._of(point).errors)

    def error(self, point: Point) -> PointError | None:
        """Why a point failed, or None."""
        return next(iter(self._of(point).errors), None)

    def flags(self, point: Point) -> list[str]:
        """What is suspicious about a point: the flags of its tuning, and what its trials show of it."""
        return self._of(point).flags()

    def _of(self, point: Point) -> PointRecord:
        return self.by_point.get(point) or PointRecord()

    def nuisance_names(self) -> list[str]:
        """The names of what is tuned beside learning rates and batch sizes, of whatever point."""
        tuned = (record.tuned for record in self.by_point.values() if record.tuned is not None)
        tunings = (tuning for of_point in tuned for tuning in of_point.tunings)
        return list(dict.fromkeys(name for tuning in tunings for name in tuning.nuisance))

    def point_results(self) -> list[PointResult]:
        """The results of those points that have some."""
        results = (record.result(point) for point, record in self.by_point.items())
        return [result for result in results if result is not None]

    def results(self) -> SweepResults:
        """Everything that is there, as `sweep` returns it."""
        results, failures, flags, nuisance, trials, tunings = [], [], {}, {}, {}, {}
        for point, record in self.by_point.items():
            if record.errors:
                failures.append(PointFailure(point, record.errors[0]))
            elif (tuned := record.tuned) is not None and (result := record.result(point)) is not None:
                results.append(result)
                flags[point] = tuned.flags_with(record.trials)
                nuisance[point], trials[point] = tuned.nuisance, record.trials
                tunings[point] = tuned.tunings
        columns, ids = self.lookup.columns, self.lookup.ids
        metrics = self.manifest.metrics
        returned = SweepResults(results, failures, flags, columns, nuisance, ids, trials, metrics, tunings)
        returned.rejected = dict(self.rejections.reasons)
        tuned_points = ((result.params, self.tuned(result.params)) for result in results)
        returned.costs = {point: tuned.cost for point, tuned in tuned_points if tuned and tuned.cost}
        return returned
