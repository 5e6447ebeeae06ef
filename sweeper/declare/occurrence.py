"""What is known of a parameter: the places that declare or read it, and the value that counts."""

from __future__ import annotations

import ast
import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ..errors import NotLiteralEvaluable
from ..source.text import SourceHelper


class EmptyValue:
    """Stands for no value at all, which `None` cannot, being one. There is one instance; it is false."""

    __slots__ = ()
    _instance: EmptyValue | None = None

    def __new__(cls) -> EmptyValue:
        if cls._instance is None:
            cls._instance = super().__new__(cls)
        return cls._instance

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return 'EmptyValue()'

    def __reduce__(self) -> tuple[Any, ...]:
        return EmptyValue, ()


EMPTY: Final = EmptyValue()


class Priority(enum.IntEnum):
    """Where a value comes from; the highest counts. The long names are those of hpman."""

    PARSED = 1
    RUN_TIME = 2
    SET = 3
    PRIORITY_PARSED_FROM_SOURCE_CODE = PARSED
    PRIORITY_SET_FROM_CALLABLE = RUN_TIME
    PRIORITY_SET_FROM_SETTER = SET


@dataclass(frozen=True)
class HyperParameterOccurrence:
    """One place where a parameter is declared or read, or one value given to it at run time.

    Fields are attributes and items alike: `row.name` is `row['name']`.

    Attributes:
        name: The parameter's name.
        value: Its default at this place; `EmptyValue()` if there is none, a `NotLiteralEvaluable` if it is
            not a literal.
        filename: The file as it was given to be parsed; None for what happened at run time.
        lineno: The line on which the call begins, from 1.
        hints: The keyword arguments of the call.
        priority: Where the value comes from.
        is_early: Whether the code uses the value as soon as its module is imported.
        source: The text of the file, to show a place in its context.
        ast_node: The default's syntax tree; None if this place gives none.
    """

    name: str
    value: Any = EMPTY
    filename: str | None = None
    lineno: int | None = None
    hints: Mapping[str, Any] = field(default_factory=dict)
    priority: Priority = Priority.PARSED
    is_early: bool = False
    source: SourceHelper | None = field(default=None, repr=False, compare=False)
    ast_node: ast.expr | None = field(default=None, repr=False, compare=False)

    @property
    def has_default_value(self) -> bool:
        """Whether this place gives a value."""
        return self.value is not EMPTY

    @property
    def value_priority(self) -> int:
        """Orders what is known of a parameter: the highest counts."""
        return 10 * self.priority - (not self.has_default_value)

    @property
    def place(self) -> str:
        """File and line, as `model.py:12`."""
        return 'run time' if self.filename is None else f'{self.filename}:{self.lineno}'

    def context(self, around: int = 2) -> str:
        """Returns the place and the lines around it, the place's own marked."""
        shown = '' if self.source is None or self.lineno is None else self.source.format(self.lineno, around)
        return f'{self.place}\n{shown}'.rstrip('\n')

    def __getitem__(self, field_name: str) -> Any:
        if field_name not in _FIELDS:
            raise KeyError(field_name)
        return getattr(self, field_name)


_FIELDS = {*HyperParameterOccurrence.__dataclass_fields__, 'has_default_value', 'place', 'value_priority'}


@dataclass(frozen=True)
class HyperParameterNode:
    """A parameter: its value at present, and all places that the parser has found.

    Attributes:
        name: Its name.
        value: The value that counts; `EmptyValue()` if there is none, a `NotLiteralEvaluable` if only running
            the code can tell.
        priority: Where that value comes from; None if there is none.
        occurrences: What was parsed, in the order of the files and lines; empty if it is known from run time.
    """

    name: str
    value: Any
    priority: Priority | None
    occurrences: tuple[HyperParameterOccurrence, ...]

    @property
    def declaration(self) -> HyperParameterOccurrence | None:
        """The place that has the default; without one, the first place."""
        with_default = (row for row in self.occurrences if row.has_default_value)
        return next(with_default, next(iter(self.occurrences), None))

    @property
    def db(self) -> list[HyperParameterOccurrence]:
        """All that is known of it, what counts first."""
        rows = [*self.occurrences]
        if self.priority is not None and self.priority > Priority.PARSED:
            rows.append(HyperParameterOccurrence(self.name, self.value, priority=self.priority))
        return sorted(rows, key=lambda row: -row.value_priority)

    def get(self) -> HyperParameterOccurrence | None:
        """Returns what counts: the first of `db`."""
        return next(iter(self.db), None)

    @property
    def empty(self) -> bool:
        """Whether it has no value."""
        return self.value is EMPTY

    @property
    def default(self) -> Any:
        """The parsed default; `EmptyValue()` if there is none."""
        return EMPTY if self.declaration is None else self.declaration.value

    @property
    def hints(self) -> dict[str, Any]:
        """The hints of all places together; those of the declaration count if they differ."""
        merged: dict[str, Any] = {}
        for row in (*self.occurrences, self.declaration):
            merged |= row.hints if row is not None else {}
        return merged

    @property
    def has_plain_default(self) -> bool:
        """Whether the default can be known without running the code."""
        return self.default is not EMPTY and not isinstance(self.default, NotLiteralEvaluable)

    @property
    def has_plain_value(self) -> bool:
        """Whether there is a value that can be known without running the code."""
        return self.value is not EMPTY and not isinstance(self.value, NotLiteralEvaluable)
