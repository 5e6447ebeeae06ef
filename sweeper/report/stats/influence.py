"""What the performance depends on, whichever way that can be known; if not, why not."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from ...errors import MissingExtra
from ...text import one_line
from .effects import EXACT, FANOVA, Effect, grid_effects, is_grid
from .importance import FEWEST_POINTS, importances

_LEAST_SHARES = {EXACT: 0.01, FANOVA: 0.05}


@dataclass(frozen=True)
class Influence:
    """What the parameters do.

    Attributes:
        effects: The largest first; none if they are not known.
        chosen: Indices of the architectures that this is about.
        left_out: How many there are besides.
        unknown: Why there are no effects; '' if there are some.
    """

    effects: Sequence[Effect] = ()
    chosen: Sequence[int] = ()
    left_out: int = 0
    unknown: str = ''

    @property
    def scope(self) -> str:
        """Which architectures this is about, and how it was found."""
        if self.left_out:
            return f'the {len(self.chosen)} architectures that form a complete grid'
        return 'architectures' + f', estimated by {FANOVA}' * (self.method == FANOVA)

    @property
    def method(self) -> str:
        """`EXACT` or `FANOVA`."""
        return self.effects[0].method if self.effects else EXACT

    def sentence(self, name: str = 'performance') -> str:
        """Says what a metric depends on; '' where there is nothing to tell, as of a single parameter."""
        if self.unknown:
            return f'What the {name} depends on is not known: {self.unknown}.'
        clauses = [
            f'{one_line(" with ".join(effect.parameters))} {100 * effect.share:.0f}%'
            for effect in self.effects
            if effect.share >= _LEAST_SHARES[effect.method]
        ]
        if len(self.effects) < 2 or not clauses:
            return ''
        return f'Of the variance between {self.scope}: {", ".join(clauses)}.'


def influence(
    cells: Sequence[Sequence[str]],
    names: Sequence[str],
    performances: Sequence[float],
    sign: int = 1,
) -> Influence:
    """Finds out what the parameters do.

    Exactly, where the architectures are a complete grid; estimated, where they are enough for that; else
    exactly for the largest part that is a complete grid, if it is at least half of them.

    Args:
        cells: For each architecture, its parameters as text.
        names: The parameters' names.
        performances: Of the architectures: mean over trials.
        sign: 1 if higher performances are better, -1 if lower ones are.
    """
    everyone = range(len(cells))
    if _swept(cells) == 0:
        return Influence(chosen=everyone, unknown='no parameter has more than one value')
    if is_grid(cells):
        return _influence(grid_effects(cells, names, performances), everyone)
    if len(cells) >= FEWEST_POINTS:
        try:
            signed = [sign * performance for performance in performances]
            return _influence(importances(cells, names, signed), everyone)
        except MissingExtra as missing:
            return Influence(chosen=everyone, unknown=str(missing))
    chosen = complete_part(cells)
    if 2 * len(chosen) < len(cells) or _swept([cells[index] for index in chosen]) < 2:
        return Influence(
            chosen=everyone,
            unknown=f'{len(cells)} architectures that are no complete grid are too few; '
            f'an estimate needs {FEWEST_POINTS}',
        )
    part = grid_effects([cells[index] for index in chosen], names, [performances[index] for index in chosen])
    return _influence(part, chosen, len(cells) - len(chosen))


def _swept(cells: Sequence[Sequence[str]]) -> int:
    return sum(len(set(column)) > 1 for column in zip(*cells, strict=True))


def _influence(effects: Sequence[Effect], chosen: Sequence[int], left_out: int = 0) -> Influence:
    unknown = '' if effects else 'all architectures perform the same'
    return Influence(effects, chosen, left_out, unknown)


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
