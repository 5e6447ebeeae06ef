"""Values as YAML, JSON or pickle: what is listed, saved and loaded."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import DeclarationError, FolderError, InvalidArgument, MissingExtra, SweepError
from ..io import documents
from ..text import reason
from .domains import checked
from .manager import HyperParameterManager, suggestion
from .occurrence import HyperParameterNode
from .tree import SEPARATOR, flatten, nest

FORMATS = ('auto', 'yaml', 'json', 'pickle')
_BY_SUFFIX = {'.yaml': 'yaml', '.yml': 'yaml', '.json': 'json', '.pkl': 'pickle', '.pickle': 'pickle'}


def to_yaml(tree: Mapping[str, Any]) -> str:
    """Returns nested dicts as YAML: branches as blocks, lists in one line, in the order they are in.

    Raises:
        MissingExtra: PyYAML is not installed.
        DeclarationError: A value has no form in (safe) YAML.
    """
    try:
        return documents.to_yaml(dict(tree))
    except MissingExtra:
        raise
    except Exception as error:  # of the writer, of which there are several
        raise DeclarationError(f'a value cannot be written as YAML: {error}') from error


def to_json(tree: Mapping[str, Any]) -> str:
    """Returns nested dicts as JSON.

    Raises:
        DeclarationError: A value has no form in JSON.
    """
    try:
        _check_keys(tree)
        return json.dumps(tree, indent=2, ensure_ascii=False) + '\n'
    except (TypeError, ValueError, RecursionError) as error:
        raise DeclarationError(f'a value cannot be written as JSON: {error}') from error


def plain_tree(manager: HyperParameterManager, *, annotate_dict: bool) -> dict[str, Any]:
    """Returns the values that can be known without running the code, as a tree."""
    values = {node.name: node.value for node in manager.get_nodes() if node.has_plain_value}
    return nest(values, manager.separator, annotate_dict=annotate_dict)


def save(manager: HyperParameterManager, path: Path, form: str = 'auto') -> None:
    """Writes the values of all parameters to a file, whole or not at all.

    Args:
        manager: The manager whose values are written or read.
        path: The file to write or read.
        form: One of `FORMATS`; `auto` goes by the file's suffix.

    Raises:
        InvalidArgument: The suffix says nothing.
        DeclarationError: A value cannot be written so.
        FolderError: The file cannot be written.
    """
    from ..io.files import write_report

    form = _form_of(path, form)
    tree = plain_tree(manager, annotate_dict=True)
    if form == 'pickle':
        try:
            data = pickle.dumps(tree)
        except Exception as error:  # whatever the values' own classes raise
            raise DeclarationError(f'a value cannot be pickled: {error}') from error
    else:
        try:
            data = (to_yaml(tree) if form == 'yaml' else to_json(tree)).encode()
        except UnicodeEncodeError as error:
            raise DeclarationError(f'a value is no text that can be written: {error}') from error
    try:
        write_report(path, data)
    except OSError as error:
        raise FolderError(f'cannot write {path}: {reason(error, path)}') from error


def load(manager: HyperParameterManager, path: Path, form: str = 'auto') -> dict[str, Any]:
    """Sets what a file has, and returns it by name.

    Args:
        manager: Whose values to set.
        path: A file as `save` writes it, or written by hand; nested or with dots in names.
        form: One of `FORMATS`. A pickle is loaded only if this is `pickle`: loading one can run any code.

    Raises:
        InvalidArgument: The file cannot be read, or as what it is to be read is not known.
        DeclarationError: It has a name that nobody declares, or a value that its parameter cannot have.
    """
    values = read_values(path, {node.name: node for node in manager.get_nodes()}, form, manager.separator)
    manager.set_values(values)
    return values


def read_values(
    path: Path, nodes: Mapping[str, HyperParameterNode], form: str = 'auto', separator: str = SEPARATOR
) -> dict[str, Any]:
    """Returns what a file has, by name, as the parameters `nodes` take it; raises as `load` does."""
    data = _read(path, form)
    if not isinstance(data, Mapping):
        raise InvalidArgument(f'{path} must hold names and values; it holds a {type(data).__name__}')
    try:
        values = flatten(data, separator, is_value=nodes.__contains__)
        return {name: checked(value, named(name, nodes)) for name, value in values.items()}
    except DeclarationError as error:
        raise DeclarationError(f'{path}: {error}') from error


def named(name: str, nodes: Mapping[str, HyperParameterNode]) -> HyperParameterNode:
    """Returns the parameter of that name.

    Raises:
        DeclarationError: There is no such parameter.
    """
    if name not in nodes:
        raise DeclarationError(f'`{name}` is not declared anywhere{suggestion(name, nodes)}')
    return nodes[name]


def _read(path: Path, form: str) -> Any:
    is_asked_for = form == 'pickle'
    form = _form_of(path, form)
    if form == 'pickle' and not is_asked_for:
        message = f'{path} is a pickle, and loading one can run any code'
        error = InvalidArgument(f'{message}; if you trust it, ask for the format `pickle` by name')
        raise error.on_command_line(f'{message}; give a .yaml or .json file')
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidArgument(f'cannot read {path}: {reason(error, path)}') from error
    try:
        if form == 'pickle':
            return pickle.loads(data)
        values = documents.parsed(data.decode(), path, form)
        return values or {} if form == 'yaml' else values
    except SweepError:
        raise
    except Exception as error:  # of the parsers, of which YAML's alone has a dozen
        raise InvalidArgument(f'{path} is not {form}: {error}') from error


def _form_of(path: Path, form: str) -> str:
    if form not in FORMATS:
        raise InvalidArgument(f'there is no format {form}; valid are {", ".join(FORMATS)}')
    if form != 'auto':
        return form
    if path.suffix.lower() not in _BY_SUFFIX:
        message = f'cannot tell the format of {path}: its name must end with'
        error = InvalidArgument(
            f'{message} one of {", ".join(_BY_SUFFIX)}, or name one of {", ".join(FORMATS[1:])}'
        )
        raise error.on_command_line(f'{message} .yaml, .yml or .json')
    return _BY_SUFFIX[path.suffix.lower()]


def _check_keys(value: Any) -> None:
    """Sees to it that JSON does not make strings of keys that are none."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f'key {key!r} of a dict is no string')
            _check_keys(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _check_keys(item)
