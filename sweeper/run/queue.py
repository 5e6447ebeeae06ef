"""Which task is next. Pure: no I/O, no process, no clock."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Container
from dataclasses import dataclass, field
from enum import Enum

from sortedcontainers import SortedKeyList

from ..points import Point

_ENDING = 2  # the end is near when what waits keeps all cores busy for so many of the longest trials


@dataclass(frozen=True, eq=False)
class ParamsTask:
    """A job for one point: its tuning, or some of its trials. Compared by identity.

    Attributes:
        point: The point.
        trials: Indices of the trials to run; empty for the tuning.
        cores: Its share of the cores, at least 1: one for each of its trials (or groups of trials, in
            lanes); of a tuning, which may start with fewer, what it is given as soon as that is free.
    """

    point: Point
    trials: tuple[int, ...]
    cores: int

    @property
    def is_tuning(self) -> bool:
        """Whether this is the point's tuning."""
        return not self.trials


class _Stage(Enum):
    UNTUNED = 'untuned'
    TUNING = 'tuning'
    TUNED = 'tuned'
    FAILED = 'failed'


@dataclass(eq=False, slots=True)
class _PointState:
    """What the queue knows of a point; `order` is its place in the order of proposal."""

    point: Point
    order: int
    stage: _Stage = _Stage.UNTUNED
    requested: int = 0
    waiting: deque[int] = field(default_factory=deque)
    running: int = 0
    measured: int = 0
    seconds: float = math.inf  # the mean of the trials that were measured


def _most_waiting_first(state: _PointState) -> tuple[int, int]:
    return -len(state.waiting), state.order


def _longest_first(state: _PointState) -> tuple[float, int, int]:
    return -state.seconds, -len(state.waiting), state.order


class ParamsTaskQueue:
    """Gives out tuning jobs and trials, and accounts for the cores that they hold.

    The order: tunings before trials, in the order of proposal; then the point with the most trials left, as
    many of its trials as there are free cores. Near the end, the point with the longest trials: so no long
    one is left over when the cores run out of work. A point whose trials are of unknown length counts
    as the longest. A point's trials never start before its tuning is done.

    A tuning starts as soon as a core is free, and is then first to get what it lacks of its share
    (`reclaim`), so that trials that end one by one cannot keep it waiting. Cores that nothing else needs
    may be added to it (`borrow`).

    Every operation is O(log points), plus O(1) per trial. Events come in (`add_task_by_params`,
    `trial_took`, `task_done`, `task_failed`, `set_total_cores`, `release`, `reclaim`, `borrow`); tasks go
    out (`get_next_task`).

    Args:
        total_cores: Cores to give out; at least 1.
        sweep_cores: A tuning job's share of the cores; more than there are means all of them.
        lanes: How many trials of a point one core does at a time: those whose indices, divided by it, are
            the same.

    Attributes:
        total_cores: As `set_total_cores` said last.
    """

    def __init__(self, total_cores: int, sweep_cores: int, lanes: int = 1) -> None:
        assert total_cores >= 1 and sweep_cores >= 1 and lanes >= 1, (total_cores, sweep_cores, lanes)
        self._lanes = lanes
        self.total_cores = total_cores
        self._sweep_cores = sweep_cores
        self._available = total_cores
        self._held: dict[ParamsTask, int] = {}
        self._points: dict[Point, _PointState] = {}
        self._untuned: deque[_PointState] = deque()
        self._ready: SortedKeyList[_PointState] = SortedKeyList(key=_most_waiting_first)
        self._ready_by_length: SortedKeyList[_PointState] = SortedKeyList(key=_longest_first)
        self._waiting_seconds = 0.0  # of ready points' trials, as far as their lengths are known
        self._waiting_unknown = 0
        self._measured, self._mean_seconds, self._longest_seconds = 0, 0.0, 0.0

    @property
    def available_cores(self) -> int:
        """Cores that no task holds; negative while `set_total_cores` took away cores in use."""
        return self._available

    def held_cores(self, task: ParamsTask) -> int:
        """Cores that a running task holds."""
        return self._held[task]

    def __len__(self) -> int:
        """How many points wait for something: for their tuning, or with tuning done for trials."""
        return len(self._untuned) + len(self._ready)

    def have_more_tasks(self) -> bool:
        """Whether a task is waiting or running."""
        return bool(self._untuned or self._ready or self._held)

    def add_task_by_params(
        self, point: Point, trials: int, *, tuned: bool = False, finished: Container[int] = ()
    ) -> None:
        """A point was asked for: it will be tuned unless it is, and `trials` more trials be run.

        Args:
            point: The point; asking again adds trials to it. Asking for a failed point does nothing.
            trials: How many; 0 tunes only.
            tuned: Its tuning is known already. Counts at the first asking only.
            finished: Indices of trials that need not be run again.
        """
        assert trials >= 0, trials
        state = self._points.get(point)
        if state is None:
            state = _PointState(point, len(self._points), _Stage.TUNED if tuned else _Stage.UNTUNED)
            self._points[point] = state
            if not tuned:
                self._untuned.append(state)
        if state.stage is _Stage.FAILED:
            return
        self._leave_ready(state)
        state.waiting.extend(i for i in range(state.requested, state.requested + trials) if i not in finished)
        state.requested += trials
        self._enter_ready(state)

    def get_next_task(self, cores: int) -> ParamsTask | None:
        """Returns the next task for at most `cores` free cores, which it holds from now on.

        Returns:
            None if nothing waits. A tuning job holds its share (`sweep_cores`, or all there are) or as much
            of it as is free; a task of trials as many cores as it has groups of `lanes` trials.
        """
        cores = min(cores, self._available)
        if cores <= 0:
            return None
        if self._untuned:
            state = self._untuned.popleft()
            state.stage = _Stage.TUNING
            share = min(self._sweep_cores, self.total_cores)
            return self._give_out(state, ParamsTask(state.point, (), share), min(cores, share))
        if not self._ready:
            return None
        state = (self._ready_by_length if self._is_near_the_end() else self._ready)[0]
        self._leave_ready(state)
        trials, groups = self._take_trials(state.waiting, cores)
        self._enter_ready(state)
        return self._give_out(state, ParamsTask(state.point, trials, groups), groups)

    def _take_trials(self, waiting: deque[int], cores: int) -> tuple[tuple[int, ...], int]:
        """Takes the first of the waiting trials, for so many cores at most; returns them and the cores."""
        trials: list[int] = []
        groups: dict[int, None] = {}
        while waiting and (len(groups) < cores or waiting[0] // self._lanes in groups):
            groups[waiting[0] // self._lanes] = None
            trials.append(waiting.popleft())
        return tuple(trials), len(groups)

    def trial_took(self, point: Point, seconds: float) -> None:
        """A trial of a point took so long: its others are expected to, which decides the order only."""
        state = self._points[point]
        self._leave_ready(state)
        state.measured += 1
        before = 0.0 if state.measured == 1 else state.seconds
        state.seconds = before + (seconds - before) / state.measured
        self._enter_ready(state)
        self._measured += 1
        self._mean_seconds += (seconds - self._mean_seconds) / self._measured
        self._longest_seconds = max(self._longest_seconds, seconds)

    def task_done(self, task: ParamsTask) -> None:
        """A task is finished: its cores are free, and after its tuning a point's trials may start."""
        state = self._end(task)
        if state.stage is _Stage.TUNING:
            state.stage = _Stage.TUNED
            self._enter_ready(state)

    def task_failed(self, task: ParamsTask) -> None:
        """A tuning failed: its cores are free, and nothing more is given out for its point."""
        state = self._end(task)
        assert task.is_tuning, task
        state.stage = _Stage.FAILED
        state.waiting.clear()

    def release(self, task: ParamsTask, cores: int = 1) -> None:
        """A running task does not need some of its cores for now."""
        assert 0 < cores <= self._held[task], (cores, self._held[task])
        self._held[task] -= cores
        self._available += cores

    def reclaim(self, task: ParamsTask, cores: int) -> int:
        """A running task needs cores that it lacks of its share; returns how many it gets."""
        return self._grant(task, min(cores, task.cores - self._held[task]))

    def borrow(self, task: ParamsTask, cores: int) -> int:
        """A running task could use more than its share; returns how many it gets: those nobody waits for."""
        return self._grant(task, 0 if len(self) else cores)

    def set_total_cores(self, total_cores: int) -> None:
        """There are more or fewer cores from now on; what runs keeps its own."""
        assert total_cores >= 1, total_cores
        self._available += total_cores - self.total_cores
        self.total_cores = total_cores

    def check_invariants(self) -> None:
        """Raises AssertionError if the state contradicts itself; for tests, O(points)."""
        assert self._available + sum(self._held.values()) == self.total_cores
        assert all(held >= 0 and (task.is_tuning or held <= task.cores) for task, held in self._held.items())
        ready = {id(state) for state in self._ready}
        untuned = {id(state) for state in self._untuned}
        running: dict[Point, int] = {}
        for task in self._held:
            running[task.point] = running.get(task.point, 0) + 1
        for state in self._points.values():
            is_ready = state.stage is _Stage.TUNED and bool(state.waiting)
            assert (id(state) in ready) == is_ready, state
            assert (id(state) in untuned) == (state.stage is _Stage.UNTUNED), state
            assert state.running == running.get(state.point, 0), state
            assert state.stage is not _Stage.TUNING or state.running == 1, state
            assert all(0 <= index < state.requested for index in state.waiting), state
            assert state.stage is not _Stage.FAILED or not state.waiting, state
            assert (state.measured > 0) == math.isfinite(state.seconds), state
        assert len(ready) == len(self._ready) and len(untuned) == len(self._untuned)
        assert {id(state) for state in self._ready_by_length} == ready
        assert len(self._ready_by_length) == len(ready)
        for states, key in ((self._ready, _most_waiting_first), (self._ready_by_length, _longest_first)):
            keys = [key(state) for state in states]
            assert keys == sorted(keys)
        known = [len(state.waiting) * state.seconds for state in self._ready if state.measured]
        assert math.isclose(self._waiting_seconds, sum(known), rel_tol=1e-6, abs_tol=1e-6)
        unknown = [len(state.waiting) for state in self._ready if not state.measured]
        assert self._waiting_unknown == sum(unknown)

    def _is_near_the_end(self) -> bool:
        """Whether a trial as long as the longest that waits could be the last of all to end."""
        longest: float = min(self._ready_by_length[0].seconds, self._longest_seconds)
        waiting = self._waiting_seconds + self._waiting_unknown * self._mean_seconds
        return waiting < _ENDING * longest * self.total_cores

    def _give_out(self, state: _PointState, task: ParamsTask, cores: int) -> ParamsTask:
        state.running += 1
        self._held[task] = cores
        self._available -= cores
        return task

    def _grant(self, task: ParamsTask, cores: int) -> int:
        granted = max(0, min(cores, self._available))
        self._held[task] += granted
        self._available -= granted
        return granted

    def _end(self, task: ParamsTask) -> _PointState:
        self._available += self._held.pop(task)
        state = self._points[task.point]
        state.running -= 1
        return state

    def _leave_ready(self, state: _PointState) -> None:
        """Takes a point out of the sorted lists, before anything changes that they are sorted by."""
        if state.stage is _Stage.TUNED and state.waiting:
            self._ready.remove(state)
            self._ready_by_length.remove(state)
            self._count_waiting(state, -len(state.waiting))

    def _enter_ready(self, state: _PointState) -> None:
        """Puts a point at its place among those with trials that can start, if it is one of them."""
        if state.stage is _Stage.TUNED and state.waiting:
            self._ready.add(state)
            self._ready_by_length.add(state)
            self._count_waiting(state, len(state.waiting))

    def _count_waiting(self, state: _PointState, trials: int) -> None:
        if state.measured:
            self._waiting_seconds += trials * state.seconds
        else:
            self._waiting_unknown += trials
