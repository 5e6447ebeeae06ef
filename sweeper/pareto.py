"""The Pareto front of a sweep's results: what nothing else is better than in every objective."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Final, Protocol, TypeVar

from .metric import MetricInfo
from .objectives import Goals, Objectives, Trial, as_objectives
from .points import Point
from .space.pareto import on_front

DOUBTED: Final = ('nothing_learned', 'evaluation_diverged', 'threshold_unsure', 'worse_than_tuned')
"""Flags with which a point's scores say more about its tuning than about it."""


class _Result(Protocol):
    @property
    def params(self) -> Point: ...


_R = TypeVar('_R', bound=_Result, covariant=True)


class Results(Protocol[_R]):
    """Results, as `sweep` and `load` return them, as far as the front looks at them."""

    flags: dict[Point, list[str]]
    trials: dict[Point, dict[int, Any]]
    costs: dict[Point, Any]
    metric_infos: tuple[MetricInfo, ...]

    def __iter__(self) -> Any:
        """Yields the points' results."""


def pareto_front(results: Results[_R], objectives: Objectives = 'performance,parameters') -> list[_R]:
    """Returns the results that no other is better than: in one objective, and as good in all others.

    Means over trials are compared, on validation data, without regard to how uncertain they are. What cannot
    be compared is left out: points with a diverged trial, those whose flags cast doubt on their tuning, and
    those of which an objective is unknown.

    Args:
        results: As `sweep` and `load` return them.
        objectives: Metrics and costs: names with commas between them, or `Objective`s. `performance` is the
            metric that was tuned by, `parameters` and `flops` are those of the model, `seconds` those of
            training, per epoch.

    Returns:
        The points' results, the best in the first objective first.

    Raises:
        InvalidArgument: There is no such objective.
    """
    goals = Goals(as_objectives(objectives), results.metric_infos)
    gains: list[tuple[float, ...]] = []
    known: list[_R] = []
    for result in results:
        values = _gains(goals, results, result.params)
        if values is not None:
            known.append(result)
            gains.append(values)
    front = [index for index, is_on in enumerate(on_front(gains)) if is_on]
    front.sort(key=gains.__getitem__, reverse=True)
    return [known[index] for index in front]


def _gains(goals: Goals, results: Results[Any], point: Point) -> tuple[float, ...] | None:
    """A point's values, of which higher is better; None if it cannot be compared."""
    trials: Sequence[Trial] = list(results.trials.get(point, {}).values())
    if any(getattr(trial, 'diverged', False) for trial in trials) or not trials:
        return None
    if any(flag in DOUBTED for flag in results.flags.get(point, ())):
        return None
    gains = goals.gains(trials, results.costs.get(point))
    return gains if all(map(math.isfinite, gains)) else None


def front_columns(
    results: Results[Any], objectives: Objectives, points: Iterable[Point]
) -> dict[str, dict[Point, Any]]:
    """Returns the columns that tell of the front, by name: each objective's values, and who is on it.

    Raises:
        InvalidArgument: There is no such objective.
    """
    goals = Goals(as_objectives(objectives), results.metric_infos)
    front = {result.params for result in pareto_front(results, objectives)}
    values: dict[Point, Sequence[float]] = {}
    for point in points:
        trials: Sequence[Trial] = list(results.trials.get(point, {}).values())
        values[point] = goals.natural(goals.gains(trials, results.costs.get(point)))
    columns: dict[str, dict[Point, Any]] = {
        f'objective_{name}': {point: value[place] for point, value in values.items()}
        for place, name in enumerate(goals.names)
    }
    return {**columns, 'pareto_front': {point: point in front for point in values}}
