"""The classes and the groups of samples, by which data is split."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
import torch
from torch.utils.data import Dataset, Subset

from ..errors import ProblemError
from ..problem.problem import Problem


def are_classes(targets: torch.Tensor) -> bool:
    """Whether targets are whole numbers."""
    return not (targets.is_floating_point() or targets.is_complex() or targets.dtype == torch.bool)


def listed_labels(dataset: Dataset[Any]) -> np.ndarray | None:
    """The `targets` of a dataset, as torchvision's have them, if there is a whole number for each item."""
    if type(dataset) is Subset:
        whole = listed_labels(dataset.dataset)
        return None if whole is None else whole[list(dataset.indices)]
    targets = getattr(dataset, 'targets', None)
    if not isinstance(targets, list | np.ndarray | torch.Tensor):
        return None
    labels = np.asarray(targets)
    return labels if labels.shape == (len(dataset),) and labels.dtype.kind in 'iu' else None  # type: ignore[arg-type]


def _refuse(message: str) -> NoReturn:
    raise ProblemError(message)


def groups_of(
    problem: Problem, train: int, val: int, refuse: Callable[[str], NoReturn] = _refuse
) -> np.ndarray | None:
    """The number of the group of each sample, shape `(train + val,)`; None without data or `groups()`.

    Args:
        problem: Its `groups()` is called, right after `dataset()`.
        train: The number of training samples.
        val: The number of validation samples.
        refuse: Raises an error that says why these groups cannot be used.

    Raises:
        ProblemError: They cannot.
    """
    if problem.groups is None or problem.load_datasets is None:
        return None
    try:
        with problem.preparing():
            given = problem.groups()
        groups = np.asarray(given)
        codes: np.ndarray = np.unique(groups, return_inverse=True)[1]
    except Exception as error:
        refuse(f'groups() of {problem.name!r} raised {type(error).__name__}: {error}')
    if groups.shape != (train + val,):
        refuse(
            f'groups() of {problem.name!r} must return one value for each of the {train} training samples, '
            f'and then of the {val} validation samples; got an array of shape {groups.shape}'
        )
    return codes.reshape(-1)
