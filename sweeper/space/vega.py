"""Search spaces as Vega writes them: lists of hyperparameters, conditions and forbidden combinations.

Of the types, those that only its documents have (`INT_CAT`, `FLOAT_CAT`, `STRING`) are read, too.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import InvalidArgument
from .base import Domain, as_number
from .bits import Bits
from .categorical import Categorical
from .conditions import Condition, Expression, joined
from .faults import suggestion
from .float import Float
from .integer import Integer
from .parts import Parts, condition_in, ends_in, value_in, values_in

_MOST_LISTED = 10_000
_HYPERPARAMETER = ('key', 'type', 'range', 'slice', 'sample_num', 'generator', 'role', 'default')
_CONDITION = ('key', 'child', 'parent', 'type', 'range')
_SPACE = ('type', 'hyperparameters', 'condition', 'forbidden', 'modules')
NUISANCE = ('trainer.', 'dataset.batch_size')
"""What the names of parameters begin with that are tuned for every architecture, if nothing else is said."""


def vega_parts(data: Mapping[str, Any]) -> Parts:
    """Returns what a search space of Vega's says; what is wrong with it is among the faults."""
    parts = Parts()
    for key in data:
        if key not in _SPACE:
            parts.faults.append(f'{key}: a search space has no such key{suggestion(str(key), _SPACE)}')
    for entry in _entries(parts, data, 'hyperparameters'):
        name = str(entry.get('key'))
        with parts.reading(name, name):
            if 'key' not in entry:
                raise InvalidArgument(f'hyperparameter {dict(entry)!r} has no key')
            _check_keys(entry, _HYPERPARAMETER)
            parts.add(name, _domain(name, entry))
    stated: dict[str, list[Expression]] = {}
    for entry in _entries(parts, data, 'condition'):
        child = str(entry.get('child'))
        with parts.reading(f'condition of {child!r}', None):
            _check_keys(entry, _CONDITION)
            stated.setdefault(child, []).append(_condition(entry, parts.domains))
    for child, conditions in stated.items():
        parts.conditions[child] = joined(conditions, every=True)
        if len(conditions) > 1:
            listed = str(joined(conditions, every=False))
            parts.faults.append(
                f'condition of {child!r}: there are {len(conditions)}, and it is not said whether all must '
                f'hold or any; write `when: {listed}` (or `and`) in the form of `parameters`'
            )
    for entry in _entries(parts, data, 'forbidden'):
        with parts.reading('forbidden'):
            parts.forbidden.append(condition_in(entry))
    return parts


def _entries(parts: Parts, data: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    given = data.get(key) or []
    entries = given if isinstance(given, list) else [given]
    for entry in entries:
        if not isinstance(entry, Mapping):
            parts.faults.append(f'{key}: {entry!r} is no mapping')
    return [entry for entry in entries if isinstance(entry, Mapping)]


def _check_keys(entry: Mapping[str, Any], valid: tuple[str, ...]) -> None:
    for key in entry:
        if key not in valid:
            raise InvalidArgument(f'{key}: there is no such key{suggestion(str(key), valid)}')


def _domain(name: str, entry: Mapping[str, Any]) -> Domain:
    kind = str(entry.get('type')).upper()
    if kind not in _TYPES:
        raise InvalidArgument(f'type {entry.get("type")!r}: valid are {", ".join(_TYPES)}')
    is_tuned = name == NUISANCE[1] or name.startswith(NUISANCE[0])
    common = {'role': entry.get('role', 'nuisance' if is_tuned else 'scientific')}
    if 'default' in entry:
        common['default'] = value_in(entry['default'])
    return _TYPES[kind](entry, common)


def _category(kind: type | None) -> Callable[[Mapping[str, Any], Mapping[str, Any]], Domain]:
    def read(entry: Mapping[str, Any], common: Mapping[str, Any]) -> Domain:
        default = [True, False] if kind is bool else None
        choices = tuple(as_number(value, kind) for value in values_in(entry.get('range', default), 'range'))
        for choice in choices:
            if kind is not None and type(choice) is not kind:
                raise InvalidArgument(f'range {entry.get("range")!r}: {choice!r} is no {kind.__name__}')
        return Categorical(_several(choices, entry, itertools.permutations, math.perm), **common)

    return read


def _interval(
    kind: type[Integer] | type[Float], log: bool
) -> Callable[[Mapping[str, Any], Mapping[str, Any]], Domain]:
    def read(entry: Mapping[str, Any], common: Mapping[str, Any]) -> Domain:
        low, high = (as_number(end, int if kind is Integer else float) for end in ends_in(entry.get('range')))
        return kind(low, high, log, **common)

    return read


def _several(
    choices: tuple[Any, ...],
    entry: Mapping[str, Any],
    of: Callable[[tuple[Any, ...], int], Any],
    count: Callable[[int, int], int],
) -> tuple[Any, ...]:
    """The choices, or all choices of so many of them as `sample_num` says."""
    number = entry.get('sample_num') or 1
    if not isinstance(number, int) or not 1 <= number <= len(choices):
        raise InvalidArgument(
            f'sample_num {number!r}: must be from 1 to {len(choices)}, the number of values'
        )
    if number == 1:
        return choices
    if (size := count(len(choices), number)) > _MOST_LISTED:
        raise InvalidArgument(f'sample_num {number}: {size:,} combinations are more than {_MOST_LISTED:,}')
    return tuple(of(choices, number))


def _adjacency(entry: Mapping[str, Any], common: Mapping[str, Any]) -> Domain:
    """Edges from a node to one after it; with `sample_num`, so many different ones."""
    edges = tuple(itertools.combinations(values_in(entry.get('range'), 'range'), 2))
    return Categorical(_several(edges, entry, itertools.combinations, math.comb), **common)


def _length(entry: Mapping[str, Any], most: int) -> tuple[int, ...]:
    sizes = values_in(entry.get('range'), 'range')
    if not 1 <= len(sizes) <= most or any(type(size) is not int for size in sizes):
        listed = '[bits]' if most == 1 else '[bits] or [bits, ones]'
        raise InvalidArgument(f'range {entry.get("range")!r}: must be {listed}')
    return sizes


def _code(entry: Mapping[str, Any], common: Mapping[str, Any]) -> Domain:
    """Bits of which at least one is set, or as many as are given."""
    length, *weight = _length(entry, 2)
    if entry.get('sample_num'):
        weight = [entry['sample_num']]
    return Bits(length, tuple(weight or range(1, length + 1)), **common)


def _half(entry: Mapping[str, Any], common: Mapping[str, Any]) -> Domain:
    """Bits of which all are set, or about half: a multiple of 16."""
    (length,) = _length(entry, 1)
    half = max(16 * round(length / 32), 16) if length > 16 else max(length // 2, 1)
    return Bits(length, (half, length), **common)


def _condition(entry: Mapping[str, Any], domains: Mapping[str, Domain]) -> Expression:
    missing = [key for key in ('child', 'parent', 'type', 'range') if key not in entry]
    if missing:
        raise InvalidArgument(f'{", ".join(missing)} is missing in {dict(entry)!r}')
    parent, kind = str(entry['parent']), str(entry['type']).upper()
    given = entry['range']
    values = values_in(given if isinstance(given, list) else [given], 'range')
    if kind in ('EQUAL', 'NOT_EQUAL'):
        if len(values) != 1:
            raise InvalidArgument(f'type {kind} takes exactly one value; range is {given!r}')
        return Condition(parent, '==' if kind == 'EQUAL' else '!=', values[0])
    if kind != 'IN':
        raise InvalidArgument(f'type {entry["type"]!r}: valid are EQUAL, NOT_EQUAL and IN')
    if isinstance(domains.get(parent), Integer | Float):
        low, high = ends_in(given)
        return Condition(parent, '>=', low) & Condition(parent, '<=', high)
    return Condition(parent, 'in', values)


_TYPES: dict[str, Callable[[Mapping[str, Any], Mapping[str, Any]], Domain]] = {
    'CATEGORY': _category(None),
    'BOOL': _category(bool),
    'STRING': _category(str),
    'INT_CAT': _category(int),
    'FLOAT_CAT': _category(float),
    'INT': _interval(Integer, log=False),
    'INT_EXP': _interval(Integer, log=True),
    'FLOAT': _interval(Float, log=False),
    'FLOAT_EXP': _interval(Float, log=True),
    'BINARY_CODE': _code,
    'BINARY_LIST': _code,
    'ADJACENCY_LIST': _adjacency,
    'HALF': _half,
}
