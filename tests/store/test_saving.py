"""What is written in threads: in order, taken in by its owner, and never lost sight of."""

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.store.saving import Save, Saves

LONG = 30


@pytest.fixture(params=[0, 1, 4], ids='{} threads'.format)
def saves(request):
    saves = Saves(request.param)
    yield saves
    saves.finish()
    saves.close()


@pytest.fixture
def threaded():
    saves = Saves(4)
    yield saves
    saves.finish()
    saves.close()


def test_what_is_submitted_is_written_then_taken_in(saves):
    done = []
    saves.submit(Save('a', lambda: done.append('written'), lambda: done.append('taken in'), size=5))
    saves.drain()
    assert done == ['written', 'taken in']
    assert not saves.has_written


def test_taking_in_returns_what_was_returned_for_each_in_the_order_in_which_they_were_written(saves):
    for name in 'aac':
        saves.submit(Save(name, lambda: None, lambda name=name: name))
    saves.submit(Save('b', lambda: None))
    assert (saves.pending, saves.awaited) == (4, 3)
    while len(saves._written) < 4:
        saves.wait()
    assert sorted(saves.collect()) == ['a', 'a', 'c'] and not saves.pending and not saves.awaited


@settings(max_examples=60)
@given(
    plan=st.lists(st.tuples(st.sampled_from('ab'), st.booleans()), max_size=20),
    threads=st.sampled_from([0, 1, 3]),
)
def test_of_one_key_what_is_alone_waits_for_what_came_before_and_is_waited_for(plan, threads):
    saves, begun, ended, taken = Saves(threads), [], [], []
    seen = {}  # what had ended when a save began

    def saving(number, key, alone):
        def write():
            seen[number] = set(ended)
            begun.append(number)
            ended.append(number)

        return Save(key, write, lambda: taken.append(number), alone)

    for number, (key, alone) in enumerate(plan):
        saves.submit(saving(number, key, alone))
    saves.finish()
    saves.close()
    assert sorted(begun) == sorted(taken) == list(range(len(plan)))
    for number, (key, alone) in enumerate(plan):
        earlier = {i for i, (other, _) in enumerate(plan[:number]) if other == key}
        assert {i for i in earlier if alone or plan[i][1]} <= seen[number]


def test_saves_that_are_not_alone_are_written_side_by_side(threaded):
    both = threading.Barrier(2)
    for _ in range(2):
        threaded.submit(Save('a', lambda: both.wait(LONG), alone=False))
    threaded.drain()  # a barrier that breaks would be raised


def test_the_owner_goes_on_while_a_save_is_written_and_is_woken_when_it_is():
    may_end, woken = threading.Event(), threading.Event()
    saves = Saves(4, woken.set)
    try:
        saves.submit(Save('b', lambda: None))  # which nobody waits for
        while not saves.has_written:
            saves.wait()
        saves.collect()
        saves.submit(Save('a', lambda: may_end.wait(LONG) or pytest.fail('never'), lambda: None))
        assert not saves.has_written and not woken.is_set()
        may_end.set()
        assert woken.wait(LONG)
        assert saves.has_written
        saves.collect()
        assert not saves.pending
    finally:
        saves.close()


def test_an_error_is_raised_when_it_is_taken_in_and_the_others_are_taken_in_all_the_same(saves):
    taken = []

    def fail():
        raise OSError('full')

    saves.submit(Save('a', lambda: None, lambda: taken.append('a')))
    saves.submit(Save('b', fail, lambda: taken.append('b')))
    saves.submit(Save('b', lambda: taken.append('written after an error')))
    saves.submit(Save('c', lambda: None, lambda: taken.append('c')))
    while len(saves._written) < 4:
        saves.wait()
    with pytest.raises(OSError, match='full'):
        saves.collect()
    assert sorted(taken) == ['a', 'c'] and saves.pending == 0


def test_finish_writes_and_takes_in_everything_and_raises_no_error(saves):
    taken = []

    def fail():
        raise OSError('full')

    saves.submit(Save('b', fail, pytest.fail))
    for number in range(50):
        saves.submit(Save(number % 3, lambda: None, lambda n=number: taken.append(n)))
    saves.finish()
    assert sorted(taken) == list(range(50)) and saves.pending == 0


def test_what_its_owner_had_only_handed_over_when_it_was_interrupted_is_written_too(threaded):
    taken = []

    class Interrupted(BaseException):
        pass

    def interrupt():
        raise Interrupted

    notify, threaded._has_work.notify = threaded._has_work.notify, interrupt
    with pytest.raises(Interrupted):
        threaded.submit(Save('a', lambda: None, lambda: taken.append('a')))
    threaded._has_work.notify = notify
    threaded.finish()
    assert taken == ['a']


@pytest.mark.parametrize(('count', 'size'), [(500, 0), (4, 2**23)])
def test_it_says_when_too_much_waits(threaded, count, size):
    may_end = threading.Event()
    for number in range(count):
        assert not threaded.is_full
        threaded.submit(Save(number, lambda: may_end.wait(LONG), size=size))
    assert threaded.is_full
    may_end.set()
    threaded.drain()
    assert not threaded.is_full
