"""The agents of a fleet and the scouts that look for room, as they become more and fewer."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from ...errors import SweepError
from ..base import OnOutput
from .growth import Demand, decide
from .placement import Placement, Slot
from .printing import PrintedInOrder
from .remote import ActorFactory, RemoteAgent, RemoteScout
from .session import RaySession

_SECONDS_TO_BEGIN = 120.0  # of an agent; if someone else took its place, it must be placed anew
_MOST_FAILED_STARTS = 3

WhenDone = Callable[[Future[Any], Callable[[Future[Any]], None]], None]


class Roster:
    """Starts agents where there is room, and ends those that are not needed. Not for several threads.

    Args:
        session: The connection to the cluster.
        factory: Makes actors.
        slot: What a run needs.
        patience: Seconds for which there may be no agent at all.
        gives_back: Whether agents that have nothing to do are ended.
        when_done: Has something done with a future that is done, in the roster's thread.
        take_report: Called with a new agent, and its report or why there is none.
        pass_on: Takes what agents print.

    Attributes:
        agents: Those there are, or are on their way.
    """

    def __init__(
        self,
        session: RaySession,
        factory: ActorFactory,
        slot: Slot,
        patience: float,
        gives_back: bool,
        when_done: WhenDone,
        take_report: Callable[[RemoteAgent, Future[Any]], None],
        pass_on: OnOutput,
    ) -> None:
        self._session, self._factory, self._slot = session, factory, slot
        self._patience, self._gives_back = patience, gives_back
        self._when_done, self._take_report, self._pass_on = when_done, take_report, pass_on
        self.agents: list[RemoteAgent] = []
        self._scouts: list[RemoteScout] = []
        self._failed_starts: Counter[str | None] = Counter()
        self._alone_since = time.monotonic()

    @property
    def present(self) -> list[RemoteAgent]:
        """The agents that can have tasks."""
        return [agent for agent in self.agents if agent.report is not None]

    @property
    def slots(self) -> int:
        """How many runs all agents can have at a time."""
        return sum(agent.placement.slots for agent in self.agents)

    def look(self, demand: Demand) -> None:
        """Looks at the cluster, and has agents become more or fewer.

        Raises:
            SweepError: There has been no agent for too long.
        """
        for agent in list(self.agents):
            if agent.report is None and agent.age > _SECONDS_TO_BEGIN:
                self.remove(agent)
        nodes = [node for node in self._session.nodes() if self._failed_starts[node.id] < _MOST_FAILED_STARTS]
        scouts = [scout.node for scout in self._scouts if scout.node is not None]
        decision = decide(nodes, self._slot, [agent.state for agent in self.agents], scouts, demand)
        if self._gives_back:
            for agent in [self.agents[number] for number in decision.give_back]:
                self._give_back(agent)
        for placement in decision.start:
            self._start(placement)
        self._set_scouts(decision.scouts)
        self._check_patience()

    def remove(self, agent: RemoteAgent) -> None:
        """Ends an agent at once, if it lives."""
        self.agents.remove(agent)
        agent.kill()
        agent.printed.take_end()

    def note_start(self, agent: RemoteAgent, error: BaseException | None) -> None:
        """Notes that an agent is there, or why not. A node where none comes to life is left alone.

        Raises:
            SweepError: That is so, and there is no agent elsewhere.
        """
        node = agent.placement.node
        if error is None:
            self._failed_starts.pop(node, None)
            return
        self._failed_starts[node] += 1
        if self._failed_starts[node] < _MOST_FAILED_STARTS or self.present:
            return
        for other in self._session.nodes():
            if other.id == node:
                raise SweepError(f'no agent of the executor can be started on the node {other.name}: {error}')

    def end_scouts(self) -> None:
        """Ends all scouts."""
        self._set_scouts(0)

    def _check_patience(self) -> None:
        if self.agents:
            self._alone_since = time.monotonic()
        elif time.monotonic() - self._alone_since > self._patience:
            slot = ', '.join(f'{name} {amount:g}' for name, amount in self._slot.times(1).items())
            seconds = f'{self._patience:g} seconds'
            raise SweepError(f'for {seconds} no node of the cluster has had room for a run ({slot})')

    def _start(self, placement: Placement) -> None:
        agent = self._factory.agent(placement, PrintedInOrder(self._pass_on))
        self.agents.append(agent)
        self._when_done(agent.call('begin'), lambda future: self._take_report(agent, future))

    def _give_back(self, agent: RemoteAgent) -> None:
        """Ends an agent that has nothing to do, without waiting for it."""
        self.agents.remove(agent)

        def take(future: Future[Any]) -> None:
            if future.exception() is None:
                agent.printed.take(future.result())
            agent.kill()

        self._when_done(agent.call('end'), take)

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
            if future.exception() is None:
                scout.node = future.result()  # the next look has an agent take its place
            else:
                self._scouts.remove(scout)

        self._when_done(scout.call('node'), take)
