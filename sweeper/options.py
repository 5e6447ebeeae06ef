"""What the options of `sweeper run` ask to vary."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Collection
from functools import partial
from typing import TYPE_CHECKING, Any

from .errors import InvalidArgument

if TYPE_CHECKING:
    from .selectors.base import ParamSelector

DEFAULT_TRIALS = 3
_FORMS = {
    '--grid': 'NAME=VALUES, as in --grid hidden=16,32',
    '--random': 'NAME=VALUES, as in --random hidden=16..64',
    '--set': 'NAME=VALUE, as in --set hidden=16',
}
_WORDS = {'true': True, 'false': False, 'null': None}


def selector_of(
    module: str,
    *,
    grid: list[str],
    random: list[str],
    declared: bool,
    settings: list[str],
    points: int | None,
    trials: int | None,
    seed: int,
) -> ParamSelector | Callable[[], ParamSelector]:
    """Returns what the options ask for, or what gets it while the problem is loaded."""
    from .selectors.fixed import FixedSweep
    from .selectors.random import DEFAULT_POINTS

    if grid and random:
        raise InvalidArgument('--grid and --random cannot be mixed; --random takes lists of values, too')
    if points is not None and not (random or declared):
        raise InvalidArgument(f'--points={points} goes with --random or --declared')
    count = DEFAULT_TRIALS if trials is None else trials
    varied = _named('--random', random, range_of) if random else _named('--grid', grid, values_of)
    varied |= _named('--set', settings, lambda text: [_value(text)], known=varied)
    if declared:
        return partial(FixedSweep.with_declared, module, count, values=varied, points=points, seed=seed)
    if random:
        return FixedSweep.with_random_trials(varied, points or DEFAULT_POINTS, count, seed=seed)
    if varied:
        return FixedSweep.with_grid(varied, count)
    return partial(_own_selector, module, trials)


def _own_selector(module: str, trials: int | None) -> ParamSelector:
    """Returns the selector that the module itself defines."""
    from .training.reference import find_problem, load_module

    loaded = load_module(find_problem(module))
    selector: Any = getattr(loaded, 'selector', None)
    if selector is None:
        raise InvalidArgument(
            f'what should be varied? {module} has no `selector`; '
            f'give --grid NAME=A,B,…, --random NAME=LOW..HIGH, or --declared'
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


def _named(
    option: str, texts: list[str], parse: Callable[[str], Any], known: Collection[str] = ()
) -> dict[str, Any]:
    parsed: dict[str, Any] = {}
    for text in texts:
        name, equals, values = (part.strip() for part in text.partition('='))
        if not equals or not name or not values:
            raise InvalidArgument(f'{option} {text!r}: must be {_FORMS[option]}')
        if name in parsed or name in known:
            raise InvalidArgument(f'{option} {text!r}: {name} is given twice; list all its values in one')
        parsed[name] = parse(values)
    return parsed


def values_of(text: str) -> list[Any]:
    """Parses `16,32`, `relu,tanh`, `(8,8),(16,16)` or `true,false`; any other bare word is a string."""
    from .points import freeze

    try:
        values = [freeze(value) for value in ast.literal_eval(f'[{text}]')]
    except (ValueError, SyntaxError):
        values = [_value(one.strip()) for one in text.split(',')]
    if '' in values or any(values.count(value) > 1 for value in values):
        raise InvalidArgument(f'values {text!r}: every value must be there, and once')
    return values


def _value(text: str) -> Any:
    from .points import freeze

    if text in _WORDS:
        return _WORDS[text]
    try:
        return freeze(ast.literal_eval(text))
    except (ValueError, SyntaxError):
        return text


def range_of(text: str) -> Any:
    """Parses `8..128` or `1e-4..0.1:log`, both ends included, or a list of values."""
    low, dots, high = text.partition('..')
    if not dots:
        return values_of(text)
    high, colon, log = high.partition(':')
    return (_value(low), _value(high), *[log] * bool(colon))
