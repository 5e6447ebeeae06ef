"""What the performance depends on, whichever way that can be known; if not, why not."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...stats.design import Design
from ...text import one_line
from ..collect import named
from .effects import EXACT, FANOVA, Effect, grid_effects, is_grid
from .importance import FEWEST_POINTS, importances
from .noise import Noise, noise_of_means

_LEAST_SHARE = 0.01
_NEARLY_ALL, _FEWEST_OTHERS = 0.8, 5


@dataclass(frozen=True)
class Influence:
    """What the parameters do.

    Attributes:
        effects: All that were looked at, the largest first, those that may be noise included; none if
            nothing is known of them.
        chosen: Indices of the architectures that this is about.
        left_out: How many there are besides, without the outlier.
        unknown: Why there is no effect to tell; '' if there are some.
        outlier: The name of an architecture that nearly all of the variance is due to; the effects are those
            among the others. '' if there is no such one.
        share: The part of the variance that is due to the outlier; NaN without one.
    """

    effects: Sequence[Effect] = ()
    chosen: Sequence[int] = ()
    left_out: int = 0
    unknown: str = ''
    outlier: str = ''
    share: float = math.nan

    @property
    def significant(self) -> list[Effect]:
        """Those that are more than noise, the largest first; none if that is not known."""
        return [effect for effect in self.effects if effect.is_significant and not self.unknown]

    @property
    def scope(self) -> str:
        """Which architectures this is about, and how it was found."""
        if self.left_out:
            return f'the {len(self.chosen)} architectures that form a complete grid'
        architectures = 'architectures' if not self.outlier else 'the others'
        return architectures + f', estimated by {FANOVA}' * (self.method == FANOVA)

    @property
    def method(self) -> str:
        """`EXACT` or `FANOVA`."""
        return self.effects[0].method if self.effects else EXACT

    @property
    def alone(self) -> str:
        """Says how much of the variance is due to a single architecture; '' if that is not nearly all."""
        if not self.outlier:
            return ''
        share = f'{100 * self.share:.0f}% of the variance between architectures'
        return f'{share} is due to a single one, {self.outlier}'

    def sentence(self, name: str = 'performance') -> str:
        """Says what a metric depends on; '' where there is nothing to tell, as of a single parameter."""
        clauses = [
            f'{one_line(effect.name)} {100 * effect.share:.0f}%'
            for effect in self.significant
            if effect.share >= _LEAST_SHARE
        ]
        is_all = len(self.effects) < 2 or not clauses
        if self.outlier:
            rest = '' if is_all else f' Of the variance between {self.scope}: {", ".join(clauses)}.'
            return f'{self.alone}.{rest}'
        if self.unknown and len(self.effects) != 1:
            return f'What the {name} depends on is not known: {self.unknown}.'
        return '' if is_all else f'Of the variance between {self.scope}: {", ".join(clauses)}.'


def influence(
    cells: Sequence[Sequence[str]],
    names: Sequence[str],
    scores: np.ndarray,
    design: Design = Design(),  # noqa: B008 - it is frozen
) -> Influence:
    """Finds out what the parameters do.

    Exactly, where the architectures are a complete grid; estimated, where they are enough for that; else
    exactly for the largest part that is a complete grid, if it is at least half of them. Where a single
    architecture accounts for nearly all of the variance, of the others.

    Args:
        cells: For each architecture, its parameters as text.
        names: The parameters' names.
        scores: Shape `(architectures, trials)`; NaN for a trial that is missing, at least one of each is not.
        design: How scores are compared.
    """
    everyone = range(len(cells))
    if _swept(cells) == 0:
        return Influence(chosen=everyone, unknown='no parameter has more than one value')
    means, noise = np.nanmean(scores, axis=1), noise_of_means(scores, design)
    outlier, share = _outlier(means)
    if outlier is None:
        return _influence(cells, names, means, noise, design.level)
    others = [index for index in everyone if index != outlier]
    name = named(names, cells[outlier], ' ')
    kept = [cells[index] for index in others]
    rest = _influence(kept, names, means[others], noise.at(others), design.level)
    return replace(rest, chosen=[others[index] for index in rest.chosen], outlier=name, share=share)


def _outlier(means: np.ndarray) -> tuple[int | None, float]:
    """Returns the architecture without which nearly all of the variance is gone, and how much that is."""
    count = len(means)
    squares = (means - means.mean()) ** 2
    total = squares.sum()
    if count <= _FEWEST_OTHERS or total <= count * (1e-12 * np.abs(means).max()) ** 2:
        return None, math.nan
    outlier = int(np.argmax(squares))
    share = (
        float(squares[outlier] / total) * count / (count - 1)
    )  # of the sum of squares, which falls by this
    return (outlier, share) if share >= _NEARLY_ALL else (None, math.nan)


def _influence(
    cells: Sequence[Sequence[str]], names: Sequence[str], means: np.ndarray, noise: Noise, level: float
) -> Influence:
    everyone = range(len(cells))
    if is_grid(cells):
        return _known(grid_effects(cells, names, means.tolist(), noise, level), everyone)
    if len(cells) >= FEWEST_POINTS:
        return _known(importances(cells, names, means.tolist(), noise, level), everyone)
    chosen = complete_part(cells)
    if 2 * len(chosen) < len(cells) or _swept([cells[index] for index in chosen]) < 2:
        return Influence(
            chosen=everyone,
            unknown=f'{len(cells)} architectures that are no complete grid are too few; '
            f'an estimate needs {FEWEST_POINTS}',
        )
    part = [cells[index] for index in chosen]
    effects = grid_effects(part, names, means[chosen].tolist(), noise.at(chosen), level)
    return _known(effects, chosen, len(cells) - len(chosen))


def _swept(cells: Sequence[Sequence[str]]) -> int:
    return sum(len(set(column)) > 1 for column in zip(*cells, strict=True))


def _known(effects: Sequence[Effect], chosen: Sequence[int], left_out: int = 0) -> Influence:
    if not effects:
        return Influence((), chosen, left_out, 'all architectures perform the same')
    is_told = any(effect.is_significant for effect in effects)
    return Influence(
        effects, chosen, left_out, '' if is_told else 'no effect of a parameter exceeds the noise'
    )


def complete_part(points: Sequence[Sequence[Hashable]]) -> list[int]:
    """Returns indices of architectures that are a complete grid, by leaving out values one by one.

    Each time that value is left out of whose combinations with all others the smallest share is there.
    """
    chosen = list({tuple(point): index for index, point in enumerate(points)}.values())
    while chosen and not is_grid([points[index] for index in chosen]):
        columns = [*zip(*(points[index] for index in chosen), strict=True)]
        sizes = [len(set(column)) for column in columns]
        shares = [
            (column.count(value) * size, axis, value)
            for axis, (column, size) in enumerate(zip(columns, sizes, strict=True))
            for value in dict.fromkeys(column)
            if size > 1
        ]
        _, axis, value = min(shares, key=lambda share: share[0])
        chosen = [index for index in chosen if points[index][axis] != value]
    return chosen
