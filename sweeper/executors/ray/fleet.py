"""The agents of an executor that was started, the tasks that each has, and those that wait, in one thread.

submit, expect ──┐                     ┌── answer, set_cores
replies ─────────┼──> events ──> thread ── calls of agents
time ────────────┘                     └── roster: agents and scouts, started and ended
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from ...errors import SweepError
from ..base import Outcome, RunError, Task
from ..local.output import OutputSink
from .growth import Demand
from .messages import Facts, Reply, Report, SealedTask, as_trouble
from .placement import Slot
from .remote import ActorFactory, Entry, RemoteAgent
from .roster import Roster
from .session import RaySession
from .versions import check_same, versions

SECONDS_BETWEEN_LOOKS = 2.0
"""How often the cluster is looked at, for what is free."""

_SECONDS_TO_END = 5.0
_MOST_LOST = 3

_Event = Callable[[], None]


@dataclass(frozen=True)
class FleetOptions:
    """What a fleet is told.

    Attributes:
        slot: What a run needs.
        most: How many runs there may be at a time; None for as many as fit.
        patience: As for `Roster`.
        folder: See `SealedTask.of`.
        fingerprint: Of the problem; None if its source is not known.
        gives_back: As for `Roster`.
    """

    slot: Slot
    most: int | None
    patience: float
    folder: str | None
    fingerprint: str | None
    gives_back: bool


class Fleet:
    """Gives tasks to agents, and answers with what comes of these.

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
        self._options, self._answer, self._set_cores = options, answer, set_cores
        self._events: SimpleQueue[_Event | None] = SimpleQueue()
        self._roster = Roster(
            session, factory, options.slot, options.patience, options.gives_back, self._when_done,
            self._take_report, sink.pass_on,
        )  # fmt: skip
        self._backlog: deque[Entry] = deque()
        self._more: int | None = None
        self._versions = versions()
        self._facts: Future[Facts] = Future()
        self._wants_facts = False
        self.cores = 1
        self._look()
        self._thread = Thread(target=self._serve, daemon=True)
        self._thread.start()

    def submit(self, key: int, task: Task) -> None:
        """As `Executor.submit`."""

        def take() -> None:
            self._backlog.append(Entry(key, task))
            self._assign()

        self._events.put(take)

    def expect(self, runs: int) -> None:
        """As `Executor.expect`."""

        def note() -> None:
            self._more = runs

        self._events.put(note)

    def facts(self) -> Facts:
        """Waits for what an agent tells of the problem.

        Raises:
            SweepError: There is no agent that can tell.
        """

        def ask() -> None:
            self._wants_facts = True
            for agent in self._roster.present[:1]:
                self._ask_for_facts(agent)

        self._events.put(ask)
        return self._facts.result()

    def close(self) -> None:
        """Ends all agents with their workers, whatever they do, and waits until that is done."""
        self._events.put(None)
        self._thread.join(4 * _SECONDS_TO_END)

    def _serve(self) -> None:
        """The thread: does what comes, and looks at the cluster from time to time."""
        try:
            next_look = time.monotonic() + SECONDS_BETWEEN_LOOKS
            while True:
                with suppress(Empty):
                    event = self._events.get(timeout=max(0.0, next_look - time.monotonic()))
                    if event is None:
                        break
                    event()
                    continue
                self._look()
                next_look = time.monotonic() + SECONDS_BETWEEN_LOOKS
        except BaseException as error:
            self._fail(as_trouble(error, 'the executor'))
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

    def _look(self) -> None:
        runs = len(self._backlog) + sum(len(agent.entries) for agent in self._roster.agents)
        self._roster.look(Demand(self._options.most, runs, self._more))
        cores = max(1, self._roster.slots)
        if cores != self.cores:
            self.cores = cores
            self._set_cores(cores)

    def _take_report(self, agent: RemoteAgent, future: Future[Report]) -> None:
        if agent not in self._roster.agents:
            return
        if (error := future.exception()) is not None:
            self._roster.note_start(agent, error)
            self._lose(agent, error)
            return
        agent.report, agent.since = future.result(), time.monotonic()
        check_same(agent.report, self._versions, self._options.fingerprint)
        self._roster.note_start(agent, None)
        if self._wants_facts and not self._facts.done():
            self._ask_for_facts(agent)
        self._listen(agent)
        self._assign()

    def _ask_for_facts(self, agent: RemoteAgent) -> None:
        def take(future: Future[Facts]) -> None:
            if future.exception() is None and not self._facts.done():
                self._facts.set_result(future.result())  # else it is lost, and the next one is asked

        self._when_done(agent.call('facts'), take)

    def _listen(self, agent: RemoteAgent) -> None:
        def take(future: Future[Any]) -> None:
            if agent not in self._roster.agents:
                return
            if (error := future.exception()) is not None:
                self._lose(agent, error)
                return
            agent.printed.take(future.result())
            self._listen(agent)

        agent.poll = agent.call('printed')
        self._when_done(agent.poll, take)

    def _assign(self) -> None:
        """Gives tasks that wait to agents that are there: first to those that are nearly full.

        So that what is not needed is free as a whole, and can be given back.
        """
        while self._backlog:
            free = [agent for agent in self._roster.agents if agent.free_slots > 0]
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

        if isinstance(error, RayTaskError | RuntimeEnvSetupError):
            raise SweepError(f'an agent of the executor failed: {error}')
        self._roster.remove(agent)
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
        for agent in self._roster.present:
            with suppress(Exception):
                polls = [] if agent.poll is None else [agent.poll]
                ending.append((agent, [*polls, agent.call('end')]))
        self._roster.end_scouts()
        end = time.monotonic() + _SECONDS_TO_END
        for agent, futures in ending:
            for future in futures:
                with suppress(Exception):
                    agent.printed.take(future.result(max(0.0, end - time.monotonic())))
            agent.printed.take_end()
        for agent in self._roster.agents:
            agent.kill()
