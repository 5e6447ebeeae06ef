"""From the name of a module to its file, and from a source to the names of the modules that it imports."""

from __future__ import annotations

import ast
import importlib.util
import os
from collections.abc import Iterable, Sequence

_INIT = '__init__.py'


def module_file(folder: str | os.PathLike[str], parts: Sequence[str]) -> str | None:
    """Returns the file that Python takes for a module: a package before a file of the same name.

    Args:
        folder: Where it is looked for.
        parts: The parts of its dotted name; none for the package that the folder is.
    """
    module = os.path.join(folder, *parts)
    files = [os.path.join(module, _INIT), *([f'{module}.py'] if parts else [])]
    return next(filter(os.path.isfile, files), None)


def is_package(file: str | os.PathLike[str]) -> bool:
    """Whether a module's file is that of a package."""
    return os.path.basename(file) == _INIT


def outermost_package(folder: str) -> str:
    """Returns the folder that the outermost package around `folder` is in; `folder` itself if it is none."""
    while os.path.isfile(os.path.join(folder, _INIT)) and os.path.dirname(folder) != folder:
        folder = os.path.dirname(folder)
    return folder


def imported_modules(statements: Iterable[ast.stmt], package: str) -> set[str]:
    """The names of whatever the imports anywhere in `statements` would run, if it is a module.

    Args:
        statements: Of a module.
        package: The dotted name of the package that the module is in, or is; '' for a plain file.
    """
    names: set[str] = set()
    for node in (node for statement in statements for node in ast.walk(statement)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (base := _base(node, package)):
            names.update(f'{base}.{alias.name}' for alias in node.names)
    parts = [name.split('.') for name in names]
    return {'.'.join(some[:count]) for some in parts for count in range(1, len(some) + 1)}


def _base(node: ast.ImportFrom, package: str) -> str:
    """The absolute name of what `node` imports from; '' if that is outside of every package."""
    try:
        return importlib.util.resolve_name('.' * node.level + (node.module or ''), package)
    except ImportError:
        return ''
