"""A parameter as an axis: numbers where all its values are some, else one place per value."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...amounts import is_real
from ...errors import InvalidArgument
from ...points import value_from_text
from ..findings import Findings
from ..order import value_order
from .numbers import exactly, is_wide
from .paper import all_shown, room, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_TICKS = 12


@dataclass(frozen=True)
class Axis:
    """Where the architectures of a board stand along a parameter.

    Attributes:
        name: The parameter.
        places: One per architecture: the value itself, or the index of its label; None where it lacks the
            parameter.
        labels: What stands at 0, 1, 2 …; None if the values are numbers.
        is_log: Whether the numbers are best seen on a logarithmic scale.
    """

    name: str
    places: list[float | None]
    labels: list[str] | None
    is_log: bool

    @property
    def values(self) -> list[str]:
        """The different values as text, in the order of the axis."""
        if self.labels is not None:
            return self.labels
        return [exactly(place) for place in sorted({place for place in self.places if place is not None})]

    @property
    def indices(self) -> list[int | None]:
        """For each architecture, which of `values` it has."""
        different = sorted({place for place in self.places if place is not None})
        index = {place: i for i, place in enumerate(different)}
        return [None if place is None else index[place] for place in self.places]


def axis(findings: Findings, name: str) -> Axis:
    """Returns the axis of a parameter.

    Raises:
        InvalidArgument: There is no such parameter.
    """
    if name not in findings.columns:
        raise InvalidArgument(
            f'there is no parameter {name}; valid are {", ".join(findings.columns) or "none"}'
        )
    column = findings.columns.index(name)
    cells = [summary.cells[column] for summary in findings.compared]
    numbers = [None if cell == '' else _number(cell) for cell in cells]
    given = [number for number, cell in zip(numbers, cells, strict=True) if cell != '']
    if given and None not in given:
        return Axis(name, numbers, None, is_wide(given))
    labels = list(dict.fromkeys(cell for cell in cells if cell != ''))
    labels.sort(key=value_order)
    place = {label: float(index) for index, label in enumerate(labels)}
    return Axis(name, [place.get(cell) for cell in cells], labels, False)


def swept(findings: Findings) -> list[str]:
    """The parameters that have more than one value."""
    return [
        name
        for column, name in enumerate(findings.columns)
        if len({summary.cells[column] for summary in findings.compared}) > 1
    ]


def draw_axis(data: Axis, axes: Axes) -> None:
    """Makes it the x axis: labels or the values themselves as ticks, as many as there is room for."""
    lacking = data.places.count(None)
    note = f' ({lacking} of {len(data.places)} architectures lack it)' if lacking else ''
    axes.set_xlabel(shown(data.name, room(axes) - len(note)) + note)
    if data.labels is not None:
        draw_labels(data.labels, axes)
        axes.set_xlim(-0.5, len(data.labels) - 0.5)
        return
    values = sorted({place for place in data.places if place is not None})
    if data.is_log:
        axes.set_xscale('log')
        axes.minorticks_off()
    if len(values) <= _MOST_TICKS:
        kept = _apart(values, data.is_log, room(axes))
        axes.set_xticks(kept, [exactly(value) for value in kept])
    else:
        from matplotlib.ticker import LogLocator, MaxNLocator

        if data.is_log:
            span = math.log10(values[-1] / values[0])
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if span < 3 else (1,)))
        else:
            axes.xaxis.set_major_locator(MaxNLocator('auto', steps=[1, 2, 5, 10]))
        axes.xaxis.set_major_formatter('{x:g}')


def draw_labels(labels: Sequence[str], axes: Axes) -> None:
    """Makes labels the ticks of x at 0, 1, 2 …: aslant if they are long, some left out if they are many."""
    letters = room(axes)
    step = max(1, math.ceil(len(labels) * 2.5 / letters))
    kept = range(0, len(labels), step)
    is_long = sum(len(labels[index][:25]) + 2 for index in kept) > letters
    axes.set_xticks(kept, all_shown([labels[index] for index in kept], 25))
    if is_long:
        axes.tick_params(axis='x', rotation=30 if step == 1 else 90)
        for tick in axes.get_xticklabels():
            tick.set(
                horizontalalignment='right' if step == 1 else 'center',
                rotation_mode='anchor' if step == 1 else 'default',
            )


def _apart(values: Sequence[float], is_log: bool, letters: int) -> list[float]:
    """Of rising values, those whose labels do not run into each other; the last one always."""
    at = [math.log(value) if is_log else value for value in values]
    span = (at[-1] - at[0]) or 1.0
    kept: list[int] = []
    for index in reversed(range(len(values))):
        width = len(exactly(values[index])) + 2
        if not kept or (at[kept[-1]] - at[index]) / span * letters >= width:
            kept.append(index)
    return [values[index] for index in reversed(kept)]


def _number(cell: str) -> float | None:
    try:
        value = value_from_text(cell)
    except (ValueError, LookupError):
        return None
    return float(value) if is_real(value) and abs(value) <= sys.float_info.max else None
