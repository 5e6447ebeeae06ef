"""What is said between a sweep and its selector, in an order that only results decide.

    ask, ask, …  tell  ask, ask, …  tell  ask …

A selector that adapts must come to the same decisions on any number of cores, whichever run is done first,
and also when the sweep is killed and everything is found on disk at the next start. So it is not told of a
result when that is there, but when it is its turn: in the order of the proposals. It is asked again after
every thing it is told, as far ahead as a fixed rule says.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ..errors import InvalidPoint, SelectorError
from ..points import Point, as_point
from ..store.results import PointError, TrialResult, Tuned, scores_of
from .base import ParamSelector

_AHEAD = 100


class Results(Protocol):
    """What is known so far; a `Store` is one."""

    def tuned(self, point: Point) -> Tuned | None: ...

    def trials(self, point: Point) -> Mapping[int, TrialResult]: ...

    def errors(self, point: Point) -> list[PointError]: ...


@dataclass(frozen=True, slots=True)
class Proposal:
    """What the selector proposed.

    Attributes:
        point: The point.
        first: Index of the first of the trials.
        trials: How many.
    """

    point: Point
    first: int
    trials: int


class Dialogue:
    """Speaks with a selector.

    Args:
        selector: What it raises is passed on.
        results: What the selector is told of.
        check_params: Called with every point proposed; raises `InvalidPoint`.

    Attributes:
        more_to_come: Whether the selector may propose more, as it said last.
    """

    def __init__(
        self, selector: ParamSelector, results: Results, check_params: Callable[[Point], None]
    ) -> None:
        self._selector = selector
        self._results = results
        self._check_params = check_params
        self._open: deque[Proposal] = deque()
        self._asked: dict[Point, int] = {}
        self._tuned: set[Point] = set()
        self._failed: set[Point] = set()
        self._has_heard = True
        self.more_to_come = True

    @property
    def is_over(self) -> bool:
        """Whether everything has been told and nothing more will be proposed."""
        return not self._open and not self.more_to_come

    def ask(self) -> list[Proposal]:
        """Asks for proposals, unless enough of them are not answered yet, or it has heard nothing since.

        How many are enough grows with the sweep, so that writing the lookup anew for them costs little in
        all. A selector that does not adapt is asked for everything at once.

        Raises:
            InvalidPoint: What it proposes cannot be used.
            SelectorError: It waits for results although it is not adaptive.
        """
        most = max(_AHEAD, len(self._asked) // 10) if self._selector.adaptive else math.inf
        proposals: list[Proposal] = []
        if not self._has_heard or 2 * len(self._open) > most:
            return proposals
        self._has_heard = False
        while len(self._open) < most:
            self.more_to_come = self._selector.has_more_trials()
            proposed = self._selector.get_next_trials() if self.more_to_come else None
            if proposed is None:
                if self.more_to_come and not self._selector.adaptive:
                    raise SelectorError(
                        f'{type(self._selector).__name__} waits for results (None), which one with '
                        f'adaptive = False never does: it is asked for everything at once'
                    )
                break
            point, trials = self._checked(proposed)
            proposals.append(Proposal(point, self._asked.get(point, 0), trials))
            self._asked[point] = self._asked.get(point, 0) + trials
            self._open.append(proposals[-1])
        return proposals

    def tell(self) -> bool:
        """Tells the selector the next thing, if that is known by now; returns whether it is."""
        if self._open and self._tell_next():
            self._has_heard = True
            return True
        return False

    def _tell_next(self) -> bool:
        proposal = self._open[0]
        point = proposal.point
        if point in self._failed:
            self._open.popleft()
            return True
        errors = {error.trial: error for error in self._results.errors(point)}
        if point not in self._tuned:
            return self._tell_of_tuning(point, errors.get(None))
        return self._tell_of_trials(proposal, errors)

    def _tell_of_tuning(self, point: Point, error: PointError | None) -> bool:
        tuned = self._results.tuned(point)
        if error is not None:
            self._tell_failed(point, error)
        elif tuned is not None:
            self._tuned.add(point)
            self._selector.on_hparams_found(point, tuned.lr_start, tuned.lr_end, tuned.batch_size)
        return error is not None or tuned is not None

    def _tell_of_trials(self, proposal: Proposal, errors: Mapping[int | None, PointError]) -> bool:
        trials = self._results.trials(proposal.point)
        indices = range(proposal.first, proposal.first + proposal.trials)
        if any(index not in trials and index not in errors for index in indices):
            return False
        self._open.popleft()
        failed = [errors[index] for index in indices if index in errors]
        if failed:
            self._tell_failed(proposal.point, failed[0])
        elif indices:
            self._selector.on_trials_completed(proposal.point, *scores_of([trials[i] for i in indices]))
        return True

    def _tell_failed(self, point: Point, error: PointError) -> None:
        self._failed.add(point)
        self._selector.on_point_failed(point, error)

    def _checked(self, proposed: Any) -> tuple[Point, int]:
        try:
            params, trials = proposed
        except (TypeError, ValueError):
            raise InvalidPoint(
                f'{type(self._selector).__name__}.get_next_trials() must return (params, trials) or None; '
                f'got {proposed!r}'
            ) from None
        point = as_point(params)
        self._check_params(point)
        if not isinstance(trials, int) or isinstance(trials, bool) or trials < 0:
            raise InvalidPoint(f'{trials!r} trials proposed for {params!r}: must be an integer of at least 0')
        return point, trials
