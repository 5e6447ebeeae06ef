"""The agents of an executor that was started, the tasks that each has, and those that wait, in one thread.

submit ──┐                          ┌── answer
replies ─┼──> events ──> thread ────┼── set_cores
time ────┘                          └── agents, started and ended
"""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field, replace
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from ...errors import SweepError
from ..base import Outcome, RunError, Task, run_error
from ..local.output import OutputSink
from .agent import versions
from .messages import AgentOptions, Reply, Report, SealedTask
from .placement import Placement, Slot, placements
from .printing import PrintedInOrder
from .session import RaySession

_SECONDS_BETWEEN_LOOKS = 2.0
_SECONDS_TO_END = 5.0
_MOST_LOST = 3


@dataclass
class _Entry:
    """A submitted task; how often an agent died that had it."""

    key: int
    task: Task
    times_lost: int = 0


@dataclass(eq=False)
class _Agent:
    """An agent, as this side sees it.

    Attributes:
        actor: Ray's handle.
        placement: Where it is to be.
        report: What it says of its node; None until it is there.
        entries: The tasks that it has, by key.
        printed: Puts what it prints in order.
    """

    actor: Any
    placement: Placement
    printed: PrintedInOrder
    report: Report | None = None
    entries: dict[int, _Entry] = field(default_factory=dict)

    @property
    def free_slots(self) -> int:
        """How many more tasks it can have now."""
        return 0 if self.report is None else self.placement.slots - len(self.entries)


@dataclass(frozen=True)
class FleetOptions:
    """What a fleet is told.

    Attributes:
        agent: What its agents are told, but for their slots.
        slot: What a run needs.
        most: How many runs there may be at a time; None for as many as fit.
        patience: Seconds for which there may be no node at all.
    """

    agent: AgentOptions
    slot: Slot
    most: int | None
    patience: float


class Fleet:
    """Starts agents where there is room, gives them tasks, and answers with what comes of these.

    Args:
        session: The connection to the cluster.
        options: What it is told.
        answer: As `Executor.answer`.
        set_cores: Called when the number of runs that there can be at a time has changed.
        sink: Takes what tasks print.

    Attributes:
        cores: How many runs there can be at a time.
    """

    def __init__(
        self,
        session: RaySession,
        options: FleetOptions,
        answer: Callable[[int, Outcome | BaseException], None],
        set_cores: Callable[[int], None],
        sink: OutputSink,
    ) -> None:
        self._session, self._options = session, options
        self._answer, self._set_cores, self._sink = answer, set_cores, sink
        self._events: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._agents: set[_Agent] = set()
        self._backlog: deque[_Entry] = deque()
        self._versions, self._source = versions(), None
        self._without_node_since: float | None = None
        self.cores = 1
        self._look()
        self._thread = Thread(target=self._serve, daemon=True)
        self._thread.start()

    def submit(self, key: int, task: Task) -> None:
        """As `Executor.submit`."""
        self._events.put(lambda: self._take(_Entry(key, task)))

    def close(self) -> None:
        """Ends all agents with their workers, whatever they do, and waits until that is done."""
        self._events.put(None)
        self._thread.join()

    def _serve(self) -> None:
        try:
            next_look = time.monotonic() + _SECONDS_BETWEEN_LOOKS
            while True:
                with suppress(Empty):
                    event = self._events.get(timeout=max(0.0, next_look - time.monotonic()))
                    if event is None:
                        break
                    event()
                    continue
                self._look()
                next_look = time.monotonic() + _SECONDS_BETWEEN_LOOKS
        except BaseException as error:
            self._answer(-1, error if isinstance(error, SweepError) else _of_ours(error))
            while self._events.get() is not None:
                pass
        finally:
            self._end_all()

    def _look(self) -> None:
        """Starts agents where there is room for more."""
        slots = sum(agent.placement.slots for agent in self._agents)
        most = self._options.most
        if most is None or slots < most:
            left = None if most is None else most - slots
            for placement in placements(self._session.nodes(), self._options.slot, left):
                self._start(placement)
        self._count()

    def _count(self) -> None:
        cores = max(1, sum(agent.placement.slots for agent in self._agents))
        if cores != self.cores:
            self.cores = cores
            self._set_cores(cores)

    def _start(self, placement: Placement) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        from .agent import Agent

        remote: Any = ray.remote  # which is typed by classes that are decorated by it
        strategy: Any = 'DEFAULT'
        if placement.node is not None:
            strategy = NodeAffinitySchedulingStrategy(placement.node, soft=False)
        actor = (
            remote(Agent)
            .options(
                scheduling_strategy=strategy,
                max_concurrency=placement.slots + 16,
                **self._options.slot.times(placement.slots),
            )
            .remote(replace(self._options.agent, slots=placement.slots))
        )
        agent = _Agent(actor, placement, PrintedInOrder(self._sink.pass_on))
        self._agents.add(agent)
        self._when_done(actor.begin.remote(), lambda future: self._take_report(agent, future))

    def _when_done(self, reference: Any, take: Callable[[Future[Any]], None]) -> None:
        reference.future().add_done_callback(lambda future: self._events.put(lambda: take(future)))

    def _take(self, entry: _Entry) -> None:
        self._backlog.append(entry)
        self._assign()

    def _take_report(self, agent: _Agent, future: Future[Report]) -> None:
        if agent not in self._agents:
            return
        if (error := future.exception()) is not None:
            self._lose(agent, error)
            return
        agent.report = report = future.result()
        self._check(report)
        self._listen(agent)
        self._assign()

    def _check(self, report: Report) -> None:
        for name, here in self._versions.items():
            there = report.versions.get(name, 'not installed')
            if there != here:
                raise SweepError(
                    f'the node {report.name} has {name} {there}, and this process {here}: results would not '
                    f'be comparable; install the same there'
                )

    def _listen(self, agent: _Agent) -> None:
        def take(future: Future[Any]) -> None:
            if agent not in self._agents:
                return
            if (error := future.exception()) is not None:
                self._lose(agent, error)
                return
            agent.printed.take(future.result(), self._task_of(agent))
            self._listen(agent)

        self._when_done(agent.actor.printed.remote(), take)

    def _task_of(self, agent: _Agent) -> Callable[[int], Task | None]:
        def task(key: int) -> Task | None:
            return agent.entries[key].task if key in agent.entries else None

        return task

    def _assign(self) -> None:
        """Gives tasks that wait to agents that are there, to those with most room first."""
        while self._backlog:
            agent = max(self._agents, key=lambda agent: agent.free_slots, default=None)
            if agent is None or agent.free_slots <= 0:
                return
            self._give(agent, self._backlog.popleft())

    def _give(self, agent: _Agent, entry: _Entry) -> None:
        agent.entries[entry.key] = entry
        reference = agent.actor.run.remote(entry.key, SealedTask.of(entry.task))
        self._when_done(reference, lambda future: self._take_reply(agent, entry, future))

    def _take_reply(self, agent: _Agent, entry: _Entry, future: Future[Reply]) -> None:
        if agent not in self._agents or agent.entries.get(entry.key) is not entry:
            return  # it was lost in the meantime
        if (error := future.exception()) is not None:
            self._lose(agent, error)
            return
        reply = future.result()
        agent.printed.take(reply.printed, self._task_of(agent))
        del agent.entries[entry.key]
        self._answer(entry.key, reply.outcome)
        self._assign()

    def _lose(self, agent: _Agent, error: BaseException) -> None:
        """An agent died, or its node: others get its tasks."""
        from ray.exceptions import RayTaskError

        if isinstance(error, RayTaskError):
            raise SweepError(f'an agent of the executor failed: {error}')
        self._agents.discard(agent)
        self._kill(agent)
        for entry in reversed(agent.entries.values()):
            entry.times_lost += 1
            if entry.times_lost <= _MOST_LOST:
                self._backlog.appendleft(entry)
            else:
                message = f'the node that ran it was lost {entry.times_lost} times in a row: {error}'
                self._answer(entry.key, Outcome(error=RunError('WorkerDied', message)))
        agent.entries.clear()
        self._look()
        self._assign()

    def _kill(self, agent: _Agent) -> None:
        import ray

        with suppress(Exception):  # it is dead, or the connection is
            ray.kill(agent.actor)

    def _end_all(self) -> None:
        """Ends agents in order, so that they can say what was printed last; those that cannot are killed."""
        agents, ending = list(self._agents), []
        for agent in agents:
            if agent.report is not None:
                with suppress(Exception):
                    ending.append(agent.actor.end.remote().future())
        end = time.monotonic() + _SECONDS_TO_END
        for future in ending:
            with suppress(Exception):
                future.result(max(0.0, end - time.monotonic()))
        for agent in agents:
            self._kill(agent)


def _of_ours(error: BaseException) -> SweepError:
    data = run_error(error)
    return SweepError(f'the executor cannot go on: {data.kind}: {data.message}\n{data.traceback}')


def agent_options(spec: Any, retries: int, timeout: float | None, memory: int | None) -> AgentOptions:
    """Returns what agents of this process are told, but for their slots."""
    paths = tuple(os.path.abspath(path) for path in sys.path if isinstance(path, str))
    return AgentOptions(spec, 1, retries, timeout, memory, os.getcwd(), paths)
