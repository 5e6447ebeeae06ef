"""What every selector promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from .listener import SweepListener


class ParamSelector(SweepListener, ABC):
    """Decides which points are tried, and how often. Subclass it to search in your own way.

    A selector lives in the parent process and serves one sweep. It is asked ahead of what the cores can
    use (a hundred points or more), until it answers None, and it hears of results as a `SweepListener`.
    It differs from a listener in one thing: an exception that it raises ends the sweep, with everything
    computed so far kept.
    """

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
            only. None means "I wait for results"; it is asked again after the next result. Answering
            None while nothing is running ends the sweep with a `SelectorError`.
        """
