"""Successive halving over the length of training: most points get a short one, the best a longer one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ..amounts import at_least, is_real
from ..errors import InvalidArgument
from ..events import Event, PointFailed, SweepStarted, TrialsDone
from ..metric import PERFORMANCE, MetricInfo
from ..points import Point
from ..space import Space
from ..space.forms import as_space
from .base import DONE, WAIT, Answer, Proposal, Selector
from .candidates import points_of
from .search import IN_FLIGHT


@dataclass
class _Rung:
    """Trainings of one length.

    Attributes:
        fraction: Of the full length.
        scores: What points came to, higher is better, in the order in which that was told.
        promoted: Those that got a longer training.
        open: Those whose results are not there yet.
    """

    fraction: float
    scores: dict[Point, float] = field(default_factory=dict)
    promoted: set[Point] = field(default_factory=set)
    open: set[Point] = field(default_factory=set)

    def ranked(self) -> list[Point]:
        """Points that did not diverge, best first; of equals that which was told of first."""
        good = [point for point, score in self.scores.items() if score > -math.inf]
        return sorted(good, key=lambda point: -self.scores[point])


class HalvingSweep(Selector):
    """Trains many points briefly, and only the best of them longer, up to the full length.

    A point in the best third (1 / `eta`) of those trained as long as it is trained on, `eta` times as long in
    all, from where it stopped; if there is none, another point starts (ASHA: Li et al., A System for
    Massively Parallel Hyperparameter Tuning, 2020). It decides by results in the order of its proposals, so
    the same on any number of cores. Learning rate, batch size and full length are tuned for each point first.

    Only points that were trained to the end are in the results. The best of them get more trials, so that
    the answer has error bars.

    Args:
        space: What to try: points, a space, or a mapping from names to ranges.
        points: How many points of a space are drawn; all by default, if they can be listed.
        trials: Trials of the `finalists`; every other point has one.
        eta: Which share of points goes on (1 / `eta`), and how many times as long; at least 2.
        min_fraction: The shortest training, in full ones; in (0, 1).
        finalists: How many of the best get all trials.
        in_flight: How many proposals wait for results at a time, whatever the number of cores.
        seed: Seeds the drawing of points.

    Attributes:
        fractions: The lengths of training, in full ones, rising to 1.

    Raises:
        InvalidArgument: An argument is invalid.
    """

    in_flight: int

    def __init__(
        self,
        space: Iterable[Sequence[Any] | Mapping[str, Any]] | Space | Mapping[str, Any],
        points: int | None = None,
        trials: int = 3,
        *,
        eta: int = 3,
        min_fraction: float = 1 / 9,
        finalists: int = 3,
        in_flight: int = IN_FLIGHT,
        seed: int = 0,
    ) -> None:
        for name, number, least in (
            ('trials', trials, 1), ('eta', eta, 2), ('finalists', finalists, 1), ('in_flight', in_flight, 1)
        ):  # fmt: skip
            at_least(least, name, number)
        if not is_real(min_fraction) or not 0 < min_fraction < 1:
            raise InvalidArgument(f'min_fraction={min_fraction!r}: must be above 0 and below 1')
        at_least(0, 'seed', seed)
        self.whole_space = as_space(space) if isinstance(space, Space | Mapping) else None
        self.points = points_of(self.whole_space or space, points, seed)
        self.trials, self.eta, self.finalists, self.in_flight = trials, eta, finalists, in_flight
        steps = math.ceil(math.log(1 / min_fraction, eta) - 1e-9)
        self.fractions = [float(eta) ** -step for step in range(steps, -1, -1)]
        self._rungs = [_Rung(fraction) for fraction in self.fractions]
        self._unstarted = list(reversed(self.points))
        self._finals: list[Point] | None = None
        self._objective: MetricInfo = PERFORMANCE

    def ask(self) -> Proposal | Literal[Answer.WAIT, Answer.DONE]:
        if self._trainings >= self.in_flight:
            return WAIT
        if self._finals is None:
            for level in range(len(self._rungs) - 2, -1, -1):
                if (point := self._promotable(level)) is not None:
                    self._rungs[level].promoted.add(point)
                    return self._propose(point, level + 1)
            if self._unstarted:
                return self._propose(self._unstarted.pop(), 0)
            if self._trainings:
                return WAIT
            best = self._rungs[-1].ranked()[: self.finalists]
            self._finals = list(reversed(best)) if self.trials > 1 else []
        return Proposal(self._finals.pop(), self.trials - 1) if self._finals else DONE

    def tell(self, event: Event) -> None:
        match event:
            case SweepStarted(metrics=metrics):
                self._objective = metrics[0]
            case TrialsDone(point, trials, fraction):
                for rung in self._rungs:
                    if math.isclose(rung.fraction, fraction) and point in rung.open:
                        rung.open.remove(point)
                        first = trials[min(trials)]
                        score = self._objective.sign * first.perf_val
                        is_good = not first.diverged and math.isfinite(score)
                        rung.scores[point] = score if is_good else -math.inf
            case PointFailed(point):
                for rung in self._rungs:
                    rung.open.discard(point)
                    rung.scores.pop(point, None)

    @property
    def _trainings(self) -> int:
        """How many wait for their results."""
        return sum(len(rung.open) for rung in self._rungs)

    def _promotable(self, level: int) -> Point | None:
        """Returns the best point of a rung that may go on; None if there is none.

        When nothing more will come to a rung, at least its best goes on.
        """
        rung = self._rungs[level]
        is_complete = not self._unstarted and not any(lower.open for lower in self._rungs[: level + 1])
        most = max(len(rung.scores) // self.eta, int(is_complete))
        return next((point for point in rung.ranked()[:most] if point not in rung.promoted), None)

    def _propose(self, point: Point, level: int) -> Proposal:
        rung = self._rungs[level]
        rung.open.add(point)
        return Proposal(point, 1, rung.fraction)
