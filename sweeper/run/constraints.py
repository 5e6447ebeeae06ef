"""Which of the points that a selector proposes are not to be trained: found out once, and on record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from ..errors import ProblemError
from ..executors.base import Outcome, Task
from ..points import Point
from ..seeding import run_seed
from ..space.constraints import Limits
from ..store.rejections import Rejections
from ..store.store import Store

Violations: TypeAlias = Callable[[Sequence[Point]], dict[Point, str]]
"""Returns why points are not to be trained: nothing of those that may be."""

RunTasks: TypeAlias = Callable[[Sequence[Task]], list[Outcome]]
"""Runs tasks beside whatever else goes on; returns their outcomes, in order."""


class Constraints:
    """Holds points to limits, and to the problem's own constraint, by building their models in workers.

    What is found is on disk before it counts. On a folder that was made by the same limits, nothing is
    measured again: its points keep within them, and what was rejected stays rejected. A point whose model
    cannot be built is let through: its tuning fails, and says why.

    Args:
        limits: What a model may have at most.
        seed: The sweep's seed.
        run: Runs what builds and measures.
        store: The sweep's folder, opened.
    """

    def __init__(self, limits: Limits, seed: int, run: RunTasks, store: Store) -> None:
        self._limits, self._seed, self._run, self._store = limits, seed, run, store
        recorded = store.records.rejections
        self._rejections = Rejections(limits.to_dict(), store.manifest.source)
        self._reasons: dict[Point, str | None] = {}
        self._is_recorded = recorded == Rejections()
        if recorded.is_of(self._rejections):
            self._rejections, self._is_recorded = recorded, True
            self._reasons = {**dict.fromkeys(store.records.by_point), **recorded.reasons}

    def violations(self, points: Sequence[Point]) -> dict[Point, str]:
        """Returns why points are not to be trained: nothing of those that may be.

        Raises:
            ProblemError: The problem's `constraint` is not as it must be.
        """
        new = [point for point in dict.fromkeys(points) if point not in self._reasons]
        seed = run_seed(self._seed, 'dry run', 0)
        arguments = {'seed': seed, 'limits': self._limits.to_dict()}
        tasks = [Task('checking constraints', 'violation', point, arguments) for point in new]
        for point, outcome in zip(new, self._run(tasks), strict=True):
            if outcome.error is not None and outcome.error.kind == ProblemError.__name__:
                raise ProblemError(outcome.error.message)
            self._reasons[point] = outcome.value if outcome.error is None else None
        rejected = {point: why for point in new if (why := self._reasons[point]) is not None}
        if rejected or not self._is_recorded:
            reasons = {**self._rejections.reasons, **rejected}
            self._rejections = replace(self._rejections, reasons=reasons)
            self._store.write_rejections(self._rejections)
            self._is_recorded = True
        return {point: why for point in points if (why := self._reasons[point]) is not None}
