"""How much each parameter matters where the points are no complete grid: fANOVA.

A random forest learns the performance from the parameters; the variance of what it learned is then split
exactly (Hutter et al. 2014, An efficient approach for assessing hyperparameter importance). It is Optuna's.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ...extras import needed
from ...points import value_from_text
from .effects import FANOVA, Effect

FEWEST_POINTS = 20
_TREES, _DEEPEST = 32, 8  # Optuna's 64 and 64 take half a minute for a thousand points, and say the same


def importances(
    cells: Sequence[Sequence[str]], names: Sequence[str], performances: Sequence[float]
) -> list[Effect]:
    """Estimates the main effects of parameters, whatever the points; the same every time.

    Values count by their rank, so that each that was tried weighs the same, on whatever scale it was drawn:
    numbers by size, all else by mean performance, along which a tree splits categories best (Breiman et al.
    1984, Classification and regression trees, section 9.4). That a point lacks a parameter is a value, too.

    Args:
        cells: For each point, its parameters as text (`points.value_to_text`); '' for one that it lacks.
        names: The parameters' names.
        performances: Of the points: mean over trials.

    Returns:
        The largest share first; the small ones are too small by some hundredths, and what they lack of 1
        are mostly interactions. Nothing for fewer than
        `FEWEST_POINTS`, for fewer than two parameters that differ, or if all points perform the same.

    Raises:
        MissingExtra: Optuna or scikit-learn is not installed.
    """
    if len(performances) < FEWEST_POINTS or np.ptp(performances) <= 1e-12 * np.abs(performances).max():
        return []
    columns = zip(names, zip(*cells, strict=True), strict=True)
    ranks = {name: _ranks(column, performances) for name, column in columns if len(set(column)) > 1}
    return [Effect((name,), share, {}, FANOVA) for name, share in _fanova(ranks, performances)]


def _ranks(column: Sequence[str], performances: Sequence[float]) -> list[int]:
    sizes = {cell: _size(cell) for cell in column}
    order: list[Any]
    if any(math.isnan(size) for size in sizes.values()):
        kinds = {cell: [p for c, p in zip(column, performances, strict=True) if c == cell] for cell in sizes}
        order = [(float(np.mean(kinds[cell])), cell) for cell in column]
    else:
        order = [sizes[cell] for cell in column]
    rank = {key: index for index, key in enumerate(sorted(set(order)))}
    return [rank[key] for key in order]


def _size(cell: str) -> float:
    """A number as it is; below them all what is not there; NaN for what is no number."""
    value = value_from_text(cell) if cell else -math.inf
    return value if type(value) in (int, float) else math.nan


def _fanova(ranks: dict[str, list[int]], performances: Sequence[float]) -> list[tuple[str, float]]:
    ranks = {name: values for name, values in ranks.items() if max(values) > 0}
    if len(ranks) < 2:
        return []
    with needed('importance', 'estimating it takes Optuna and scikit-learn'):
        import sklearn  # noqa: F401
        from optuna import create_study
        from optuna.distributions import IntDistribution
        from optuna.importance import FanovaImportanceEvaluator
        from optuna.trial import create_trial
    spaces = {name: IntDistribution(0, max(values)) for name, values in ranks.items()}
    with _silent():
        study = create_study(direction='maximize')
        for performance, *values in zip(performances, *ranks.values(), strict=True):
            point = dict(zip(ranks, values, strict=True))
            study.add_trial(create_trial(params=point, distributions=dict(spaces), value=float(performance)))
        forest = FanovaImportanceEvaluator(n_trees=_TREES, max_depth=_DEEPEST, seed=0)
        return [(name, float(share)) for name, share in forest.evaluate(study).items()]


@contextmanager
def _silent() -> Iterator[None]:
    from optuna import logging

    before = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        logging.set_verbosity(before)
