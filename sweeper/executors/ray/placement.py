"""Decides where agents go, and how many runs each has at a time, from what nodes have free; does nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

_DIGITS = 4  # Ray counts resources in units of 1/10,000
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Node:
    """A node of the cluster that lives.

    Attributes:
        id: Ray's id.
        name: What people call it: its host name and address.
        cpus: Those that are free.
        gpus: The same.
        memory: Bytes that are free, as Ray counts them: by what was asked for, not what is used.
    """

    id: str
    name: str
    cpus: float
    gpus: float = 0.0
    memory: float = math.inf


@dataclass(frozen=True)
class Slot:
    """What a run needs while it runs.

    Attributes:
        cpus: Cores.
        gpus: GPUs: 0, a fraction of one, or a whole number.
        memory: Bytes; None if that is not known.
    """

    cpus: int = 1
    gpus: float = 0.0
    memory: int | None = None

    @property
    def most_in_an_agent(self) -> int | None:
        """How many an agent has at most, so that all of them are on one GPU; None if there is no limit."""
        if self.gpus == 0:
            return None
        return max(1, math.floor(1 / self.gpus + _TOLERANCE))

    def times(self, slots: int) -> dict[str, float]:
        """What so many need together, as options of a Ray actor."""
        options: dict[str, float] = {'num_cpus': self.cpus * slots}
        if self.gpus:
            options['num_gpus'] = round(self.gpus * slots, _DIGITS)
        if self.memory is not None:
            options['memory'] = self.memory * slots
        return options

    def number_in(self, node: Node) -> int:
        """How many a node has room for."""
        rooms = [node.cpus / self.cpus]
        if self.gpus:
            # A share of a GPU is a share of one: what is left of several does not add up to another.
            agents = math.floor(node.gpus / max(self.gpus, 1) + _TOLERANCE)
            rest = 0 if self.gpus > 1 else math.floor((node.gpus - agents) / self.gpus + _TOLERANCE)
            rooms.append(agents * (self.most_in_an_agent or 1) + rest)
        if self.memory is not None:
            rooms.append(node.memory / self.memory)
        return max(0, math.floor(min(rooms) + _TOLERANCE))


@dataclass(frozen=True)
class Placement:
    """An agent to start.

    Attributes:
        node: The id of its node; None for wherever there is room, or will be.
        slots: How many runs it has at a time.
    """

    node: str | None
    slots: int


def placements(nodes: Iterable[Node], slot: Slot, most: int | None) -> list[Placement]:
    """Returns agents that take what is free, evenly from all nodes if not all is taken.

    Args:
        nodes: With what they have free.
        slot: What a run needs.
        most: How many runs there may be at a time; None for as many as fit.
    """
    rooms = {node.id: slot.number_in(node) for node in nodes}
    given = dict.fromkeys(rooms, 0)
    left = sum(rooms.values()) if most is None else min(most, sum(rooms.values()))
    while left > 0:
        open_nodes = [node for node, room in rooms.items() if given[node] < room]
        share = max(1, left // len(open_nodes))
        for node in open_nodes:
            more = min(share, rooms[node] - given[node], left)
            given[node] += more
            left -= more
    most_in_one = slot.most_in_an_agent
    agents = []
    for node, slots in given.items():
        while slots > 0:
            agents.append(Placement(node, slots if most_in_one is None else min(slots, most_in_one)))
            slots -= agents[-1].slots
    return agents
