"""What happens in a sweep, as frozen values: what selectors, listeners, displays and loggers are told.

They are published by the parent process in one thread, each after what it tells of is on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeAlias, overload

from .metric import PERFORMANCE, MetricInfo
from .points import Point
from .results import PointError, TrialResult, Tuned
from .stats.design import Design


@dataclass(frozen=True)
class SweepStarted:
    """A sweep begins, or goes on.

    Attributes:
        folder: Where everything is kept.
        parameter_names: Names of the parameters of points that are tuples, as far as they are known.
        metrics: What is known of the problem's metrics; the first is what points are compared by.
        val_to_train: Validation samples per training sample if trials are resamples; else 0.
        train_size: Samples in the training set; 0 if that is not known.
        design: How trials are compared while there are more to come.
    """

    folder: Path
    parameter_names: tuple[str, ...]
    metrics: tuple[MetricInfo, ...] = (PERFORMANCE,)
    val_to_train: float = 0.0
    train_size: int = 0
    design: Design = Design(is_interim=True)  # noqa: RUF009 - it is frozen


@dataclass(frozen=True)
class PointTuned:
    """A point's tuning is done, or was done before the sweep was interrupted."""

    point: Point
    tuned: Tuned


@dataclass(frozen=True)
class TrialsDone:
    """Some trials of a point are done: those of a task that ran together, or of a proposal.

    Attributes:
        point: The point.
        trials: The results by index, rising.
        fraction: How much of the full length of training they are; listeners are told of full ones only.
    """

    point: Point
    trials: Mapping[int, TrialResult]
    fraction: float = 1.0


@dataclass(frozen=True)
class PointFlagged:
    """What is suspicious about a point has changed; `flags` are all that hold now.

    Found out after every task; of more than a hundred trials, when one in a hundred is new, and at the end.
    """

    point: Point
    flags: tuple[str, ...]


@dataclass(frozen=True)
class PointFailed:
    """A point's tuning or one of its trials failed."""

    point: Point
    error: PointError


@dataclass(frozen=True)
class PointRejected(PointFailed):
    """A point is not to be trained: its model exceeds a limit, or the problem's own constraint.

    Selectors alone are told, right after they proposed it. To one that does not know it, it is a failure.
    """


class Running(Sequence[tuple[Point, str]]):
    """What goes on, as `(point, description)`: found out when it is first looked at, since few look at all.

    Args:
        look: Returns it; may be called from any thread.
    """

    def __init__(self, look: Callable[[], Sequence[tuple[Point, str]]]) -> None:
        self._look = look

    @cached_property
    def _seen(self) -> Sequence[tuple[Point, str]]:
        return self._look()

    @overload
    def __getitem__(self, index: int) -> tuple[Point, str]: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[tuple[Point, str]]: ...

    def __getitem__(self, index: int | slice) -> tuple[Point, str] | Sequence[tuple[Point, str]]:
        return self._seen[index]

    def __len__(self) -> int:
        return len(self._seen)


@dataclass(frozen=True)
class Status:
    """Where a sweep stands.

    Attributes:
        points: Points proposed so far.
        tuned: Points whose tuning is done.
        failed: Points that failed.
        trials: Trials asked for so far, those left out of points that cannot be tuned.
        trials_done: Trials done or failed.
        running: What goes on, as `(point, description)`, when it is first looked at.
        more_to_come: The selector may propose more.
        cores: Cores that the sweep uses.
        busy: Cores that train right now.
        share: How much of what was asked for so far is done, in [0, 1]: of the work, not of the runs.
        seconds_left: An estimate, from what tunings and trials have taken, of how long the rest of what was
            asked for will take from now on; None as long as nothing is known.
    """

    points: int
    tuned: int
    failed: int
    trials: int
    trials_done: int
    running: Sequence[tuple[Point, str]]
    more_to_come: bool
    cores: int = 1
    busy: int = 0
    share: float = 0.0
    seconds_left: float | None = None


@dataclass(frozen=True)
class SweepEnded:
    """Nothing more will happen: the sweep is complete, or could not go on."""


Event: TypeAlias = SweepStarted | PointTuned | TrialsDone | PointFlagged | PointFailed | Status | SweepEnded
