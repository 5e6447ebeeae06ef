"""What the options of `sweeper run` ask to vary."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from .errors import InvalidArgument

if TYPE_CHECKING:
    from .selectors.base import ParamSelector

DEFAULT_TRIALS, DEFAULT_POINTS = 3, 10
_WORDS = {'true': True, 'false': False, 'null': None}


def selector_of(
    module: str, grid: list[str], random: list[str], points: int | None, trials: int | None, seed: int
) -> ParamSelector | Callable[[], ParamSelector]:
    """Returns what the options ask for; if that is the module's own, what gets it once it is loaded."""
    from .selectors.fixed import FixedSweep

    if grid and random:
        raise InvalidArgument('--grid and --random cannot be mixed; --random takes lists of values, too')
    if points is not None and not random:
        raise InvalidArgument(f'--points={points} goes with --random')
    count = DEFAULT_TRIALS if trials is None else trials
    if grid:
        return FixedSweep.with_grid(_named('--grid', grid, values_of), count)
    if random:
        ranges = _named('--random', random, range_of)
        return FixedSweep.with_random_trials(ranges, points or DEFAULT_POINTS, count, seed=seed)
    return partial(_own_selector, module, trials)


def _own_selector(module: str, trials: int | None) -> ParamSelector:
    """Returns the selector that the module itself defines."""
    from .training.problem import find_problem, load_module

    loaded = load_module(find_problem(module))
    selector: Any = getattr(loaded, 'selector', None)
    if selector is None:
        raise InvalidArgument(
            f'what should be varied? {module} has no `selector`; '
            f'give --grid NAME=A,B,… or --random NAME=LOW..HIGH'
        )
    if not callable(selector):
        if trials is not None:
            raise InvalidArgument(f'--trials={trials}: the selector of {module} has its own number of trials')
        return selector  # type: ignore[no-any-return]
    if 'trials' in inspect.signature(selector).parameters:
        return selector(**({} if trials is None else {'trials': trials}))  # type: ignore[no-any-return]
    if trials is not None:
        raise InvalidArgument(f'--trials={trials}: selector() of {module} takes no argument `trials`')
    return selector()  # type: ignore[no-any-return]


def _named(option: str, texts: list[str], parse: Callable[[str], Any]) -> dict[str, Any]:
    parsed: dict[str, Any] = {}
    for text in texts:
        name, equals, values = (part.strip() for part in text.partition('='))
        if not equals or not name or not values:
            raise InvalidArgument(f'{option} {text!r}: must be NAME=VALUES, as in {option} hidden=16,32')
        if name in parsed:
            raise InvalidArgument(f'{option} {text!r}: {name} is given twice; list all its values in one')
        parsed[name] = parse(values)
    return parsed


def values_of(text: str) -> list[Any]:
    """Parses `16,32`, `relu,tanh`, `(8,8),(16,16)` or `true,false`; any other bare word is a string."""
    try:
        values = list(ast.literal_eval(f'[{text}]'))
    except (ValueError, SyntaxError):
        values = [_value(one.strip()) for one in text.split(',')]
    if '' in values or any(values.count(value) > 1 for value in values):
        raise InvalidArgument(f'values {text!r}: every value must be there, and once')
    return values


def _value(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def range_of(text: str) -> Any:
    """Parses `8..128` or `0.1..0.5`, both ends included, or a list of values."""
    low, dots, high = text.partition('..')
    return (_value(low), _value(high)) if dots else values_of(text)
