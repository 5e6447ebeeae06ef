"""Jobs: a queue's task in progress, as the runs that it consists of. They start nothing themselves."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Protocol, TypeAlias

from ..errors import TuningFailed
from ..points import Point, point_key
from ..seeding import run_seed
from ..store.results import PointError, TrialRecord, Tuned
from ..tuning.tuner import RunResult, Stage, Tuner
from .executors.base import run_error
from .task import Outcome, ParamsTask, RunError, Task


@dataclass(frozen=True)
class RunDone:
    """One run of a point's tuning is done.

    Attributes:
        params: The point.
        stage: Number of the stage of its tuning.
        index: Number of the run in the stage.
        request: Tells what was asked for.
        value: What it measured.
    """

    params: Point
    stage: int
    index: int
    request: str
    value: RunResult


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
class RunFailed:
    """A point's tuning or one of its trials failed, and with that the point."""

    params: Point
    error: PointError


@dataclass(frozen=True)
class TaskDone:
    """All runs of a task are done."""

    task: ParamsTask


Event = RunDone | PointTuned | TrialDone | RunFailed | TaskDone


class Job(Protocol):
    """A task in progress.

    Attributes:
        task: What the queue gave out.
        waiting: Runs to start, as `(index, task)`; each is answered by one call of `take`.
        running: How many runs have been started and not been answered.
        failed: Whether nothing more can be done for the point.
    """

    task: ParamsTask
    waiting: deque[tuple[int, Task]]
    running: int
    failed: bool

    def begin(self) -> list[Event]:
        """Puts the first runs into `waiting`; called once, before all else."""
        ...

    def take(self, index: int, outcome: Outcome) -> list[Event]:
        """Takes the outcome of a run; may put more runs into `waiting`."""
        ...

    def describe(self) -> str:
        """Says in a few words what is being done."""
        ...


SavedRuns: TypeAlias = Callable[[int, int, str], RunResult | None]
"""Called as `saved(stage, index, request)`: what that run measured, if it was done before."""


class TuningJob:
    """The tuning of a point: drives its tuner coroutine from stage to stage.

    Args:
        task: What the queue gave out.
        tuner: Not started.
        saved: Finds runs that were done before the sweep was interrupted.
    """

    def __init__(self, task: ParamsTask, tuner: Tuner, saved: SavedRuns = lambda *_: None) -> None:
        self.task = task
        self.waiting: deque[tuple[int, Task]] = deque()
        self.running = 0
        self.failed = False
        self._tuner = tuner
        self._saved = saved
        self._stages = 0

    def begin(self) -> list[Event]:
        return self._go_on(lambda: next(self._tuner))

    def take(self, index: int, outcome: Outcome) -> list[Event]:
        self._missing -= 1
        if outcome.error is not None:
            self._errors[index] = outcome.error
            self._missing -= len(self.waiting)  # runs later in the stage would not change which fails first
            self.waiting.clear()
            events: list[Event] = []
        else:
            self._results[index] = outcome.value
            request = self._requests[index]
            events = [RunDone(self.task.params, self._stages - 1, index, request, outcome.value)]
        return events if self._missing else events + self._end_stage()

    def _end_stage(self) -> list[Event]:
        if self._errors:
            return [self._fail(self._errors[min(self._errors)])]
        results = [result for result in self._results if result is not None]
        return self._go_on(lambda: self._tuner.send(results))

    def _go_on(self, resume: Callable[[], Stage]) -> list[Event]:
        try:
            stage = resume()
        except StopIteration as done:
            return [PointTuned(self.task.params, done.value)]
        except TuningFailed as error:
            return [self._fail(RunError(type(error).__name__, str(error)))]
        except Exception as error:  # a curve that the analysis does not understand: this point's only
            return [self._fail(run_error(error))]
        self._begin_stage(stage)
        return [] if self._missing else self._end_stage()

    def _begin_stage(self, stage: Stage) -> None:
        self._title = STAGE_TITLES[stage.name]
        self._requests = [f'{run.digest()} {point_key(self.task.params)}' for run in stage.runs]
        self._results = [self._saved(self._stages, *request) for request in enumerate(self._requests)]
        self._errors: dict[int, RunError] = {}
        for index, run in enumerate(stage.runs):
            if self._results[index] is None:
                name = f'{stage.name} {index}'
                self.waiting.append((index, Task(name, run.function, self.task.params, run.arguments)))
        self._missing = len(self.waiting)
        self._stages += 1

    def _fail(self, error: RunError) -> Event:
        self.failed = True
        self._tuner.close()
        return RunFailed(self.task.params, PointError(phase='tuning', **asdict(error)))

    def describe(self) -> str:
        return f'tuning: {self._title}'


STAGE_TITLES = {
    'lr_vs_perf': 'learning rate',
    'bs_vs_perf': 'batch size',
    'bs_sampled': 'comparing batch sizes',
    'lr_vs_perf2': 'learning rate again',
}


class TrialsJob:
    """Some trials of a point, all with its tuned hyperparameters; one that fails does not stop the others.

    So what is computed for a point does not depend on which of its trials was first.
    """

    failed = False

    def __init__(self, task: ParamsTask, tuned: Tuned, seed: int) -> None:
        self.task = task
        self.waiting: deque[tuple[int, Task]] = deque()
        self.running = 0
        self._plan, self._seed = tuned.final(), seed

    def begin(self) -> list[Event]:
        for index in self.task.trials:
            arguments = {'seed': run_seed(self._seed, 'trial', index), **self._plan}
            self.waiting.append((index, Task(f'trial {index}', 'train_trial', self.task.params, arguments)))
        return []

    def take(self, index: int, outcome: Outcome) -> list[Event]:
        if outcome.error is None:
            return [TrialDone(self.task.params, index, outcome.value)]
        return [RunFailed(self.task.params, PointError(phase=f'trial {index}', **asdict(outcome.error)))]

    def describe(self) -> str:
        return f'training: trial{"s" * (len(self.task.trials) > 1)} {", ".join(map(str, self.task.trials))}'


JobFactory = Callable[[ParamsTask], Job]
