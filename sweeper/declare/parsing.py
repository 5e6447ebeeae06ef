"""What a source declares: the calls of managers in it, found without running anything."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import (
    DeclarationError,
    InvalidArgument,
    NotLiteralEvaluable,
    NotLiteralNameException,
    SourceError,
)
from ..garbage import uncollected
from ..source.syntax import literal, parsed, shortened
from ..source.text import Paths, SourceFile, SourceHelper, as_paths, find_sources, read_bytes
from ..space.expressions import expression_in
from .modules import Modules
from .occurrence import EMPTY, HyperParameterOccurrence
from .scopes import Foreign, Free, Manager, Meaning, ModuleScopes, Scope


@dataclass
class Parsed:
    """What was found in sources.

    Attributes:
        occurrences: By manager, in the order of files and lines.
        warnings: By manager: what could not be decided, with file and line.
        paths: The true paths of all files that were looked at.
        passed: By name: calls of functions' arguments that look like parameters, if it is a manager's name.
    """

    occurrences: dict[str, list[HyperParameterOccurrence]] = field(default_factory=dict)
    warnings: dict[str, list[str]] = field(default_factory=dict)
    paths: set[str] = field(default_factory=set)
    passed: dict[str, list[str]] = field(default_factory=dict)


def find_in_files(paths: Paths, managers: Collection[str] | None, free: Collection[str]) -> Parsed:
    """Looks for parameters in files and folders.

    In folders, files that cannot contain any are not parsed: those that neither mention `sweeper`, nor call
    one of the names, nor mention a module of the folder that has a manager to pass on.

    Args:
        paths: A file, a folder, or several of both.
        managers: Those that are looked for; None for all.
        free: Managers that a name also means if nobody binds it.

    Raises:
        SourceError: A path is missing, or a file cannot be read or parsed.
        DeclarationError: A call of a manager is not as it must be.
    """
    parsed = Parsed()
    modules = Modules(as_paths(paths))
    names = '|'.join(map(re.escape, sorted({*(managers or ()), *free})))
    mentions = re.compile(rf'\bsweeper\b|(?<!\w)(?:{names})\s*\('.encode() if names else rb'\bsweeper\b')
    passing: list[SourceFile] = []
    skipped: list[SourceFile] = []
    names_of_files: list[str] = []
    with uncollected():
        for file in find_sources(paths):
            parsed.paths.add(file.path)
            names_of_files.append(file.name)
            data = read_bytes(file.name)
            if not file.is_asked_for and not mentions.search(data):
                skipped.append(file)
                continue
            source = SourceHelper.from_bytes(data, file.name)
            if _Reader(source, managers, free, modules, parsed).read():
                passing.append(file)
        while passing and skipped:  # they may take their manager from there
            names = '|'.join(sorted({re.escape(_module_name(file.name)) for file in passing}))
            mentions, passing = re.compile(rf'\b(?:{names})\b'.encode()), []
            left = []
            for file in skipped:
                data = read_bytes(file.name)
                if not mentions.search(data):
                    left.append(file)
                elif _Reader(
                    SourceHelper.from_bytes(data, file.name), managers, free, modules, parsed
                ).read():
                    passing.append(file)
            skipped = left
    order = {file: index for index, file in enumerate(names_of_files)}
    for rows in parsed.occurrences.values():
        rows.sort(key=lambda row: order[row.filename or ''])
    return parsed


def _module_name(filename: str) -> str:
    path = Path(filename)
    return Path(os.path.abspath(path)).parent.name if path.stem == '__init__' else path.stem


def find_in_source(source: SourceHelper, managers: Collection[str] | None, free: Collection[str]) -> Parsed:
    """Looks for parameters in a text, as `find_in_files` does."""
    parsed = Parsed()
    _Reader(source, managers, free, Modules([]), parsed).read()
    return parsed


class _Reader:
    """Reads one source into what was found so far."""

    def __init__(
        self,
        source: SourceHelper,
        managers: Collection[str] | None,
        free: Collection[str],
        modules: Modules,
        parsed: Parsed,
    ) -> None:
        self._source = source
        self._managers = managers
        self._free = free
        self._modules = modules
        self._parsed = parsed
        self._known: dict[tuple[Scope, str], frozenset[Meaning]] = {}

    def read(self) -> bool:
        """Reads it; returns whether it has a manager that other modules may import from it."""
        try:
            self._scopes = ModuleScopes(parsed(self._source))
            for call, scope in sorted(self._scopes.calls, key=lambda pair: _position(pair[0])):
                self._read_call(call, scope)
            for escape in self._scopes.escapes:
                for name in self._managers_in(self._meanings(escape.value, escape.scope)):
                    self._warn(
                        name, escape.target,
                        f'`{shortened(escape.target)} = {shortened(escape.value)}`: calls through it are not '
                        f'seen; a plain name would be followed',
                    )  # fmt: skip
            module = self._scopes.module
            passes = any(
                isinstance(meaning, Manager)
                for name in module.bindings
                for meaning in self._resolved(self._scopes.meanings_of_name(name, module))
            )
            self._scopes.forget()
            return passes
        except RecursionError as error:
            raise SourceError(f'{self._source.filename}: names or values are nested too deeply') from error

    def _read_call(self, call: ast.Call, scope: Scope) -> None:
        meanings = self._meanings(call.func, scope)
        managers = self._managers_in(meanings)
        for name in managers:
            others = {meaning for meaning in meanings if self._manager_of(meaning) != name}
            if not others:
                self._add(name, self._occurrence(call, scope))
            else:
                self._read_doubtful(name, call, scope)
        if not managers:
            self._look_for_lost(call, scope, meanings)

    def _read_doubtful(self, name: str, call: ast.Call, scope: Scope) -> None:
        """Takes a call of a name that is bound to the manager and to something else, if it fits."""
        try:
            occurrence = self._occurrence(call, scope)
        except DeclarationError:
            return
        self._add(name, occurrence)
        self._warn(
            name, call,
            f'`{shortened(call)}` is taken for a parameter, but `{shortened(call.func)}` is also bound to '
            f'something else{self._other_bindings(call.func, scope, name)}',
        )  # fmt: skip

    def _look_for_lost(self, call: ast.Call, scope: Scope, meanings: frozenset[Meaning]) -> None:
        """Doubts that a call is no parameter, if it looks like one and a manager is near."""
        if not isinstance(call.func, ast.Name) or not _looks_like_one(call):
            return
        for meaning in meanings:
            is_wanted = isinstance(meaning, Foreign) and meaning.name in (self._managers or self._free)
            if is_wanted and (len(call.args) == 2 or call.keywords):
                assert isinstance(meaning, Foreign)
                self._warn(
                    meaning.name, call,
                    f'`{shortened(call)}` is not taken for a parameter: `{call.func.id}` comes from '
                    f'`{meaning}`, which is not among the sources; import it from sweeper.m',
                )  # fmt: skip
                return
        owner = scope.owner(call.func.id)
        for outer in owner.outer() if owner is not None else ():
            hidden = self._meanings(call.func, outer)
            is_passed = owner is not None and owner.is_argument(call.func.id)
            if not (is_passed and (len(call.args) == 2 or call.keywords)):
                hidden -= {Free(call.func.id)}
            name = next(iter(self._managers_in(hidden)), call.func.id)
            text = (
                f'`{shortened(call)}` is not taken for a parameter: `{call.func.id}` is no manager '
                f'here{self._other_bindings(call.func, scope, name)}'
            )
            if self._managers_in(hidden):
                self._warn(name, call, text)
                return
            if self._managers is None and Free(name) in hidden:
                self._parsed.passed.setdefault(name, []).append(self._at(call, text))
                return

    def _occurrence(self, call: ast.Call, scope: Scope) -> HyperParameterOccurrence:
        where = f'{self._source.filename}:{call.lineno}'
        if not 1 <= len(call.args) <= 2:
            raise DeclarationError(
                f'{where}: `{shortened(call)}` has {len(call.args)} positional '
                f'arguments; a parameter has a name and, at one place, a default'
            )
        name = call.args[0]
        if not isinstance(name, ast.Constant) or not isinstance(name.value, str):
            raise NotLiteralNameException(
                f'{where}: the name in `{shortened(call)}` is not a literal string, so it is not '
                f'known before the code runs'
            )
        return HyperParameterOccurrence(
            name.value,
            EMPTY if len(call.args) < 2 else literal(call.args[1]),
            self._source.filename,
            call.lineno,
            self._hints(call, name.value, where),
            is_early=scope.is_run_on_import() and call not in self._scopes.statements,
            source=self._source,
            ast_node=call.args[1] if len(call.args) == 2 else None,
        )

    def _hints(self, call: ast.Call, name: str, where: str) -> dict[str, object]:
        hints: dict[str, object] = {}
        for keyword in call.keywords:
            hint = '**' if keyword.arg is None else keyword.arg
            hints[hint] = _condition(keyword.value) if hint == 'when' else literal(keyword.value)
            if keyword.arg is None or isinstance(hints[hint], NotLiteralEvaluable):
                raise NotLiteralEvaluable(
                    f'{where}: hint `{hint}` of `{name}` is `{shortened(keyword.value)}`: must be a literal, '
                    f'since it is read without running the code'
                )
        return hints

    def _meanings(self, expression: ast.expr, scope: Scope) -> frozenset[Meaning]:
        if isinstance(expression, ast.Name):
            key = scope, expression.id
            if key not in self._known:
                self._known[key] = self._resolved(self._scopes.meanings(expression, scope))
            return self._known[key]
        return self._resolved(self._scopes.meanings(expression, scope))

    def _resolved(self, meanings: frozenset[Meaning]) -> frozenset[Meaning]:
        if any(isinstance(meaning, Foreign) for meaning in meanings):
            return self._modules.resolved(meanings, self._source.path)
        return meanings

    def _manager_of(self, meaning: Meaning) -> str | None:
        """Returns which of the managers that are looked for a meaning is."""
        if isinstance(meaning, Manager) and (self._managers is None or meaning.name in self._managers):
            return meaning.name
        if isinstance(meaning, Free) and meaning.name in self._free:
            return meaning.name
        return None

    def _managers_in(self, meanings: frozenset[Meaning]) -> list[str]:
        return sorted({name for name in map(self._manager_of, meanings) if name is not None})

    def _other_bindings(self, function: ast.expr, scope: Scope, name: str) -> str:
        """Says where a name is bound to something other than the manager."""
        owner = scope.owner(function.id) if isinstance(function, ast.Name) else None
        if owner is None or not isinstance(function, ast.Name):
            return ''
        lines = set()
        for binding in owner.bindings[function.id]:
            what = binding.what
            meanings = self._meanings(what, binding.scope) if isinstance(what, ast.expr) else {what}
            if any(self._manager_of(meaning) != name for meaning in meanings):
                lines.add(binding.lineno)
        return f' (line {", ".join(map(str, sorted(lines)))})' if lines else ''

    def _add(self, manager: str, occurrence: HyperParameterOccurrence) -> None:
        self._parsed.occurrences.setdefault(manager, []).append(occurrence)

    def _warn(self, manager: str, node: ast.expr, text: str) -> None:
        self._parsed.warnings.setdefault(manager, []).append(self._at(node, text))

    def _at(self, node: ast.expr, text: str) -> str:
        return f'{self._source.filename}:{node.lineno}: {text}'


def _condition(tree: ast.expr) -> object:
    """The hint `when`: a condition as text, be it written as such or as what the code itself computes."""
    if isinstance(tree, ast.Constant):
        return literal(tree)
    try:
        return str(expression_in(tree))
    except InvalidArgument as error:
        return NotLiteralEvaluable(str(error))


def _position(call: ast.Call) -> tuple[int, int]:
    return call.lineno, call.col_offset


def _looks_like_one(call: ast.Call) -> bool:
    """Whether a call has a literal name first, and one more positional argument at most."""
    name = call.args[0] if call.args else None
    return isinstance(name, ast.Constant) and isinstance(name.value, str) and len(call.args) <= 2
