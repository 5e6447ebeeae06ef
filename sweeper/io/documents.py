"""Documents that people write: YAML and JSON, read strictly.

YAML is that of version 1.2, other than PyYAML's own: `1e-4` is a number, `on` and `no` are texts, `010` is
ten. A key that is there twice is an error in both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import FolderError, InvalidArgument
from ..extras import needed
from ..text import reason

YAML_SUFFIXES = ('.yaml', '.yml')
_RESOLVERS = (
    ('null', r'~|null|Null|NULL|', ('~', 'n', 'N', '')),
    ('bool', r'true|True|TRUE|false|False|FALSE', tuple('tTfF')),
    ('int', r'[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+', tuple('-+0123456789')),
    (
        'float',
        r'[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)',
        tuple('-+.0123456789'),
    ),
    ('merge', r'<<', ('<',)),
)


def read_document(path: Path) -> Any:
    """Returns what a YAML or JSON file holds, as its suffix says.

    Raises:
        InvalidArgument: It cannot be read, is no such document, or has a key twice; the message has file and
            line.
        MissingExtra: It is YAML, and PyYAML is not installed.
    """
    if path.suffix.lower() not in (*YAML_SUFFIXES, '.json'):
        raise InvalidArgument(f'{path}: must be a .yaml, .yml or .json file')
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        raise InvalidArgument(f'cannot read {path}: {reason(error, path)}') from error
    except UnicodeDecodeError as error:
        raise InvalidArgument(f'{path} is no text in UTF-8: {error}') from error
    return parsed(text, path)


def parsed(text: str, path: Path, form: str | None = None) -> Any:
    """Returns what a text holds; raises as `read_document` does.

    Args:
        text: The text.
        path: The file that it is from.
        form: `json` or `yaml`; by default as the file's suffix says.
    """
    if (path.suffix.lower() == '.json') if form is None else (form == 'json'):
        return _from_json(text, path)
    yaml = _yaml()
    try:
        loader = _loader()(text)
        data = loader.get_single_data()
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidArgument(f'{path} is not yaml: {error}') from error
    _check_twice(path, loader.twice)
    return data


def write_document(path: Path, data: Any) -> None:
    """Writes a YAML or JSON file, as its suffix says, whole or not at all.

    Raises:
        InvalidArgument: The suffix is of neither.
        FolderError: It cannot be written.
        MissingExtra: It is to be YAML, and PyYAML is not installed.
    """
    from .files import write_report

    if path.suffix.lower() == '.json':
        text = json.dumps(data, indent=2, ensure_ascii=False) + '\n'
    elif path.suffix.lower() in YAML_SUFFIXES:
        text = to_yaml(data)
    else:
        raise InvalidArgument(f'{path}: must be a .yaml, .yml or .json file')
    try:
        write_report(path, text.encode())
    except OSError as error:
        raise FolderError(f'cannot write {path}: {reason(error, path)}') from error


def to_yaml(data: Any) -> str:
    """Returns plain data as YAML that `parsed` reads back equal: lists in one line, in the order given."""
    return str(_yaml().dump(data, Dumper=_dumper(), sort_keys=False, allow_unicode=True, width=100))


def _from_json(text: str, path: Path) -> Any:
    twice: list[str] = []

    def as_dict(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        known = dict(pairs)
        names = [name for name, _ in pairs]
        twice.extend(f'{name} is given {names.count(name)} times' for name in known if names.count(name) > 1)
        return known

    try:
        data = json.loads(text, object_pairs_hook=as_dict)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f'{path} is not json: {error}') from error
    _check_twice(path, twice)
    return data


def _check_twice(path: Path, twice: Sequence[str]) -> None:
    if twice:
        raise InvalidArgument(f'{path}: {"; ".join(twice)}')


@cache
def _loader() -> Any:
    class Loader(_yaml().SafeLoader):  # type: ignore[misc]
        yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012

        def __init__(self, text: str) -> None:
            super().__init__(text)
            self.twice: list[str] = []

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            lines: dict[Any, int] = {}
            for key_node, _ in node.value:
                line = key_node.start_mark.line + 1
                key = None if key_node.tag.endswith(':merge') else self.construct_object(key_node, deep=True)
                if isinstance(key, str | int | float) and key in lines:
                    self.twice.append(
                        f'line {line}: {key} is given a second time (first in line {lines[key]})'
                    )
                elif isinstance(key, str | int | float):
                    lines[key] = line
            return super().construct_mapping(node, deep)

        def construct_integer(self, node: Any) -> int:
            text = self.construct_scalar(node)
            return int(text, 0 if text[:2] in ('0o', '0x') else 10)

        def construct_number(self, node: Any) -> float:
            text = self.construct_scalar(node).lower()
            return float(text.replace('.inf', 'inf').replace('.nan', 'nan'))

    for tag, pattern, first in _RESOLVERS:
        Loader.add_implicit_resolver(f'tag:yaml.org,2002:{tag}', re.compile(f'^(?:{pattern})$'), list(first))
    Loader.add_constructor('tag:yaml.org,2002:int', Loader.construct_integer)
    Loader.add_constructor('tag:yaml.org,2002:float', Loader.construct_number)
    return Loader


@cache
def _dumper() -> Any:
    class Dumper(_yaml().SafeDumper):  # type: ignore[misc]
        def represent_row(self, row: Any) -> Any:
            return self.represent_sequence('tag:yaml.org,2002:seq', row, flow_style=True)

        def represent_text(self, text: str) -> Any:
            """Texts with characters that readers take for ends of lines are written escaped."""
            is_plain = text.replace('\n', '').isprintable()
            return self.represent_scalar('tag:yaml.org,2002:str', text, style=None if is_plain else '"')

        def ignore_aliases(self, data: Any) -> bool:
            return True

    for tag, pattern, first in _RESOLVERS:  # beside those of YAML 1.1, so that its readers agree
        Dumper.add_implicit_resolver(f'tag:yaml.org,2002:{tag}', re.compile(f'^(?:{pattern})$'), list(first))
    Dumper.add_representer(str, Dumper.represent_text)
    Dumper.add_representer(list, Dumper.represent_row)
    Dumper.add_representer(tuple, Dumper.represent_row)
    return Dumper


def _yaml() -> Any:
    with needed('spaces', 'YAML, unlike JSON, needs PyYAML'):
        import yaml
    return yaml
