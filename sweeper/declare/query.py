"""Questions to all that is known of the parameters: `_.db.select(L.has_default_value)`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

from .occurrence import EMPTY, HyperParameterOccurrence, Priority

Row = HyperParameterOccurrence
Condition = Callable[[Row], bool]


class HyperParameterDB(list[Row]):
    """A list of occurrences that can be filtered, sorted and grouped; each answer is a new one."""

    def select(self, condition: Condition) -> HyperParameterDB:
        """Returns the rows of which `condition` is true."""
        return HyperParameterDB(row for row in self if condition(row))

    def sort_by(self, key: str | Callable[[Row], Any], *, reverse: bool = False) -> HyperParameterDB:
        """Returns the rows in the order of a column, or of what a function says of each; equal ones stay."""
        return HyperParameterDB(sorted(self, key=_column(key), reverse=reverse))

    def group_by(self, key: str | Callable[[Row], Any]) -> dict[Any, HyperParameterDB]:
        """Returns the rows by a column or by a function's answer; by its text if it has no hash."""
        groups: dict[Any, HyperParameterDB] = {}
        for row in self:
            value = _column(key)(row)
            try:
                group = groups.setdefault(value, HyperParameterDB())
            except TypeError:
                group = groups.setdefault(repr(value), HyperParameterDB())
            group.append(row)
        return groups

    def extract_column(self, column: str) -> list[Any]:
        """Returns one column."""
        return [row[column] for row in self]

    def find_first(self, condition: Condition) -> Row | None:
        """Returns the first row of which `condition` is true, or None."""
        return next(filter(condition, self), None)

    sorted = order_by = sort_by
    push_occurrence = list.append

    def indexing(self, index: int | Iterable[int]) -> Any:
        """Returns a row by its place, or several as a table.

        Raises:
            IndexError: There is no such row, or this is no place.
        """
        if isinstance(index, int):
            return self[index]
        try:
            return HyperParameterDB(self[item] for item in index)
        except TypeError as error:
            raise IndexError(f'{index!r}: must be a place in the table, or several') from error

    def reduce(self, function: Callable[[Any, Row], Any], initial: Any = EMPTY) -> Any:
        """Returns what a function makes of all rows, as `functools.reduce`.

        Raises:
            ValueError: There is no row, and nothing to begin with.
        """
        if initial is not EMPTY:
            return functools.reduce(function, self, initial)
        if not self:
            raise ValueError('no row, and no initial value')
        return functools.reduce(function, self)

    def count(self, condition: Any) -> int:
        """Returns of how many rows a condition is true, or, as of any list, how often a row is there."""
        return self.count_of(condition) if callable(condition) else super().count(condition)

    def count_of(self, condition: Condition) -> int:
        """Returns of how many rows `condition` is true."""
        return sum(map(bool, map(condition, self)))

    def any(self, condition: Condition) -> bool:
        """Whether `condition` is true of a row."""
        return any(map(condition, self))

    def all(self, condition: Condition) -> bool:
        """Whether `condition` is true of every row."""
        return all(map(condition, self))

    def empty(self) -> bool:
        """Whether there is no row."""
        return not self


def _column(key: str | Callable[[Row], Any]) -> Callable[[Row], Any]:
    if isinstance(key, str):
        return lambda row: row[key]
    return key


class L:
    """Conditions for `select`, and what joins them: `L.land(L.of_name('width'), L.has_default_value)`."""

    @staticmethod
    def has_default_value(row: Row) -> bool:
        """The place gives a value."""
        return row.has_default_value

    @staticmethod
    def has_hints(row: Row) -> bool:
        """The place gives hints."""
        return bool(row.hints)

    @staticmethod
    def exist_attr(name: str) -> Condition:
        """The row has something in that column."""
        return lambda row: getattr(row, name, None) not in (None, {}) and getattr(row, name) is not EMPTY

    @staticmethod
    def value_priority(row: Row) -> int:
        """For `sort_by`: the highest counts."""
        return row.value_priority

    @staticmethod
    def of_name(name: str) -> Condition:
        """The name is `name`."""
        return lambda row: row.name == name

    @staticmethod
    def of_name_prefix(prefix: str) -> Condition:
        """The name begins with `prefix`."""
        return lambda row: row.name.startswith(prefix)

    @staticmethod
    def of_name_suffix(suffix: str) -> Condition:
        """The name ends with `suffix`."""
        return lambda row: row.name.endswith(suffix)

    @staticmethod
    def of_value(value: Any) -> Condition:
        """The value is `value`."""
        return lambda row: bool(row.value == value)

    @staticmethod
    def of_priority(priority: Priority) -> Condition:
        """The value comes from there."""
        return lambda row: row.priority == priority

    @staticmethod
    def land(*conditions: Condition) -> Condition:
        """All of them are true."""
        return lambda row: all(condition(row) for condition in conditions)

    @staticmethod
    def lor(*conditions: Condition) -> Condition:
        """One of them is true."""
        return lambda row: any(condition(row) for condition in conditions)

    @staticmethod
    def lnot(condition: Condition) -> Condition:
        """It is not true."""
        return lambda row: not condition(row)
