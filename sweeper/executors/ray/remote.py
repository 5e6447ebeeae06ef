"""Actors as the process that sweeps sees them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from ..base import Task
from .agent import Agent, Scout
from .growth import AgentState
from .messages import AgentOptions, Report
from .placement import Placement, Slot
from .printing import PrintedInOrder

_BESIDE_RUNS = 16  # calls that an agent can have at a time beside those of its runs


@dataclass
class Entry:
    """A submitted task; how often in a row an agent died that had it."""

    key: int
    task: Task
    times_lost: int = 0


@dataclass(eq=False)
class RemoteAgent:
    """An agent.

    Attributes:
        actor: Ray's handle.
        placement: Where it is, or is to be.
        printed: Puts what it prints in order.
        report: What it says of its node; None until it is there.
        entries: The tasks that it has, by key.
        poll: The call that waits for what it prints.
        since: When it was made, or has had nothing to do for the first time since it had; None while it has.
    """

    actor: Any
    placement: Placement
    printed: PrintedInOrder
    report: Report | None = None
    entries: dict[int, Entry] = field(default_factory=dict)
    poll: Future[Any] | None = None
    since: float | None = field(default_factory=time.monotonic)

    @property
    def free_slots(self) -> int:
        """How many more tasks it can have now."""
        return 0 if self.report is None else self.placement.slots - len(self.entries)

    @property
    def state(self) -> AgentState:
        """What matters of it when agents are to become more or fewer."""
        is_idle = self.report is not None and not self.entries
        return AgentState(self.placement, self.report is not None, self.age if is_idle else None)

    @property
    def age(self) -> float:
        """Seconds since `since`; 0 while it has something to do."""
        return 0.0 if self.since is None else time.monotonic() - self.since

    def call(self, method: str, *arguments: Any) -> Future[Any]:
        """Calls one of its coroutines."""
        return _call(self.actor, method, *arguments)

    def kill(self) -> None:
        """Ends it at once; its workers end with it."""
        _kill(self.actor)


@dataclass(eq=False)
class RemoteScout:
    """A scout.

    Attributes:
        actor: Ray's handle.
        node: The id of its node; None until it has a place.
    """

    actor: Any
    node: str | None = None

    def call(self, method: str) -> Future[Any]:
        """Calls one of its coroutines."""
        return _call(self.actor, method)

    def kill(self) -> None:
        """Ends it, with or without a place."""
        _kill(self.actor)


class ActorFactory:
    """Makes actors.

    Args:
        slot: What a run needs.
        options: What agents are told, but for their slots.
        package: Ray's reference to the problem.
        actor_options: Further options of Ray's actors.
    """

    def __init__(
        self, slot: Slot, options: AgentOptions, package: Any, actor_options: Mapping[str, Any]
    ) -> None:
        import ray

        remote: Any = ray.remote  # which is typed for classes that are decorated by it
        self._agent, self._scout = remote(Agent), remote(Scout)
        self._slot, self._options, self._package = slot, options, package
        self._actor_options = dict(actor_options)

    def agent(self, placement: Placement, printed: PrintedInOrder) -> RemoteAgent:
        """Makes an agent, which begins where it is to be as soon as there is room."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        assert placement.node is not None
        actor = self._agent.options(
            scheduling_strategy=NodeAffinitySchedulingStrategy(placement.node, soft=False),
            max_concurrency=placement.slots + _BESIDE_RUNS,
            **self._slot.times(placement.slots),
            **self._actor_options,
        ).remote(replace(self._options, slots=placement.slots), self._package)
        return RemoteAgent(actor, placement, printed)

    def scout(self) -> RemoteScout:
        """Makes a scout, which is where there is room for a run, as soon as there is."""
        return RemoteScout(self._scout.options(**self._slot.times(1), **self._actor_options).remote())


def _call(actor: Any, method: str, *arguments: Any) -> Future[Any]:
    return getattr(actor, method).remote(*arguments).future()  # type: ignore[no-any-return]


def _kill(actor: Any) -> None:
    import ray

    with suppress(Exception):  # it is dead, or the connection is
        ray.kill(actor)
