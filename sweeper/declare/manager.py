"""The manager of parameters that are declared where they are used."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

from ..errors import (
    DeclarationError,
    DeclarationWarning,
    DoubleAssignmentException,
    ImpossibleTree,
    NotLiteralEvaluable,
    NotLiteralNameException,
    UnknownParameter,
)
from ..source.text import UNKNOWN, Paths, SourceHelper
from .occurrence import EMPTY, HyperParameterNode, HyperParameterOccurrence, Priority
from .parsing import Parsed, find_in_files, find_in_source
from .query import HyperParameterDB
from .tree import SEPARATOR, HyperParameterTree, Names, beginnings, flatten, nest

_ALIKE = 0.6  # names less alike than this are not taken for each other, as in `difflib`
_MOST_SUGGESTED = 4


class HyperParameterManager:
    """Knows every parameter that the code declares by calling it, and what value each has.

    `_('width', 64)` declares a parameter and returns its value; `_('width')` returns it elsewhere. A value
    that was set counts before the default given while the code runs, and that before the one that was parsed.

    Args:
        placeholder: The name by which sources call this manager.
        separator: What stands between the parts of a nested name.
    """

    def __init__(self, placeholder: str, separator: str = SEPARATOR) -> None:
        if not separator:
            raise DeclarationError("separator='': must be at least one character")
        self.placeholder = placeholder
        self.separator = separator
        self._parsed: dict[str, list[HyperParameterOccurrence]] = {}
        self._copies: dict[str, Any] = {}  # of parsed defaults that the code has got hold of
        self._defaults: dict[str, Any] = {}
        self._values: dict[str, Any] = {}
        self._given: set[str] = set()
        self._read: set[str] = set()
        self._names = Names(separator)

    def __repr__(self) -> str:
        return f'HyperParameterManager({self.placeholder!r})'

    # Parsing

    def parse_file(self, paths: Paths) -> Self:
        """Finds the parameters in files, and in all `.py` files of folders; nothing is run.

        A file that was parsed before is read anew. If anything is wrong, nothing changes.

        Args:
            paths: A file, a folder, or several of both.

        Raises:
            SourceError: A path is missing, or a file cannot be read or is not Python.
            NotLiteralNameException: The name of a parameter is not a literal string.
            NotLiteralEvaluable: A hint is not a literal.
            DoubleAssignmentException: A name has defaults at two places.
            ImpossibleTree: A name is a value and the beginning of another name.
        """
        return self.take(find_in_files(paths, [self.placeholder], [self.placeholder]))

    def parse_source(self, source: str, filename: str = UNKNOWN) -> Self:
        """Finds the parameters in a text, as `parse_file` does in files.

        Args:
            source: Python source code.
            filename: The name to show for it.
        """
        text = SourceHelper(source, filename)
        return self.take(find_in_source(text, [self.placeholder], [self.placeholder]))

    def take(self, sources: Parsed) -> Self:
        """Takes over what was found of this manager in sources, as `parse_file` does."""
        rows = [
            row
            for row in self._occurrences()
            if row.source is None or row.source.path is None or row.source.path not in sources.paths
        ]
        rows += sources.occurrences.get(self.placeholder, [])
        parsed: dict[str, list[HyperParameterOccurrence]] = {}
        for row in rows:
            parsed.setdefault(row.name, []).append(row)
        for name, places in parsed.items():
            _check_defaults(name, places)
        names = checked_names(parsed, self.separator, [*self._defaults, *self._values])
        self._parsed, self._names = parsed, names
        self._copies.clear()
        for message in sources.warnings.get(self.placeholder, []):
            warnings.warn(message, DeclarationWarning, stacklevel=3)
        return self

    # Values

    def __call__(self, name: str, default: Any = EMPTY, /, **hints: Any) -> Any:
        """Returns the value of a parameter; with a default, declares it.

        Args:
            name: A literal string, so that parsing finds it.
            default: What the value is unless it is set. One place at most gives it.
            **hints: Literals for whoever drives the code: `choices`, `range`, `help` and the like.

        Raises:
            UnknownParameter: It has no value.
        """
        self._read.add(name)
        value = self._values.get(name, EMPTY)
        if value is not EMPTY:
            if default is not EMPTY and name not in self._defaults:
                self._declare(name, default)
            return value
        if default is not EMPTY:
            if name not in self._defaults:
                self._declare(name, default)
            self._defaults[name] = default
            return default
        value = self._defaults.get(name, EMPTY)
        if value is EMPTY:
            value = self._copies.get(name, EMPTY)
        return value if value is not EMPTY else self._resolve(name)

    def _declare(self, name: str, default: Any) -> None:
        if not isinstance(name, str):
            raise NotLiteralNameException(f'the name of a parameter must be a string; got {name!r}')
        self._names.add(name)
        self._defaults[name] = default

    def _resolve(self, name: str) -> Any:
        """Returns the value of a parameter for the code, which may change it if it is a list, say."""
        value = self.get_value(name)
        if isinstance(value, NotLiteralEvaluable):
            where = self.get_occurrence(name)
            raise UnknownParameter(
                f'`{name}` has the default `{value}`, which is known only when the code has run '
                f'({where.place if where else ""}), and it has not'
            )
        if name in self._parsed:
            self._copies[name] = value = fresh(value)
        return value

    def get_value(self, name: str, raise_exception: bool = True) -> Any:
        """Returns the value of a parameter, or a dict of those in the tree `name`.

        Args:
            name: Its name.
            raise_exception: If it has no value, raise; else return `EmptyValue()`.

        Raises:
            UnknownParameter: It has no value.
        """
        value = self._value(name)
        self._read.add(name)
        if value is EMPTY and self._names.below(name):
            return self.get_tree(name)
        if value is EMPTY and raise_exception:
            raise UnknownParameter(f'`{name}` not found{self._hint_at(name)}')
        return value

    def _value(self, name: str) -> Any:
        for values in (self._values, self._defaults, self._copies):
            if name in values:
                return values[name]
        return _declared(self._parsed.get(name, []))

    def _hint_at(self, name: str) -> str:
        if name in self._parsed:
            return f': no place gives a default ({", ".join(row.place for row in self._parsed[name])})'
        begins = [known for known in self._known() if name.startswith(known + self.separator)]
        if begins:
            return f': `{begins[0]}` is a value, not a tree'
        return suggestion(name, self._known())

    def get_values(self) -> dict[str, Any]:
        """Returns the values of all parameters that have one, by name."""
        return self._values_of(self._known())

    def _values_of(self, names: Iterable[str]) -> dict[str, Any]:
        values = {name: self._value(name) for name in names}
        self._read.update(values)
        return {name: value for name, value in values.items() if value is not EMPTY}

    def set_value(self, name: str, value: Any) -> Self:
        """Sets a parameter, whatever its default.

        Raises:
            ImpossibleTree: The name is the beginning of another, or the other way round.
        """
        return self.set_values({name: value})

    def set_values(self, values: Mapping[str, Any]) -> Self:
        """Sets several parameters, or none if one cannot be set."""
        for name in values:
            if not isinstance(name, str):
                raise NotLiteralNameException(f'the name of a parameter must be a string; got {name!r}')
        values = self._within_dicts(values)
        self._names.extend(values)
        self._values = {**self._values, **values}
        return self

    def _within_dicts(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Returns values with that of `c.d` as an entry of `c`, if that is a parameter that is a dict."""
        changed: dict[str, Any] = {}
        for name, value in values.items():
            whole = next(
                (prefix for prefix in beginnings(name, self.separator) if prefix in self._names), None
            )
            before = changed.get(whole, self._value(whole)) if whole is not None else None
            if whole is None or not isinstance(before, dict):
                changed[name] = value
                continue
            changed[whole] = inner = fresh(before)
            *path, last = name[len(whole + self.separator) :].split(self.separator)
            for part in path:
                inner = inner.setdefault(part, {})
                if not isinstance(inner, dict):
                    raise ImpossibleTree(f'`{name}`: `{part}` in the value of `{whole}` is no dict')
            inner[last] = value
        return changed

    def exists(self, name: str) -> bool:
        """Whether a parameter, or a tree of them, has a value."""
        return self._value(name) is not EMPTY or bool(self._names.below(name))

    @property
    def values_set(self) -> dict[str, Any]:
        """What was set, by name: neither defaults nor what was parsed."""
        return dict(self._values)

    @contextmanager
    def using(self, values: Mapping[str, Any], nodes: Iterable[HyperParameterNode] = ()) -> Iterator[Self]:
        """Sets values for the duration of a `with`; afterwards everything is as it was before.

        That includes values set and defaults given in the meantime, and lists and dicts that the code has
        changed.

        Args:
            values: By name.
            nodes: Parameters that count as parsed, unless they have been.
        """
        before = self._parsed, self._values, self._defaults, self._copies, self._names
        given, read = self._given, self._read
        try:
            self._take_nodes(nodes)
            self._values, self._defaults, self._copies = fresh(self._values), fresh(self._defaults), {}
            held = self._within_dicts(fresh(dict(values)))
            self.set_values(held)
            self._given, self._read = set(held), set()
            yield self
        finally:
            self._parsed, self._values, self._defaults, self._copies, self._names = before
            self._given, self._read = given, read | self._read

    @contextmanager
    def holding(self, values: Mapping[str, Any], nodes: Iterable[HyperParameterNode] = ()) -> Iterator[Self]:
        """Sets values for the duration of a `with`, like `using`, but keeps what else happens meanwhile.

        Defaults given and other values set in it stay: it is for code that prepares what is run later.

        Args:
            values: By name.
            nodes: Parameters that count as parsed, unless they have been.
        """
        parsed, before, given, read = self._parsed, dict(self._values), self._given, self._read
        held = dict(values)
        try:
            self._take_nodes(nodes)
            held = self._within_dicts(values)
            self.set_values(held)
            self._given, self._read = set(held), set()
            yield self
        finally:
            kept = {name: value for name, value in self._values.items() if name not in held}
            self._values = {**kept, **{name: before[name] for name in held if name in before}}
            self._parsed, self._given, self._read = parsed, given, read | self._read
            self._names = Names(self.separator, [*self._parsed, *self._defaults, *self._values])

    def _take_nodes(self, nodes: Iterable[HyperParameterNode]) -> None:
        self._parsed = {**{node.name: list(node.occurrences) for node in nodes}, **self._parsed}
        self._names = Names(self.separator, [*self._parsed, *self._defaults, *self._values])

    def unread(self) -> list[str]:
        """Returns which values of the present `using` nobody has asked for yet."""
        return sorted(self._given - self._read)

    def names_read(self) -> set[str]:
        """Returns the names that somebody has asked for, within the present `using` if there is one."""
        return set(self._read)

    def reset(self) -> Self:
        """Forgets all that was set and all defaults given at run time; what was parsed remains."""
        self._values, self._defaults, self._copies = {}, {}, {}
        self._names = Names(self.separator, self._parsed)
        return self

    # Trees

    def get_tree(self, prefix: str = '', annotate_dict: bool = False) -> dict[str, Any]:
        """Returns the values as nested dicts.

        Args:
            prefix: Only those below this name.
            annotate_dict: Marks values that are dicts by `'__is_dict__': True`, to tell them from trees.
        """
        if not prefix:
            return nest(self.get_values(), self.separator, annotate_dict=annotate_dict)
        if prefix in self._names:
            raise ImpossibleTree(f'`{prefix}` is a value, not a tree')
        start = len(prefix + self.separator)
        values = self._values_of(self._names.below(prefix))
        below = {name[start:]: value for name, value in values.items()}
        return nest(below, self.separator, annotate_dict=annotate_dict)

    def set_tree(self, tree: Mapping[str, Any], prefix: str = '') -> Self:
        """Sets the values in nested dicts.

        A dict is a value if it is marked by `'__is_dict__': True`, or if its name is known as a value's.

        Args:
            tree: Nested dicts of values.
            prefix: The name below which they belong.
        """
        return self.set_values(flatten(tree, self.separator, prefix, self._names.__contains__))

    @property
    def tree(self) -> HyperParameterTree:
        """All parameters by the parts of their names."""
        return HyperParameterTree.of(self.get_nodes(), self.separator)

    # What is known of them

    def get_nodes(self) -> list[HyperParameterNode]:
        """Returns all parameters: first those parsed, in the order of the sources."""
        return list(map(self._node, self._known()))

    def _node(self, name: str) -> HyperParameterNode:
        places = tuple(self._parsed.get(name, ()))
        return HyperParameterNode(name, self._value(name), self._priority(name), places)

    def get_occurrence(self, name: str) -> HyperParameterOccurrence | None:
        """Returns the place that declares a parameter: with the default if there is one, else the first.

        A name that was not parsed has an occurrence without a place; an unknown one has none.
        """
        return self._node(name).declaration or self.db.find_first(lambda row: row.name == name)

    get_occurrence_of_value = get_occurrence

    @property
    def db(self) -> HyperParameterDB:
        """All that is known, as a table: places in the sources, then run-time defaults, then set values."""
        rows = HyperParameterDB(self._occurrences())
        for priority, values in ((Priority.RUN_TIME, self._defaults), (Priority.SET, self._values)):
            rows += [
                HyperParameterOccurrence(name, value, priority=priority) for name, value in values.items()
            ]
        return rows

    def _priority(self, name: str) -> Priority | None:
        if name in self._values:
            return Priority.SET
        if name in self._defaults:
            return Priority.RUN_TIME
        return None if self._value(name) is EMPTY else Priority.PARSED

    def _known(self) -> list[str]:
        return list(dict.fromkeys([*self._parsed, *self._defaults, *self._values]))

    def _occurrences(self) -> list[HyperParameterOccurrence]:
        return [row for rows in self._parsed.values() for row in rows]


def checked_names(
    parsed: Mapping[str, Iterable[HyperParameterOccurrence]],
    separator: str = SEPARATOR,
    others: Iterable[str] = (),
) -> Names:
    """Returns the names of parameters.

    Raises:
        ImpossibleTree: One is the beginning of another; the message has the places.
    """
    try:
        return Names(separator, [*parsed, *others])
    except ImpossibleTree as error:
        where = ', '.join(row.place for name in error.names for row in parsed.get(name, []))
        raise ImpossibleTree(f'{error} ({where})', error.names) from None


def suggestion(name: str, known: Iterable[str]) -> str:
    """Returns which of the known names may be meant, as the end of a message.

    A name may lack its branch or be one; one whose branch is right is compared with what is in that branch.
    """
    known = list(dict.fromkeys(known))
    branch = name.rpartition(SEPARATOR)[0]
    in_it = [candidate for candidate in known if candidate.startswith(name + SEPARATOR)]
    if not in_it:
        best = max(
            known, key=lambda candidate: (_is_beside(name, candidate), _likeness(name, candidate)), default=''
        )
        if best and _likeness(name, best) >= _ALIKE:
            return f': did you mean `{best}`?'
        in_it = [candidate for candidate in known if branch and candidate.startswith(branch + SEPARATOR)]
    some = [f'`{candidate}`' for candidate in in_it[:_MOST_SUGGESTED]]
    more = ', …' if len(in_it) > len(some) else ''
    return f': there is {", ".join(some)}{more}' if some else ''


def _is_beside(name: str, known: str) -> bool:
    """Whether a name is like one in its own branch, which then counts before the branch itself."""
    is_inside = SEPARATOR in name and name.rpartition(SEPARATOR)[0] == known.rpartition(SEPARATOR)[0]
    return is_inside and _likeness(name, known) >= _ALIKE


def _likeness(name: str, known: str) -> float:
    """How alike two names are, from 0 to 1."""
    branch, _, last = name.rpartition(SEPARATOR)
    branch_known, _, last_known = known.rpartition(SEPARATOR)
    if branch in ('', branch_known):
        ratio = difflib.SequenceMatcher(None, last, last_known).ratio()
        return max(ratio, _ALIKE) if last_known.startswith(last) else ratio
    return difflib.SequenceMatcher(None, name, known).ratio()


def fresh(value: Any) -> Any:
    """Returns a value that shares no list, dict or set with this one; anything else is the same object."""
    if type(value) in (list, tuple, set, frozenset):
        return type(value)(map(fresh, value))
    if type(value) is dict:
        return {key: fresh(item) for key, item in value.items()}
    return value


def _declared(rows: list[HyperParameterOccurrence]) -> Any:
    return next((row.value for row in rows if row.has_default_value), EMPTY)


def _check_defaults(name: str, rows: list[HyperParameterOccurrence]) -> None:
    first, second, *_ = [*(row for row in rows if row.has_default_value), None, None]
    if first is not None and second is not None:
        raise DoubleAssignmentException(
            f'`{name}` has two defaults; only one place may give it\n{first.context()}\n{second.context()}'
        )
