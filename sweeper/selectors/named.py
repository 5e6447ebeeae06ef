"""The selectors that have a name, as the command line takes it."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final

from ..errors import InvalidArgument
from ..space import Space
from .base import Selector

SELECTORS: Final = ('grid', 'random', 'evolution', 'optuna', 'racing', 'halving')


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
    """The class of that name, which is imported when it is needed."""
    match name:
        case 'grid':
            from .grid import GridSweep

            return GridSweep
        case 'random':
            from .random import RandomSweep

            return RandomSweep
        case 'evolution':
            from .evolution import EvolutionSweep

            return EvolutionSweep
        case 'optuna':
            from .optuna import OptunaSelector

            return OptunaSelector
        case 'racing':
            from .racing import RacingSweep

            return RacingSweep
    from .halving import HalvingSweep

    return HalvingSweep


def _suggestion(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f'; did you mean {close[0]}?' if close else f'; valid are {", ".join(known)}'
