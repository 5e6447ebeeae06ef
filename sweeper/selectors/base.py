"""What every selector promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Literal

from ..amounts import is_real
from ..errors import InvalidArgument, InvalidPoint
from ..events import Event, SweepStarted
from ..listeners.base import SweepListener, check_hooks
from ..metric import PERFORMANCE, MetricInfo
from ..space import Space


class Answer(Enum):
    """What a selector answers that has nothing to propose."""

    WAIT = 'wait'
    DONE = 'done'


WAIT: Final = Answer.WAIT
"""I propose something when I have been told of more results."""

DONE: Final = Answer.DONE
"""I propose nothing more, unless a result that I am told of later changes that."""


@dataclass(frozen=True)
class Proposal:
    """A point to try.

    Attributes:
        point: A tuple for `model(*point)`, or a mapping for `model(**point)`.
        trials: How many to add to those proposed for the point at this fraction before; 0 tunes it only.
        fraction: How much of the full length of training, which is tuned for the point, each trial gets,
            above 0 and up to 1. Below 1, a trial ends with the first cycle after which so much is done.
            Trials are numbered from 0 at each fraction, and one at a larger fraction goes on where that of
            its number at a smaller one ended: propose it when that is done. Only full trainings are results
            of the sweep.

    Raises:
        InvalidPoint: `trials` or `fraction` cannot be.
    """

    point: Sequence[Any] | Mapping[str, Any]
    trials: int = 1
    fraction: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.trials, int) or isinstance(self.trials, bool) or self.trials < 0:
            raise InvalidPoint(
                f'{self.trials!r} trials proposed for {self.point!r}: must be an integer of at least 0'
            )
        fraction = self.fraction
        if not is_real(fraction) or not 0 < fraction <= 1:
            raise InvalidPoint(
                f'fraction={fraction!r} proposed for {self.point!r}: must be above 0, and 1.0 at most'
            )


class Selector(ABC):
    """Decides which points are tried, and how often. Implement it to search in your own way.

    A selector lives in the parent process and serves one sweep. It is told first of the `SweepStarted`, whose
    `metrics[0]` says which direction of the performance is better. Then it is told of results in the order of
    its proposals (each one's `PointTuned`, then all its trials in one `TrialsDone`, or `PointFailed`), not in
    that in which they are done, and of nothing else but the `SweepEnded`. After each event it is asked, if
    not more than fifty of its proposals wait for their results, until it answers `WAIT` or `DONE` or a
    hundred do (or a tenth of all, if that is more).

    So what it is told, and when it is asked, depends on results only: not on the number of cores, not on
    which run was first. When a sweep is killed and started again, with a new selector, that one is told
    everything from the beginning; if it decides by that, it decides the same. It must not decide by the
    time, by the folder, or by a random generator that it did not seed. An exception that it raises ends the
    sweep; everything computed so far is kept.

    Attributes:
        adaptive: Whether proposals depend on results. If not (set it to False), it is asked for all of them
            at once, before anything is trained, and never answers `WAIT`.
        whole_space: A space of which it proposes what is compared. What else is in it, with the role
            `nuisance`, is tuned for every point. None: nothing is tuned but what the code declares.
        planned_looks: In how many looks at the results, at most, it decides which points are better; the
            error that reports may make is shared among them. None if it does not compare points.
        looks_made: How many there were.
        in_flight: At most so many of its proposals wait for results at a time, because it holds others back.
            None: it does not.
    """

    adaptive: bool = True
    in_flight: int | None = None
    whole_space: Space | None = None
    planned_looks: int | None = None
    looks_made: int = 1

    @abstractmethod
    def ask(self) -> Proposal | Literal[Answer.WAIT, Answer.DONE]:
        """Proposes a point, or answers `WAIT` or `DONE`.

        Answering `WAIT` while nothing is running ends the sweep with a `SelectorError`. When it has answered
        `DONE` and all that was proposed is done, the sweep is over.
        """

    @abstractmethod
    def tell(self, event: Event) -> None:
        """Takes notice of a result."""


class ParamSelector(Selector, SweepListener):
    """A selector that says separately whether there is more, and hears of results as a `SweepListener`.

    Its methods `on_start`, `on_flagged` and `on_status` are never called. Whether higher performances are
    better is said by `objective`.

    Attributes:
        objective: What is known of the metric that performances are, before it is first asked.
    """

    objective: MetricInfo = PERFORMANCE

    @abstractmethod
    def has_more_trials(self) -> bool:
        """Tells whether `get_next_trials` may propose anything more, now or after further results.

        Asked before every call of `get_next_trials`. When it answers False and all that was proposed is
        done, the sweep is over.
        """

    @abstractmethod
    def get_next_trials(self) -> tuple[Sequence[Any] | Mapping[str, Any], int] | None:
        """Proposes a point and a number of trials.

        Returns:
            `(params, trials)`, as in a `Proposal`. None means "I wait for results"; it is asked again when it
            has heard one. Answering None while nothing is running ends the sweep with a `SelectorError`.
        """

    def ask(self) -> Proposal | Literal[Answer.WAIT, Answer.DONE]:
        if not self.has_more_trials():
            return DONE
        proposed = self.get_next_trials()
        if proposed is None:
            return WAIT
        try:
            params, trials = proposed
        except (TypeError, ValueError):
            raise InvalidPoint(
                f'{type(self).__name__}.get_next_trials() must return (params, trials) or None; '
                f'got {proposed!r}'
            ) from None
        return Proposal(params, trials)

    def tell(self, event: Event) -> None:
        if isinstance(event, SweepStarted):
            if isinstance(self.objective, MetricInfo):  # and nothing of the selector's own
                self.objective = event.metrics[0]
        else:
            self.handle(event)


def checked_selector(selector: object) -> Selector:
    """Returns the selector."""
    if not isinstance(selector, Selector):
        raise InvalidArgument(
            f'param_selector={selector!r}: must be a ParamSelector or Selector; for a list of points take '
            f'FixedSweep.with_fixed_trials(points, trials)'
        )
    if isinstance(selector, SweepListener):
        check_hooks(selector)
    return selector
