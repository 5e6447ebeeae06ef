"""`results.parquet`: the table of `results.csv` in columns, each with values of its own type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO

from ..extras import needed
from ..points import value_from_text, value_to_text
from ..tables import nuisance_columns
from .collation import results_table
from .records import Records

if TYPE_CHECKING:
    import pyarrow

_REASON = "summaries='parquet' needs pyarrow"
_ROWS = 10_000  # in memory at a time; each so many are a row group of the file
_INTEGERS = ('id', 'batch_size', 'tuning', 'trial', 'seed')
_MOST, _MOST_EXACT = 2**63 - 1, 2**53  # as 64-bit integers, and as floating-point numbers


def check_parquet() -> None:
    """Raises `MissingExtra` if no Parquet files can be written."""
    with needed('parquet', _REASON):
        import pyarrow.parquet  # noqa: F401


def write_parquet(file: BinaryIO, records: Records) -> None:
    """Writes a row per trial, in the order of `results.csv` and with its columns.

    A parameter's column has truth values, integers, floating-point numbers or texts if all of its values are
    such; else texts, which are the cells of `results.csv`. What a point does not have is null, as are scores
    that a trial does not have.

    Raises:
        MissingExtra: pyarrow is not installed.
    """
    with needed('parquet', _REASON):
        import pyarrow
        from pyarrow import parquet
    header, rows = results_table(records)
    values = {name: _values_of(cells) for name, cells in _cells(records, header).items()}
    kinds = [_kind_of([*values[name].values()]) if name in values else _kind_named(name) for name in header]
    schema = pyarrow.schema([*zip(header, kinds, strict=True)])
    with parquet.ParquetWriter(file, schema) as writer:
        while batch := [*islice(rows, _ROWS)]:
            columns = zip(header, kinds, zip(*batch, strict=True), strict=True)
            arrays = [
                pyarrow.array([values[name].get(cell) for cell in cells] if name in values else cells, kind)
                for name, kind, cells in columns
            ]
            writer.write_table(pyarrow.table(arrays, schema=schema))


def _cells(records: Records, header: Sequence[str]) -> dict[str, set[str]]:
    """The different cells of those columns that have values of points, by the columns' names."""
    parameters = header[1 : 1 + len(records.lookup.columns)]
    cells: dict[str, set[str]] = {
        name: set() for name in (*parameters, *nuisance_columns(records.nuisance_names()))
    }
    for point, record in records.by_point.items():
        for name, cell in zip(parameters, records.lookup.cells(point), strict=True):
            cells[name].add(cell)
        for tuning in record.tuned.tunings if record.tuned is not None else ():
            for column, value in zip(
                nuisance_columns([*tuning.nuisance]), tuning.nuisance.values(), strict=True
            ):
                cells[column].add(value_to_text(value))
    return cells


def _values_of(cells: Iterable[str]) -> Mapping[str, Any]:
    """What a column has in place of cells: the values if one type holds them all, else the texts."""
    values = {cell: value_from_text(cell) for cell in cells if cell != ''}
    kinds = {type(value) for value in values.values()}
    numbers = [value for value in values.values() if type(value) is int]
    most = _MOST if kinds == {int} else _MOST_EXACT
    if kinds in ({bool}, {str}) or (kinds <= {int, float} and all(abs(number) <= most for number in numbers)):
        return values
    return {cell: cell for cell in values}


def _kind_of(values: Sequence[Any]) -> pyarrow.DataType:
    import pyarrow

    kinds = {type(value) for value in values}
    if kinds == {bool}:
        return pyarrow.bool_()
    if kinds == {int}:
        return pyarrow.int64()
    return pyarrow.float64() if kinds and kinds <= {int, float} else pyarrow.string()


def _kind_named(column: str) -> pyarrow.DataType:
    """The type of a column that every table has."""
    import pyarrow

    if column in _INTEGERS:
        return pyarrow.int64()
    return {'diverged': pyarrow.bool_(), 'flags': pyarrow.string()}.get(column, pyarrow.float64())
