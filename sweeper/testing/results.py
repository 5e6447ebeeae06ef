"""Results of runs that nobody trained, the same in every process."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from ..metric import PERFORMANCE, MetricInfo
from ..points import Point, point_key
from ..results import ModelCost, PointError, TrialResult, Tuned
from ..run.driver import Request
from ..store.records import PointRecord


class Run(NamedTuple):
    """A point's tuning, if `trial` is None, or a trial at a fraction of the full length."""

    point: Point
    trial: int | None = None
    fraction: float = 1.0


class SimulatedResults(Mapping[Point, PointRecord]):
    """What every run of any point comes to, and which runs are done: as a sweep's records.

    Args:
        failing: The share of tunings that fail, and of trials.
        diverging: The share of trials that diverge.
        spread: How far apart points are.
        metric: The objective, of which values are in [0, 1] where they are finite.

    Attributes:
        folder: Where nothing is.
    """

    folder = Path('simulated')

    def __init__(
        self,
        failing: float = 0.0,
        diverging: float = 0.0,
        spread: float = 0.5,
        metric: MetricInfo = PERFORMANCE,
    ) -> None:
        self._failing, self._diverging, self._spread, self._metric = failing, diverging, spread, metric
        self._done: dict[Point, set[Run]] = {}

    def finish(self, runs: Iterable[Run]) -> None:
        """From now on these runs are done."""
        for run in runs:
            self._done.setdefault(run.point, set()).add(run)

    def __getitem__(self, point: Point) -> PointRecord:
        done = self._done.get(point, set())
        trials: dict[float, dict[int, TrialResult]] = {}
        errors = []
        for run in sorted(done, key=lambda run: (run.fraction, -1 if run.trial is None else run.trial)):
            if self._fails(run):
                errors.append(PointError('ValueError', 'simulated', _phase(run)))
            elif run.trial is not None:
                trials.setdefault(run.fraction, {})[run.trial] = self._trial(run)
        is_tuned = Run(point) in done and not self._fails(Run(point))
        errors.sort(key=lambda error: -1 if error.trial is None else error.trial)
        full = trials.pop(1.0, {})
        return PointRecord(self._tuned(point) if is_tuned else None, full, errors, trials)

    def __iter__(self) -> Iterator[Point]:
        return iter(self._done)

    def __len__(self) -> int:
        return len(self._done)

    def missing(self, request: Request) -> list[Run]:
        """Returns the runs that can be done next of what was asked for: a point's tuning, then its trials."""
        point, done = request.point, self._done.get(request.point, set())
        if Run(point) not in done:
            return [Run(point)]
        runs = [] if self._fails(Run(point)) else [Run(point, i, request.fraction) for i in request.indices]
        return [run for run in runs if run not in done]

    def _fails(self, run: Run) -> bool:
        return self._failing > 0 and _number('fails', run.point, run.trial) < self._failing

    def _tuned(self, point: Point) -> Tuned:
        parameters = 10 + int(1000 * _number('parameters', point))
        cost = ModelCost(parameters, parameters, 2 * parameters)
        return Tuned(0.01, 0.1, 16, 10, 10, cost=cost, performance=0.5)

    def _trial(self, run: Run) -> TrialResult:
        diverged = _number('diverges', run.point, run.trial) < self._diverging
        value = 0.2 + self._spread * _number('point', run.point)
        value += 0.1 * self._spread * _number('trial', run.point, run.trial, run.fraction)
        perf, loss = (self._metric.diverged, math.inf) if diverged else (value, 1 - value)
        seconds = 1 + _number('seconds', run.point, run.trial)
        scores = (perf, loss, perf, loss)
        return TrialResult(run.trial or 0, 10 * run.fraction, seconds, diverged, *scores)


def _phase(run: Run) -> str:
    return 'tuning' if run.trial is None else f'trial {run.trial}'


@lru_cache(maxsize=100_000)
def _number(what: str, point: Point, *others: object) -> float:
    """A number in [0, 1) that belongs to a run, in every process."""
    digest = hashlib.sha256(repr((what, point_key(point), *others)).encode()).digest()
    return int.from_bytes(digest[:6], 'big') / 2**48
