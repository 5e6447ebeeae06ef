"""What a problem is made of: the part of its module that makes it up, and the local modules that leads to.

Sources are only read and parsed; nothing is imported or run.
"""

from __future__ import annotations

import ast
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import SourceError
from ..source.modules import imported_modules, is_package, module_file
from ..source.syntax import parsed
from ..source.text import SourceHelper

_ROOTS = (
    'model', 'dataset', 'loss', 'accuracy_style', 'metrics', 'threshold', 'optimizer', 'step', 'predict',
    'schedule', 'clip_norm', 'accumulate', 'ema', 'precision', 'channels_last', 'deterministic', 'callbacks',
    'attach', 'train', 'samples', 'groups', 'constraint', 'problem',
)  # fmt: skip
_ALWAYS = ''  # stands for the name of what counts though no name may lead there
_DYNAMIC = ('globals', 'eval', 'exec')  # these reach any name, spelled out or not
_MAIN_TESTS = ("__name__ == '__main__'", "'__main__' == __name__")
_INSTALLED = ('site-packages', 'dist-packages')
_UNPARSABLE = (
    SourceError,
    ValueError,
    RecursionError,
    MemoryError,
)  # all but the first from walking the tree


@dataclass(frozen=True)
class Source:
    """A file that a problem is made of.

    Attributes:
        path: Where the file is.
        content: All of the file's bytes.
        code: What of it counts, as a text that tells syntax trees apart; the content if it cannot be parsed.
    """

    path: Path
    content: bytes
    code: str | bytes


@dataclass(frozen=True)
class ProblemSources:
    """The files that a problem is made of.

    Attributes:
        main: The problem's module. What counts of it is what can be reached by name from `model`, `dataset`,
            `loss`, `problem` and a problem's other names, and what always runs on import.
        modules: By name, the local modules which that imports, and which they import; of these, everything
            counts.
        folder: The folder that all of them are in.
    """

    main: Source
    modules: dict[str, Source]
    folder: Path

    def files(self) -> list[Source]:
        """The problem's module and the others, by their names."""
        return [self.main, *(source for _, source in sorted(self.modules.items()))]


def read_sources(file: Path, package: str = '', whole: bool = False) -> ProblemSources | None:
    """Reads what the problem in `file` is made of; None if the file cannot be read.

    Comments, docstrings, formatting and `if __name__ == '__main__':` do not count.

    Local is, for a plain file, what lies in its folder (unless that is where pip installs to), and for a
    module of a package, what is in the same top-level package.

    Args:
        file: The problem's module.
        package: The dotted name of the package it is in, '' for a plain file.
        whole: All of its module counts, also what does not make up the problem: so that all is there
            which its import needs.
    """
    # Python looks for a plain program's imports where its file really is; packages may be made of links.
    file = Path(os.path.abspath(file) if package else os.path.realpath(file))
    folder = file.parents[package.count('.')]  # of the top-level package, if there is one
    content = _read(file)
    if content is None:
        return None
    try:
        statements = _parse(content) if whole else _belonging(_parse(content))
        code = _dump(statements)
    except _UNPARSABLE:
        return ProblemSources(Source(file, content, content), {}, folder)
    return ProblemSources(
        Source(file, content, code), _local_modules(statements, file, package, folder), folder
    )


def code_that_counts(source: bytes) -> str:
    """Returns what counts in a piece of source, as `read_sources` has it, in some notation.

    Raises:
        SourceError: It is no Python.
    """
    return _dump(_parse(source))


def _read(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except OSError:
        return None


def _parse(source: bytes) -> list[ast.stmt]:
    """The statements that run when a module is imported, without those that do nothing."""
    tree = parsed(SourceHelper.from_bytes(source))
    for node in ast.walk(tree):
        for field, value in ast.iter_fields(node):
            if isinstance(value, list):
                setattr(node, field, [item for item in value if not _does_nothing(item)])
    return list(_without_main(tree.body))


def _does_nothing(item: object) -> bool:
    """Tells docstrings, and what stands where there is none: with and without, a body is the same."""
    return isinstance(item, ast.Pass) or (isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant))


def _without_main(statements: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in statements:
        if isinstance(statement, ast.If) and ast.unparse(statement.test) in _MAIN_TESTS:
            yield from _without_main(statement.orelse)  # this does run on import
        else:
            yield statement


def _dump(statements: Iterable[ast.stmt]) -> str:
    return '\n'.join(map(ast.dump, statements))


def _belonging(statements: list[ast.stmt]) -> list[ast.stmt]:
    """The statements of a problem's module that make up the problem, imports split into single names."""
    bound = {single: _bound(single) for statement in statements for single in _single(statement)}
    imports = (ast.Import, ast.ImportFrom)
    own = {name for s, names in bound.items() if not isinstance(s, imports) for name in names}
    uses: dict[str, set[str]] = defaultdict(set)
    for statement, names in bound.items():
        if _hooks(statement) & own:
            names.add(_ALWAYS)
        for name in names:
            uses[name] |= _names(statement)
    reached: set[str] = set()
    pending = {_ALWAYS, *_ROOTS}
    while pending:
        name = pending.pop()
        reached.add(name)
        pending |= uses[name] - reached
    return [s for s, names in bound.items() if names & reached or reached.intersection(_DYNAMIC)]


def _single(statement: ast.stmt) -> Iterator[ast.stmt]:
    if isinstance(statement, ast.Import):
        yield from (ast.Import([alias]) for alias in statement.names)
    elif isinstance(statement, ast.ImportFrom):
        yield from (ast.ImportFrom(statement.module, [alias], statement.level) for alias in statement.names)
    else:
        yield statement


def _names(*nodes: ast.AST) -> set[str]:
    return {node.id for outer in nodes for node in ast.walk(outer) if isinstance(node, ast.Name)}


def _bound(statement: ast.stmt) -> set[str]:
    """The names for whose sake a statement is there, or `_ALWAYS` if it may do more than bind names."""
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return {statement.name}
        case ast.Import(names=[alias]) | ast.ImportFrom(names=[alias]) if alias.name != '*':
            return {alias.asname or alias.name.partition('.')[0]}
        case ast.Assign() | ast.AnnAssign():
            targets = [n for n in ast.walk(statement) if isinstance(getattr(n, 'ctx', None), ast.Store)]
            if not any(isinstance(target, ast.Attribute | ast.Subscript) for target in targets):
                return _names(*targets)
    return {_ALWAYS}


def _hooks(statement: ast.stmt) -> set[str]:
    """The names in a definition's decorators and bases, which may register it where no name leads."""
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return _names(*statement.decorator_list)
        case ast.ClassDef():
            return _names(*statement.decorator_list, *statement.bases, *statement.keywords)
    return set()


def _local_modules(statements: list[ast.stmt], file: Path, package: str, folder: Path) -> dict[str, Source]:
    """The local modules that `statements`, of the problem in `file`, lead to, by name."""
    if folder.name in _INSTALLED:
        return {}
    sources: dict[str, Source] = {}
    seen = {package if package and file.stem == '__init__' else f'{package}.{file.stem}'.removeprefix('.')}
    # The problem itself is counted, even if a module imports it.
    pending = imported_modules(statements, package) - seen
    while pending:
        name = pending.pop()
        seen.add(name)
        path, inside = _find_module(name, folder, package.partition('.')[0])
        content = None if path is None else _read(path)
        if path is None or content is None:
            continue
        try:
            statements = _parse(content)
            sources[name] = Source(path, content, _dump(statements))
            pending |= imported_modules(statements, inside) - seen
        except _UNPARSABLE:
            sources[name] = Source(path, content, content)
    return sources


def _find_module(name: str, folder: Path, top: str) -> tuple[Path | None, str]:
    """The file of the module called `name`, None if it is not local, and the package that it is in, or is."""
    parts = name.split('.')
    if top and parts.pop(0) != top:
        return None, ''
    file = module_file(folder, parts)
    if file is None:
        return None, ''
    return Path(file), name if is_package(file) else name.rpartition('.')[0]
