"""Of which trials a folder has weights: all, the best of each point, or none, and why one has none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..io.opening import kind_of
from ..metric import MetricInfo
from ..results import TrialResult
from .layout import PointLayout, TrialLayout
from .manifest import Manifest


def best_trial(trials: Mapping[int, TrialResult], objective: MetricInfo) -> int:
    """The trial of a point with the best objective on validation data; of several the lowest."""
    return max(sorted(trials), key=lambda index: objective.sign * trials[index].perf_val)


def is_best(
    index: int, result: TrialResult, others: Mapping[int, TrialResult], objective: MetricInfo
) -> bool:
    """Whether `best_trial` of a trial and others of its point, among which it may be, is that trial.

    Mostly it is not, and one of the first others tells.
    """
    own = objective.sign * result.perf_val, -index
    return not any(
        (objective.sign * other.perf_val, -number) > own
        for number, other in others.items()
        if number != index
    )


def weight_files(layout: TrialLayout) -> tuple[Path, Path]:
    """A trial's weights: those that it started from, and the trained ones."""
    return layout.model_init, layout.model


def surplus_weights(
    layout: PointLayout, trials: Mapping[int, TrialResult], objective: MetricInfo
) -> list[Path]:
    """The files with weights of all trials of a point but the best.

    There are none if the best one has no weights itself, since none were kept when it was trained: those of
    others are better than nothing.
    """
    if not trials:
        return []
    best = best_trial(trials, objective)
    if kind_of(layout.trial(best).model) is None:
        return []
    return [path for index in trials if index != best for path in weight_files(layout.trial(index))]


def missing_weights(
    manifest: Manifest, layout: PointLayout, trials: Mapping[int, TrialResult], index: int
) -> str | None:
    """Says why the trained weights of a trial are not there, and how to get them; None if they are there."""
    path = layout.trial(index).model
    if kind_of(path) is not None:
        return None
    kept = manifest.kept.keep_weights
    best = best_trial(trials, manifest.objective)
    if kept == 'best' and index != best:
        why = f"keep_weights='best' keeps those of the best trial of each architecture, here of trial {best}"
    elif kept == 'none':
        why = "keep_weights='none' keeps those of no trial"
    else:
        why = 'they were deleted, or not kept when it was trained'
    return (
        f'the weights of trial {index} are not there: {why}. To have them, delete {path.parent} and run the '
        f"sweep again with keep_weights='all': the trial is trained once more, with the same result"
    )
