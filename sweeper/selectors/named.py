"""The selectors that have a name, as the command line takes it."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Mapping
from typing import Any

from ..errors import InvalidArgument
from ..space import Space
from .base import Selector

SELECTORS: Mapping[str, str] = {
    'grid': 'GridSweep',
    'random': 'RandomSweep',
    'evolution': 'EvolutionSweep',
    'optuna': 'OptunaSelector',
    'racing': 'RacingSweep',
}
"""The class of each, in the module of that name."""


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
    kind = getattr(importlib.import_module(f'.{name}', __package__), SELECTORS[name])
    known = [parameter for parameter in inspect.signature(kind).parameters if parameter != 'space']
    for option in options:
        if option not in known:
            raise InvalidArgument(f'the selector {name} has no option {option!r}{_suggestion(option, known)}')
    selector: Selector = kind(space, **options)
    return selector


def takes(name: str, option: str) -> bool:
    """Whether a selector, if there is one of that name, has an option."""
    if name not in SELECTORS:
        return False
    kind = getattr(importlib.import_module(f'.{name}', __package__), SELECTORS[name])
    return option in inspect.signature(kind).parameters


def _suggestion(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f'; did you mean {close[0]}?' if close else f'; valid are {", ".join(known)}'
