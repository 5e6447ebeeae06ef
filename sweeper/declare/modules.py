"""Names imported from other modules, followed into their files: a project may pass its manager on."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ..errors import SourceError
from ..source.modules import module_file, outermost_package
from ..source.syntax import parsed
from ..source.text import SourceHelper
from .scopes import OTHER, Foreign, Free, Meaning, ModuleScopes

_DEEPEST = 20


class Modules:
    """Finds and reads the modules that a source imports names from, without importing them.

    Args:
        folders: Where absolute imports are looked for, besides the folder of the importing file, that of its
            outermost package, and the working directory.
    """

    def __init__(self, folders: list[str]) -> None:
        self._folders = [*folders, os.curdir]
        self._read: dict[str, ModuleScopes | None] = {}
        self._resolved: dict[tuple[str, int, str], str | None] = {}

    def resolved(self, meanings: frozenset[Meaning], path: str | None, depth: int = 0) -> frozenset[Meaning]:
        """Returns meanings in which what could be followed into other files has taken the place of `Foreign`.

        Args:
            meanings: What a name may mean in the file `path`.
            path: A true path; None for a text that is no file, whose imports cannot be followed.
            depth: How many imports have been followed already.
        """
        result: set[Meaning] = set()
        for meaning in meanings:
            if isinstance(meaning, Foreign) and path is not None and depth < _DEEPEST:
                result |= self._followed(meaning, path, depth)
            else:
                result.add(meaning)
        return frozenset(result)

    def _followed(self, foreign: Foreign, path: str, depth: int) -> frozenset[Meaning]:
        target = self._find(foreign, path)
        scopes = None if target is None else self._scopes(target)
        if scopes is None:
            return frozenset([foreign])
        there = scopes.meanings_of_name(foreign.name, scopes.module)
        if any(isinstance(meaning, Free) for meaning in there):  # a submodule, say
            return frozenset([OTHER])
        return self.resolved(there, target, depth + 1)

    def _scopes(self, path: str) -> ModuleScopes | None:
        if path not in self._read:
            try:
                self._read[path] = ModuleScopes(parsed(SourceHelper.from_file(path)))
            except SourceError:
                self._read[path] = None
        return self._read[path]

    def _find(self, foreign: Foreign, path: str) -> str | None:
        """Returns the file of a module; None if there is none in sight."""
        key = foreign.module, foreign.level, os.path.dirname(path)
        if key not in self._resolved:
            self._resolved[key] = self._looked_up(foreign, path)
        return self._resolved[key]

    def _looked_up(self, foreign: Foreign, path: str) -> str | None:
        if not foreign.module and not foreign.level:
            return None  # `import name` itself is no name in a module
        parts = foreign.module.split('.') if foreign.module else []
        files = (module_file(folder, parts) for folder in self._bases(foreign, path))
        file = next((file for file in files if file is not None), None)
        return None if file is None else os.path.realpath(file)

    def _bases(self, foreign: Foreign, path: str) -> Iterator[str]:
        folder = os.path.dirname(path)
        if foreign.level:
            for _ in range(foreign.level - 1):
                folder = os.path.dirname(folder)
            yield folder
            return
        yield folder
        yield outermost_package(folder)
        yield from self._folders
