"""Evolution: new points are changes of good ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, cast

from ..amounts import at_least
from ..objectives import Objectives
from ..points import NamedPoint, Point
from ..space import Space
from ..space.pareto import ParetoArchive, crowding, front_ranks
from .search import IN_FLIGHT, SpaceSearch, check_share

_WIDEST_STEP = 0.3


class EvolutionSweep(SpaceSearch):
    """Tries changes of the best points so far.

    With a single objective it is regularised evolution (Real et al., Regularized Evolution for Image
    Classifier Architecture Search, AAAI 2019): the parent is the best of a sample of the population, its
    child differs in one parameter, and the oldest member leaves, however good it is. So a lucky trial is
    forgotten. Beside that, some children have two parents here, and no point is proposed twice.

    With several objectives it is NSGA-II, one child at a time (Deb et al., A Fast and Elitist Multiobjective
    Genetic Algorithm, 2002): the parent is the better of two members by front, then by crowding distance,
    and the worst member leaves.

    Args:
        space: What to search, or a mapping from names to ranges, as for `FixedSweep.with_random_trials`.
        points: How many points to try at most.
        trials: Trials of every point.
        population: How many members the population has; as many points are drawn at random at first.
        sample: Of how many members drawn at random the best becomes a parent; one objective only.
        crossover: How probably a child has two parents before it is changed.
        objectives: What to search by: names of metrics and costs (`'performance,parameters'`), or
            `Objective`s.
        in_flight: How many proposals wait for results at a time, whatever the number of cores.
        seed: Seeds its decisions.

    Attributes:
        archive: The values of all points that no other dominates.

    Raises:
        InvalidArgument: An argument is invalid.
    """

    def __init__(
        self,
        space: Space | Mapping[str, Any],
        points: int = 100,
        trials: int = 1,
        *,
        population: int = 20,
        sample: int = 10,
        crossover: float = 0.3,
        objectives: Objectives = 'performance',
        in_flight: int = IN_FLIGHT,
        seed: int = 0,
    ) -> None:
        super().__init__(space, points, trials, objectives, in_flight, seed)
        at_least(2, 'population', population)
        at_least(1, 'sample', sample)
        check_share('crossover', crossover)
        self.population, self.sample, self.crossover = population, sample, crossover
        self.archive = ParetoArchive()
        self._members: deque[Point] = deque()  # the oldest first
        self._places: dict[Point, tuple[float, float]] = {}  # with several objectives

    def choose(self) -> Point | None:
        is_first = len(self._proposed) < self.population
        return self.new_point(self._random if is_first or not self._members else self._child)

    def _random(self) -> Mapping[str, Any]:
        return self.space.sample(self._rng)

    def _child(self) -> Mapping[str, Any]:
        child = self._parent()
        if self.crossover and self._rng.random() < self.crossover:
            child = self.space.crossover(child, self._parent(), self._rng)
        neighbours = self.space.neighbours(child, _WIDEST_STEP * self._rng.random(), self._rng)
        return self._rng.choice(neighbours) if neighbours else child

    def _parent(self) -> NamedPoint:
        size = self.sample if len(self.objectives) == 1 else 2
        drawn = self._rng.sample(self._members, min(size, len(self._members)))
        return cast(NamedPoint, max(drawn, key=self._fitness))

    def _fitness(self, point: Point) -> tuple[float, ...]:
        gains = self.gains[point]
        assert gains is not None
        return gains if len(self.objectives) == 1 else self._places[point]

    def learn(self, point: Point, gains: tuple[float, ...] | None) -> None:
        if gains is None:
            return
        self.archive.add(gains)
        self._members.append(point)
        if len(self.objectives) > 1:
            self._place()
        if len(self._members) > self.population:
            leaving = self._members[0] if len(self.objectives) == 1 else min(self._members, key=self._fitness)
            self._members.remove(leaving)

    def _place(self) -> None:
        """Finds the front and the crowding distance of each member."""
        gains = [self.gains[point] or () for point in self._members]
        ranks, distances = front_ranks(gains), [0.0] * len(gains)
        for rank in {*ranks}:
            indices = [index for index, other in enumerate(ranks) if other == rank]
            for index, distance in zip(indices, crowding([gains[i] for i in indices]), strict=True):
                distances[index] = distance
        places = zip(ranks, distances, strict=True)
        self._places = {
            point: (-rank, distance) for point, (rank, distance) in zip(self._members, places, strict=True)
        }
