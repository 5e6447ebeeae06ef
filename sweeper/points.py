"""Points: one architecture's parameter values, and how they are written down without pickle.

A point is a tuple (`model(*point)`) or a `NamedPoint` (`model(**point)`). Its values are what can be
hashed, pickled and written as text that reads back equal: `None`, bool, int, float, str, enum members,
classes and functions that can be imported, and tuples, frozensets and (frozen) dicts of these.
"""

from __future__ import annotations

import enum
import json
import pickle
import sys
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from .errors import InvalidPoint
from .frozen import FrozenDict, freeze
from .frozen import NamedPoint as NamedPoint
from .text import one_line

OWN_PROBLEM = 'sweeper_problem_'
"""Begins the name of a problem's module whose own name another module has already."""

_DEEPEST = 20
_LONGEST_SHOWN = 500
_Function = types.FunctionType | types.BuiltinFunctionType | types.MethodDescriptorType | np.ufunc
VALID_VALUES = (
    'None, bool, int, float, str, enum members, importable classes and functions, '
    'and tuples, frozensets and dicts of these'
)
_MARKS = frozenset(['dict', 'enum', 'frozenset', 'import'])  # keys by which JSON tells what a value is


@dataclass(frozen=True)
class Reference:
    """Stands for a class, function or enum member that this process has not imported, when read back.

    Attributes:
        text: What `value_to_text` gives for it.
    """

    text: str

    def __repr__(self) -> str:
        return self.text


Point: TypeAlias = tuple[Any, ...] | NamedPoint


def as_point(proposed: object) -> Point:
    """Returns the point that a selector or caller means by `proposed`.

    Sequences become tuples and mappings become named points. In their values, at whatever depth, lists become
    tuples, sets frozensets, dicts `FrozenDict`s, and numpy scalars Python numbers.

    Raises:
        InvalidPoint: It is no sequence or mapping of values, or a value cannot be in a point.
    """
    if isinstance(proposed, Mapping):
        values = {str(name): _checked(value, proposed) for name, value in proposed.items()}
        return NamedPoint(values)
    if isinstance(proposed, tuple | list):
        return tuple(_checked(value, proposed) for value in proposed)
    raise InvalidPoint(
        f'a point is a tuple of parameter values, or a mapping from name to value; '
        f'got {proposed!r} ({type(proposed).__name__})'
    )


def are_named(points: Sequence[Point], known: bool | None = None) -> bool:
    """Returns whether points are named, which all points of a sweep are, or none.

    Args:
        points: At least one.
        known: Whether the sweep's earlier points are named, if there are any.

    Raises:
        InvalidPoint: Some are named and some are tuples.
    """
    kinds = {isinstance(point, NamedPoint) for point in points} | ({known} - {None})
    if len(kinds) > 1:
        raise InvalidPoint(
            f'the points of a sweep are either all named or all tuples; got {points[-1]!r} besides others'
        )
    return isinstance(points[0], NamedPoint)


def _checked(value: Any, proposed: object) -> Any:
    try:
        value = freeze(value, strictly=True)
        hash(value)
    except TypeError as error:
        raise InvalidPoint(
            f'parameter {_shown(value)} ({type(value).__name__}) of point {_shown(proposed)} cannot be '
            f'hashed ({error}); valid values are {VALID_VALUES}'
        ) from None
    try:
        pickle.dumps(value)
    except Exception as error:
        raise InvalidPoint(
            f'parameter {_shown(value)} of point {_shown(proposed)} is unpicklable ({error}); '
            f'valid values are {VALID_VALUES}'
        ) from None
    if not _reads_back(value):
        raise InvalidPoint(
            f'parameter {_shown(value)} ({type(value).__name__}) of point {_shown(proposed)} cannot be '
            f'written as text and read back equal; valid values are {VALID_VALUES}'
        )
    return value


def _shown(value: object) -> str:
    """A value in a message that goes on after it: of a very long one the beginning."""
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f'{text[:_LONGEST_SHOWN]}…'


def _reads_back(value: Any) -> bool:
    try:
        text = value_to_text(value).encode().decode()
        return bool(value_from_text(text) == value)
    except (TypeError, ValueError, LookupError, AttributeError, RecursionError):
        return False


def has_reference(value: Any) -> bool:
    """Whether a value or a point contains a `Reference`, of which only the text is known."""
    if isinstance(value, Mapping):
        return any(map(has_reference, (*value, *value.values())))
    return isinstance(value, Reference) or (
        isinstance(value, tuple | frozenset) and any(map(has_reference, value))
    )


def parameter_name(names: Sequence[str], index: int) -> str:
    """Returns the name of a parameter of points that are tuples, of whose names some are known."""
    return names[index] if index < len(names) else f'param{index}'


def by_name(point: Point, names: Sequence[str]) -> dict[str, Any]:
    """Returns a point's values by name.

    Args:
        point: The point.
        names: Of the parameters of points that are tuples, as far as they are known.
    """
    if isinstance(point, NamedPoint):
        return dict(point.items())
    return {parameter_name(names, index): value for index, value in enumerate(point)}


def label(point: Point) -> str:
    """Returns a short text for a person: `16, relu` or `hidden=16, nonlinearity=relu`."""
    if isinstance(point, NamedPoint):
        return one_line(', '.join(f'{name}={value_to_text(value)}' for name, value in point.items()))
    return one_line(', '.join(value_to_text(value) for value in point)) if point else '()'


def point_key(point: Point) -> str:
    """Returns a text that tells a point from every other, the same in every process."""
    if isinstance(point, NamedPoint):
        return json.dumps({name: value_to_text(value) for name, value in point.items()}, sort_keys=True)
    return json.dumps([value_to_text(value) for value in point])


def value_to_text(value: Any) -> str:
    """Returns `value` as a CSV cell: JSON, except that a string which is no JSON stands bare."""
    if type(value) is str and value != '' and not _is_json(value):
        return value
    return json.dumps(to_json(value))


def value_from_text(text: str) -> Any:
    """Returns the value that `value_to_text` wrote.

    It runs no code: a class, function or enum member whose module is not imported becomes a `Reference`.
    """
    return from_json(json.loads(text)) if _is_json(text) else text


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def to_json(value: Any) -> Any:
    """Returns a point's value as what JSON knows.

    Raises:
        TypeError: It is no such value.
    """
    if isinstance(value, Reference):
        return json.loads(value.text)
    if isinstance(value, enum.Enum):
        return {'enum': _reference(type(value)), 'name': value.name}
    if type(value) is tuple:
        return [to_json(item) for item in value]
    if type(value) is frozenset:
        items = (to_json(item) for item in value)
        return {'frozenset': sorted(items, key=lambda item: json.dumps(item, sort_keys=True))}
    if type(value) is FrozenDict:
        return _dict_to_json(value)
    if isinstance(value, type | _Function):
        return {'import': _reference(value)}
    if value is None or type(value) in (bool, int, float, str):  # a subclass would not read back as itself
        return value
    raise TypeError(f'{type(value).__name__} has no text')


def _dict_to_json(value: FrozenDict) -> dict[str, Any]:
    """A dict as JSON has it, if no key could be taken for something else; else its keys and values."""
    if all(type(key) is str for key in value) and _MARKS.isdisjoint(value):
        return {key: to_json(item) for key, item in value.items()}
    return {'dict': [[to_json(key), to_json(item)] for key, item in value.items()]}


def from_json(data: Any, depth: int = 0) -> Any:
    """Returns the value of which this is the JSON; like `value_from_text`, it runs no code."""
    if depth > _DEEPEST:
        raise ValueError('nested too deeply')
    if isinstance(data, list):
        return tuple(from_json(item, depth + 1) for item in data)
    if not isinstance(data, dict):
        return data
    if isinstance(data.get('frozenset'), list):
        return frozenset(from_json(item, depth + 1) for item in data['frozenset'])
    if _MARKS.isdisjoint(data):
        return FrozenDict({key: from_json(item, depth + 1) for key, item in data.items()})
    try:
        if 'dict' in data:
            pairs = [(from_json(key, depth + 1), from_json(item, depth + 1)) for key, item in data['dict']]
            return FrozenDict(dict(pairs))
        value = _loaded(data['enum'] if 'enum' in data else data['import'])
        if 'enum' in data and isinstance(value, enum.EnumMeta):
            return value.__members__[data['name']]
        if 'enum' not in data and _is_class_or_function(value):
            return value
    except (LookupError, AttributeError, TypeError):
        pass
    return Reference(json.dumps(data))


def _is_class_or_function(value: Any) -> bool:
    """Whether it is one that can be hashed and compared without running code of its own."""
    if isinstance(value, type):
        return type(value).__hash__ is type.__hash__ and type(value).__eq__ is type.__eq__
    return isinstance(value, _Function)


def _reference(value: Any) -> str:
    owner = value.__objclass__ if isinstance(value, types.MethodDescriptorType) else value
    module, name = owner.__module__, value.__qualname__
    if '.' in name and vars(sys.modules.get(module, types)).get(name.rpartition('.')[2]) is value:
        name = name.rpartition('.')[2]  # torch.relu, say, calls itself `_VariableFunctionsClass.relu`
    return f'{_known_as(module)}:{name}'


def _known_as(module: str) -> str:
    """The name by which every process knows a module: that of the program is its file's, as in a worker."""
    if module == '__main__':
        main = sys.modules['__main__']
        file = getattr(main, '__file__', None)
        if main.__spec__ is not None:
            return main.__spec__.name.removeprefix(OWN_PROBLEM)
        return Path(file).stem if file else module
    return module.removeprefix(OWN_PROBLEM)


def _loaded(reference: str) -> Any:
    """Looks a name up where it is already; getattr() could run code, of a module that loads lazily say."""
    module_name, _, names = reference.partition(':')
    first, *others = names.split('.')
    for known in (module_name, OWN_PROBLEM + module_name, '__main__'):
        module = sys.modules.get(known)
        if module is not None and _known_as(known) == module_name and first in vars(module):
            value: Any = vars(module)[first]
            for name in others:
                value = vars(value)[name]
            return value
    raise LookupError(reference)
