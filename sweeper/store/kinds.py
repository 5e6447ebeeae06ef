"""Whether what a file says is of the types that it should be: a folder may come from anywhere."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping

_KINDS: Mapping[str, tuple[type, ...]] = {
    'str': (str,), 'int': (int,), 'float': (int, float), 'bool': (bool,), 'None': (type(None),),
    'Mapping': (dict,), 'Sequence': (list,),
}  # fmt: skip


def check_kinds(kind: type, data: Mapping[str, object]) -> None:
    """Checks values by the types of a dataclass's fields.

    Args:
        kind: The dataclass; its types are `str`, `int`, `float`, `bool`, `None`, mappings, sequences,
            unions of these.
        data: Values by field; a field that has none is not looked at.

    Raises:
        ValueError: A value is of another type, or an integer too large for a float.
    """
    for field in dataclasses.fields(kind):
        if field.name in data:
            _check(field.name, str(field.type), data[field.name])


def _check(name: str, annotation: str, value: object) -> None:
    valid = [one for part in annotation.split(' | ') for one in _KINDS[part.partition('[')[0]]]
    is_valid = isinstance(value, tuple(valid)) and (bool in valid or not isinstance(value, bool))
    if isinstance(value, dict) and annotation == 'Mapping[str, str]':
        is_valid = all(isinstance(one, str) for one in value.values())
    if isinstance(value, list) and annotation == 'Sequence[str]':
        is_valid = all(isinstance(one, str) for one in value)
    if isinstance(value, int) and abs(value) > sys.float_info.max:
        is_valid = False
    if not is_valid:
        raise ValueError(f'{name} is {value!r}'[:200])
