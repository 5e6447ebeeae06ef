"""A parameter as an axis: numbers where all its values are some, else one place per value."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...errors import InvalidArgument
from ...points import value_from_text
from ..findings import Findings

_LOG_FROM = 16.0


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
        return [f'{place:g}' for place in sorted({place for place in self.places if place is not None})]

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
        raise InvalidArgument(f'no parameter {name!r}; there are {", ".join(findings.columns) or "none"}')
    column = findings.columns.index(name)
    cells = [one.cells[column] for one in findings.compared]
    numbers = [None if cell == '' else _number(cell) for cell in cells]
    given = [number for number, cell in zip(numbers, cells, strict=True) if cell != '']
    if given and None not in given:
        positive = [number for number in given if number is not None and number > 0]
        is_log = len(positive) == len(given) and max(positive) >= _LOG_FROM * min(positive)
        return Axis(name, numbers, None, is_log)
    labels = list(dict.fromkeys(cell for cell in cells if cell != ''))
    labels.sort(key=_order)
    place = {label: float(index) for index, label in enumerate(labels)}
    return Axis(name, [place.get(cell) for cell in cells], labels, False)


def swept(findings: Findings) -> list[str]:
    """The parameters that have more than one value."""
    return [
        name
        for column, name in enumerate(findings.columns)
        if len({one.cells[column] for one in findings.compared}) > 1
    ]


def _number(cell: str) -> float | None:
    try:
        value = value_from_text(cell)
    except (ValueError, LookupError):
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None


def _order(cell: str) -> tuple[bool, float, str]:
    number = _number(cell)
    return number is None, number or 0.0, cell
