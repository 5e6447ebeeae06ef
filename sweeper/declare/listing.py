"""Shows parameters: as YAML, as JSON, or as a table with every place in its context."""

from __future__ import annotations

import os
import pprint
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..errors import DeclarationError, DeclarationWarning, InvalidArgument
from ..text import one_line
from .domains import checked
from .manager import HyperParameterManager
from .occurrence import EMPTY, HyperParameterNode, HyperParameterOccurrence
from .parsing import find_in_files
from .serial import load, named, plain_tree, save, to_json, to_yaml
from .types import from_text, kind_of

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

LISTINGS = ('detail', 'yaml', 'json')
_GRID = '+-++\n| ||\n+=++\n| ||\n+-++\n+-++\n| ||\n+-++\n'
_WIDEST = 10_000


def show(manager: HyperParameterManager, form: str) -> None:
    """Prints all parameters of a manager.

    Args:
        manager: The manager whose parameters are listed.
        form: `detail`, `yaml` or `json`. The last two leave out what only running the code can tell; YAML
            has it as comments.
    """
    if form not in LISTINGS:
        raise InvalidArgument(f'there is no format {form}; valid are {", ".join(LISTINGS)}')
    if form == 'json':
        print(to_json(plain_tree(manager, annotate_dict=False)), end='')
    elif form == 'yaml':
        tree = plain_tree(manager, annotate_dict=False)
        print(to_yaml(tree) if tree else '', end='')
        for node in manager.get_nodes():
            if not node.has_plain_value:
                place = '' if node.declaration is None else f' ({_near(node.declaration)})'
                print(f'# {one_line(f"{node.name}: {_value(node)}{place}")}')
    else:
        _show_detail(manager.get_nodes())


def _show_detail(nodes: Sequence[HyperParameterNode]) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDEST)
    names = pprint.pformat([node.name for node in nodes], width=100, compact=True)
    console.print('All hyperparameters:', style='bold')
    console.print('\n'.join(f'    {line}' for line in names.splitlines()), markup=False)
    console.print('Details:', style='bold')
    console.print(detail_table(nodes), crop=False)


def detail_table(nodes: Sequence[HyperParameterNode]) -> Table:
    """Returns a table of parameters: value, type, and every place with the lines around it."""
    from rich.box import Box
    from rich.table import Table
    from rich.text import Text

    are_numbers = all(type(node.value) in (int, float) for node in nodes)
    table = Table(box=Box(_GRID), show_lines=True, header_style='bold', border_style='dim')
    for header, style in (('name', 'bold cyan'), ('type', 'magenta'), ('value', 'green'), ('details', '')):
        justify: Literal['left', 'right'] = 'right' if header == 'value' and are_numbers else 'left'
        width = len(header) + 2
        table.add_column(header, style=style, justify=justify, min_width=width, overflow='fold')
    for node in nodes:
        kind = type(node.value).__name__ if node.has_plain_value else ''
        table.add_row(*map(Text, (one_line(node.name), kind, one_line(_value(node)))), _places(node))
    return table


def _value(node: HyperParameterNode) -> str:
    if node.value is EMPTY:
        return 'no default'
    return repr(node.value) if node.has_plain_value else f'{node.value} (computed by the code)'


def _places(node: HyperParameterNode) -> Text:
    from rich.text import Text

    text = Text()
    for index, row in enumerate(node.occurrences):
        text.append(f'occurrence[{index}]:\n', 'bold')
        text.append(f'  {one_line(_near(row))}\n', 'cyan')
        context = '' if row.source is None or row.lineno is None else row.source.format(row.lineno)
        for line in context.splitlines():
            text.append(
                f'{one_line(line.expandtabs(4))}\n', 'bold yellow' if line.startswith('==>') else 'dim'
            )
    text.rstrip()
    return text


def _near(row: HyperParameterOccurrence) -> str:
    """Returns a place with the file's path from here, if it is below."""
    place = Path(row.place)
    if place.is_absolute() and place.is_relative_to(Path.cwd()):
        return os.fspath(place.relative_to(Path.cwd()))
    return row.place


def list_sources(
    files: Sequence[Path], name: str, form: str, values: Sequence[str], read: Path | None, write: Path | None
) -> None:
    """Shows what sources declare, without importing them: the command `sweeper params`.

    Args:
        files: Files and folders.
        name: The name that the code calls to declare parameters.
        form: `detail`, `yaml` or `json`.
        values: `NAME=VALUE`, to show and save instead of the defaults.
        read: A file with values.
        write: A file to save all values to.
    """
    occurrences = find_in_files(files, None, [name])
    with warnings.catch_warnings(record=True) as records:
        warnings.simplefilter('always', DeclarationWarning)
        manager = HyperParameterManager(name).take(occurrences)
    for record in records:
        print(f'warning: {one_line(str(record.message))}', file=sys.stderr)
    nodes = {node.name: node for node in manager.get_nodes()}
    if not nodes:
        places = ', '.join(map(str, files))
        print(
            f'no parameter of `{name}` found in {places} (files: {len(occurrences.paths)})', file=sys.stderr
        )
    if read is not None:
        load(manager, read)
    for text in values:
        parameter, equals, value = text.partition('=')
        if not equals:
            raise InvalidArgument(f'--set {text}: must be NAME=VALUE')
        node = named(parameter, nodes)
        try:
            manager.set_value(parameter, checked(from_text(value, kind_of(node)), node))
        except DeclarationError:
            raise
        except ValueError as error:
            raise InvalidArgument(f'--set {text}: {error}') from error
    if write is not None:
        save(manager, write)
    show(manager, form)
    for other in sorted(occurrences.occurrences.keys() - {name}):
        count = len({row.name for row in occurrences.occurrences[other]})
        print(f'`{other}` is a manager, too (parameters: {count}): --manager {other}', file=sys.stderr)
