"""Which task is next. Pure: no I/O, no process, no clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Container
from dataclasses import dataclass, field
from enum import Enum

from sortedcontainers import SortedKeyList

from ..points import Point
from .task import ParamsTask


class _Stage(Enum):
    UNTUNED = 'untuned'
    TUNING = 'tuning'
    TUNED = 'tuned'
    FAILED = 'failed'


@dataclass(eq=False)
class _PointState:
    """What the queue knows of a point; `order` is its place in the order of proposal."""

    params: Point
    order: int
    stage: _Stage = _Stage.UNTUNED
    asked: int = 0
    waiting: deque[int] = field(default_factory=deque)
    running: int = 0


def _most_waiting_first(state: _PointState) -> tuple[int, int]:
    return -len(state.waiting), state.order


class ParamsTaskQueue:
    """Gives out tuning jobs and trials, and accounts for the cores that they hold.

    The order: a tuning job first if the free cores suffice for one, in the order of proposal; then the
    point with the most trials left, as many of its trials as there are free cores. A point's trials
    never start before its tuning is done. Every operation is O(log points), plus O(1) per trial.

    Events come in (`add_task_by_params`, `task_done`, `task_failed`, `set_total_cores`, `release`,
    `reclaim`); tasks go out (`get_next_task`).

    Args:
        total_cores: Cores to give out; at least 1.
        sweep_cores: Cores that a tuning job takes; more than there are means all of them.
    """

    def __init__(self, total_cores: int, sweep_cores: int) -> None:
        assert total_cores >= 1 and sweep_cores >= 1, (total_cores, sweep_cores)
        self._total_cores = total_cores
        self._sweep_cores = sweep_cores
        self._available = total_cores
        self._held: dict[ParamsTask, int] = {}
        self._points: dict[Point, _PointState] = {}
        self._untuned: deque[_PointState] = deque()
        self._ready: SortedKeyList[_PointState] = SortedKeyList(key=_most_waiting_first)

    @property
    def available_cores(self) -> int:
        """Cores that no task holds; negative while `set_total_cores` took away cores in use."""
        return self._available

    def __len__(self) -> int:
        """How many points wait for something: for their tuning, or with tuning done for trials."""
        return len(self._untuned) + len(self._ready)

    def have_more_tasks(self) -> bool:
        """Whether a task is waiting or running."""
        return bool(len(self) or self._held)

    def add_task_by_params(
        self, params: Point, trials: int, *, tuned: bool = False, finished: Container[int] = ()
    ) -> None:
        """A point was asked for: it will be tuned unless it is, and `trials` more trials be run.

        Args:
            params: The point; asking again adds trials to it. Asking for a failed point does nothing.
            trials: How many; 0 tunes only.
            tuned: Its tuning is known already. Counts at the first asking only.
            finished: Indices of trials that need not be run again.
        """
        assert trials >= 0, trials
        state = self._points.get(params)
        if state is None:
            state = _PointState(params, len(self._points), _Stage.TUNED if tuned else _Stage.UNTUNED)
            self._points[params] = state
            if not tuned:
                self._untuned.append(state)
        if state.stage is _Stage.FAILED:
            return
        new = [index for index in range(state.asked, state.asked + trials) if index not in finished]
        state.asked += trials
        self._change_waiting(state, add=new)

    def get_next_task(self, cores: int) -> ParamsTask | None:
        """Returns the next task for at most `cores` free cores, which it holds from now on.

        Returns:
            None if nothing waits that fits. A tuning job takes `sweep_cores` (or all there are, if
            fewer); a task of trials as many cores as it has trials.
        """
        cores = min(cores, self._available)
        if cores <= 0:
            return None
        tuning_cores = min(self._sweep_cores, self._total_cores)
        if self._untuned and cores >= tuning_cores:
            state = self._untuned.popleft()
            state.stage = _Stage.TUNING
            return self._give_out(state, (), tuning_cores)
        if not self._ready:
            return None
        state = self._ready[0]
        return self._give_out(state, self._take_waiting(state, cores))

    def task_done(self, task: ParamsTask) -> None:
        """A task is finished: its cores are free, and after its tuning a point's trials may start."""
        state = self._end(task)
        if task.is_tuning and state.stage is _Stage.TUNING:
            state.stage = _Stage.TUNED
            self._change_waiting(state)

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
        """A running task needs cores again that it released; returns how many it gets."""
        granted = max(0, min(cores, self._available, task.cores - self._held[task]))
        self._held[task] += granted
        self._available -= granted
        return granted

    def set_total_cores(self, total_cores: int) -> None:
        """There are more or fewer cores from now on; what runs keeps its own."""
        assert total_cores >= 1, total_cores
        self._available += total_cores - self._total_cores
        self._total_cores = total_cores

    def check_invariants(self) -> None:
        """Raises AssertionError if the state contradicts itself; for tests, O(points)."""
        assert self._available + sum(self._held.values()) == self._total_cores
        assert all(0 <= held <= task.cores for task, held in self._held.items())
        ready = {id(state) for state in self._ready}
        untuned = {id(state) for state in self._untuned}
        running: dict[Point, int] = {}
        for task in self._held:
            running[task.params] = running.get(task.params, 0) + 1
        for state in self._points.values():
            is_ready = state.stage is _Stage.TUNED and bool(state.waiting)
            assert (id(state) in ready) == is_ready, state
            assert (id(state) in untuned) == (state.stage is _Stage.UNTUNED), state
            assert state.running == running.get(state.params, 0), state
            assert state.stage is not _Stage.TUNING or state.running == 1, state
            assert all(0 <= index < state.asked for index in state.waiting), state
            assert state.stage is not _Stage.FAILED or not state.waiting, state
        assert len(ready) == len(self._ready) and len(untuned) == len(self._untuned)
        keys = [_most_waiting_first(state) for state in self._ready]
        assert keys == sorted(keys)

    def _give_out(self, state: _PointState, trials: tuple[int, ...], cores: int | None = None) -> ParamsTask:
        task = ParamsTask(state.params, trials, len(trials) if cores is None else cores)
        state.running += 1
        self._held[task] = task.cores
        self._available -= task.cores
        return task

    def _end(self, task: ParamsTask) -> _PointState:
        self._available += self._held.pop(task)
        state = self._points[task.params]
        state.running -= 1
        return state

    def _take_waiting(self, state: _PointState, count: int) -> tuple[int, ...]:
        self._ready.remove(state)
        taken = tuple(state.waiting.popleft() for _ in range(min(count, len(state.waiting))))
        if state.waiting:
            self._ready.add(state)
        return taken

    def _change_waiting(self, state: _PointState, add: list[int] | None = None) -> None:
        """Adds waiting trials and puts a tuned point at its right place among the ready ones."""
        if state.stage is _Stage.TUNED:
            self._ready.discard(state)
        state.waiting.extend(add or ())
        if state.stage is _Stage.TUNED and state.waiting:
            self._ready.add(state)
