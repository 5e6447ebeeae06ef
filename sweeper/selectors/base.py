"""What every selector promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from .listener import SweepListener


class ParamSelector(SweepListener, ABC):
    """Decides which points are tried, and how often. Subclass it to search in your own way.

    A selector lives in the parent process and serves one sweep. It hears of results as a `SweepListener`,
    but an exception that it raises ends the sweep, with everything computed so far kept; and it hears of them
    in the order of its proposals (each one's tuning, then all its trials in one call), not in that in which
    they are done. After each thing that it is told it is asked, if not more than fifty of its proposals wait
    for their results, until it answers None or a hundred do (or a tenth of all, if that is more).

    So what it hears, and when it is asked, depends on results only: not on the number of cores, not on which
    run was first. When a sweep is killed and started again, with a new selector, that one hears everything
    from the beginning; if it decides by what it hears, it decides the same. It must not decide by the time,
    by the folder, or by a random generator that it did not seed.

    Attributes:
        adaptive: Whether proposals depend on results. If not (set it to False), it is asked for all of them
            at once, before anything is trained.
    """

    adaptive: bool = True

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
            `(params, trials)`: `params` is a tuple for `model(*params)`, or a mapping for
            `model(**params)`. Proposing a point again adds trials to it. `trials == 0` tunes the point
            only. None means "I wait for results"; it is asked again when it has heard one. Answering
            None while nothing is running ends the sweep with a `SelectorError`.
        """
