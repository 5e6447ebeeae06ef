"""The selector that tries a list of points that is known from the start."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from functools import partial
from typing import Any, Self

from ..errors import InvalidArgument
from ..points import Point, as_point
from ..space import Domain, Space
from ..space.forms import domain_of
from ..space.roles import scientific
from .base import ParamSelector
from .drawing import DEFAULT_POINTS, draw_distinct, draw_unrounded

MOST_COMBINED = 100


class FixedSweep(ParamSelector):
    """Tries given points, each a given number of times.

    Args:
        points_and_trials: `(params, trials)` in the order to try them; a point listed twice gets both
            numbers of trials.

    Raises:
        InvalidArgument: There are no points, or a number of trials is no integer >= 0.
        InvalidPoint: Something listed cannot be a point.
    """

    adaptive = False

    def __init__(self, points_and_trials: Iterable[tuple[Any, int]]) -> None:
        self._proposals = [_checked(proposal) for proposal in points_and_trials]
        if not self._proposals:
            raise InvalidArgument('a sweep needs at least one point; got none')
        self._next = 0
        self._unrounded: Callable[[], Iterable[Point]] = list

    @classmethod
    def with_fixed_trials(cls, points: Iterable[Any], trials: int) -> FixedSweep:
        """Tries every point the same number of times."""
        return cls((params, trials) for params in points)

    @classmethod
    def of_space(cls, space: Space, points: Iterable[Any], trials: int) -> FixedSweep:
        """Tries points of a space, each the same number of times.

        What the space has with the role `nuisance`, and is not in the points, is tuned for each.
        """
        selector = cls.with_fixed_trials(points, trials)
        selector.whole_space = space
        return selector

    @classmethod
    def with_grid(cls, values: Mapping[str, Domain | Collection[Any]], trials: int) -> FixedSweep:
        """Tries every combination of the parameters' values, as named points.

        Args:
            values: For each parameter of `model` by name, the values to try, or a domain of finitely many; or
                a `Space`, whose conditions count.
            trials: Trials of every point.

        Raises:
            InvalidArgument: A parameter has no values, infinitely many, or one of them twice.
        """
        if isinstance(values, Space):
            return cls.of_space(values, scientific(values).grid(), trials)
        domains: dict[str, Domain] = {}
        for name, options in values.items():
            if not isinstance(options, Domain | range | AbstractSet):  # a tuple is no interval here
                options = list(options)
            if not isinstance(options, Domain) and not options:
                raise InvalidArgument(f'parameter {name!r} of the grid has no values')
            domains[name] = domain_of(name, options)
        return cls.with_fixed_trials(Space(domains).grid() if domains else [{}], trials)

    @classmethod
    def with_random_trials(
        cls,
        ranges: Sequence[Any] | Mapping[str, Any],
        points: int,
        trials: int,
        r_eps: float = 1e-3,
        seed: int = 0,
    ) -> FixedSweep:
        """Tries points drawn at random, no two of them nearly the same.

        Args:
            ranges: One range per parameter, in order, or by name (a `Space`, for example) for named points.
                A range is a domain (`Integer`, `Float` or `Categorical`), a `range` or a `(low, high)` pair
                of ints (both included), a `(low, high)` pair with a float (an interval), `(low, high, 'log')`
                to draw by ratios, or a set or list of values.
            points: How many points to draw; at least 1.
            trials: Trials of every point.
            r_eps: Two points are nearly the same if all their float parameters are closer than this share
                of the interval and all other parameters are equal; in [0, 1).
            seed: The same seed draws the same points.

        Raises:
            InvalidArgument: A range is none, or so many different points cannot be found.
        """
        named = ranges if isinstance(ranges, Mapping) else {str(i): domain for i, domain in enumerate(ranges)}
        domains = {name: domain_of(name, given) for name, given in named.items()}
        space = scientific(ranges) if isinstance(ranges, Space) else Space(domains)
        drawn = partial(_drawn, isinstance(ranges, Mapping), space, points, r_eps, seed)
        selector = cls.with_fixed_trials(drawn(), trials)
        selector._unrounded = partial(drawn, draw_unrounded)
        selector.whole_space = ranges if isinstance(ranges, Space) else None
        return selector

    @classmethod
    def with_declared(
        cls,
        module_name: str | os.PathLike[str],
        trials: int,
        *,
        values: Mapping[str, Any] | None = None,
        points: int | None = None,
        seed: int = 0,
    ) -> FixedSweep:
        """Tries what a problem's code declares to be compared (see docs/parameters.md); it is not imported.

        That is every parameter with the hint `choices` or `range`, unless its `role` says otherwise.

        Args:
            module_name: The problem, as for `sweep`.
            trials: Trials of every point.
            values: Parameters, declared or arguments of `model`, that are to be varied otherwise than the
                code says: a list of values or a range each, as for `with_random_trials`.
            points: How many points to draw at random; by default all combinations, or 10 points if there are
                more than 100 combinations.
            seed: Seeds the drawing of points.

        Raises:
            InvalidArgument: Nothing is declared to be compared.
            DeclarationError: A parameter is not declared as it must be.
            ProblemError: There is no such problem.
        """
        space = declared_space(module_name, values or {})
        if space is None:
            raise InvalidArgument(
                f'{os.fspath(module_name)} declares nothing to be compared: give a parameter choices or a '
                f"range, as in _('width', 64, choices=[32, 64])"
            )
        if points is None and space.size <= MOST_COMBINED:
            return cls.with_grid(space, trials)
        points = DEFAULT_POINTS if points is None else points
        return cls.with_random_trials(space, points, trials, seed=seed)

    def points_and_trials(self) -> list[tuple[Point, int]]:
        """What is tried, in order."""
        return list(self._proposals)

    def continued(self, kept: Collection[Point]) -> Self:
        """Returns one that tries what a folder holds of it already, where floats were not rounded when drawn.

        Args:
            kept: The folder's points.
        """
        others = {*kept}.difference(point for point, _ in self._proposals)
        with suppress(InvalidArgument):  # so many points could not be found then
            unrounded = list(self._unrounded()) if others else []
            if not others.isdisjoint(unrounded):
                added = self._proposals[len(unrounded) :]
                trials = (trials for _, trials in self._proposals)
                return self.with_others([*zip(unrounded, trials, strict=False), *added])
        return self

    def with_others(self, points_and_trials: Iterable[tuple[Any, int]]) -> Self:
        """Returns one of the same kind that tries other points."""
        other = copy.copy(self)
        other._proposals = [_checked(proposal) for proposal in points_and_trials]
        return other

    def has_more_trials(self) -> bool:
        return self._next < len(self._proposals)

    def get_next_trials(self) -> tuple[Point, int]:
        self._next += 1
        return self._proposals[self._next - 1]


def _drawn(is_named: bool, *arguments: Any) -> list[Point]:
    return [point if is_named else tuple(point.values()) for point in draw_distinct(*arguments)]


def declared_space(module_name: str | os.PathLike[str], others: Mapping[str, Any]) -> Space | None:
    """The space of all parameters that are declared to be compared, and of `others`; None without any."""
    from ..problem.parameters import declared_in, kinds_in
    from ..problem.reference import find_problem

    sources = find_problem(module_name).sources()
    declared, kind_of = declared_in(sources), kinds_in(sources)
    varied = {name: domain_of(name, given, kind_of(name)) for name, given in others.items()}
    if declared is None:
        return Space(varied) if varied else None
    return declared.compared(varied)


def _checked(proposal: Any) -> tuple[Point, int]:
    try:
        params, trials = proposal
    except (TypeError, ValueError):
        raise InvalidArgument(f'{proposal!r} is listed to be tried: must be (params, trials)') from None
    point = as_point(params)
    if not isinstance(trials, int) or isinstance(trials, bool) or trials < 0:
        raise InvalidArgument(f'trials={trials!r}: must be an integer of at least 0 (0 tunes only)')
    return point, trials
