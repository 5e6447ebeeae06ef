"""Where the user's module is: how it is named, found and imported, in the parent and in every worker."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import ProblemError
from ..points import OWN_PROBLEM
from .missing import import_hint
from .sources import ProblemSources, read_sources

_DIGEST = '__sweeper_source__'


@dataclass(frozen=True)
class ProblemReference:
    """Says where a problem's module is, in plain values that another process can follow.

    Attributes:
        module: Its importable name, or None if it is only a file.
        path: Its file, or None if it is only a name.
        is_main: It is the program that is running; another process loads it under its own name.
        arguments: What that program was called with: `sys.argv` wherever it is loaded.
        given: The problem itself, where it was passed as an object; no other process can load it.
    """

    module: str | None
    path: str | None
    is_main: bool
    arguments: tuple[str, ...] = ()
    given: Any = field(default=None, compare=False, repr=False)

    @property
    def argv(self) -> list[str]:
        """What `sys.argv` is while the problem is loaded or run, in whatever process.

        A program has its own; a problem is not called with the arguments of whoever sweeps it.
        """
        return list(self.arguments) or [str(self)]

    @contextmanager
    def with_own_argv(self) -> Iterator[None]:
        """Gives the process the problem's `sys.argv` meanwhile."""
        before, sys.argv = sys.argv, self.argv
        try:
            yield
        finally:
            sys.argv = before

    @property
    def name(self) -> str:
        """The module's own name, however it was given: `digits` for `examples/digits.py`."""
        if self.module is not None:
            return self.module.rpartition('.')[2]
        return '__main__' if self.path is None else Path(self.path).stem

    def check_loadable_elsewhere(self) -> None:
        """Checks that worker processes can load the problem.

        Raises:
            ProblemError: It is an object, or what was typed into a notebook or after `python -c`.
        """
        if self.given is not None:
            raise ProblemError(
                f'module_name={self.given!r}: an object exists only in this process, but worker processes '
                "load the problem themselves. Pass the module's name or the path to its file, or use "
                "executor='inline'"
            )
        if self.module is None and self.path is None:
            raise ProblemError(
                "module_name='__main__' needs a program that is a file: worker processes load the problem "
                'from it. Put model, dataset, loss and accuracy_style into a .py file and pass its path, '
                "or use executor='inline', which runs everything in this process"
            )

    def __str__(self) -> str:
        return self.module or self.path or '__main__'

    def sources(self) -> ProblemSources:
        """Reads what the problem is made of; nothing of it is imported, only the packages that it is in.

        Raises:
            ProblemError: It is not there, or no file of Python.
        """
        path, package = self.location()
        sources = None if path is None else read_sources(Path(path), package)
        if sources is None:
            raise ProblemError(f'cannot find the source of the problem {str(self)!r}')
        return sources

    def location(self) -> tuple[str | None, str]:
        """Returns its file, None if there is none, and the dotted name of the package that it is in, or ''.

        Nothing of it is imported, only the packages that it is in.
        """
        path, package = self.path, ''
        if self.given is not None:
            path, package = getattr(self.given, '__file__', None), ''
        elif self.module is not None:
            try:
                spec = importlib.util.find_spec(self.module)
            except (ImportError, ValueError):
                spec = None
            path, package = (spec.origin, spec.parent or '') if spec is not None else (None, '')
        return path, package


def find_problem(module_name: str | os.PathLike[str] | ModuleType) -> ProblemReference:
    """Returns where the problem named `module_name` is, without loading it.

    Args:
        module_name: An importable name, a path to a `.py` file, or `__main__`; or the problem itself: a
            module, or any object with `model`, `dataset`, `loss` and `accuracy_style`, or with a `problem`
            that has these.

    Raises:
        ProblemError: It is no name, or there is no such file.
    """
    is_text = isinstance(module_name, str | os.PathLike)
    if not is_text and (hasattr(module_name, 'model') or hasattr(module_name, 'problem')):
        name = getattr(module_name, '__name__', type(module_name).__name__)
        return ProblemReference(name, None, False, tuple(sys.argv), module_name)
    if not isinstance(module_name, str | os.PathLike) or not os.fspath(module_name):
        raise ProblemError(
            f"module_name={module_name!r}: must be an importable name, the path to a .py file, or '__main__'"
        )
    name = os.fspath(module_name)
    path = Path(name)
    main = sys.modules['__main__']
    main_file = getattr(main, '__file__', None)
    if name == '__main__':
        if main_file is None or not Path(main_file).is_file():  # a notebook, `<stdin>`, `-c`
            return ProblemReference(None, None, True, tuple(sys.argv))
        return _main_reference(main, main_file)
    if path.suffix == '.py':
        if not path.is_file():
            raise ProblemError(f'there is no file {name} (looked in {Path.cwd()})')
        if main_file is not None and Path(main_file).exists() and path.samefile(main_file):
            return _main_reference(main, main_file)
        return ProblemReference(None, str(path.resolve()), False)
    return ProblemReference(name, None, False)


def _main_reference(main: ModuleType, main_file: str) -> ProblemReference:
    spec = main.__spec__
    path = str(Path(main_file).resolve())
    return ProblemReference(spec.name if spec else None, path, True, tuple(sys.argv))


_loading = False


def is_loading_a_problem() -> bool:
    """Tells whether a problem's module is being imported right now."""
    return _loading


@contextmanager
def _mark_loading() -> Iterator[None]:
    global _loading
    before, _loading = _loading, True
    try:
        yield
    finally:
        _loading = before


def load_module(reference: ProblemReference, *, in_worker: bool = False) -> ModuleType:
    """Imports the problem's module.

    In a worker, `__main__` becomes the problem if it was the parent's, so that what the parent pickled
    from its `__main__` is found.

    Raises:
        ProblemError: The module is not there or cannot be imported; the cause is attached.
    """
    if reference.given is not None:
        return reference.given  # type: ignore[no-any-return]
    if reference.is_main and not in_worker:
        return sys.modules['__main__']
    if reference.module is not None and not all(map(str.isidentifier, reference.module.split('.'))):
        raise _no_module(reference)
    try:
        with _mark_loading(), reference.with_own_argv():
            module = _imported(reference)
    except ProblemError:
        raise
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and f'{reference.module}.'.startswith(f'{error.name}.'):
            raise _no_module(reference) from error
        raise ProblemError(
            f'cannot import the problem {reference}: {type(error).__name__}: {error}{_hint(reference, error)}'
        ) from error
    if reference.is_main:
        sys.modules['__main__'] = module
    return module


def _no_module(reference: ProblemReference) -> ProblemError:
    name = str(reference)
    message = f'there is no module {name}'
    if Path(name).is_file():
        message += f' (and the file {name} is no .py file)'
    return ProblemError(
        f'{message}: give the path to a .py file, or the name of a module that can be imported'
    )


def _hint(reference: ProblemReference, error: BaseException) -> str:
    """Says which import failed; of a file that imports from the package around it, what to pass instead."""
    if reference.path is None or reference.module or 'relative import' not in str(error):
        return import_hint(error)
    file = Path(reference.path)
    names = [] if file.stem == '__init__' else [file.stem]
    folder = file.parent
    while (folder / '__init__.py').is_file():
        names.insert(0, folder.name)
        folder = folder.parent
    if len(names) < 2:  # a package without that file
        names.insert(0, file.parent.name)
        folder = file.parent.parent
    return (
        f'{import_hint(error)}. A file with relative imports is a module of a package: pass its name, '
        f'{".".join(names)}, and start from {folder}, or have that folder in PYTHONPATH'
    )


def _imported(reference: ProblemReference) -> ModuleType:
    if reference.module is not None:
        return importlib.import_module(reference.module)
    assert reference.path is not None
    name = reference.name
    loaded = sys.modules.get(name)
    digest = _digest(Path(reference.path))
    if getattr(loaded, '__file__', None) == reference.path:
        if loaded is not None and getattr(loaded, _DIGEST, digest) == digest:
            return loaded  # else its file was edited since, in a notebook's session say
    elif loaded is not None:
        name = f'{OWN_PROBLEM}{name}'
    folder = str(Path(reference.path).parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location(name, reference.path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    setattr(module, _DIGEST, digest)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _digest(file: Path) -> str | None:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return None
