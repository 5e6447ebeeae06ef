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
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..errors import SelectorError
from ..events import PointFailed, PointTuned, TrialsDone
from ..points import Point, as_point
from ..results import PointError
from ..selectors.base import DONE, WAIT, Proposal, Selector
from ..store.records import PointRecord

_AHEAD = 100


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

    Attributes:
        more_to_come: Whether the selector may propose more, as it said last.
    """

    def __init__(
        self,
        selector: Selector,
        records: Mapping[Point, PointRecord],
        check_point: Callable[[Point], None],
    ) -> None:
        self._selector = selector
        self._records = records
        self._check_point = check_point
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
        while len(self._open) < most:
            answer = self._selector.ask()
            self.more_to_come = answer is not DONE
            if not isinstance(answer, Proposal):
                self._check_answer(answer)
                break
            requests.append(self._request(answer))
            self._open.append(requests[-1])
        return requests

    def _check_answer(self, answer: object) -> None:
        name = type(self._selector).__name__
        if answer not in (WAIT, DONE):
            raise SelectorError(f'{name}.ask() must return a Proposal, WAIT or DONE; got {answer!r}')
        if answer is WAIT and not self._selector.adaptive:
            raise SelectorError(
                f'{name} waits for results, which one with adaptive = False never does: '
                f'it is asked for everything at once'
            )

    def _request(self, proposal: Proposal) -> Request:
        point = as_point(proposal.point)
        self._check_point(point)
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
