"""The selectors that have a name, as the command line takes it."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Final

from ..errors import InvalidArgument
from ..space import Space
from .base import Selector

_CLASSES: Final = {  # by name: the module, which is imported when it is needed, and the class
    'grid': ('grid', 'GridSweep'),
    'random': ('random', 'RandomSweep'),
    'evolution': ('evolution', 'EvolutionSweep'),
    'optuna': ('optuna', 'OptunaSelector'),
    'racing': ('racing', 'RacingSweep'),
    'halving': ('halving', 'HalvingSweep'),
}
SELECTORS: Final = tuple(_CLASSES)


def make_selector(name: str, space: Space, options: Mapping[str, Any]) -> Selector:
    """Returns a new selector over a space.

    Args:
        name: One of `SELECTORS`.
        space: What to try.
        options: Other arguments of the class, by name.

    Raises:
        InvalidArgument: There is no such selector, it takes no such argument, or not with that value.
    """
    if name not in SELECTORS:
        raise InvalidArgument(f'there is no selector {name!r}{_suggestion(name, [*SELECTORS])}')
    kind = _class_of(name)
    known = [parameter for parameter in inspect.signature(kind).parameters if parameter != 'space']
    for option in options:
        if option not in known:
            raise InvalidArgument(f'the selector {name} has no option {option!r}{_suggestion(option, known)}')
    return kind(space, **options)


def takes(name: str, option: str) -> bool:
    """Whether a selector, if there is one of that name, has an option."""
    return name in SELECTORS and option in inspect.signature(_class_of(name)).parameters


def _class_of(name: str) -> Callable[..., Selector]:
    module, kind = _CLASSES[name]
    selector: Callable[..., Selector] = getattr(import_module(f'.{module}', __package__), kind)
    return selector


def _suggestion(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f'; did you mean {close[0]}?' if close else f'; valid are {", ".join(known)}'
