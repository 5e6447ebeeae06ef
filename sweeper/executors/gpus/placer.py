"""Which card a run goes to. Everything here is pure: it gets what is where, and says what to do.

A run goes to the card with the fewest runs on which it fits: by number, if that is given, else by memory.
One that fits nowhere keeps a card for itself: nothing more is put there until it can go. So a large
network is not overtaken for ever by small ones, and the other cards go on serving those.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

CONTEXT = 600 * 2**20
"""Bytes that CUDA takes of a card for each process after the first, beside what torch reserves; what it takes
for the first is measured. Torch's maintainers speak of 300 MB since CUDA 11.7 loads kernels when they are
needed (pytorch/pytorch#107667), to which libraries such as cuBLAS add: this is a cautious guess."""


@dataclass(frozen=True)
class Need:
    """What a run needs of a card.

    Attributes:
        memory: Bytes, with the problem's data; None if that is not known: then it has the card alone.
        alone: Whether no other process of ours may be there at all.
    """

    memory: int | None = None
    alone: bool = False

    @property
    def is_exclusive(self) -> bool:
        """Whether no other run may be on the card."""
        return self.alone or self.memory is None


@dataclass(frozen=True)
class Occupant:
    """A worker on a card.

    Attributes:
        number: The worker's.
        base: Bytes that it holds when idle: the problem's data.
        need: That of the run that it does; None if it is idle.
    """

    number: int
    base: int = 0
    need: Need | None = None


@dataclass(frozen=True)
class Card:
    """A card, or several that a run gets together, and who is there.

    Attributes:
        capacity: Bytes that all its workers may take, without what CUDA takes for the first of them; None if
            that is not known yet.
        occupants: The workers there.
        slots: How many runs may be there at a time, whatever their memory; None if that goes by memory.
    """

    capacity: int | None = None
    occupants: tuple[Occupant, ...] = ()
    slots: int | None = None

    @property
    def idle(self) -> list[Occupant]:
        """The workers that run nothing."""
        return [occupant for occupant in self.occupants if occupant.need is None]

    @property
    def needs(self) -> list[Need]:
        """Those of the runs there."""
        return [occupant.need for occupant in self.occupants if occupant.need is not None]

    def left(self, workers: int, idle: Sequence[Occupant]) -> float:
        """Bytes that are left if it had so many workers, and those of them idle."""
        assert self.capacity is not None
        busy = sum(need.memory or 0 for need in self.needs)
        return self.capacity - busy - sum(each.base for each in idle) - CONTEXT * max(0, workers - 1)


@dataclass(frozen=True)
class Placement:
    """Where a run goes.

    Attributes:
        card: The card's index.
        worker: The number of the idle worker that gets it; None for a new one.
        ended: Numbers of idle workers that are to be ended before, wherever they are.
    """

    card: int
    worker: int | None = None
    ended: tuple[int, ...] = ()


def place(need: Need, cards: Sequence[Card], spare: int, kept: Collection[int] = ()) -> Placement | None:
    """Returns where a run goes now, if anywhere.

    Args:
        need: The run's.
        cards: All of them.
        spare: How many workers may be started in addition; if none, an idle one must be ended for it.
        kept: Indices of cards that are kept for other runs.
    """
    placements = [
        placement
        for index in range(len(cards))
        if index not in kept and (placement := _on(index, need, cards, spare)) is not None
    ]

    def order(placement: Placement) -> tuple[int, bool, int, int]:
        card = cards[placement.card]
        return len(card.needs), placement.worker is None, len(placement.ended), placement.card

    return min(placements, key=order, default=None)


def card_to_keep(cards: Sequence[Card], kept: Collection[int] = ()) -> int | None:
    """Returns the card that a run which fits nowhere waits for; None if all are kept for others."""
    indices = [index for index in range(len(cards)) if index not in kept]
    return min(indices, key=lambda index: (len(cards[index].needs), index), default=None)


def _on(index: int, need: Need, cards: Sequence[Card], spare: int) -> Placement | None:
    """Where a run goes on a card."""
    card = cards[index]
    if card.needs and (need.is_exclusive or any(other.is_exclusive for other in card.needs)):
        return None
    if card.slots is not None and len(card.needs) >= card.slots:
        return None
    if need.alone:
        ended = tuple(occupant.number for occupant in card.idle)
        return Placement(index, None, ended or _one_elsewhere(index, cards, spare))
    options = list(_options(index, cards, spare))
    for placement in options:
        if card.slots is not None or _fits(card, placement, need):
            return placement
    return options[-1] if options and not card.needs else None  # there will never be more room


def _options(index: int, cards: Sequence[Card], spare: int) -> Iterator[Placement]:
    """Ways to put a run on a card, the cheapest first; the last leaves it the most memory."""
    idle = [occupant.number for occupant in cards[index].idle]
    if idle:
        yield Placement(index, idle[0])
        yield Placement(index, idle[0], tuple(idle[1:]))
    elif spare > 0 or _one_elsewhere(index, cards, spare):
        yield Placement(index, None, _one_elsewhere(index, cards, spare))


def _one_elsewhere(index: int, cards: Sequence[Card], spare: int) -> tuple[int, ...]:
    """An idle worker to end for a new one, if no more may be started; of the card that has most."""
    if spare > 0:
        return ()
    others = [card.idle for other, card in enumerate(cards) if other != index]
    most = max(others, key=len, default=[])
    return tuple(occupant.number for occupant in most[:1])


def _fits(card: Card, placement: Placement, need: Need) -> bool:
    """Whether the memory is enough; where that is not known, whether nothing else runs there."""
    if need.memory is None or card.capacity is None:
        return not card.needs
    gone = {placement.worker, *placement.ended}
    idle = [occupant for occupant in card.idle if occupant.number not in gone]
    return need.memory <= card.left(len(idle) + len(card.needs) + 1, idle)
