"""What the options of `sweeper run` ask to vary."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from .errors import InvalidArgument
from .literals import choices_of, parts_of, range_of, value_of

if TYPE_CHECKING:
    from pathlib import Path

    from .selectors.base import ParamSelector, Selector
    from .selectors.fixed import FixedSweep
    from .space import Space
    from .tuning.base import TuningMethod

DEFAULT_TRIALS = 3
_FORMS = {
    '--grid': 'NAME=VALUES, as in --grid hidden=16,32',
    '--random': 'NAME=VALUES, as in --random hidden=16..64',
    '--set': 'NAME=VALUE, as in --set hidden=16',
    '--setting': 'NAME=VALUE, as in --setting trial_samples=8000',
    '--budget': 'NAME=LIMIT, as in --budget trials=200',
    '--selector-option': 'NAME=VALUE, as in --selector-option population=30',
    '--point': 'NAME=VALUE,NAME=VALUE,…, as in --point hidden=16,depth=2',
}
_NAMED = re.compile(r'\s*[^\W\d][\w./:]*\s*=')


def selector_of(
    module: str,
    *,
    grid: list[str],
    random: list[str],
    point: list[str],
    declared: bool,
    settings: list[str],
    points: int | None,
    trials: int | None,
    seed: int,
    space: Path | None = None,
    loaded: bool = False,
    default_trials: int = DEFAULT_TRIALS,
    name: str | None = None,
    options: Sequence[str] = (),
    margin: float | None = None,
) -> Selector | Callable[[], Selector]:
    """Returns what the options ask for, or what gets it while the problem is loaded.

    With nothing to vary that is the problem's own selector; if it has none but values were `loaded`, the one
    architecture that these make. Points have `default_trials` unless `trials` says otherwise. What is to vary
    is tried as a whole, or drawn at random, unless the `name` of a selector is given, with its `options`. If
    that ends by a margin, it is the sweep's.
    """
    from .selectors.drawing import DEFAULT_POINTS
    from .selectors.fixed import FixedSweep
    from .space import Categorical, Space

    if grid and random:
        raise InvalidArgument('--grid and --random cannot be mixed; --random takes lists of values, too')
    if points is not None and not (random or declared or name or space):
        raise InvalidArgument(f'--points {points} goes with --random, --declared or --space')
    if options and name is None:
        raise InvalidArgument(f'--selector-option {options[0]} goes with --selector')
    others = {'--grid': grid, '--random': random, '--declared': declared}
    if space is not None and (other := next((option for option, given in others.items() if given), None)):
        raise InvalidArgument(f'--space {space} says what to vary, and so does {other}: give one of them')
    if points is not None and points < 1:
        raise InvalidArgument(f'--points {points}: must be at least 1')
    if trials is not None and trials < 0:
        raise InvalidArgument(f'--trials {trials}: must be at least 0 (0 tunes only)')
    count = default_trials if trials is None else trials
    kind_of = _kinds(module) if grid or random or point or settings else lambda _: None
    varied = _named('--random', random, range_of, kind_of) or _named('--grid', grid, choices_of, kind_of)
    fixed = _named('--set', settings, value_of, kind_of, known=varied)
    varied |= {name: Categorical((value,)) for name, value in fixed.items()}
    single = [_single_point(text, fixed, kind_of) for text in point]
    whole = None if space is None else _loaded_space(space, fixed)
    if name is not None:
        number = trials if default_trials == DEFAULT_TRIALS else count
        own = {'points': points, 'trials': number, 'margin': margin}
        given = _named('--selector-option', [*options], value_of)
        return partial(_of_space, name, module, declared, whole or varied, single, own, given, seed)
    if whole is not None:
        return _with(_grid_or_random(whole, points, count, seed), single, count)
    if declared:
        return partial(_declared, module, count, varied, points, seed, single)
    if random:
        drawn = int(min(DEFAULT_POINTS, Space(varied).size)) if points is None else points
        return _with(FixedSweep.with_random_trials(varied, drawn, count, seed=seed), single, count)
    if varied.keys() - fixed.keys() or (fixed and not single):
        return _with(FixedSweep.with_grid(varied, count), single, count)
    if single:
        return FixedSweep.with_fixed_trials(single, count)
    return partial(_own_selector, module, trials, loaded, default_trials)


def budgeted(
    chosen: Selector | Callable[[], Selector], limits: Sequence[str]
) -> Selector | Callable[[], Selector]:
    """Returns a selector, or what gets it, with the limits that `--budget NAME=VALUE` sets."""
    if not limits:
        return chosen
    from .selectors.base import Selector
    from .selectors.budgets import LIMITS, BudgetedSelector

    given = _named('--budget', [*limits], value_of)
    for name, value in given.items():
        if name not in LIMITS:
            raise InvalidArgument(f'--budget {name}={value}: valid are {", ".join(LIMITS)}')

    def limited(selector: Selector) -> Selector:
        try:
            return BudgetedSelector(selector, **given)
        except InvalidArgument as error:
            raise InvalidArgument(f'--budget {error}') from None

    return limited(chosen) if isinstance(chosen, Selector) else lambda: limited(chosen())


def _declared(
    module: str,
    trials: int,
    values: dict[str, Any],
    points: int | None,
    seed: int,
    more: list[dict[str, Any]],
) -> ParamSelector:
    from .selectors.fixed import FixedSweep

    selector = FixedSweep.with_declared(module, trials, values=values, points=points, seed=seed)
    return _with(selector, more, trials)


def _of_space(
    name: str,
    module: str,
    declared: bool,
    varied: dict[str, Any] | Space,
    single: list[dict[str, Any]],
    own: dict[str, Any],
    given: dict[str, Any],
    seed: int,
) -> Selector:
    """Returns the selector of a name, over what is to be varied.

    Args:
        name: Of the selector.
        module: The problem.
        declared: Whether what its code declares is varied, too.
        varied: What the options say is varied, or a space of a file.
        single: Points beside those of the space.
        own: What options of the command say of the selector: `--points`, `--trials`, `--margin`.
        given: Its options by `--selector-option`.
        seed: The sweep's seed.
    """
    from .selectors.fixed import FixedSweep, declared_space
    from .selectors.named import SELECTORS, make_selector, takes
    from .space.forms import as_space

    domains = declared_space(module, dict(varied)) if declared else varied
    if not domains:
        raise InvalidArgument(
            f'--selector {name}: what should be varied? Give --random NAME=LOW..HIGH, --grid NAME=A,B,…, '
            f'--space FILE or --declared'
        )
    if own['points'] is not None and name in SELECTORS and not takes(name, 'points'):
        points = f'points {own["points"]}'
        fewer = f'--budget {points.replace(" ", "=")} or --selector random takes fewer'
        raise InvalidArgument(f'--{points}: --selector {name} tries every point; {fewer}')
    options = {option: value for option, value in own.items() if value is not None}
    if not takes(name, 'margin'):
        options.pop('margin', None)
    for option in options:
        if option in given:
            raise InvalidArgument(f'--selector-option {option}={given[option]}: --{option} says so, too')
    options |= {'seed': seed} if takes(name, 'seed') else {}
    try:
        selector = make_selector(name, as_space(domains), {**options, **given})
    except InvalidArgument as error:
        arguments = [argument for argument in error.arguments if isinstance(argument, tuple)]
        is_option = any(argument in given for argument, _ in arguments)
        text = str(error) if is_option else error.command or str(error)
        of_command = [] if is_option else [argument for argument in arguments if argument[0] in options]
        raise InvalidArgument(f'--selector {name}: {text}').naming(*of_command) from None
    if not single:
        return selector
    if not isinstance(selector, FixedSweep):
        raise InvalidArgument(
            f'--point: --selector {name} chooses all points itself; try it in another command'
        )
    return _with(selector, single, selector.points_and_trials()[0][1])


def _loaded_space(path: Path, fixed: Mapping[str, Any]) -> Space:
    """Returns the space of a file, with the values that are fixed."""
    from .space import Space

    whole = Space.load(path)
    for name, value in fixed.items():
        try:
            whole = whole.fixed({name: value})
        except InvalidArgument as error:
            raise InvalidArgument(f'--set {name}={value}: {error}') from None
    return whole


def _grid_or_random(space: Space, points: int | None, trials: int, seed: int) -> FixedSweep:
    """Returns what tries a space: all points up to a hundred, else as many as are drawn."""
    from .selectors.drawing import DEFAULT_POINTS
    from .selectors.fixed import MOST_COMBINED, FixedSweep
    from .selectors.random import RandomSweep
    from .space.roles import scientific

    if not any(domain.role == 'scientific' for domain in space.values()):
        return FixedSweep.of_space(space, [{}], trials)
    if points is None and scientific(space).size <= MOST_COMBINED:
        return FixedSweep.with_grid(space, trials)
    return RandomSweep(space, DEFAULT_POINTS if points is None else points, trials, seed=seed)


def _with(selector: FixedSweep, more: list[dict[str, Any]], trials: int) -> ParamSelector:
    """Returns a selector of points that tries single ones, too."""
    from .points import as_point

    proposals = selector.points_and_trials()
    known = {point for point, _ in proposals}
    added = dict.fromkeys(point for point in map(as_point, more) if point not in known)
    return selector.with_others([*proposals, *((point, trials) for point in added)])


def _kinds(module: str) -> Callable[[str], type | None]:
    """Returns what tells of which type the problem's code wants a parameter to be."""
    from .errors import ProblemError
    from .problem.parameters import kinds_in
    from .problem.reference import find_problem

    try:
        return kinds_in(find_problem(module).sources())
    except ProblemError:  # which is told when it is to be loaded
        return lambda _: None


def _single_point(
    text: str, others: dict[str, Any], kind_of: Callable[[str], type | None] = lambda _: None
) -> dict[str, Any]:
    """Parses `depth=3,width=8`; a comma within brackets or quotes parts nothing."""
    parts: list[str] = []
    for part in parts_of(text):
        if parts and not _NAMED.match(part):
            parts[-1] += f',{part}'
        else:
            parts.append(part)
    values: dict[str, Any] = {}
    for part in parts:
        name, equals, value = (text.strip() for text in part.partition('='))
        if not (name and equals and value):
            raise InvalidArgument(f'--point {text}: must be {_FORMS["--point"]}')
        if name in values or name in others:
            raise InvalidArgument(f'--point {text}: {name} is given twice')
        try:
            values[name] = value_of(value, kind_of(name))
        except InvalidArgument as error:
            raise InvalidArgument(f'--point {text}: {error}') from None
    return {**values, **others}


def _own_selector(module: str, trials: int | None, has_values: bool, default_trials: int) -> ParamSelector:
    """Returns the selector that the module itself defines; or one of a single point, if that has values."""
    from .problem.reference import find_problem, load_module

    reference = find_problem(module)
    loaded = load_module(reference)
    selector: Any = getattr(loaded, 'selector', None)
    if selector is None and has_values:
        from .selectors.fixed import FixedSweep

        return FixedSweep.with_fixed_trials([()], default_trials if trials is None else trials)
    if selector is None:
        raise InvalidArgument(
            f'what should be varied? {module} has no `selector`; '
            f'give --grid NAME=A,B,…, --random NAME=LOW..HIGH, or --declared'
        )
    if not callable(selector):
        if trials is not None:
            raise InvalidArgument(f'--trials {trials}: the selector of {module} has its own number of trials')
        return _checked(selector, module)
    takes_trials = 'trials' in inspect.signature(selector).parameters
    if trials is not None and not takes_trials:
        raise InvalidArgument(f'--trials {trials}: selector() of {module} takes no argument `trials`')
    with reference.with_own_argv():
        return _checked(selector(**({} if trials is None else {'trials': trials})), module)


def _checked(selector: object, module: str) -> ParamSelector:
    from .selectors.base import Selector

    if not isinstance(selector, Selector):
        raise InvalidArgument(
            f'the selector of {module} is a {type(selector).__name__}; it must be a Selector, such as '
            f'FixedSweep.with_fixed_trials(points, trials), or a function that returns one'
        )
    return selector  # type: ignore[return-value]


def _named(
    option: str,
    texts: list[str],
    parse: Callable[[str, type | None], Any],
    kind_of: Callable[[str], type | None] = lambda _: None,
    known: Collection[str] = (),
) -> dict[str, Any]:
    parsed: dict[str, Any] = {}
    for text in texts:
        name, equals, values = (part.strip() for part in text.partition('='))
        if not equals or not name or not values:
            raise InvalidArgument(f'{option} {text}: must be {_FORMS[option]}')
        if name in parsed or name in known:
            advice = '; list all its values in one' if option in ('--grid', '--random') else ''
            raise InvalidArgument(f'{option} {text}: {name} is given twice{advice}')
        try:
            parsed[name] = parse(values, kind_of(name))
        except InvalidArgument as error:
            raise InvalidArgument(f'{option} {text}: {error}') from None
    return parsed


def tuning_of(
    preset: str,
    settings: Sequence[str] = (),
    lr: float | None = None,
    batch_size: int | None = None,
    epochs: float | None = None,
    is_preset_given: bool = False,
) -> str | TuningMethod:
    """Returns what the options say of tuning.

    A preset, with the settings changed that `--setting NAME=VALUE` names; or the values of `--lr`,
    `--batch-size` and `--epochs`, fixed, unless the preset is given, too (be it the default).
    """
    from .tuning.settings import get_settings

    given = {'--lr': lr, '--batch-size': batch_size, '--epochs': epochs}
    if fixed := [name for name, value in given.items() if value is not None]:
        changed = [f'--setting {text}' for text in settings[:1]]
        changed += [f'--preset {preset}'] if is_preset_given or preset != 'fast' else []
        if changed:
            raise InvalidArgument(
                f'{changed[0]} tunes what {" and ".join(fixed)} would fix: give one of them'
            )
        if lr is None or batch_size is None:
            missing = [name for name in ('--lr', '--batch-size') if given[name] is None]
            verb = 'is' if len(missing) == 1 else 'are'
            raise InvalidArgument(
                f'{fixed[0]} {given[fixed[0]]} fixes hyperparameters: {" and ".join(missing)} {verb} missing'
            )
        from .tuning.fixed import FixedHyperparameters

        return FixedHyperparameters(lr=lr, batch_size=batch_size, epochs=epochs)
    if not settings:
        return preset
    changes = _named('--setting', list(settings), value_of)
    try:
        return get_settings(preset).replace(**changes)
    except InvalidArgument as error:
        raise InvalidArgument(f'--setting {", ".join(settings)}: {error}') from None
