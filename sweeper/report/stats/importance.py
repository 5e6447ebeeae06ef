"""How much each parameter matters where the points are no complete grid: functional ANOVA by a model.

A model learns the performance from the parameters, and the variance of what it learned is split (as Hutter et
al. 2014 do with a random forest, An efficient approach for assessing hyperparameter importance). The
model is additive: in simulations its shares are two to five times as accurate as a forest's, it finds weaker
effects, and it takes milliseconds for what takes a permuted forest seconds (`benchmarks/verdict_effects.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ...points import value_from_text
from .additive import additive_fit, category_terms, permutation_test, smooth_terms
from .effects import ALPHA, FANOVA, Effect, shared_out
from .noise import Noise

FEWEST_POINTS = 20
_FARTHEST = 3.0
_DEVIATION = 1.4826  # of normal values, in units of the median distance from the median


def importances(
    cells: Sequence[Sequence[str]],
    names: Sequence[str],
    means: Sequence[float],
    noise: Noise,
    level: float = ALPHA,
) -> list[Effect]:
    """Estimates the main effects of parameters, whatever the points, and tests them; the same every time.

    Values count by their rank, so that each that was tried weighs the same, on whatever scale it was drawn.
    Means that are farther than three standard deviations (by the median distance) from the median count as
    if they were that far, so that no single one is all that there is.

    Args:
        cells: For each point, its parameters as text (`points.value_to_text`); '' for one that it lacks.
        names: The parameters' names.
        means: Of the points: over trials.
        noise: Of those means.
        level: In how many sweeps noise may be called an effect.

    Returns:
        The largest share first; what they lack of 1 are mostly interactions. Nothing for fewer than
        `FEWEST_POINTS`, for fewer than two parameters that differ, or if all points perform the same.
    """
    values = np.asarray(means, dtype=float)
    if len(values) < FEWEST_POINTS or np.ptp(values) <= 1e-12 * np.abs(values).max():
        return []
    columns = dict(zip(names, zip(*cells, strict=True), strict=True))
    swept = {name: column for name, column in columns.items() if len(set(column)) > 1}
    if len(swept) < 2:
        return []
    lowest, highest = _limits(values)
    values = np.clip(values, lowest, highest)
    parameters = [_terms(column, [c for c in swept.values() if c is not column]) for column in swept.values()]
    variances = additive_fit(parameters, values).variances
    of_noise = np.where((values > lowest) & (values < highest), noise.variances, 0)
    tested = [
        Effect((name,), float(variance), {}, FANOVA, p)
        for name, variance, p in zip(
            swept, variances, permutation_test(parameters, values, level), strict=True
        )
    ]
    return shared_out(tested, float(values.var(ddof=1) - np.nan_to_num(of_noise).mean()), level)


def _limits(values: np.ndarray) -> tuple[float, float]:
    middle = np.median(values)
    far = _FARTHEST * _DEVIATION * float(np.median(np.abs(values - middle)))
    return (float(middle - far), float(middle + far)) if far else (-math.inf, math.inf)


def _terms(column: Sequence[str], others: Sequence[Sequence[str]]) -> np.ndarray:
    """What a parameter may do: a function of its size, if all values are numbers, else of its value.

    That a point lacks it is a value, too; unless another parameter decides that, to which it is due then.
    """
    sizes = np.array([_size(cell) for cell in column])
    lacks = np.array([not cell for cell in column])
    if (np.isnan(sizes) & ~lacks).any():
        return category_terms(column)
    terms = smooth_terms(sizes)
    decided = any(_decides(other, lacks) for other in others)
    return terms if decided or not lacks.any() else np.column_stack([terms, lacks - lacks.mean()])


def _size(cell: str) -> float:
    """A number as it is; NaN for what is no number, or not there."""
    value = value_from_text(cell) if cell else math.nan
    return float(value) if type(value) in (int, float) else math.nan


def _decides(column: Sequence[str], lacks: np.ndarray) -> bool:
    """Whether of each value, of few, all points lack a parameter, or none does."""
    kinds = {(cell, bool(lack)) for cell, lack in zip(column, lacks, strict=True)}
    return len(kinds) == len(set(column)) <= len(column) / 2
