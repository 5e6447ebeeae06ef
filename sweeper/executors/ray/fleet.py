"""The agents of an executor that was started, the tasks that each has, and those that wait, in one thread.

submit, expect ──┐                    ┌── answer
replies ─────────┼──> events ──> thread ── set_cores
time ────────────┘                    └── agents and scouts, started and ended
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from ...errors import SweepError
from ..base import Outcome, RunError, Task, run_error
from ..local.output import OutputSink
from .growth import Demand, decide
from .messages import Reply, Report, SealedTask
from .placement import Placement, Slot
from .printing import PrintedInOrder
from .remote import ActorFactory, Entry, RemoteAgent, RemoteScout
from .session import RaySession
from .versions import check_same, versions

_SECONDS_BETWEEN_LOOKS = 2.0
_SECONDS_TO_BEGIN = 60.0  # of an agent; if someone else took its place, it must be placed anew
_SECONDS_TO_END = 5.0
_MOST_LOST = 3
_MOST_FAILED_STARTS = 3

_Event = Callable[[], None]


@dataclass(frozen=True)
class FleetOptions:
    """What a fleet is told.

    Attributes:
        slot: What a run needs.
        most: How many runs there may be at a time; None for as many as fit.
        patience: Seconds for which there may be no agent at all.
        folder: See `SealedTask.of`.
        fingerprint: Of the problem; None if its source is not known.
        gives_back: Whether agents that have nothing to do are ended.
    """

    slot: Slot
    most: int | None
    patience: float
    folder: str | None
    fingerprint: str | None
    gives_back: bool


class Fleet:
    """Starts agents where there is room, gives them tasks, and answers with what comes of these.

    Args:
        session: The connection to the cluster.
        options: What it is told.
        factory: Makes its actors.
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
        factory: ActorFactory,
        answer: Callable[[int, Outcome | BaseException], None],
        set_cores: Callable[[int], None],
        sink: OutputSink,
    ) -> None:
        self._session, self._options, self._factory = session, options, factory
        self._answer, self._set_cores, self._sink = answer, set_cores, sink
        self._events: SimpleQueue[_Event | None] = SimpleQueue()
        self._agents: list[RemoteAgent] = []
        self._scouts: list[RemoteScout] = []
        self._backlog: deque[Entry] = deque()
        self._more: int | None = None
        self._versions = versions()
        self._failed_starts: Counter[str | None] = Counter()
        self._facts: Future[Any] = Future()
        self._wants_facts = False
        self._alone_since = time.monotonic()
        self.cores = 1
        self._look()
        self._thread = Thread(target=self._serve, daemon=True)
        self._thread.start()

    def submit(self, key: int, task: Task) -> None:
        """As `Executor.submit`."""
        self._events.put(lambda: self._take(Entry(key, task)))

    def expect(self, runs: int) -> None:
        """As `Executor.expect`."""
        self._events.put(lambda: self._note_demand(runs))

    def facts(self) -> Any:
        """Waits for what the first agent tells of the problem; returns that, or an error.

        Raises:
            SweepError: There is no agent.
        """

        def ask() -> None:
            self._wants_facts = True
            if there := [agent for agent in self._agents if agent.report is not None]:
                self._ask_for_facts(there[0])

        self._events.put(ask)
        return self._facts.result()

    def close(self) -> None:
        """Ends all agents with their workers, whatever they do, and waits until that is done."""
        self._events.put(None)
        self._thread.join(4 * _SECONDS_TO_END)

    # the thread

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
            self._fail(error if isinstance(error, SweepError) else _of_ours(error))
        finally:
            self._end_all()

    def _fail(self, trouble: SweepError) -> None:
        """Says why it cannot go on, and waits until it is closed."""
        self._answer(-1, trouble)
        if not self._facts.done():
            self._facts.set_exception(trouble)
        while self._events.get() is not None:
            pass

    def _when_done(self, future: Future[Any], take: Callable[[Future[Any]], None]) -> None:
        future.add_done_callback(lambda future: self._events.put(lambda: take(future)))

    # agents become more and fewer

    def _look(self) -> None:
        """Looks at the cluster, and has agents become more or fewer."""
        for agent in self._agents:
            if agent.report is None and agent.age > _SECONDS_TO_BEGIN:
                self._remove(agent)
        nodes = [node for node in self._session.nodes() if self._failed_starts[node.id] < _MOST_FAILED_STARTS]
        scouts = [scout.node for scout in self._scouts if scout.node is not None]
        states, demand = [agent.state for agent in self._agents], self._demand()
        decision = decide(nodes, self._options.slot, states, scouts, demand)
        if self._options.gives_back:
            for agent in [self._agents[number] for number in decision.give_back]:
                self._give_back(agent)
        for placement in decision.start:
            self._start(placement)
        self._set_scouts(decision.scouts)
        self._check_patience()
        self._count()

    def _demand(self) -> Demand:
        runs = len(self._backlog) + sum(len(agent.entries) for agent in self._agents)
        return Demand(self._options.most, runs, self._more)

    def _note_demand(self, runs: int) -> None:
        self._more = runs

    def _check_patience(self) -> None:
        """A sweep without any agent waits for one, but not for ever."""
        if self._agents:
            self._alone_since = time.monotonic()
        elif time.monotonic() - self._alone_since > self._options.patience:
            slot = ', '.join(f'{name} {amount:g}' for name, amount in self._options.slot.times(1).items())
            seconds = f'{self._options.patience:g} seconds'
            raise SweepError(f'for {seconds} no node of the cluster has had room for a run ({slot})')

    def _count(self) -> None:
        cores = max(1, sum(agent.placement.slots for agent in self._agents))
        if cores != self.cores:
            self.cores = cores
            self._set_cores(cores)

    def _start(self, placement: Placement) -> None:
        agent = self._factory.agent(placement, PrintedInOrder(self._sink.pass_on))
        self._agents.append(agent)
        self._when_done(agent.call('begin'), lambda future: self._take_report(agent, future))

    def _set_scouts(self, count: int) -> None:
        """Ends scouts that have a place, which is for an agent, and keeps so many that have none."""
        placed = [scout for scout in self._scouts if scout.node is not None]
        waiting = [scout for scout in self._scouts if scout.node is None]
        for scout in [*placed, *waiting[count:]]:
            scout.kill()
        self._scouts = waiting[:count]
        while len(self._scouts) < count:
            scout = self._factory.scout()
            self._scouts.append(scout)
            self._watch(scout)

    def _watch(self, scout: RemoteScout) -> None:
        def take(future: Future[str]) -> None:
            if scout not in self._scouts:
                return
            if future.exception() is not None:
                self._scouts.remove(scout)
            else:
                scout.node = future.result()
                self._look()

        self._when_done(scout.call('node'), take)

    def _give_back(self, agent: RemoteAgent) -> None:
        """Ends an agent that has nothing to do, without waiting for it."""
        self._agents.remove(agent)

        def take(future: Future[Any]) -> None:
            if future.exception() is None:
                agent.printed.take(future.result())
            agent.kill()

        self._when_done(agent.call('end'), take)

    def _remove(self, agent: RemoteAgent) -> None:
        self._agents = [other for other in self._agents if other is not agent]
        agent.kill()
        agent.printed.take_end()

    def _take_report(self, agent: RemoteAgent, future: Future[Report]) -> None:
        if agent not in self._agents:
            return
        if (error := future.exception()) is not None:
            self._note_failed_start(agent, error)
            self._lose(agent, error)
            return
        agent.report, agent.since = future.result(), time.monotonic()
        check_same(agent.report, self._versions, self._options.fingerprint)
        self._failed_starts.pop(agent.placement.node, None)
        if self._wants_facts and not self._facts.done():
            self._ask_for_facts(agent)
        self._listen(agent)
        self._assign()

    def _note_failed_start(self, agent: RemoteAgent, error: BaseException) -> None:
        """A node where no agent comes to life is left alone; if there is no other, that ends the sweep."""
        node = agent.placement.node
        self._failed_starts[node] += 1
        others = any(other.report is not None for other in self._agents)
        is_left = self._failed_starts[node] >= _MOST_FAILED_STARTS
        if is_left and not others and any(other.id == node for other in self._session.nodes()):
            raise SweepError(f'no agent of the executor can be started on the node {node}: {error}')

    def _ask_for_facts(self, agent: RemoteAgent) -> None:
        def take(future: Future[Any]) -> None:
            if future.exception() is None and not self._facts.done():
                self._facts.set_result(future.result())  # else it is lost, and another is asked

        self._when_done(agent.call('facts'), take)

    def _listen(self, agent: RemoteAgent) -> None:
        def take(future: Future[Any]) -> None:
            if agent not in self._agents:
                return
            if (error := future.exception()) is not None:
                self._lose(agent, error)
                return
            agent.printed.take(future.result())
            self._listen(agent)

        agent.poll = agent.call('printed')
        self._when_done(agent.poll, take)

    # tasks

    def _take(self, entry: Entry) -> None:
        self._backlog.append(entry)
        self._assign()

    def _assign(self) -> None:
        """Gives tasks that wait to agents that are there: first to those that are nearly full.

        So that what is not needed is free as a whole, and can be given back.
        """
        while self._backlog:
            free = [agent for agent in self._agents if agent.free_slots > 0]
            if not free:
                return
            self._give(min(free, key=lambda agent: agent.free_slots), self._backlog.popleft())

    def _give(self, agent: RemoteAgent, entry: Entry) -> None:
        agent.entries[entry.key], agent.since = entry, None
        agent.printed.expect(entry.key, entry.task)
        future = agent.call('run', entry.key, SealedTask.of(entry.task, self._options.folder))
        self._when_done(future, lambda future: self._take_reply(agent, entry, future))

    def _take_reply(self, agent: RemoteAgent, entry: Entry, future: Future[Reply]) -> None:
        if agent.entries.get(entry.key) is not entry:
            return  # the agent was lost, and another has it
        if (error := future.exception()) is not None:
            self._lose(agent, error)
            return
        reply = future.result()
        agent.printed.take(reply.printed)
        self._answer(entry.key, reply.opened())
        del agent.entries[entry.key]
        if not agent.entries:
            agent.since = time.monotonic()
        self._assign()

    def _lose(self, agent: RemoteAgent, error: BaseException) -> None:
        """An agent died, or its node: others get its tasks, which is no fault of theirs, if not for ever."""
        from ray.exceptions import RayTaskError, RuntimeEnvSetupError

        if agent not in self._agents:
            return
        if isinstance(error, RayTaskError | RuntimeEnvSetupError):
            raise SweepError(f'an agent of the executor failed: {error}')
        self._remove(agent)
        for entry in reversed(agent.entries.values()):
            entry.times_lost += 1
            if entry.times_lost <= _MOST_LOST:
                self._backlog.appendleft(entry)
            else:
                message = f'the node that ran it was lost, {entry.times_lost} times in a row: {error}'
                self._answer(entry.key, Outcome(error=RunError('WorkerDied', message)))
        agent.entries.clear()
        self._look()
        self._assign()

    def _end_all(self) -> None:
        """Ends agents in order, so that they can say what was printed last; those that cannot are killed."""
        ending: list[tuple[RemoteAgent, list[Future[Any]]]] = []
        for agent in self._agents:
            if agent.report is not None:
                with suppress(Exception):
                    polls = [] if agent.poll is None else [agent.poll]
                    ending.append((agent, [*polls, agent.call('end')]))
        for scout in self._scouts:
            scout.kill()
        end = time.monotonic() + _SECONDS_TO_END
        for agent, futures in ending:
            for future in futures:
                with suppress(Exception):
                    agent.printed.take(future.result(max(0.0, end - time.monotonic())))
            agent.printed.take_end()
        for agent in self._agents:
            agent.kill()


def _of_ours(error: BaseException) -> SweepError:
    data = run_error(error)
    return SweepError(f'the executor cannot go on: {data.kind}: {data.message}\n{data.traceback}')
