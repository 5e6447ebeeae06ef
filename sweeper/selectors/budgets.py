"""Budgets: when any selector has to end."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping
from typing import Final, Literal, Self

from ..amounts import at_least, is_real
from ..errors import InvalidArgument
from ..events import Event, PointFailed, PointRejected, PointTuned, SweepStarted, TrialsDone
from ..objectives import Goals, Objectives, as_objectives
from ..points import Point, as_point
from ..results import ModelCost
from ..space.pareto import ParetoArchive
from .base import DONE, WAIT, Answer, Proposal, Selector
from .search import IN_FLIGHT

LIMITS: Final = ('points', 'trials', 'samples', 'minutes', 'patience')
"""What a budget may limit."""


class BudgetedSelector(Selector):
    """Passes on what a selector proposes until a budget is used up; what is under way then is finished.

    Args:
        selector: New; proposes points.
        points: How many points are tried at most.
        trials: How many trials are proposed at most, in full lengths of training; tuning does not count.
        samples: Nothing more is proposed when trials were trained on so many samples, each counted as often
            as it was used; tuning does not count.
        minutes: Nothing more is proposed after so long, all starts of the sweep together. What was decided by
            that is kept in the folder, so a sweep that is resumed decides the same again.
        patience: Nothing more is proposed when so many points in a row were no improvement: not better than
            all before; with several objectives, not on the Pareto front.
        objectives: What `patience` looks at: names of metrics and costs, or `Objective`s.
        in_flight: How many proposals wait for results at a time, if the budget depends on results.
        clock: Returns seconds.

    Attributes:
        selector: The selector.

    Raises:
        InvalidArgument: An argument is invalid, or there is no limit.
    """

    def __init__(
        self,
        selector: Selector,
        *,
        points: int | None = None,
        trials: int | None = None,
        samples: float | None = None,
        minutes: float | None = None,
        patience: int | None = None,
        objectives: Objectives = 'performance',
        in_flight: int = IN_FLIGHT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        limits = dict(zip(LIMITS, (points, trials, samples, minutes, patience), strict=True))
        _check(limits)
        at_least(1, 'in_flight', in_flight)
        self.selector = selector
        self._limits = {name: math.inf if limit is None else limit for name, limit in limits.items()}
        depends = any(limits[name] is not None for name in ('samples', 'minutes', 'patience'))
        self.adaptive = selector.adaptive or depends
        self._most = in_flight if depends else math.inf
        self.in_flight = in_flight if depends else selector.in_flight
        self.whole_space, self.planned_looks = selector.whole_space, selector.planned_looks
        self._timer = None if minutes is None else Timer(60 * minutes, clock)
        self._outcomes = _Outcomes(as_objectives(objectives))
        self._is_over = False
        self._pending: Proposal | None = None
        self._open: list[tuple[Point, float]] = []
        self._points: set[Point] = set()
        self._trials = 0.0
        self._numbers: dict[tuple[Point, float], int] = {}
        self._reached: dict[tuple[Point, int], float] = {}  # the largest fraction of each trial

    @property
    def looks_made(self) -> int:  # type: ignore[override]
        """How often the selector has looked at the results."""
        return self.selector.looks_made

    def attach(self, kept: Mapping[str, float], keep: Callable[[Mapping[str, float]], None]) -> None:
        """Has what is decided by the time kept.

        Args:
            kept: What was kept last; empty at first.
            keep: Called with what is to be kept, before anything follows from it.
        """
        if self._timer is not None:
            self._timer.attach(kept, keep)

    def around(self, selector: Selector) -> Self:
        """Returns the same budget for another selector, before anything was asked."""
        other = copy.copy(self)
        other.selector = selector
        return other

    def ask(self) -> Proposal | Literal[Answer.WAIT, Answer.DONE]:
        if not self._is_over and len(self._open) >= self._most:
            return WAIT
        outcomes, limits = self._outcomes, self._limits
        is_used_up = outcomes.samples >= limits['samples'] or outcomes.stale >= limits['patience']
        if self._is_over or is_used_up or (self._timer is not None and self._timer.is_out()):
            self._is_over = True
            return DONE
        answer = self._pending or self.selector.ask()
        if not isinstance(answer, Proposal):
            return answer
        if not self._take(as_point(answer.point), answer):
            self._pending = answer  # there may be room for it when others are rejected
            return DONE
        self._pending = None
        if self._timer is not None:
            self._timer.keep()
        return answer

    def _take(self, point: Point, proposal: Proposal) -> bool:
        """Notes a proposal, if it is within the limits of points and trials."""
        fraction = proposal.fraction
        first = self._numbers.get((point, fraction), 0)
        trials = [(point, index) for index in range(first, first + proposal.trials)]
        added = math.fsum(max(fraction - self._reached.get(trial, 0.0), 0.0) for trial in trials)
        points = len(self._points) + (point not in self._points)
        if points > self._limits['points'] or self._trials + added > self._limits['trials']:
            return False
        self._points.add(point)
        self._trials += added
        self._numbers[point, fraction] = first + proposal.trials
        self._reached |= {trial: max(fraction, self._reached.get(trial, 0.0)) for trial in trials}
        if trials and point not in self._outcomes.failed:
            self._open.append((point, fraction))
        return True

    def tell(self, event: Event) -> None:
        match event:
            case TrialsDone(point, _, fraction):
                self._open.remove((point, fraction))
            case PointRejected(point):
                self._open = [other for other in self._open if other[0] != point]
                trials = [trial for trial in self._reached if trial[0] == point]
                self._trials -= math.fsum(self._reached.pop(trial) for trial in trials)
                self._points.discard(point)
            case PointFailed(point):
                self._open = [other for other in self._open if other[0] != point]
        self._outcomes.note(event)
        self.selector.tell(event)


class _Outcomes:
    """What results have used up, and whether they still improve.

    Attributes:
        samples: How many samples trials were trained on.
        stale: How many points in a row were no improvement.
        failed: The points that failed.
    """

    def __init__(self, objectives: Objectives) -> None:
        self._objectives = as_objectives(objectives)
        self.samples, self.stale, self.failed = 0.0, 0, set[Point]()
        self._goals, self._train_size = Goals(self._objectives), 0
        self._archive = ParetoArchive()
        self._costs: dict[Point, ModelCost | None] = {}
        self._epochs: dict[tuple[Point, int], float] = {}
        self._known: set[Point] = set()

    def note(self, event: Event) -> None:
        """Takes notice of a result."""
        match event:
            case SweepStarted(metrics=metrics, train_size=train_size):
                self._goals, self._train_size = Goals(self._objectives, metrics), train_size
            case PointTuned(point, tuned):
                self._costs[point] = tuned.cost
            case TrialsDone(point, trials, fraction):
                for index, trial in trials.items():
                    size = trial.split.get('train', self._train_size)
                    before = self._epochs.get((point, index), 0.0)
                    self._epochs[point, index] = max(trial.epochs, before)
                    self.samples += max(trial.epochs - before, 0.0) * size
                if fraction == 1 and point not in self._known:
                    self._known.add(point)
                    is_better = self._archive.add(self._goals.gains(trials.values(), self._costs.get(point)))
                    self.stale = 0 if is_better else self.stale + 1
            case PointFailed(point):
                self.failed.add(point)
                self.stale += not isinstance(event, PointRejected)


class Timer:
    """Tells whether the time is out, the same at each start of a sweep for what was decided before.

    Each time that it is asked has a number, and the same number stands for the same moment of the sweep. What
    is kept is how many of these were in time, and the seconds used by then.

    Args:
        limit: In seconds.
        clock: Returns seconds.
    """

    def __init__(self, limit: float, clock: Callable[[], float]) -> None:
        self._limit, self._clock = limit, clock
        self._number = self._in_time = 0
        self._before, self._start = 0.0, clock()
        self._keep: Callable[[Mapping[str, float]], None] = lambda _: None

    def attach(self, kept: Mapping[str, float], keep: Callable[[Mapping[str, float]], None]) -> None:
        """As for `BudgetedSelector`; the time runs from now on."""
        self._in_time, self._before = int(kept.get('in_time', 0)), kept.get('seconds', 0.0)
        self._start, self._keep = self._clock(), keep

    @property
    def _seconds(self) -> float:
        return self._before + self._clock() - self._start

    def is_out(self) -> bool:
        """Whether the time is out; never for a number that was in time at an earlier start."""
        self._number += 1
        if self._number <= self._in_time or self._seconds < self._limit:
            return False
        self._number -= 1
        if self._before < self._limit:  # else that is kept already
            self._write()
        return True

    def keep(self) -> None:
        """Keeps that everything until now was in time."""
        if self._number > self._in_time:
            self._in_time = self._number
            self._write()

    def _write(self) -> None:
        self._keep({'in_time': self._number, 'seconds': self._seconds})


def searching(selector: Selector) -> Selector:
    """Returns the selector that chooses the points: that within a budget."""
    return searching(selector.selector) if isinstance(selector, BudgetedSelector) else selector


def _check(limits: Mapping[str, float | None]) -> None:
    if all(limit is None for limit in limits.values()):
        raise InvalidArgument(f'a budget needs a limit: {", ".join(LIMITS)}')
    for name, limit in limits.items():
        if name in ('samples', 'minutes') and limit is not None:
            if not is_real(limit) or not 0 < limit < math.inf:
                raise InvalidArgument(f'{name}={limit!r}: must be a positive number')
        elif limit is not None:
            at_least(1, name, limit)
