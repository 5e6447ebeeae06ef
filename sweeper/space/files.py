"""Spaces as YAML and JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from ..errors import InvalidArgument
from ..io.documents import read_document
from ..points import to_json
from .base import UNSET, Domain, Role
from .bits import Bits
from .categorical import Categorical
from .conditions import Expression
from .expressions import expression_of
from .faults import suggestion
from .float import Float
from .integer import Integer
from .ordinal import Ordinal
from .parts import Parts, condition_in, ends_in, value_in, values_in
from .vega import vega_parts

_COMMON = {'role', 'default', 'when'}
_KEYS = {
    'choices': _COMMON,
    'ordinal': _COMMON,
    'constant': {'role', 'when'},
    'range': {*_COMMON, 'log', 'step', 'type'},
    'bits': {*_COMMON, 'weight'},
}
_ENDS_ELSEWHERE = ({'low', 'high'}, {'min', 'max'}, {'lower', 'upper'})
_VALUES_ELSEWHERE = {'values', 'categories', 'options', 'value', 'items', 'q', 'quantization', 'distribution'}
_FORMS = (
    "valid are a list of values, {'range': [low, high]}, and mappings with choices, ordinal, constant or bits"
)


def read_parts(path: Path, section: str | None = None) -> Parts:
    """Returns what a file says of a space.

    Args:
        path: A YAML or JSON file.
        section: The part of the file that the space is in; by default the only one that has one.

    Raises:
        InvalidArgument: It cannot be read, or holds no space.
    """
    try:
        return parts_of(_section(read_document(path), section))
    except InvalidArgument as error:
        text = str(error)
        raise InvalidArgument(text if str(path) in text else f'{path}: {text}') from None


def parts_of(data: Any) -> Parts:
    """Returns what plain data, in our form or Vega's, says of a space.

    Raises:
        InvalidArgument: It is no mapping that has parameters.
    """
    if isinstance(data, Mapping) and 'hyperparameters' in data:
        return vega_parts(data)
    if not isinstance(data, Mapping) or not isinstance(data.get('parameters'), Mapping):
        raise InvalidArgument('a space is a mapping with parameters: {name: values}, or with hyperparameters')
    parts = Parts()
    _add_section(parts, '', data['parameters'])
    stated = data.get('forbidden', [])
    for index, clause in enumerate(stated if isinstance(stated, list) else [stated]):
        with parts.reading(f'forbidden, clause {index + 1}'):
            parts.forbidden.append(condition_in(clause))
    for key in sorted(data.keys() - {'parameters', 'forbidden'}, key=str):
        parts.faults.append(f'{key}: a space has no such key{suggestion(key, ["parameters", "forbidden"])}')
    return parts


def data_of(
    domains: Mapping[str, Domain], conditions: Mapping[str, Expression], forbidden: Sequence[Expression]
) -> dict[str, Any]:
    """Returns a space as plain data, which `parts_of` reads again.

    Raises:
        InvalidArgument: A condition compares with a value that is no literal.
    """
    parameters: dict[str, Any] = {}
    for name, domain in domains.items():
        entry = _entry(domain)
        if name in conditions:
            entry['when'] = _text(conditions[name])
        parameters[name] = entry['choices'] if entry.keys() == {'choices'} else entry
    clauses = [_text(clause) for clause in forbidden]
    return {'parameters': parameters, **({'forbidden': clauses} if clauses else {})}


def _section(data: Any, section: str | None) -> Any:
    """The part of a document that is a space."""
    if section is not None:
        for name in section.split('.'):
            if not isinstance(data, Mapping) or name not in data:
                there = ', '.join(map(str, data)) if isinstance(data, Mapping) else 'no sections'
                raise InvalidArgument(f'there is no section {section}; it has {there}')
            data = data[name]
    if not isinstance(data, Mapping) or {'parameters', 'hyperparameters'}.intersection(data):
        return data
    if 'search_space' in data:
        return data['search_space']
    having = [name for name, part in data.items() if isinstance(part, Mapping) and 'search_space' in part]
    if len(having) > 1:
        raise InvalidArgument(f'there are several spaces, in {", ".join(having)}: say which section')
    return data[having[0]]['search_space'] if having else data


def _add_section(parts: Parts, prefix: str, section: Mapping[Any, Any]) -> None:
    for key, given in section.items():
        name = f'{prefix}{key}'
        if isinstance(given, Mapping) and (wrong := _misspelled(given)):
            parts.broken.add(name)
            parts.faults.append(f'{name}: {wrong}: there is no such key{suggestion(wrong, _KEYS)}')
            continue
        if isinstance(given, Mapping) and (foreign := _foreign(given)):
            parts.broken.add(name)
            parts.faults.append(f'{name}: {", ".join(foreign)}: there are no such keys; {_FORMS}')
            continue
        if isinstance(given, Mapping) and not _KEYS.keys() & given.keys() and given:
            _add_section(parts, f'{name}.', given)
            continue
        with parts.reading(name, name):
            parts.add(name, _domain(given))
        if isinstance(given, Mapping) and 'when' in given:
            with parts.reading(f'condition of {name!r}'):
                parts.conditions[name] = condition_in(given['when'])


def _misspelled(given: Mapping[Any, Any]) -> str | None:
    """Returns a key that is nearly one of `_KEYS` in what would be one of them but for that; else None.

    Without another key that goes with one of `_KEYS`, it is the name of a parameter.
    """
    if _KEYS.keys() & given.keys() or given.keys().isdisjoint(set[str]().union(*_KEYS.values())):
        return None
    names = [key for key in given if isinstance(key, str)]
    return next((name for name in names if get_close_matches(name, _KEYS, n=1, cutoff=0.75)), None)


def _foreign(given: Mapping[Any, Any]) -> list[str]:
    """Returns the keys by which other libraries describe one parameter, if that is what this does."""
    ends = any(pair <= given.keys() for pair in _ENDS_ELSEWHERE)
    if not (ends or ('type' in given and given.keys() & _VALUES_ELSEWHERE)) or _KEYS.keys() & given.keys():
        return []
    known = {*_COMMON, 'log', 'step', 'type'}
    others = [key for key in given if key not in known]
    return others if {*others} <= set[str]().union(_VALUES_ELSEWHERE, *_ENDS_ELSEWHERE) else []


def _domain(given: Any) -> Domain:
    if isinstance(given, list):
        return Categorical(values_in(given, 'choices'))
    if not isinstance(given, Mapping):
        return Categorical((value_in(given),))
    kinds = [kind for kind in _KEYS if kind in given]
    if len(kinds) != 1:
        raise InvalidArgument(f'{given!r}: must have one of {", ".join(_KEYS)}; {_FORMS}')
    (kind,) = kinds
    valid = [kind, *sorted(_KEYS[kind])]
    for key in given:
        if key not in valid:
            raise InvalidArgument(f'{key}: does not go with {kind}{suggestion(str(key), valid)}')
    common: dict[str, Any] = {'default': value_in(given['default'])} if 'default' in given else {}
    if 'role' in given:
        if given['role'] not in get_args(Role):
            raise InvalidArgument(f'role {given["role"]!r}: valid are {", ".join(get_args(Role))}')
        common['role'] = given['role']
    match kind:
        case 'choices' | 'ordinal':
            return (Categorical if kind == 'choices' else Ordinal)(values_in(given[kind], kind), **common)
        case 'constant':
            return Categorical((value_in(given[kind]),), **common)
        case 'bits':
            weight = given.get('weight', [])
            return Bits(given[kind], tuple(weight) if isinstance(weight, list) else weight, **common)
    return _interval(given, common)


def _interval(given: Mapping[str, Any], common: Mapping[str, Any]) -> Integer | Float:
    low, high = ends_in(given['range'])
    are_integers = isinstance(low, int) and isinstance(high, int) and isinstance(given.get('step', 1), int)
    kind = given.get('type', 'int' if are_integers else 'float')
    if kind not in ('int', 'float'):
        raise InvalidArgument(f'type {kind!r}: valid are int and float')
    steps = {'step': given['step']} if 'step' in given else {}
    return (Integer if kind == 'int' else Float)(low, high, given.get('log', False), **steps, **common)  # type: ignore[arg-type]


def _entry(domain: Domain) -> dict[str, Any]:
    entry: dict[str, Any]
    match domain.plain:
        case Ordinal(choices=choices):
            entry = {'ordinal': [to_json(choice) for choice in choices]}
        case Categorical(choices=choices):
            entry = {'choices': [to_json(choice) for choice in choices]}
        case Integer(low=low, high=high, log=log, step=step):
            entry = {
                'range': [low, high],
                **({'log': True} if log else {}),
                **({'step': step} if step > 1 else {}),
            }
        case Float(low=low, high=high, log=log, step=width):
            entry = {
                'range': [low, high],
                **({'log': True} if log else {}),
                **({'step': width} if width else {}),
            }
        case Bits(length=length, weight=weight):
            entry = {'bits': length, **({} if len(weight) == length + 1 else {'weight': list(weight)})}
        case _:
            raise InvalidArgument(f'{domain!r} cannot be written to a file')
    if domain.default is not UNSET:
        entry['default'] = to_json(domain.default)
    return entry if domain.role == 'scientific' else {**entry, 'role': domain.role}


def _text(expression: Expression) -> str:
    text = str(expression)
    try:
        is_same = expression_of(text) == expression
    except InvalidArgument:
        is_same = False
    if not is_same:
        raise InvalidArgument(f'{text} cannot be written to a file: it compares with what is no literal')
    return text
