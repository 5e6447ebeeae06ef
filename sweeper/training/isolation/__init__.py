"""Keeps what one run does to its process away from the next."""

from __future__ import annotations

import contextvars
import os
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from .libraries import library_records
from .records import Record
from .settings import PROCESS
from .switches import set_torch_switches, torch_switches
from .walk import LocalModules, Walk, is_local

__all__ = ['Isolation', 'set_torch_switches', 'torch_switches']

Result = TypeVar('Result')

_FIRST_NAMES = 5


class Isolation:
    """Puts a process back, after each run, as it was before, and says what could not be put back.

    Cheap settings of the process are put back whatever a run does. So is what the problem's modules and data
    lead to, and what was changed in torch's classes: by identity, object by object. A process in which that
    cannot be exact (an iterator went on, a large tensor was written to, a library was patched) should do no
    other run.

    Args:
        folder: The folder that the problem's modules are in; None if it has none.
        roots: More that leads to objects of the problem: its data, or an object that is the problem.
        own: Names of modules that count as the problem's, besides those in the folder.
        opaque: Names of what runs use and nothing is known of: each may change it.
    """

    def __init__(
        self,
        folder: Path | None,
        roots: Sequence[Any] = (),
        own: Sequence[str] = (),
        opaque: Sequence[str] = (),
    ) -> None:
        self._used_opaque = [f'perhaps {name}' for name in opaque]
        self._local_modules, self._roots, self._own_names = LocalModules(folder), roots, own
        self._start = None if folder is None else f'{folder}{os.sep}'
        self._libraries = library_records()
        self._settings: list[Any] | None = None
        self._threads: set[threading.Thread] = set()
        self._modules: set[str] = set()
        self.take_objects()

    def take_objects(self) -> None:
        """Takes what the problem's objects hold now for what they are to hold after each run."""
        modules = self._local_modules.find()
        for name in self._own_names:
            if isinstance(module := sys.modules.get(name), ModuleType):
                modules[name] = module
        walk = Walk([*modules, *self._own_names])
        for name, module in modules.items():
            walk.visit(module, name)
        for root in self._roots:
            walk.visit(root, type(root).__name__)
        self._objects, self._opaque = walk.records, walk.opaque

    def take_settings(self) -> None:
        """Takes the settings of the process as they are now for those that it is to have after each run."""
        self._settings = [setting.get() for setting in PROCESS]
        self._modules = set(sys.modules)
        self._threads = set(threading.enumerate())

    def run(self, function: Callable[[], Result]) -> Result:
        """Returns what a function does; what it sets in the context (numpy's error handling, say) is gone."""
        if self._settings is None:
            self.take_settings()
        return contextvars.copy_context().run(function)

    def restore(self) -> list[str]:
        """Puts back what changed.

        Returns:
            What may not be as it was: names of objects, patched classes, settings and threads.
        """
        assert self._settings is not None
        self._forget_local_modules()
        left = self._restored_settings(self._settings)
        changed = [record for record in self._objects if record.differs()]
        left += _put_back(changed)
        if changed and self._opaque:
            left += [f'{changed[0].name}, beside {self._opaque[0]}']
        patched = [record for record in self._libraries if record.differs()]
        _put_back(patched)
        left += [record.name for record in patched]
        left += [
            f'the thread {thread.name!r}' for thread in threading.enumerate() if thread not in self._threads
        ]
        return list(dict.fromkeys([*left, *self._used_opaque]))

    def _restored_settings(self, states: list[Any]) -> list[str]:
        left = []
        for at, (setting, state) in enumerate(zip(PROCESS, states, strict=True)):
            try:
                if setting.get() == state:
                    continue
                setting.set(state)
                now = setting.get()
            except Exception:
                left.append(setting.name)
                continue
            if setting.grows:
                states[at] = now
            elif now != state:
                left.append(setting.name)
        return left

    def _forget_local_modules(self) -> None:
        """What a run imports of the problem's own modules is imported again by the next that needs it."""
        if self._start is None:
            return
        new = sys.modules.keys() - self._modules
        for name in new:
            if is_local(name, sys.modules[name], self._start):
                del sys.modules[name]  # its package forgets it, too: that is one of the objects
        self._modules |= new & sys.modules.keys()


def _put_back(changed: Sequence[Record]) -> list[str]:
    left = []
    for record in changed:
        try:
            record.put_back()
        except Exception:
            left.append(record.name)
        else:
            if not record.is_exact or record.differs():
                left.append(record.name)
    return left


def in_words(names: Sequence[str]) -> str:
    """Lists what was left changed, the first few of it."""
    more = len(names) - _FIRST_NAMES
    return ', '.join(names[:_FIRST_NAMES]) + (f' and {more} more' if more > 0 else '')
