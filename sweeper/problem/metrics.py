"""What a problem compares its models by: its `metrics`, or the `accuracy_style` that names one of three."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import ModuleType
from typing import Any

from ..errors import InvalidArgument, ProblemError
from ..metric import Metric, metrics_from

ACCURACY_STYLES = ('classification', 'multiclass', 'inv-loss')
_NAMES = {'classification': 'accuracy', 'multiclass': 'accuracy', 'inv-loss': 'inv-loss'}


def metrics_of(module: Any, name: str, is_without_data: bool) -> Mapping[str, Metric]:
    """Reads a problem's metrics, the objective first.

    Args:
        module: The problem's module.
        name: What messages call it.
        is_without_data: Its own training loop says how well a model does.

    Raises:
        ProblemError: They are not as they must be.
    """
    given = getattr(module, 'metrics', None)
    if isinstance(given, ModuleType):  # `from sklearn import metrics`
        given = None
    style = getattr(module, 'accuracy_style', None)
    if given is None:
        return metrics_of_style('inv-loss' if is_without_data else style, name)
    if style is not None:
        raise ProblemError(
            f'{name!r} has metrics and accuracy_style={style!r}, which is the name of one: leave it out'
        )
    try:
        metrics = metrics_from(given)
    except InvalidArgument as error:
        raise ProblemError(f'{name!r}: {error}') from None
    by_run = [key for key, metric in metrics.items() if metric.function is None]
    if is_without_data and (len(metrics) > 1 or not by_run):
        raise ProblemError(
            f'{name!r} has no dataset(), so that its own loop says how well a model does, by '
            f"run.score(value): metrics must be {{'…': Metric(None, higher=…)}}"
        )
    if by_run and not is_without_data:
        raise ProblemError(
            f'metrics of {name!r}: {by_run[0]!r} has no function, and there is data to score models by'
        )
    return metrics


def metrics_of_style(style: object, name: str) -> Mapping[str, Metric]:
    """The one metric that an accuracy style is the name of; raises ProblemError if it is none."""
    if style not in ACCURACY_STYLES:
        raise ProblemError(
            f'accuracy_style of {name!r} is {style!r}; valid are {", ".join(ACCURACY_STYLES)}. Others are '
            f"given by name, such as metrics = {{'auc': 'auc'}}"
        )
    metric = Metric(style)
    metric.info = replace(metric.info, name=_NAMES[str(style)])
    return {metric.info.name: metric}


def style_of(objective: Metric) -> str | None:
    """The accuracy style by which each step can measure the objective; None if only a whole split can."""
    if objective.function == 'accuracy':
        return None if 'top_k' in objective.options else 'classification'
    return objective.function if objective.function in ACCURACY_STYLES else None
