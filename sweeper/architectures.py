"""The architectures of a list of points: what of a point the code reads, and which points are one network."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from .declare.occurrence import EMPTY
from .errors import DeclarationError, InvalidArgument
from .executors.base import Executor, Task, run_all
from .frozen import freeze
from .points import NamedPoint, Point, label, value_to_text
from .problem.parameters import ProblemParameters
from .selectors.base import Selector
from .selectors.budgets import BudgetedSelector, searching
from .selectors.fixed import FixedSweep
from .selectors.grid import GridSweep
from .selectors.random import RandomSweep
from .store.records import Records


def known_points(selector: Selector) -> list[Point]:
    """Returns the points that a selector will propose, as far as that is known before it is asked."""
    selector = searching(selector)
    if not isinstance(selector, FixedSweep):
        return []
    return list(dict.fromkeys(point for point, _ in selector.points_and_trials()))


def trials_of_points(selector: Selector) -> dict[Point, int]:
    """Returns how many trials of each point a selector will propose, as far as that is known."""
    trials: dict[Point, int] = {}
    selector = searching(selector)
    if isinstance(selector, FixedSweep):
        for point, number in selector.points_and_trials():
            trials[point] = trials.get(point, 0) + number
    return trials


def of_networks(
    selector: Selector, parameters: ProblemParameters, executor: Executor, seed: int, records: Records
) -> Selector:
    """Returns a selector that proposes each network once, without the parameters that it does not read.

    The executor builds each point, unless another is known that has the same values of all that it reads,
    whether a point gives a dict, its entries, both, or leaves the default. Of several points that are one
    network, that in the folder is proposed, or the first. Points are named or tuples, as those in the
    folder, if they can be.

    Args:
        selector: What was asked for; if its points are not known beforehand, it is returned as it is.
        parameters: Those of the problem, declared or arguments of `model()`.
        executor: Has been started; runs what finds out.
        seed: The sweep's seed.
        records: What is in the folder. If that has all of the points, nothing is built.

    Raises:
        InvalidArgument: No point reads a parameter that is given to some.
    """
    if isinstance(selector, BudgetedSelector):
        return selector.around(of_networks(selector.selector, parameters, executor, seed, records))
    if not isinstance(selector, FixedSweep):
        return selector
    selector = selector.continued(records.points)
    proposals = selector.points_and_trials()
    named = records.manifest.named_points
    if named is not None and type(selector) in (FixedSweep, GridSweep, RandomSweep):
        proposals = [(parameters.signature.as_kept(point, named), trials) for point, trials in proposals]
        selector = selector.with_others(proposals)
    points = list(dict.fromkeys(point for point, _ in proposals))
    given = {point: _declared(point, parameters) for point in points}
    if not any(given.values()) or set(points) <= set(records.points):
        return selector
    read = _read_by_all(points, given, parameters, executor, seed)
    _check_read(given, read, parameters)
    tuned = {*parameters.declared.nuisance} if parameters.declared is not None else set()
    own = {point: _without(point, given[point] - tuned - names) for point, names in read.items()}
    own = _one_of_each(own, read, parameters, records.points)
    if all(own.get(point, point) == point for point in points):
        return selector
    requested: dict[Point, int] = {}
    for point, trials in proposals:
        requested[point] = requested.get(point, 0) + trials
    merged: dict[Point, int] = {}
    for point, trials in requested.items():
        network = own.get(point, point)
        merged[network] = max(merged.get(network, 0), trials)
    return selector.with_others(merged.items())


def _one_of_each(
    own: Mapping[Point, Point],
    read: Mapping[Point, frozenset[str]],
    parameters: ProblemParameters,
    kept: Iterable[Point],
) -> dict[Point, Point]:
    """Returns for each point the one that stands for all of its network: one that is kept, or the first."""
    stored = [point for point in kept if isinstance(point, NamedPoint)]
    networks: dict[Any, Point] = {
        (names, _key(point, names, parameters)): point
        for names in {*read.values()}
        for point in reversed(stored)
    }
    return {
        point: networks.setdefault((read[point], _key(point, read[point], parameters)), network)
        for point, network in own.items()
    }


def _declared(point: Point, parameters: ProblemParameters) -> set[str]:
    return set(parameters.split(point)[1]) if isinstance(point, NamedPoint) else set()


def _without(point: Point, names: Collection[str]) -> Point:
    assert isinstance(point, NamedPoint)
    return NamedPoint({name: value for name, value in point.items() if name not in names}) if names else point


def _read_by_all(
    points: Iterable[Point],
    given: Mapping[Point, set[str]],
    parameters: ProblemParameters,
    executor: Executor,
    seed: int,
) -> dict[Point, frozenset[str]]:
    """Returns the declared names that each point reads; nothing of points that cannot be built."""
    names_read: dict[Point, frozenset[str]] = {}
    networks: dict[frozenset[str], set[Any]] = {}
    entries = {name for names in given.values() for name in names if parameters.owner(name) != name}
    waiting: list[Point] = [point for point in points if isinstance(point, NamedPoint)]
    while waiting:
        batch: list[Point] = []
        left: list[Point] = []
        for point in waiting:
            names = next((n for n, keys in networks.items() if _key(point, n, parameters) in keys), None)
            if names is not None:
                names_read[point] = names
            else:
                (batch if len(batch) < executor.cores else left).append(point)
        tasks = [Task('reading parameters', 'read_parameters', point, {'seed': seed}) for point in batch]
        for point, outcome in zip(batch, run_all(executor, tasks), strict=True):
            if outcome.error is None:
                read = {*outcome.value, *parameters.fixed}
                read |= {name for name in entries if parameters.owner(name) in read}
                names = names_read[point] = frozenset(read)
                networks.setdefault(names, set()).add(_key(point, names, parameters))
        waiting = left
    return names_read


def _key(point: Point, names: frozenset[str], parameters: ProblemParameters) -> Any:
    """What tells networks apart of which the code reads `names`: these, and the arguments of model()."""
    assert isinstance(point, NamedPoint)
    declared = _declared(point, parameters)
    arguments = frozenset((name, value) for name, value in point.items() if name not in declared)
    wholes = {parameters.owner(name) or name for name in names}
    return arguments, frozenset((name, _in_force(point, name, parameters)) for name in wholes)


def _in_force(point: NamedPoint, name: str, parameters: ProblemParameters) -> Any:
    """What tells a parameter's values in points apart: the value as a text, with entries that are set alone.

    What is set or tuned besides is not known here: then it is what the point itself says.
    """
    known = parameters.declared
    said = frozenset((own, value) for own, value in point.items() if (parameters.owner(own) or own) == name)
    if known is None or name not in known.nodes or name in parameters.preset:
        return said
    default = known.default(name)
    if name not in point and (default is EMPTY or name in known.nuisance):
        return said
    try:
        value = known.as_read({name: known.whole(name, point, default)})[known.managers[name]][name]
        return value_to_text(freeze(value))
    except (DeclarationError, TypeError):  # not one of its choices, or a literal that cannot be in a point
        return said


def _check_read(
    given: Mapping[Point, set[str]], read: Mapping[Point, frozenset[str]], parameters: ProblemParameters
) -> None:
    for name in dict.fromkeys(name for point in given for name in point if name in given[point]):
        having = [point for point in given if name in given[point]]
        if all(point in read and name not in read[point] for point in having):
            assert parameters.declared is not None
            raise InvalidArgument(
                f'no architecture reads `{name}` ({", ".join(parameters.declared.places(name))}) while it is '
                f'built and takes its first step, so its value makes no difference, as in '
                f'({label(having[0])}): read it in a function that model(), loss() or optimizer() calls, '
                f'or leave it out'
            )


def common_values(points: Iterable[Point], parameters: ProblemParameters) -> dict[str, dict[str, Any]]:
    """Returns, by manager, the values that all points share of parameters that are read once, in `dataset()`.

    Those that are in force already are left out.

    Raises:
        InvalidPoint: Such a parameter is to have several values.
    """
    declared = parameters.declared
    if declared is None:
        return {}
    named = [point for point in points if isinstance(point, NamedPoint)]
    wanted: dict[str, Any] = {}
    for name, fixed in parameters.fixed.items():
        values = list(dict.fromkeys(declared.whole(name, point, fixed.value) for point in named))
        if len(values) == 1 and values[0] != fixed.value and not fixed.on_import:
            wanted[name] = values[0]
        for point in named if name not in wanted else ():
            parameters.check_fixed(point)
    return declared.as_read(wanted)
