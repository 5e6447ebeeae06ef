"""What is said of an import that failed while a problem was loaded: where it stands, and what there is."""

from __future__ import annotations

import ast
import os
import re
import traceback
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from ..errors import SourceError
from ..source.syntax import parsed
from ..source.text import SourceHelper

_MOST_LISTED = 5
_UNKNOWN_NAME = re.compile(r"cannot import name '([^']+)'")


def import_hint(error: BaseException) -> str:
    """Returns file and line of the import that failed, and what may be meant, as the end of a message."""
    if not isinstance(error, ImportError):
        return ''
    place = _place(error)
    if place is None:
        return ''
    file, line = place
    return f' ({os.path.relpath(file)}:{line}){_meant(error, Path(file))}'


def _place(error: BaseException) -> tuple[str, int] | None:
    """The innermost line of a file; the machinery of importing has none."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if os.path.isfile(frame.filename) and frame.lineno is not None]
    return (own[-1].filename, own[-1].lineno or 0) if own else None


def _meant(error: ImportError, file: Path) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        parent, _, missing = error.name.rpartition('.')
        known = [name for folder in _folders(parent, file) for name in _modules_in(folder)]
        return _suggested(missing, known, parent, f'{parent}.' if parent else '')
    unknown = _UNKNOWN_NAME.match(str(error))
    if unknown and error.path and error.path.endswith('.py'):
        path = Path(error.path)
        names = _names_of(path) + (_modules_in(path.parent) if path.stem == '__init__' else [])
        return _suggested(unknown[1], names, f'{error.name}')
    return ''


def _folders(package: str, file: Path) -> list[Path]:
    """Where a package is, beside a file or above its packages; these folders themselves without a name."""
    folder = file.parent
    starts = [folder]
    while (folder / '__init__.py').is_file():
        folder = folder.parent
        starts.append(folder)
    return [folder for folder in (start.joinpath(*package.split('.')) for start in starts) if folder.is_dir()]


def _modules_in(folder: Path) -> list[str]:
    names = {path.stem for path in folder.glob('*.py')}
    names |= {path.parent.name for path in folder.glob('*/__init__.py')}
    return sorted(name for name in names if name.isidentifier() and name != '__init__')


def _names_of(file: Path) -> list[str]:
    """What a module defines at its top, without running it."""
    try:
        tree = parsed(SourceHelper.from_file(file))
    except SourceError:
        return []
    names: list[str] = []
    imported: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            imported += [name.asname or name.name for name in node.names]
        else:
            names += [
                child.id for child in ast.walk(node) if isinstance(child, ast.Name) and _is_bound(child)
            ]
    return names + imported


def _is_bound(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Store)


def _suggested(name: str, known: Iterable[str], owner: str, before: str = '') -> str:
    """Says which is meant; if none is like it, what a package or module has."""
    known = list(dict.fromkeys(known))
    if close := get_close_matches(name, known, n=1):
        return f': did you mean {before + close[0]!r}?'
    if not owner or not known:
        return '' if owner else f': there is no module {name!r} next to that file, and none is installed'
    more = ', …' if len(known) > _MOST_LISTED else ''
    return f': {owner!r} has {", ".join(map(repr, known[:_MOST_LISTED]))}{more}'
