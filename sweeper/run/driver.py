"""Asks a selector and tells it results, in an order that only results decide.

    ask, ask, …  tell  ask, ask, …  tell  ask …

A selector that adapts must come to the same decisions on any number of cores, whichever run is done first,
and also when the sweep is killed and everything is found on disk at the next start. So it is not told of a
result when that is there, but when it is its turn: in the order of the proposals. It is asked again after
each event it is told, as far ahead as a fixed rule says.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..errors import SelectorError
from ..events import PointFailed, PointRejected, PointTuned, TrialsDone
from ..points import Point, as_point, label
from ..results import PointError
from ..selectors.base import DONE, WAIT, Proposal, Selector
from ..store.records import PointRecord

_AHEAD = 100
MOST_REJECTED = 1000
"""So many points in a row may be rejected before the selector's search counts as hopeless."""


@dataclass(frozen=True, slots=True)
class Request:
    """Trials that the selector proposed.

    Attributes:
        point: The point.
        first: Index of the first of the trials.
        trials: How many trials of it are asked for.
        fraction: How much of a full training each is; they are numbered anew for each.
    """

    point: Point
    first: int
    trials: int
    fraction: float = 1.0

    @property
    def indices(self) -> range:
        """The trials' indices."""
        return range(self.first, self.first + self.trials)


class SelectorDriver:
    """Speaks with a selector.

    Args:
        selector: What it raises is passed on.
        records: What is on disk of each point, which the selector is told of.
        check_point: Called with every point proposed; raises `InvalidPoint`.
        violations: Returns why points are not to be trained; the selector is told, and asked for others.

    Attributes:
        more_to_come: Whether the selector may propose more, as it said last.
    """

    def __init__(
        self,
        selector: Selector,
        records: Mapping[Point, PointRecord],
        check_point: Callable[[Point], None],
        violations: Callable[[Sequence[Point]], Mapping[Point, str]] = lambda _: {},
    ) -> None:
        self._selector = selector
        self._records = records
        self._check_point = check_point
        self._violations = violations
        self._rejected = 0  # since the last point that was not
        self._open: deque[Request] = deque()
        self._requested: dict[tuple[Point, float], int] = {}
        self._tuned: set[Point] = set()
        self._failed: set[Point] = set()
        self._has_news = True
        self.more_to_come = True

    @property
    def is_over(self) -> bool:
        """Whether everything has been told and nothing more will be proposed."""
        return not self._open and not self.more_to_come

    def ask(self) -> list[Request]:
        """Asks for proposals, unless enough of them have no results yet, or nothing was told since.

        How many are enough grows with the sweep, so that writing the lookup anew for them costs little in
        all. A selector that does not adapt is asked for everything at once.

        Raises:
            InvalidPoint: What it proposes cannot be used.
            SelectorError: It waits for results although it is not adaptive, or answers something else.
        """
        most = max(_AHEAD, len(self._requested) // 10) if self._selector.adaptive else math.inf
        requests: list[Request] = []
        if not self._has_news or 2 * len(self._open) > most:
            return requests
        self._has_news = False
        while proposals := self._proposals(most - len(self._open)):
            violations = self._violations([point for point, _ in proposals])
            new = [self._request(point, each) for point, each in proposals if point not in violations]
            requests += new
            self._open.extend(new)
            rejected = [point for point, _ in proposals if point in violations]
            if not rejected:
                break
            self._tell_rejected(rejected, violations, not new)
        return requests

    def _proposals(self, most: float) -> list[tuple[Point, Proposal]]:
        """Asks for so many proposals at most; returns each with its point."""
        proposals: list[tuple[Point, Proposal]] = []
        while len(proposals) < most:
            answer = self._selector.ask()
            self.more_to_come = answer is not DONE
            if not isinstance(answer, Proposal):
                self._check_answer(answer)
                break
            point = as_point(answer.point)
            self._check_point(point)
            proposals.append((point, answer))
        return proposals

    def _tell_rejected(self, points: Sequence[Point], violations: Mapping[Point, str], are_all: bool) -> None:
        """Tells that points are not to be trained; `are_all` if no other was proposed with them.

        Raises:
            SelectorError: Too many in a row were not.
        """
        if are_all and self._rejected >= MOST_REJECTED:
            raise SelectorError(
                f'{type(self._selector).__name__} has proposed {self._rejected:,} points in a row of which '
                f'none may be trained; the last: ({label(points[-1])}): {violations[points[-1]]}. Search '
                f'among smaller ones, or raise the limit'
            )
        self._rejected = self._rejected + len(points) if are_all else 0
        for point in points:
            error = PointError('Rejected', violations[point], 'tuning')
            self._selector.tell(PointRejected(point, error))

    def _check_answer(self, answer: object) -> None:
        name = type(self._selector).__name__
        if answer not in (WAIT, DONE):
            raise SelectorError(f'{name}.ask() must return a Proposal, WAIT or DONE; got {answer!r}')
        if answer is WAIT and not self._selector.adaptive:
            raise SelectorError(
                f'{name} waits for results, which one with adaptive = False never does: '
                f'it is asked for everything at once'
            )

    def _request(self, point: Point, proposal: Proposal) -> Request:
        fraction = float(proposal.fraction)
        first = self._requested.get((point, fraction), 0)
        self._requested[point, fraction] = first + proposal.trials
        return Request(point, first, proposal.trials, fraction)

    def tell(self) -> bool:
        """Tells the selector the next result, if that is known by now; returns whether it is."""
        if self._open and self._tell_next(self._open[0]):
            self._has_news = True
            return True
        return False

    def _tell_next(self, request: Request) -> bool:
        point = request.point
        if point in self._failed:
            self._open.popleft()
            return True
        record = self._records[point]
        errors = {error.trial: error for error in record.errors}
        if point in self._tuned:
            return self._tell_trials(request, record, errors)
        if None in errors:
            self._tell_failure(point, errors[None])
        elif record.tuned is not None:
            self._tuned.add(point)
            self._selector.tell(PointTuned(point, record.tuned))
        return None in errors or record.tuned is not None

    def _tell_trials(
        self, request: Request, record: PointRecord, errors: Mapping[int | None, PointError]
    ) -> bool:
        point, indices, trials = request.point, request.indices, record.trials_at(request.fraction)
        if any(index not in trials and index not in errors for index in indices):
            return False
        self._open.popleft()
        failed = [errors[index] for index in indices if index in errors]
        if failed:
            self._tell_failure(point, failed[0])
        elif indices:
            done = {index: trials[index] for index in indices}
            self._selector.tell(TrialsDone(point, done, request.fraction))
        return True

    def _tell_failure(self, point: Point, error: PointError) -> None:
        self._failed.add(point)
        self._selector.tell(PointFailed(point, error))
