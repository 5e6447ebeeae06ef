"""What a problem's module defines and nobody would read: options in vain, and misspelt ones."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType

from ..amounts import is_real
from ..errors import SourceError
from ..source.syntax import parsed
from ..source.text import SourceHelper

_ALIKE = 0.8
_OF_DATA = ('accuracy_style', 'step', 'predict', 'precision', 'threshold')

_ELSEWHERE = {  # as other libraries call it
    'training_step': 'step',
    'train_step': 'step',
    'configure_optimizers': 'optimizer',
    'lr_schedule': 'schedule',
    'lr_scheduler': 'schedule',
    'grad_clip': 'clip_norm',
    'max_grad_norm': 'clip_norm',
    'gradient_clip_val': 'clip_norm',
    'gradient_accumulation_steps': 'accumulate',
    'accumulate_grad_batches': 'accumulate',
    'ema_decay': 'ema',
    'use_deterministic_algorithms': 'deterministic',
}


def _takes(count: int, first: str = '') -> Callable[[object], bool]:
    """Whether a value is a function of so many arguments, the first of this name."""

    def fits(value: object) -> bool:
        if not callable(value) or isinstance(value, type):
            return False
        try:
            signature = inspect.signature(value)
            signature.bind(*range(count))
        except (TypeError, ValueError):
            return False
        return not first or next(iter(signature.parameters), '') == first

    return fits


KINDS: dict[str, Callable[[object], bool]] = {
    'dataset': _takes(0),
    'optimizer': _takes(2),
    'step': _takes(2),
    'predict': _takes(2),
    'schedule': lambda value: isinstance(value, str) or _takes(1)(value),
    'clip_norm': is_real,
    'accumulate': is_real,
    'ema': is_real,
    'precision': lambda value: isinstance(value, str),
    'channels_last': lambda value: isinstance(value, bool),
    'deterministic': lambda value: isinstance(value, bool),
    'metrics': lambda value: isinstance(value, Mapping),
    'threshold': is_real,
    'callbacks': _takes(0),
    'groups': _takes(0),
    'constraint': _takes(1),
    'attach': _takes(2, 'engine'),
    'train': _takes(1, 'run'),
    'selector': _takes(0),
}
"""The optional names of a problem, and whether a value may be meant as one."""


def unread(module: object, names: object, style: str | None, is_without_data: bool) -> list[str]:
    """Returns what a problem defines and nobody would read, and what to write instead, as ends of sentences.

    A name that is like an optional one which is not there counts if its value may be meant as that one's, and
    if the module itself defines it and reads it nowhere: else it is the module's own.

    Args:
        module: The module, or another object with the names of a problem.
        names: The names of the problem: the module, or that and an object in it.
        style: The accuracy style; None if the metrics are others.
        is_without_data: It has no `dataset()`.
    """
    unused = [name for name in _OF_DATA if is_without_data and hasattr(names, name)]
    faults = [
        f'{name} and no dataset(), so that {name} would be ignored: what counts is run.score(value). Leave '
        f'it out, or define dataset()'
        for name in unused
    ]
    if style != 'multiclass' and 'threshold' not in unused and is_real(getattr(names, 'threshold', None)):
        here = f'and this one is {style!r}. Leave it out'
        if style is None:
            here = "and a metric has its own: Metric('f1', threshold=…)"
        faults.append(f"threshold, which would be ignored: only accuracy_style='multiclass' has one, {here}")
    return faults + [
        f'{name}, which would be ignored; did you mean {meant}? If not, give it another name, such as _{name}'
        for name, meant in _misspelt(module, names).items()
    ]


def similar(missing: str, names: Iterable[str]) -> str:
    """Says which of some names may be meant to be one that is missing, as the end of a phrase."""
    close = get_close_matches(missing, [name for name in names if name != missing], 1, _ALIKE)
    return f' (it has {close[0]!r})' if close else ''


def _misspelt(module: object, names: object) -> dict[str, str]:
    """The names that may be meant to be optional ones, and which."""
    missing = {_plain(name): name for name in KINDS if not hasattr(names, name)}
    meanings = {}
    for name, value in vars(module).items() if hasattr(module, '__dict__') else ():
        if name.startswith('_') or name in KINDS or _is_imported(value, module):
            continue
        [meant] = get_close_matches(_plain(name), missing, 1, _ALIKE) or [_ELSEWHERE.get(name, '')]
        meant = missing.get(_plain(meant), '')
        if meant and KINDS[meant](value):
            meanings[name] = meant
    return (
        {name: meant for name, meant in meanings.items() if name not in _read_in(module)} if meanings else {}
    )


def _plain(name: str) -> str:
    return name.lower().replace('_', '')


def _is_imported(value: object, module: object) -> bool:
    if isinstance(value, ModuleType):
        return True
    home = getattr(value, '__module__', None) if callable(value) else None
    return isinstance(module, ModuleType) and home is not None and home != module.__name__


def _read_in(module: object) -> set[str]:
    """The names that the source of a module reads, or imports; none of what has no file."""
    file = getattr(module, '__file__', None)
    if file is None:
        return set()
    try:
        tree = parsed(SourceHelper.from_file(Path(file)))
    except (SourceError, OSError):
        return set()
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            names.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update(alias.asname or alias.name for alias in node.names)
    return names
