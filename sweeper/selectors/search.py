"""What selectors that search a space have in common: each point once, and so many in flight at a time."""

from __future__ import annotations

import math
import random
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from ..amounts import at_least, is_real
from ..errors import InvalidArgument
from ..events import Event, PointFailed, PointRejected, PointTuned, SweepStarted, TrialsDone
from ..objectives import Goals, Objectives, as_objectives
from ..points import NamedPoint, Point, as_point
from ..results import ModelCost
from ..space import Space
from ..space.forms import as_space
from ..space.roles import scientific
from .base import DONE, WAIT, Answer, Proposal, Selector

IN_FLIGHT = 8
"""How many proposals wait for their results, if nobody says how many: enough for the cores of a desktop."""

_ATTEMPTS = 100


class SpaceSearch(Selector):
    """A search over a space. Those that inherit say what to propose next, and hear of results by values.

    It holds proposals back while `in_flight` of them wait for their results: so what it knows when it decides
    depends on that number, and not on cores.

    Args:
        space: What to search, or a mapping from names to ranges, as for `FixedSweep.with_random_trials`.
        points: How many points to try at most; those that constraints reject do not count.
        trials: Trials of every point, at least 1.
        objectives: What to search by: metrics and costs, by name or as `Objective`s.
        in_flight: How many proposals wait for results at a time.
        seed: Seeds its decisions.

    Attributes:
        space: What it searches.
        gains: The values of each point whose trials are done, a number per objective of which higher is
            better; None if it failed.

    Raises:
        InvalidArgument: An argument is invalid.
    """

    def __init__(
        self,
        space: Space | Mapping[str, Any],
        points: int,
        trials: int = 1,
        objectives: Objectives = 'performance',
        in_flight: int = IN_FLIGHT,
        seed: int = 0,
    ) -> None:
        for name, number in (('points', points), ('trials', trials), ('in_flight', in_flight)):
            at_least(1, name, number)
        at_least(0, 'seed', seed)
        self.whole_space = as_space(space)
        self.space = scientific(self.whole_space)
        self.points, self.trials = points, trials
        self.in_flight: int = in_flight
        self.objectives = as_objectives(objectives)
        self.goals: Goals | None = None
        self.gains: dict[Point, tuple[float, ...] | None] = {}
        self._rng = random.Random(seed)
        self._proposed: set[Point] = set()
        self._costs: dict[Point, ModelCost | None] = {}
        self._rejected = 0
        self._is_exhausted = False
        self._unlisted: Iterator[NamedPoint] | None = None

    @abstractmethod
    def choose(self) -> Point | None:
        """Returns a point that was not proposed yet; None if there is none."""

    @abstractmethod
    def learn(self, point: Point, gains: tuple[float, ...] | None) -> None:
        """Takes notice of a point's values, of which higher is better, or of its failure."""

    def ask(self) -> Proposal | Literal[Answer.WAIT, Answer.DONE]:
        if len(self._proposed) - self._rejected >= self.points:
            return DONE
        if len(self._proposed) - len(self.gains) >= self.in_flight:
            return WAIT
        point = None if self._is_exhausted or len(self._proposed) >= self.space.size else self.choose()
        if point is None:
            return DONE
        self._proposed.add(point)
        return Proposal(point, self.trials)

    def tell(self, event: Event) -> None:
        match event:
            case SweepStarted(metrics=metrics):
                self.goals = Goals(self.objectives, metrics)
            case PointTuned(point, tuned):
                self._costs[point] = tuned.cost
            case TrialsDone(point, trials):
                self.goals = self.goals or Goals(self.objectives)
                self._note(point, self.goals.gains(trials.values(), self._costs.pop(point, None)))
            case PointFailed(point):
                self._rejected += isinstance(event, PointRejected) and point not in self.gains
                self._note(point, None)

    def _note(self, point: Point, gains: tuple[float, ...] | None) -> None:
        if point not in self.gains:
            self.gains[point] = gains
            self.learn(point, gains)

    def is_new(self, point: Point) -> bool:
        """Whether a point was not proposed yet."""
        return point not in self._proposed

    def new_point(self, draw: Callable[[], Mapping[str, Any]]) -> Point | None:
        """Returns a point that was not proposed yet; None if there is none.

        Args:
            draw: Proposes points. If it keeps drawing old ones, points are drawn from the whole space; if
                these are old ones, too, all of a space that can be listed are looked through.
        """
        for attempt in range(2 * _ATTEMPTS):
            point = as_point(draw() if attempt < _ATTEMPTS else self.space.sample(self._rng))
            if self.is_new(point):
                return point
        if self._unlisted is None:
            self._unlisted = iter(()) if math.isinf(self.space.size) else iter(self.space.points())
        new = next((point for point in self._unlisted if self.is_new(point)), None)
        self._is_exhausted = new is None
        return new


def check_share(name: str, share: object) -> None:
    """Raises `InvalidArgument` unless an argument is a number in [0, 1]."""
    if not is_real(share) or not 0 <= share <= 1:
        raise InvalidArgument(f'{name}={share!r}: must be in [0, 1]')
