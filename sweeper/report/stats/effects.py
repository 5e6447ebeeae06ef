"""What each swept parameter does to the performance, beyond noise.

For a complete grid, the variance between architectures is split into main effects, pairwise interactions and
the rest, which is exact there (the functional ANOVA of Hoeffding 1948; for points that are no grid:
`importance`). What the noise of trials adds to each is taken out, and each is tested against it.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from ...stats.differences import holm
from .noise import Noise

ALPHA = 0.05
EXACT, FANOVA = 'exact', 'fANOVA'


@dataclass(frozen=True)
class Effect:
    """What one parameter, or two together beyond each alone, does.

    Attributes:
        parameters: Their names; one or two.
        share: Of the variance between architectures, without what noise adds to both; in [0, 1].
        levels: For one parameter of a grid, the mean performance at each of its values.
        method: How that was found: `EXACT`, or estimated by `FANOVA`.
        p: The p-value of there being no effect, after Holm's correction for all effects of the sweep and that
            for looking again, so that 0.05 is the limit at whichever look; NaN if nothing is known of noise.
    """

    parameters: tuple[str, ...]
    share: float
    levels: Mapping[Hashable, float]
    method: str = EXACT
    p: float = float('nan')

    @property
    def is_significant(self) -> bool:
        """Whether it is more than noise; none of all that are said to be is noise in 95% of sweeps."""
        return self.p < ALPHA

    @property
    def name(self) -> str:
        """For a person."""
        return ' with '.join(self.parameters)


def is_grid(points: Sequence[Sequence[Hashable]]) -> bool:
    """Whether every combination of the parameters' values is there, and just once."""
    sizes = [len(set(column)) for column in zip(*points, strict=True)]
    return len(points) == len(set(map(tuple, points))) == int(np.prod(sizes))


def grid_effects(
    points: Sequence[Sequence[Hashable]],
    names: Sequence[str],
    means: Sequence[float],
    noise: Noise,
    level: float = ALPHA,
) -> list[Effect]:
    """Splits the variance between the architectures of a complete grid; the largest share first.

    A component's sum of squares is lessened by what noise is expected to add to it (as in epsilon squared,
    Kelley 1935), and set against that by the ANOVA-type statistic of Brunner, Dette and Munk (1997), which
    allows each architecture a variance of its own.

    Args:
        points: The architectures: values of the parameters.
        names: The parameters' names.
        means: Of the architectures: over trials.
        noise: Of those means.
        level: In how many sweeps noise may be called an effect.

    Returns:
        Main effects and pairwise interactions; none if all architectures perform the same. What their
        shares lack of 1 are interactions of three and more.

    Raises:
        ValueError: The points are no complete grid (`is_grid`).
    """
    if not points or not is_grid(points):
        raise ValueError(f'{len(points)} points are no complete grid')
    columns = [list(dict.fromkeys(column)) for column in zip(*points, strict=True)]
    cells = [
        tuple(column.index(value) for column, value in zip(columns, point, strict=True)) for point in points
    ]
    where = tuple(np.transpose(cells))
    table = np.empty([len(column) for column in columns])
    table[where] = means
    centred = table - table.mean()
    rounding = len(points) * (1e-12 * float(np.abs(table).max())) ** 2
    total = float((centred**2).sum())
    if total <= rounding:
        return []
    noise = noise.at(np.argsort(np.ravel_multi_index(where, table.shape)))
    swept = [axis for axis, column in enumerate(columns) if len(column) > 1]
    mains = {axis: _kept(centred, (axis,)) for axis in swept}
    effects = [
        replace(
            _effect(main, (axis,), names, noise, table.shape, rounding),
            levels=dict(zip(columns[axis], (main.ravel() + table.mean()).tolist(), strict=True)),
        )
        for axis, main in mains.items()
    ]
    for pair in combinations(swept, 2):
        both = _kept(centred, pair) - mains[pair[0]] - mains[pair[1]]
        effects.append(_effect(both, pair, names, noise, table.shape, rounding))
    return shared_out(effects, total - noise.total * (1 - 1 / len(points)), level)


def shared_out(effects: Sequence[Effect], total: float, level: float) -> list[Effect]:
    """Turns variances into shares of the whole, and corrects p-values for how many there are.

    Args:
        effects: With variances in place of shares, and p-values that are not corrected.
        total: The variance of everything, or an estimate that may be too low.
        level: In how many sweeps noise may be called an effect.

    Returns:
        The largest share first.
    """
    adjusted = holm(np.array([effect.p for effect in effects]))
    adjusted = np.minimum(adjusted * ALPHA / level, 1) if level else np.ones(len(effects))
    corrected = [replace(effect, p=float(p)) for effect, p in zip(effects, adjusted, strict=True)]
    total = max(total, sum(effect.share for effect in corrected if effect.is_significant))
    shares = [min(effect.share / total, 1.0) if total > 0 else 0.0 for effect in corrected]
    shared = [replace(effect, share=share) for effect, share in zip(corrected, shares, strict=True)]
    return sorted(shared, key=lambda effect: -effect.share)


def _effect(
    component: np.ndarray,
    axes: tuple[int, ...],
    names: Sequence[str],
    noise: Noise,
    shape: tuple[int, ...],
    rounding: float,
) -> Effect:
    """Returns a component with its sum of squares, less that of noise, in place of a share."""
    squares = float((component**2).mean() * np.prod(shape))
    if squares <= rounding:
        squares = 0.0
    freedom = int(np.prod([shape[axis] - 1 for axis in axes]))
    p = noise.p_value(squares, freedom, _squared_projector(axes, shape))
    beyond = max(0.0, squares - noise.total * freedom / len(noise.variances))
    return Effect(tuple(names[axis] for axis in axes), beyond, {}, p=p)


def _squared_projector(axes: tuple[int, ...], shape: tuple[int, ...]) -> list[np.ndarray]:
    """The squared entries of the matrix that takes a component out of a table, one factor per axis."""
    factors = []
    for axis, size in enumerate(shape):
        mean = np.full((size, size), 1 / size)
        factors.append((np.eye(size) - mean if axis in axes else mean) ** 2)
    return factors


def _kept(table: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Means over all other axes, which keep length 1."""
    others = tuple(axis for axis in range(table.ndim) if axis not in axes)
    kept: np.ndarray = table.mean(axis=others, keepdims=True)
    return kept
