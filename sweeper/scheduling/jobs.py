"""Jobs: a queue's task in progress, as the runs that it consists of. They start nothing themselves."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from ..errors import TuningFailed
from ..points import Point
from ..seeding import run_seed
from ..store.results import PointError, TrialRecord, Tuned
from ..tuning.tuner import Stage, Tuner
from .executors.base import run_error
from .task import Outcome, ParamsTask, RunError, Task


@dataclass(frozen=True)
class PointTuned:
    """A point's tuning is done."""

    params: Point
    tuned: Tuned


@dataclass(frozen=True)
class TrialDone:
    """One trial of a point is done."""

    params: Point
    index: int
    record: TrialRecord


@dataclass(frozen=True)
class TaskDone:
    """All runs of a task are done."""

    task: ParamsTask


@dataclass(frozen=True)
class FailedPoint:
    """A point failed. `order` tells which failure counts if there are several: the lowest."""

    params: Point
    error: PointError
    order: int


Event = PointTuned | TrialDone | TaskDone | FailedPoint


class Job(Protocol):
    """A task in progress.

    Attributes:
        task: What the queue gave out.
        waiting: Runs to start, as `(index, task)`; each is answered by one call of `take`.
        running: How many runs have been started and not been answered.
        failed: Whether a run failed; its other runs still finish.
    """

    task: ParamsTask
    waiting: deque[tuple[int, Task]]
    running: int
    failed: bool

    def take(self, index: int, outcome: Outcome) -> list[Event]:
        """Takes the outcome of a run; may put more runs into `waiting`."""
        ...

    def describe(self) -> str:
        """Says in a few words what is being done."""
        ...


class TuningJob:
    """The tuning of a point: drives its tuner coroutine from stage to stage."""

    def __init__(self, task: ParamsTask, tuner: Tuner) -> None:
        self.task = task
        self.waiting: deque[tuple[int, Task]] = deque()
        self.running = 0
        self.failed = False
        self._tuner = tuner
        self._begin_stage(next(tuner))

    def _begin_stage(self, stage: Stage) -> None:
        self._stage = stage.name
        self._results: list[Any] = [None] * len(stage.runs)
        self._errors: dict[int, RunError] = {}
        self._missing = len(stage.runs)
        for index, run in enumerate(stage.runs):
            self.waiting.append((index, Task(run.function, self.task.params, run.arguments)))

    def take(self, index: int, outcome: Outcome) -> list[Event]:
        self._missing -= 1
        if outcome.error is not None:
            self._errors[index] = outcome.error
            self._missing -= len(self.waiting)  # runs later in the stage would not change which fails first
            self.waiting.clear()
        self._results[index] = outcome.value
        if self._missing:
            return []
        if self._errors:
            return [self._fail(self._errors[min(self._errors)])]
        try:
            self._begin_stage(self._tuner.send(self._results))
        except StopIteration as done:
            return [PointTuned(self.task.params, done.value)]
        except TuningFailed as error:
            return [self._fail(RunError(type(error).__name__, str(error)))]
        except Exception as error:  # a curve that the analysis does not understand: this point's only
            return [self._fail(run_error(error))]
        return []

    def _fail(self, error: RunError) -> Event:
        self.failed = True
        self._tuner.close()
        return FailedPoint(self.task.params, PointError(phase='tuning', **asdict(error)), -1)

    def describe(self) -> str:
        return f'tuning: {STAGE_TITLES[self._stage]}'


STAGE_TITLES = {
    'lr_vs_perf': 'learning rate',
    'bs_vs_perf': 'batch size',
    'bs_sampled': 'comparing batch sizes',
    'lr_vs_perf2': 'learning rate again',
}


class TrialsJob:
    """Some trials of a point, all with its tuned hyperparameters."""

    def __init__(self, task: ParamsTask, tuned: Tuned, seed: int) -> None:
        self.task = task
        self.running = 0
        self.failed = False
        plan = tuned.final()
        self.waiting = deque(
            (index, Task('train_trial', task.params, {'seed': run_seed(seed, 'trial', index), **plan}))
            for index in task.trials
        )

    def take(self, index: int, outcome: Outcome) -> list[Event]:
        if outcome.error is None:
            return [TrialDone(self.task.params, index, outcome.value)]
        self.failed = True
        error = PointError(phase=f'trial {index}', **asdict(outcome.error))
        return [FailedPoint(self.task.params, error, index)]

    def describe(self) -> str:
        return f'training: trial{"s" * (len(self.task.trials) > 1)} {", ".join(map(str, self.task.trials))}'


JobFactory = Callable[[ParamsTask], Job]
