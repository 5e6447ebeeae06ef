"""A table that fits: the columns that matter most, as many as the terminal has room for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

_BETWEEN = 2
_NARROWEST = 4
_LONGEST_WORD = 24


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: Its heading.
        cells: One per row.
        rank: The lower, the more it matters; those of rank 0 are never left out, but cropped.
        style: The style of its cells, as Rich knows it.
        justify: Where its cells stand.
    """

    name: str
    cells: Sequence[str]
    rank: int
    style: str = ''
    justify: Literal['left', 'right'] = 'right'

    @property
    def width(self) -> int:
        return max(map(cell_len, (self.name, *self.cells)))

    @cached_property
    def least(self) -> int:
        """To what it may be cropped where it is the only one for which there is room at all."""
        numbers = [cell_len(cell) for cell in self.cells if _is_number(cell)]
        return min(self.width, max([_NARROWEST, *numbers]))

    @cached_property
    def narrowest(self) -> int:
        """To what it may be cropped: texts as far as they differ; numbers and words of the name never."""
        words = [min(cell_len(word), _LONGEST_WORD) for word in _words(self.name)]
        different = set(self.cells)
        least = max([self.least, *words])
        apart = (
            width
            for width in range(least, _LONGEST_WORD)
            if len({set_cell_size(cell, width - 1) for cell in different}) == len(different)
        )
        return min(self.width, next(apart, least))

    def heading(self, width: int) -> str:
        """Its name in as many lines as it needs, broken only between words."""
        lines = ['']
        for word in _words(self.name):
            if lines[-1] and cell_len(lines[-1] + word.rstrip()) > width:
                lines.append('')
            lines[-1] += word
        return '\n'.join(lines)


class FittingTable:
    """Shows the columns that fit, the most important ones first, and says what it leaves out."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        kept, widths = fitting(self._columns, options.max_width)
        table = Table(box=None, pad_edge=False, header_style='bold', padding=(0, _BETWEEN, 0, 0))
        for column, width in zip(kept, widths, strict=True):
            table.add_column(
                Text(column.heading(width), overflow='ellipsis'), style=column.style, justify=column.justify,
                no_wrap=True, overflow='ellipsis', width=width, vertical='bottom',
            )  # fmt: skip
        for row in zip(*(column.cells for column in kept), strict=True):
            table.add_row(*map(Text, row))
        yield table
        if left_out := [column.name for column in self._columns if column not in kept]:
            yield Text(f'left out for lack of width: {", ".join(left_out)}', style='dim')


def fitting(columns: Sequence[Column], width: int) -> tuple[list[Column], list[int]]:
    """Returns the columns that are shown in a terminal of some width, in their order, and their widths.

    What matters most is kept as it is; only where the columns of rank 0 do not fit beside the most important
    other one are they cropped, the widest first, and as a last resort left out from the right.
    """
    chosen = [column for column in columns if column.rank == 0]
    others = sorted((column for column in columns if column.rank > 0), key=lambda column: column.rank)
    room = width - sum(column.width for column in others[:1])
    end = 0 if others else _BETWEEN  # nothing comes after the last column
    while len(chosen) > 1 and sum(column.narrowest + _BETWEEN for column in chosen) > room + end:
        chosen.pop()
    widths = {id(column): column.width for column in chosen}
    for narrowest in (
        {id(column): column.narrowest for column in chosen},
        {id(column): column.least for column in chosen},
    ):
        while sum(widths.values()) + _BETWEEN * len(chosen) > room + end:
            loose = [key for key, least in narrowest.items() if widths[key] > least]
            if not loose:
                break
            widths[max(loose, key=widths.__getitem__)] -= 1
    used = sum(widths.values()) + _BETWEEN * len(chosen)
    for index, column in enumerate(others):
        if index == 0 or used + column.width <= width:
            widths[id(column)] = column.width
            used += column.width + _BETWEEN
    kept = [column for column in columns if id(column) in widths]
    return kept, [widths[id(column)] for column in kept]


def _words(name: str) -> list[str]:
    """Splits a name behind what stands between its words: `num_`, `hidden_`, `units`."""
    return re.findall(r'[^\W_]+[\W_]*|[\W_]+', name) or ['']


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
