"""Decides how the agents of an executor become more and fewer, from what is free and what is to be done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from .placement import Node, Placement, Slot, placements

SECONDS_IDLE = 60.0
"""How long an agent has nothing to do before its resources are given back."""

MOST_SCOUTS = 16


@dataclass(frozen=True)
class AgentState:
    """An agent, as far as it matters here.

    Attributes:
        placement: Where it is, or is to be.
        has_place: Whether it is there; else what it needs is still free on its node.
        idle: For how many seconds it has had nothing to do; None while it has, or has no place yet.
    """

    placement: Placement
    has_place: bool
    idle: float | None = None


@dataclass(frozen=True)
class Demand:
    """What is to be done.

    Attributes:
        most: How many runs there may be at a time; None for any number.
        runs: How many are in progress, or wait for a slot.
        more: How many further ones, at least, could start if there were room; None if that is not known, so
            that all room is taken.
    """

    most: int | None
    runs: int = 0
    more: int | None = None

    @property
    def has_nothing_waiting(self) -> bool:
        """Whether it is known that nothing waits."""
        return self.more == 0


@dataclass(frozen=True)
class Decision:
    """What is to be done about it.

    Attributes:
        start: Agents to start.
        give_back: The numbers of agents to end.
        scouts: How many scouts there are to be.
    """

    start: list[Placement] = field(default_factory=list)
    give_back: list[int] = field(default_factory=list)
    scouts: int = 0


def decide(
    nodes: Sequence[Node], slot: Slot, agents: Sequence[AgentState], scouts: Sequence[str], demand: Demand
) -> Decision:
    """Returns which agents to start and to end.

    All room is taken while something waits or that is not known: a node's in one agent, so that the problem
    is loaded there once. What there is no room for is asked for by scouts. Agents without anything to do are
    given back when nothing waits, as long as there is a slot for each run, and one.

    Args:
        nodes: With what they have free.
        slot: What a run needs.
        agents: Those there are, also if they have no place yet.
        scouts: The node of each scout that has a place; that is for an agent to take.
        demand: What is to be done.
    """
    have = sum(agent.placement.slots for agent in agents)
    needed = have < demand.runs or not have
    start: list[Placement] = []
    if needed or not demand.has_nothing_waiting:
        left = None if demand.most is None else demand.most - have
        start = placements([_free(node, slot, agents, scouts) for node in nodes], slot, left)
    covered = have + sum(placement.slots for placement in start)
    lacking = max(demand.runs + (demand.more or 0), 1) - covered
    if demand.most is not None:
        lacking = min(lacking, demand.most - covered)
    if not all(agent.has_place for agent in agents):
        lacking = 0  # scouts would take the room that an agent waits for, again and again
    return Decision(start, _idle(agents, demand, have), max(0, min(lacking, MOST_SCOUTS)))


def _free(node: Node, slot: Slot, agents: Sequence[AgentState], scouts: Sequence[str]) -> Node:
    """A node with what it has free when agents on their way are there, and scouts are gone."""
    slots = scouts.count(node.id) - sum(
        agent.placement.slots for agent in agents if agent.placement.node == node.id and not agent.has_place
    )
    return replace(
        node,
        cpus=node.cpus + slots * slot.cpus,
        gpus=node.gpus + slots * slot.gpus,
        memory=node.memory + slots * (slot.memory or 0),
    )


def _idle(agents: Sequence[AgentState], demand: Demand, have: int) -> list[int]:
    """The numbers of agents to give back, those of most slots first."""
    if not demand.has_nothing_waiting:
        return []
    idle = [
        number for number, agent in enumerate(agents) if agent.idle is not None and agent.idle >= SECONDS_IDLE
    ]
    given_back = []
    for number in sorted(idle, key=lambda number: -agents[number].placement.slots):
        if have - agents[number].placement.slots >= max(1, demand.runs):
            have -= agents[number].placement.slots
            given_back.append(number)
    return given_back
