"""What each swept parameter does to the performance.

For a complete grid, the variance between architectures is split into main effects, pairwise interactions and
the rest, which is exact there (the functional ANOVA of Hoeffding 1948; Hutter et al. 2014, An efficient
approach for assessing hyperparameter importance, for those that are no grid: `importance`).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

EXACT, FANOVA = 'exact', 'fANOVA'


@dataclass(frozen=True)
class Effect:
    """What one parameter, or two together beyond each alone, does.

    Attributes:
        parameters: Their names; one or two.
        share: Of the variance between architectures; in [0, 1].
        levels: For one parameter of a grid, the mean performance at each of its values.
        method: How that was found: `EXACT`, or estimated by `FANOVA`.
    """

    parameters: tuple[str, ...]
    share: float
    levels: Mapping[Hashable, float]
    method: str = EXACT


def is_grid(points: Sequence[Sequence[Hashable]]) -> bool:
    """Whether every combination of the parameters' values is there, and just once."""
    sizes = [len(set(column)) for column in zip(*points, strict=True)]
    return len(points) == len(set(map(tuple, points))) == int(np.prod(sizes))


def grid_effects(
    points: Sequence[Sequence[Hashable]], names: Sequence[str], performances: Sequence[float]
) -> list[Effect]:
    """Splits the variance between the architectures of a complete grid; the largest share first.

    Args:
        points: The architectures: values of the parameters.
        names: The parameters' names.
        performances: Of the architectures: mean over trials.

    Returns:
        Main effects and pairwise interactions; none if all architectures perform the same. What their
        shares lack of 1 are interactions of three and more.

    Raises:
        ValueError: The points are no complete grid (`is_grid`).
    """
    if not points or not is_grid(points):
        raise ValueError(f'{len(points)} points are no complete grid')
    columns = [list(dict.fromkeys(column)) for column in zip(*points, strict=True)]
    table = np.empty([len(column) for column in columns])
    for point, performance in zip(points, performances, strict=True):
        table[tuple(column.index(value) for column, value in zip(columns, point, strict=True))] = performance
    centred = table - table.mean()
    total = float((centred**2).mean())
    if total <= (1e-12 * float(np.abs(table).max())) ** 2:
        return []
    swept = [axis for axis, column in enumerate(columns) if len(column) > 1]
    mains = {axis: _kept(centred, (axis,)) for axis in swept}
    effects = [
        Effect(
            (names[axis],),
            float((main**2).mean()) / total,
            dict(zip(columns[axis], (main.ravel() + table.mean()).tolist(), strict=True)),
        )
        for axis, main in mains.items()
    ]
    for pair in combinations(swept, 2):
        both = _kept(centred, pair) - mains[pair[0]] - mains[pair[1]]
        effects.append(Effect((names[pair[0]], names[pair[1]]), float((both**2).mean()) / total, {}))
    return sorted(effects, key=lambda effect: -effect.share)


def _kept(table: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Means over all other axes, which keep length 1."""
    others = tuple(axis for axis in range(table.ndim) if axis not in axes)
    kept: np.ndarray = table.mean(axis=others, keepdims=True)
    return kept
