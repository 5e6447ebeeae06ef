"""What a sweep's folder holds, read back: its results and the trained networks."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import FolderError, InvalidArgument
from .points import Point, as_point, label
from .report.stats.comparison import compare
from .store.layout import checked_folder
from .store.records import Records
from .store.store import Store
from .store.weights import best_trial, missing_weights
from .text import reason

if TYPE_CHECKING:
    import torch

    from .problem.problem import Problem
    from .results import SweepResults


def load(folder: str | os.PathLike[str]) -> SweepResults:
    """Reads a sweep's results back, finished or not, without pickle.

    Returns:
        What `sweep` returned for that folder, or would return now.

    Raises:
        FolderError: It holds no sweep, or cannot be read.
    """
    return Store.read(checked_folder(folder)).results()


def load_model(
    folder: str | os.PathLike[str],
    params: Point | Mapping[str, Any] | None = None,
    *,
    trial: int | None = None,
    module_name: str | None = None,
) -> torch.nn.Module:
    """Returns a trained network of a sweep, on the CPU and in evaluation mode.

    The problem's module is imported, its data is not loaded.

    Args:
        folder: The folder of the sweep.
        params: The architecture, as in `PointResult.params`, or the values by name; by default, the one
            with the best mean validation performance of those that are comparable (of all, with a
            warning, if none is).
        trial: The index of the trial; the one with the best validation performance by default.
        module_name: Where the problem is now, as for `sweep`, if it was moved.

    Raises:
        InvalidArgument: There is no such architecture, or no such trial of it.
        ProblemError: The problem is not there, or it changed since the sweep.
        FolderError: The folder holds no sweep, or the weights were not kept or cannot be read.
    """
    from .report.reload import load_weights, reloaded_problem
    from .seeding import random_states_kept

    manifest = Store.read(checked_folder(folder)).manifest
    with random_states_kept(), reloaded_problem(manifest, module_name) as problem:
        store = Store.read(checked_folder(folder))  # again: what is in the problem's module has a name now
        point = _best_point(store) if params is None else as_point(params)
        if point not in store.points:
            raise InvalidArgument(
                f'params={params!r}: {folder} has no such architecture; there are '
                f'{"; ".join(map(label, store.points[:10]))}{" and more" * (len(store.points) > 10)}'
            )
        trials, tuned = store.trials(point), store.tuned(point)
        if tuned is None or not trials:
            raise InvalidArgument(f'params={params!r}: {label(point)} has no trial')
        if trial is None:
            trial = best_trial(trials, store.manifest.objective)
        if trial not in trials:
            raise InvalidArgument(
                f'trial={trial!r}: {label(point)} has the trials {", ".join(map(str, trials))}'
            )
        if (missing := missing_weights(store.manifest, store.files(point), trials, trial)) is not None:
            raise FolderError(f'params={params!r}: {missing}')
        nuisance = tuned.of_trial(trial).nuisance
        with problem.using(point, nuisance):
            model = problem.model(point)
        path = store.files(point).trial(trial).model
        try:
            load_weights(model, path)
        except Exception as error:
            raise FolderError(f'cannot read {path}: {reason(error, path)}') from error
    if problem.parameters.declared is not None:
        _keep_values(model, problem, point, nuisance)
    return model.eval()


def _best_point(store: Records) -> Point:
    comparison = compare(store)
    if not comparison.points:
        raise InvalidArgument(f'{store.layout.folder} has no trial yet')
    if not comparison.comparable:
        warnings.warn(
            f'{store.layout.folder}: no architecture is comparable; this is the one with the best mean. '
            f'{comparison.not_comparable()}',
            stacklevel=3,
        )
    best, sign = comparison.verdict.best, comparison.measure.sign
    if best is None:
        best = int(np.argmax(np.nan_to_num(sign * comparison.means, nan=-np.inf)))
    return comparison.points[best]


def _keep_values(model: torch.nn.Module, problem: Problem, point: Point, nuisance: Mapping[str, Any]) -> None:
    """Gives declared parameters that the forward pass reads the values that they had in the sweep."""
    entered: list[ExitStack] = []

    def enter(*_: object) -> None:
        stack = ExitStack()
        stack.enter_context(problem.using(point, nuisance))
        entered.append(stack)

    model.register_forward_pre_hook(enter)
    model.register_forward_hook(lambda *_: entered.pop().close(), always_call=True)
