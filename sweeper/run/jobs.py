"""Jobs: a queue's task in progress, as the runs that it consists of. They start nothing themselves."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Protocol, TypeAlias

import numpy as np

from ..errors import TuningFailed
from ..executors.base import Outcome, RunError, Task, run_error
from ..points import Point, point_key
from ..results import PointError, TrialRecord, Tuned
from ..seeding import run_seed
from ..tuning.base import RunResult, Stage, Tuner
from .queue import ParamsTask


@dataclass(frozen=True)
class RunDone:
    """One run of a point's tuning is done.

    Attributes:
        point: The point.
        stage: Number of the stage of its tuning.
        index: Number of the run in the stage.
        request: Tells what was asked for.
        value: What it measured.
    """

    point: Point
    stage: int
    index: int
    request: str
    value: RunResult


@dataclass(frozen=True)
class TuningDone:
    """A point's tuning is done."""

    point: Point
    tuned: Tuned


@dataclass(frozen=True)
class Part:
    """A point whose trials are trained in part: to the queue it is a point like others."""

    point: Point
    fraction: float


def part_of(point: Point | Part) -> tuple[Point, float]:
    """Returns the point, and the fraction, of what the queue has as a point."""
    return (point.point, point.fraction) if isinstance(point, Part) else (point, 1.0)


@dataclass(frozen=True)
class TrialDone:
    """One trial of a point is done, or a fraction of it."""

    point: Point
    index: int
    record: TrialRecord
    fraction: float = 1.0


@dataclass(frozen=True)
class RunFailed:
    """A point's tuning or one of its trials failed, and with that the point."""

    point: Point
    error: PointError
    fraction: float = 1.0


@dataclass(frozen=True)
class TaskDone:
    """All runs of a task are done.

    Attributes:
        task: The task.
        seconds: How long these took, all together; None if some were done before the sweep was interrupted.
    """

    task: ParamsTask
    seconds: float | None = field(default=None, compare=False)


JobEvent: TypeAlias = RunDone | TuningDone | TrialDone | RunFailed | TaskDone


Indices: TypeAlias = tuple[int, ...]
"""The runs that a task for a worker does: mostly one, several if they go side by side, in lanes."""


class Job(Protocol):
    """A task in progress.

    Attributes:
        task: What the queue gave out.
        waiting: Runs to start, as `(indices, task)`; each is answered by one call of `take`.
        running: How many runs have been started and not been answered.
        seconds: How long those that were answered took, all together.
        is_resumed: Whether some of its runs were done before the sweep was interrupted.
        failed: Whether nothing more can be done for the point.
    """

    task: ParamsTask
    waiting: deque[tuple[Indices, Task]]
    running: int
    seconds: float
    is_resumed: bool
    failed: bool

    def begin(self) -> list[JobEvent]:
        """Puts the first runs into `waiting`; called once, before all else."""
        ...

    def take(self, indices: Indices, outcome: Outcome) -> list[JobEvent]:
        """Takes the outcome of a run, or of several side by side; may put more runs into `waiting`."""
        ...

    def describe(self) -> str:
        """Says in a few words what is being done."""
        ...


SplitOf: TypeAlias = Callable[[int], Mapping[str, Any]]
"""Returns the split of a trial by its number, as the fields of a `TrialSplit`."""

SavedRuns: TypeAlias = Callable[[int, int, str], RunResult | None]
"""Called as `saved(stage, index, request)`: what that run measured, if it was done before."""


class TuningJob:
    """The tuning of a point: drives its tuner coroutine from stage to stage.

    Args:
        task: What the queue gave out.
        tuner: The coroutine that tunes, not started yet.
        saved: Finds runs that were done before the sweep was interrupted.
        lanes: How many runs at most go side by side.
    """

    def __init__(
        self, task: ParamsTask, tuner: Tuner, saved: SavedRuns = lambda *_: None, lanes: int = 1
    ) -> None:
        self.task = task
        self.waiting: deque[tuple[Indices, Task]] = deque()
        self.running = 0
        self.seconds = 0.0
        self.is_resumed = False
        self.failed = False
        self._tuner = tuner
        self._saved = saved
        self._lanes = lanes
        self._stages = 0
        self._title = 'starting'  # another thread may ask before it has begun

    def begin(self) -> list[JobEvent]:
        return self._go_on(lambda: next(self._tuner))

    def take(self, indices: Indices, outcome: Outcome) -> list[JobEvent]:
        if outcome.error is not None and len(indices) > 1:
            self.waiting.extend(((index,), self._alone[index]) for index in indices)  # which of them failed?
            return []
        events: list[JobEvent] = []
        if outcome.error is not None:
            self._errors[indices[0]] = outcome.error
            self._missing -= sum(len(waiting) for waiting, _ in self.waiting)
            self.waiting.clear()  # runs later in the stage would not change which fails first
        else:
            values = [outcome.value] if len(indices) == 1 else outcome.value
            for index, value in zip(indices, values, strict=True):
                if self._results[index] is None:
                    self._results[index] = value
                    run = self._stages - 1, index, self._requests[index], value
                    events.append(RunDone(self.task.point, *run))
        self._missing -= len(indices)
        return events if self._missing else events + self._end_stage()

    def _end_stage(self) -> list[JobEvent]:
        if self._errors:
            return [self._fail(self._errors[min(self._errors)])]
        results = [result for result in self._results if result is not None]
        return self._go_on(lambda: self._tuner.send(results))

    def _go_on(self, resume: Callable[[], Stage]) -> list[JobEvent]:
        try:
            stage = resume()
        except StopIteration as done:
            return [TuningDone(self.task.point, done.value)]
        except TuningFailed as error:
            return [self._fail(RunError(type(error).__name__, str(error)))]
        except Exception as error:  # a curve that the analysis does not understand: this point's only
            return [self._fail(run_error(error))]
        self._begin_stage(stage)
        return [] if self._missing else self._end_stage()

    def _begin_stage(self, stage: Stage) -> None:
        self._title = STAGE_TITLES.get(stage.name, stage.name)
        self._requests = [f'{run.digest()} {point_key(self.task.point)}' for run in stage.runs]
        self._results = [self._saved(self._stages, *request) for request in enumerate(self._requests)]
        self.is_resumed |= any(result is not None for result in self._results)
        self._errors: dict[int, RunError] = {}
        self._alone = [
            Task(f'{stage.name} {index}', run.function, self.task.point, run.arguments)
            for index, run in enumerate(stage.runs)
        ]
        for group in _alike(self._alone, self._lanes):
            if any(self._results[index] is None for index in group):
                self.waiting.append((group, _side_by_side(stage.name, group, self._alone)))
        self._missing = sum(len(group) for group, _ in self.waiting)
        self._stages += 1

    def _fail(self, error: RunError) -> JobEvent:
        self.failed = True
        self._tuner.close()
        return RunFailed(self.task.point, PointError(phase='tuning', **asdict(error)))

    def describe(self) -> str:
        return f'tuning: {self._title}' + (f', {self.running} cores' if self.running > 1 else '')


STAGE_TITLES = {
    'lr_vs_perf': 'learning-rate range',
    'candidates': 'comparing candidates',
}


class TrialsJob:
    """Some trials of a point, all with its tuned hyperparameters; one that fails does not stop the others.

    If it was tuned more than once, trials take turns in what these tunings came to, and are trained alone.

    So what is computed for a point does not depend on which of its trials was first.

    Args:
        task: What the queue gave out.
        tuned: What the point's tuning came to.
        seed: The sweep's.
        lanes: How many trials at most go side by side.
        checkpoints: Of a `CheckpointPlan`: where trials keep their state; None if they do not.
        split_of: Returns the split of a trial, as the fields of a `TrialSplit`; None if all have the same
            data. Then each is trained alone.
        weights: Whether the weights of trials that are trained in full are wanted.
    """

    failed = is_resumed = False

    def __init__(
        self,
        task: ParamsTask,
        tuned: Tuned,
        seed: int,
        lanes: int = 1,
        checkpoints: Mapping[str, Any] | None = None,
        split_of: SplitOf | None = None,
        weights: bool = True,
    ) -> None:
        self.task = task
        self.waiting: deque[tuple[Indices, Task]] = deque()
        self.running = 0
        self.seconds = 0.0
        self._unanswered = set(task.trials)
        self._point, self._fraction = part_of(task.point)
        self._tuned, self._seed, self._split_of = tuned, seed, split_of
        self._lanes = lanes if split_of is None and not tuned.alternatives else 1
        self._also: dict[str, Any] = {'fraction': self._fraction} if self._fraction < 1 else {}
        if patience := tuned.training.get('patience'):
            self._also |= {'patience': patience, 'holdout_seed': run_seed(seed, 'stop', 0)}
        if not weights or self._fraction < 1:  # what is trained in part has scores alone
            self._also |= {'weights': False}
        if checkpoints is not None:
            self._also |= {'checkpoints': checkpoints}

    def begin(self) -> list[JobEvent]:
        for start in sorted({index - index % self._lanes for index in self.task.trials}):
            group = tuple(range(start, start + self._lanes))
            tasks = {index: self._alone(index) for index in group}
            self.waiting.append((group, _side_by_side('trial', group, tasks)))
        return []

    def _alone(self, index: int) -> Task:
        plan = self._tuned.of_trial(index).plan() | self._also
        arguments = {'seed': run_seed(self._seed, 'trial', index), 'index': index, **plan}
        if self._split_of is not None:
            arguments['split'] = self._split_of(index)
        return Task(f'trial {index}', 'train_trial', self._point, arguments)

    def take(self, indices: Indices, outcome: Outcome) -> list[JobEvent]:
        if outcome.error is None:
            self._unanswered.difference_update(indices)
            records = [outcome.value] if len(indices) == 1 else outcome.value
            done, trials = zip(indices, records, strict=True), self.task.trials
            return [
                TrialDone(self._point, index, record, self._fraction)
                for index, record in done
                if index in trials
            ]
        if len(indices) > 1:  # which of them failed?
            wanted = [index for index in indices if index in self.task.trials]
            self.waiting.extend(((index,), self._alone(index)) for index in wanted)
            return []
        (index,) = indices
        self._unanswered.discard(index)
        error = PointError(phase=f'trial {index}', **asdict(outcome.error))
        return [RunFailed(self._point, error, self._fraction)]

    def describe(self) -> str:
        trials = sorted(self._unanswered)
        part = f', {self._fraction:.3g} of it' if self._fraction < 1 else ''
        return f'training: trial{"s" * (len(trials) > 1)} {_ranges(trials)}{part}'


def _ranges(numbers: Sequence[int]) -> str:
    """Tells rising numbers: `1, 3-7`."""
    ends: list[list[int]] = []
    for number in numbers:
        if ends and number == ends[-1][-1] + 1:
            ends[-1] = [ends[-1][0], number]
        else:
            ends.append([number])
    return ', '.join(('-' if both[-1] > both[0] + 1 else ', ').join(map(str, both)) for both in ends)


def _alike(tasks: Sequence[Task], lanes: int) -> list[Indices]:
    """Groups runs, at most `lanes` each, that differ in their seeds alone; always in the same way.

    So a run that is done again has the same neighbours as before.
    """
    groups: list[list[int]] = []
    for index, task in enumerate(tasks):
        last = groups[-1] if groups else []
        if last and len(last) < lanes and _is_alike(task, tasks[last[0]]):
            last.append(index)
        else:
            groups.append([index])
    return [tuple(group) for group in groups]


def _is_alike(task: Task, other: Task) -> bool:
    if task.function != other.function or task.arguments.keys() != other.arguments.keys():
        return False
    return all(
        name == 'seed' or np.array_equal(value, other.arguments[name])
        for name, value in task.arguments.items()
    )


def _side_by_side(name: str, group: Indices, tasks: Mapping[int, Task] | Sequence[Task]) -> Task:
    """One task that does those of a group."""
    first = tasks[group[0]]
    if len(group) == 1:
        return first
    common = {name: value for name, value in first.arguments.items() if name != 'seed'}
    seeds = [tasks[index].arguments['seed'] for index in group]
    arguments = {'seeds': seeds, 'function': first.function, **common}
    return Task(f'{name} {group[0]}-{group[-1]}', 'in_lanes', first.point, arguments)


JobFactory = Callable[[ParamsTask], Job]


class JobMaker:
    """Turns what the queue gives out into jobs.

    Args:
        tuner: Starts the tuning of a point.
        saved: Finds a run of a point's tuning that was done before the sweep was interrupted.
        tuning_of: Returns what a point's tuning came to.
        seed: The sweep's seed.
        lanes: How many runs of a point at most go side by side.
        checkpoints: Returns where trials of a point keep their state, as for `TrialsJob`.
        split_of: As for `TrialsJob`.
        weights: As for `TrialsJob`.
    """

    def __init__(
        self,
        tuner: Callable[[Point], Tuner],
        saved: Callable[[Point, int, int, str], RunResult | None],
        tuning_of: Callable[[Point], Tuned],
        seed: int,
        lanes: int = 1,
        checkpoints: Callable[[Point], Mapping[str, Any] | None] = lambda _: None,
        split_of: SplitOf | None = None,
        weights: bool = True,
    ) -> None:
        self._tuner, self._saved, self._tuning_of = tuner, saved, tuning_of
        self._seed, self._lanes, self._checkpoints = seed, lanes, checkpoints
        self._split_of, self._weights = split_of, weights

    def __call__(self, task: ParamsTask) -> Job:
        point, _ = part_of(task.point)
        if task.is_tuning:
            return TuningJob(task, self._tuner(point), partial(self._saved, point), self._lanes)
        checkpoints = self._checkpoints(point)
        tuned = self._tuning_of(point)
        return TrialsJob(task, tuned, self._seed, self._lanes, checkpoints, self._split_of, self._weights)
