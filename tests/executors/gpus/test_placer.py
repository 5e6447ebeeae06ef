"""Which card a run goes to: by number, by memory, and never for ever nowhere."""

from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.executors.gpus.placer import CONTEXT, Card, Need, Occupant, Placement, card_to_keep, place

GB = 2**30
BASE = GB // 4
UNKNOWN = Need()


def busy(number, gigabytes=0.0, **need):
    return Occupant(number, 0, Need(int(gigabytes * GB), **need))


def idle(number, gigabytes=0.0):
    return Occupant(number, int(gigabytes * GB))


def of(gigabytes, **also):
    return Need(int(gigabytes * GB), **also)


def test_it_goes_to_the_card_with_the_fewest_runs():
    cards = [Card(slots=2, occupants=(busy(0),)), Card(slots=2)]
    assert place(of(0), cards, spare=3) == Placement(1)


def test_an_idle_worker_is_taken_before_a_new_one_is_started():
    cards = [Card(slots=2), Card(slots=2, occupants=(idle(3),))]
    assert place(of(0), cards, spare=3) == Placement(1, 3)


def test_no_more_runs_share_a_card_than_are_to():
    cards = [Card(slots=2, occupants=(busy(0), busy(1)))]
    assert place(of(0), cards, spare=3) is None


def test_by_memory_as_many_share_a_card_as_it_holds():
    card = Card(10 * GB, (busy(0, 3), busy(1, 3)))
    assert place(of(2.5), [card], spare=3) == Placement(0)
    assert place(of(3.5), [card], spare=3) is None


def test_each_further_process_takes_memory_of_its_own():
    card = Card(10 * GB, (busy(0, 4), busy(1, 4)))
    most = 10 * GB - 8 * GB - 2 * CONTEXT
    assert place(Need(most), [card], spare=3) == Placement(0)
    assert place(Need(most + 1), [card], spare=3) is None


def test_what_an_idle_worker_holds_is_there_for_its_own_next_run():
    card = Card(10 * GB, (busy(0, 5), idle(1, 2)))
    most = 5 * GB - CONTEXT
    assert place(Need(most), [card], spare=0) == Placement(0, 1)
    assert place(Need(most + 1), [card], spare=0) is None


def test_idle_workers_make_room_for_a_run_that_does_not_fit_beside_them():
    card = Card(10 * GB, (busy(0, 5), idle(1, 1), idle(2, 1)))
    assert place(of(2), [card], spare=0) == Placement(0, 1)
    assert place(of(3.5), [card], spare=0) == Placement(0, 1, ended=(2,))


def test_a_run_of_unknown_memory_has_the_card_alone():
    small = busy(0, 0.1)
    assert place(UNKNOWN, [Card(10 * GB, (small,))], spare=3) is None
    assert place(UNKNOWN, [Card(10 * GB, (small,)), Card()], spare=3) == Placement(1)
    assert place(of(0.1), [Card(10 * GB, (Occupant(0, 0, UNKNOWN),))], spare=3) is None


def test_a_run_that_would_never_fit_is_tried_where_nothing_runs():
    assert place(of(20), [Card(10 * GB)], spare=1) == Placement(0)
    assert place(of(20), [Card(10 * GB, (idle(0, 1), idle(1, 1)))], spare=0) == Placement(0, 0, (1,))


def test_a_run_that_is_to_be_alone_gets_a_fresh_worker_and_no_other_process():
    cards = [Card(10 * GB, (idle(0), idle(1)))]
    assert place(of(1, alone=True), cards, spare=0) == Placement(0, None, (0, 1))
    assert place(of(1), [Card(10 * GB, (busy(0, 1, alone=True),))], spare=3) is None
    assert place(of(1), [Card(slots=4, occupants=(busy(0, 1, alone=True),))], spare=3) is None


def test_for_a_worker_on_another_card_an_idle_one_is_ended_if_no_more_may_be_started():
    cards = [Card(10 * GB, (busy(0, 9), idle(1), idle(2))), Card(10 * GB)]
    assert place(of(5), cards, spare=0) == Placement(1, None, (1,))
    assert place(of(5), cards, spare=1) == Placement(1)


def test_a_card_that_is_kept_for_another_run_gets_none():
    assert place(of(1), [Card(10 * GB), Card(10 * GB, (busy(0, 1),))], spare=1, kept={0}) == Placement(1)
    assert place(of(1), [Card(10 * GB)], spare=1, kept={0}) is None


def test_what_fits_nowhere_waits_for_the_card_with_the_fewest_runs():
    cards = [Card(slots=2, occupants=(busy(0), busy(1))), Card(slots=2, occupants=(busy(2),))]
    assert [card_to_keep(cards, kept) for kept in ((), {1}, {0, 1})] == [1, 0, None]


@dataclass
class Machine:
    """A machine with an executor, of which tasks run until they are told to end; all by the placer."""

    cards: list
    cores: int
    waiting: list
    done: int = 0
    started: int = 0

    def assign(self):
        kept, index = set(), 0
        while index < len(self.waiting) and self.busy < self.cores:
            spare = self.cores - sum(len(card.occupants) for card in self.cards)
            placement = place(self.waiting[index], self.cards, spare, kept)
            if placement is None:
                if (card := card_to_keep(self.cards, kept)) is None:
                    break
                kept.add(card)
                index += 1
                continue
            self.put(self.waiting.pop(index), placement)
            self.check()

    def put(self, need, placement):
        number = placement.worker
        self.cards = [
            replace(
                card, occupants=tuple(each for each in card.occupants if each.number not in placement.ended)
            )
            for card in self.cards
        ]
        card = self.cards[placement.card]
        if number is None:
            number, self.started = self.started, self.started + 1
            there = card.occupants
        else:
            there = tuple(each for each in card.occupants if each.number != number)
            assert len(there) == len(card.occupants) - 1, 'the worker is there'
        self.cards[placement.card] = replace(card, occupants=(*there, Occupant(number, BASE, need)))

    @property
    def busy(self):
        return sum(len(card.needs) for card in self.cards)

    def check(self):
        assert sum(len(card.occupants) for card in self.cards) <= self.cores
        for card in self.cards:
            if card.slots is not None:
                assert len(card.needs) <= card.slots
            if any(need.is_exclusive for need in card.needs):
                assert len(card.needs) == 1
            if any(need.alone for need in card.needs):
                assert len(card.occupants) == 1
            elif len(card.needs) > 1 and card.slots is None:
                assert card.left(len(card.occupants), card.idle) >= 0

    def end(self, at):
        """Ends one of the runs."""
        running = [(card, each) for card in self.cards for each in card.occupants if each.need is not None]
        card, ending = running[at % len(running)]
        there = tuple(replace(each, need=None) if each is ending else each for each in card.occupants)
        self.cards[self.cards.index(card)] = replace(card, occupants=there)
        self.done += 1


NEEDS = st.builds(
    Need,
    st.one_of(st.none(), st.integers(BASE, 12 * GB)),  # with the data that a worker holds anyway
    st.sampled_from([False, False, False, True]),
)
CARDS = st.one_of(
    st.lists(st.builds(Card, st.one_of(st.none(), st.integers(GB, 10 * GB))), min_size=1, max_size=4),
    st.lists(st.builds(Card, slots=st.integers(1, 3)), min_size=1, max_size=4),
)


@settings(max_examples=300, deadline=None)
@given(CARDS, st.integers(1, 8), st.lists(NEEDS, max_size=30), st.data())
def test_whatever_comes_every_run_has_its_turn_and_no_card_more_than_it_holds(cards, cores, needs, data):
    machine = Machine(list(cards), cores, list(needs))
    while machine.done < len(needs):
        machine.assign()
        assert machine.busy > 0, 'something runs while something waits'
        machine.end(data.draw(st.integers(0, 7)))


def test_a_large_run_is_not_overtaken_for_ever():
    machine = Machine([Card(10 * GB)], 4, [of(1), of(1), of(9), *[of(1)] * 50])
    large = machine.waiting[2]
    for _ in range(2):  # those before it
        machine.assign()
        assert machine.cards[0].needs and large not in machine.cards[0].needs
        machine.end(0)
    machine.assign()
    assert machine.cards[0].needs == [large]


def test_while_a_large_run_waits_the_other_cards_go_on():
    machine = Machine(
        [Card(10 * GB, (busy(10, 2),)), Card(10 * GB, (busy(11, 2),))], 8, [of(9), of(2), of(2)]
    )
    machine.assign()
    assert [len(card.needs) for card in machine.cards] == [1, 3]


@pytest.mark.parametrize('slots', [1, 3])
def test_runs_are_spread_evenly(slots):
    machine = Machine([Card(slots=slots)] * 4, 12, [of(1)] * 12)
    machine.assign()
    assert [len(card.needs) for card in machine.cards] == [slots] * 4
