"""How much of the variance between architectures each parameter explains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..findings import Findings
from ..measure import Measure
from ..stats.effects import EXACT
from ..stats.influence import Influence
from ..wording import counted
from .paper import BLUE, ORANGE, legend_above, room, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_BARS = 15
_LEAST_OF_PAIRS, _NOTHING = 0.01, 1e-6


@dataclass(frozen=True)
class Importance:
    """How much each parameter matters, and each pair beyond its two; the most important first.

    Attributes:
        parameters: One or two names each.
        shares: Of the variance between architectures; in [0, 1].
        method: How they were found: exactly, or estimated (`..effects`).
        note: Which architectures this is about, if not about all, and what is not shown.
        measure: Of what the variance is.
    """

    parameters: list[tuple[str, ...]]
    shares: list[float]
    method: str = EXACT
    note: str = ''
    measure: Measure = Measure()  # noqa: RUF009 - it is frozen


def importance(findings: Findings) -> Importance:
    """Returns how much each parameter matters, beyond noise; empty if that is not known."""
    influences = findings.comparison.influences
    names, shares = (
        [effect.parameters for effect in influences.significant],
        [effect.share for effect in influences.significant],
    )
    return Importance(
        names,
        shares,
        influences.method,
        _note(influences),
        findings.measure,
    )


def _note(influences: Influence) -> str:
    """Which architectures the shares are about, if not all, and of how many effects nothing is shown."""
    noise = len(influences.effects) - len(influences.significant)
    notes = (
        influences.alone and f'without {influences.outlier}, which {100 * influences.share:.0f}% is due to',
        f'of {influences.scope}' if influences.left_out else '',
        f'{counted(noise, "effect")} within the noise' if noise else '',
    )
    return '\n'.join(filter(None, notes))


def importance_height(data: Importance) -> float:
    """Inches that its bars need."""
    return 0.75 + 0.2 * max(2, len(_shown(data)))


def draw_importance(data: Importance, axes: Axes) -> None:
    """Draws a bar per effect."""
    chosen = _shown(data)
    kept = [data.parameters[index] for index in chosen]
    shares = [100 * max(0.0, data.shares[index]) for index in chosen]
    rows = range(len(kept))
    is_pair = [len(names) > 1 for names in kept]
    bars = axes.barh(rows, shares, height=0.7, color=[ORANGE if pair else BLUE for pair in is_pair])
    axes.bar_label(bars, [_percent(share) for share in shares], padding=2, fontsize=7)
    each = room(axes, 0.5)
    axes.set_yticks(
        rows,
        [' × '.join(shown(name, each // len(names) - 1) for name in names) for names in kept],  # noqa: RUF001
    )
    axes.tick_params(axis='y', length=0)
    axes.set_ylim(len(kept) - 0.4, -0.6)
    axes.set_xlim(0, min(112.0, 1.15 * max([1.0, *shares])))
    axes.xaxis.set_major_formatter('{x:g}%')
    left_out = len(data.shares) - len(kept)
    note = f'\n{data.note}' * bool(data.note)
    note += f'\n{left_out} of {len(data.shares)} effects are not shown' * bool(left_out)
    name = '' if data.measure.is_plain else f' of {data.measure.name}'
    estimated = '' if data.method == EXACT else f', estimated by {data.method}'
    axes.set_xlabel(f'share of variance{name}{estimated}{note}')
    if any(is_pair) and not all(is_pair):
        texts = ['one parameter', 'two together, beyond each alone']
        legend_above(axes, [bars[is_pair.index(False)], bars[is_pair.index(True)]], texts)


def _shown(data: Importance) -> list[int]:
    """The largest effects; of pairs, only what is worth telling."""
    indices = range(len(data.shares))
    return [
        index
        for index in indices
        if len(data.parameters[index]) == 1 or data.shares[index] >= _LEAST_OF_PAIRS
    ][:_MOST_BARS]


def _percent(share: float) -> str:
    return f'{share:.0f}%' if share >= 1 or share < _NOTHING else '<1%'
