"""Which point has which id: `params_lookup.pt` and `params.csv`."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock

from ..errors import FolderError
from ..io.checksums import checksum
from ..io.files import AtomicWriter, csv_bytes
from ..io.opening import read_file
from ..points import NamedPoint, Point, has_reference, parameter_name, value_from_text, value_to_text
from .damage import DamagedFile
from .layout import SweepLayout

_field_size = Lock()
_CHECKSUM = re.compile(rb'^checksum,([0-9a-f]{8})\n\Z', re.MULTILINE)


def _rows(text: str) -> list[list[str]]:
    """Reads CSV with cells of any length; by itself `csv` takes 131,072 characters, for the whole process."""
    with _field_size:
        before = csv.field_size_limit(max(len(text), csv.field_size_limit()))
        try:
            return list(csv.reader(io.StringIO(text, newline=''), strict=True))
        finally:
            csv.field_size_limit(before)


class Lookup:
    """The points of a sweep in the order in which they were proposed, which is their id.

    Args:
        layout: Where to write.
        parameter_names: Names for the parameters of points that are tuples, as far as they are known.

    Attributes:
        points: The points, by id.
        ids: The ids, by point.
        columns: The names of the parameters: one column per parameter, of whatever point.
        has_references: Whether a point has a value of which only the text is known.
        is_verified: Whether it was read from a file with a checksum, which is right.
    """

    def __init__(self, layout: SweepLayout, parameter_names: Sequence[str] = ()) -> None:
        self._layout = layout
        self.names = list(parameter_names)
        self.points: list[Point] = []
        self.ids: dict[Point, int] = {}
        self.columns: list[str] = []
        self.has_references = False
        self.is_verified = False

    def add(self, points: Sequence[Point]) -> None:
        """Gives ids to new points."""
        self.has_references |= any(map(has_reference, points))
        for point in points:
            self.ids[point] = len(self.points)
            self.points.append(point)
            if isinstance(point, NamedPoint):
                self.columns += [name for name in point if name not in self.columns]
            else:
                self.columns += [parameter_name(self.names, i) for i in range(len(self.columns), len(point))]

    def copy(self) -> Lookup:
        """Returns one that stays as this one is now."""
        kept = Lookup(self._layout, self.names)
        kept.points, kept.ids, kept.columns = list(self.points), dict(self.ids), list(self.columns)
        kept.has_references = self.has_references
        return kept

    def write(self, writer: AtomicWriter) -> None:
        """Writes the lookup, its copy first: that is never behind. Its last row is a checksum."""
        rows = ([index, *self.cells(point)] for index, point in enumerate(self.points))
        text = csv_bytes(['id', *self.columns], rows)
        writer.write_bytes(self._layout.params_csv_copy, text + f'checksum,{checksum(text)}\n'.encode())
        writer.write_bytes(self._layout.params_csv, text)
        # A pickle of references would be worth less than what is there.
        if not self.has_references:
            writer.write_pickle(self._layout.params_lookup, (self.ids, dict(enumerate(self.points))))

    def cells(self, point: Point) -> list[str]:
        """A point's values as CSV cells, in the columns' order; empty where it has none."""
        if isinstance(point, NamedPoint):
            return [value_to_text(point[name]) if name in point else '' for name in self.columns]
        values = [value_to_text(value) for value in point]
        return values + [''] * (len(self.columns) - len(values))

    def read(self, path: Path, named: bool) -> None:
        """Reads the points from `params.csv` or its copy.

        Raises:
            FileNotFoundError: It is not there.
            DamagedFile: It cannot be understood.
        """
        try:
            data = read_file(path)
            if end := _CHECKSUM.search(data):
                data = data[: end.start()]
                if checksum(data) != end[1].decode():
                    raise ValueError('its checksum does not match: its content was changed')
            text = data.decode()
            if not text.endswith('\n'):
                raise ValueError('its end is missing')
            header, *rows = _rows(text)
            if header[:1] != ['id'] or [row[0] for row in rows] != [str(i) for i in range(len(rows))]:
                raise ValueError('it is no list of points')
            points = [self._parse(header[1:], row[1:], named) for row in rows]
        except (ValueError, TypeError, LookupError, RecursionError, csv.Error) as error:
            raise DamagedFile(path, error) from error
        if not named:
            self.names = header[1:] + self.names[len(header) - 1 :]
        self.add(points)
        self.is_verified = end is not None

    def is_behind(self, other: Lookup) -> bool:
        """Whether the points are the first ones of another's, or all."""
        pairs = zip(self.points, other.points, strict=False)
        return len(self.points) <= len(other.points) and all(
            self.record(mine) == other.record(theirs) for mine, theirs in pairs
        )

    def record(self, point: Point) -> dict[str, str]:
        """Returns a point's values as text by name, to be written with its results."""
        return {name: cell for name, cell in zip(self.columns, self.cells(point), strict=True) if cell != ''}

    def restore(self, records: Mapping[int, Mapping[str, str]], named: bool) -> None:
        """Takes the points from what `record` returned for them, by id.

        Raises:
            FolderError: A point below the highest id has none.
        """
        for point_id in range(max(records, default=-1) + 1):
            if point_id not in records:
                raise FolderError(
                    f'{self._layout.params_csv} is lost, and nothing in '
                    f'{self._layout.point(point_id).folder} tells which point that was'
                )
        if not named:
            self.names = max((list(record) for record in records.values()), key=len, default=self.names)
        for point_id, record in sorted(records.items()):
            try:
                self.add([self._parse(list(record), list(record.values()), named)])
            except (ValueError, TypeError, LookupError, RecursionError) as error:
                folder = self._layout.point(point_id).folder
                raise FolderError(
                    f'{self._layout.params_csv} is lost, and {folder} is damaged: {error}'
                ) from error

    @staticmethod
    def _parse(names: list[str], cells: list[str], named: bool) -> Point:
        given = [(name, cell) for name, cell in zip(names, cells, strict=True) if cell != '']
        values = [value_from_text(cell) for _, cell in given]
        for value in values:
            value_to_text(value).encode()  # what cannot be written was not written
            hash(value)
        return (
            NamedPoint(dict(zip((name for name, _ in given), values, strict=True)))
            if named
            else tuple(values)
        )
