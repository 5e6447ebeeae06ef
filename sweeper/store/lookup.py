"""Which point has which id: `params_lookup.pt` and `params.csv`."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence

from ..errors import FolderError
from ..points import NamedPoint, Point, value_from_text, value_to_text
from .files import write_csv, write_pickle
from .layout import SweepLayout


class Lookup:
    """The points of a sweep in the order in which they were proposed, which is their id.

    Args:
        layout: Where to write.
        parameter_names: Names for the parameters of points that are tuples, as far as they are known.

    Attributes:
        points: The points, by id.
        ids: The ids, by point.
        columns: The names of the parameters: one column per parameter, of whatever point.
    """

    def __init__(self, layout: SweepLayout, parameter_names: Sequence[str] = ()) -> None:
        self._layout = layout
        self._names = list(parameter_names)
        self.points: list[Point] = []
        self.ids: dict[Point, int] = {}
        self.columns: list[str] = []

    def add(self, points: Sequence[Point]) -> None:
        """Gives ids to new points and writes both files, before anything is done for them."""
        self._append(points)
        write_pickle(self._layout.params_lookup, (dict(self.ids), dict(enumerate(self.points))))
        rows = ([index, *self.cells(point)] for index, point in enumerate(self.points))
        write_csv(self._layout.params_csv, ['id', *self.columns], rows)

    def _append(self, points: Sequence[Point]) -> None:
        for point in points:
            self.ids[point] = len(self.points)
            self.points.append(point)
            if isinstance(point, NamedPoint):
                self.columns += [name for name in point if name not in self.columns]
            else:
                self.columns += [self._name(i) for i in range(len(self.columns), len(point))]

    def _name(self, index: int) -> str:
        return self._names[index] if index < len(self._names) else f'param{index}'

    def cells(self, point: Point) -> list[str]:
        """A point's values as CSV cells, in the columns' order; empty where it has none."""
        if isinstance(point, NamedPoint):
            return [value_to_text(point[name]) if name in point else '' for name in self.columns]
        values = [value_to_text(value) for value in point]
        return values + [''] * (len(self.columns) - len(values))

    def read(self, named: bool) -> None:
        """Reads the points from `params.csv`.

        Raises:
            FolderError: It cannot be understood.
        """
        path = self._layout.params_csv
        try:
            with open(path, newline='', encoding='utf-8') as file:
                header, *rows = csv.reader(file)
            points = [self._parse(header[1:], row[1:], named) for row in rows]
        except (ValueError, LookupError, csv.Error) as error:
            raise FolderError(f'cannot read the points in {path}: {error}') from error
        if not named:
            self._names = header[1:] + self._names[len(header) - 1 :]
        self._append(points)

    def record(self, point: Point) -> dict[str, str]:
        """Returns a point's values as text by name, to be written with its results."""
        return {name: cell for name, cell in zip(self.columns, self.cells(point), strict=True) if cell != ''}

    def restore(self, records: Sequence[Mapping[str, str]], named: bool) -> None:
        """Takes the points from what `record` returned for each of them, in the order of their ids."""
        if not named:
            self._names = max((list(record) for record in records), key=len, default=self._names)
        self._append([self._parse(list(record), list(record.values()), named) for record in records])

    @staticmethod
    def _parse(names: list[str], cells: list[str], named: bool) -> Point:
        given = [(name, cell) for name, cell in zip(names, cells, strict=True) if cell != '']
        if named:
            return NamedPoint({name: value_from_text(cell) for name, cell in given})
        return tuple(value_from_text(cell) for _, cell in given)
