"""Looks at a sweep's results are counted: once for each time that it ended with more trials than before."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.store.looks import Look, check_looks, has_more, look_of, recorded_look
from sweeper.store.store import Store

COUNTS = st.lists(st.integers(0, 20), max_size=30)


@given(counts=COUNTS, more=st.lists(st.integers(0, 3), max_size=40))
def test_there_is_more_to_see_if_a_point_has_more_trials_than_at_the_last_look(counts, more):
    look = recorded_look(counts)
    check_looks([look] if counts else [])
    longer = counts + [0] * (len(more) - len(counts))
    added = [*more, *[0] * len(counts)]
    later = [count + extra for count, extra in zip(longer, added, strict=False)]
    assert has_more(later, [look]) == any(added[: len(longer)])
    assert has_more(later, []) == any(later)


@given(counts=COUNTS, lost=COUNTS)
def test_trials_that_got_lost_are_nothing_new(counts, lost):
    fewer = [max(count - extra, 0) for count, extra in zip(counts, lost, strict=False)]
    assert not has_more(fewer, [recorded_look(counts)])


def test_equal_counts_stand_together():
    assert recorded_look([3] * 10_000 + [5, 5, 3]) == '3*10000 5*2 3*1'


@pytest.mark.parametrize(
    ('looks', 'counts', 'look'),
    [
        ([], [], Look(1, False)),
        ([], [0, 0], Look(1, False)),
        ([], [1, 0], Look(1, True)),
        (['3*2'], [3, 3], Look(1, False)),
        (['3*2'], [3, 4], Look(2, True)),
        (['3*2'], [3, 3, 0], Look(1, False)),
        (['3*2'], [3, 3, 1], Look(2, True)),
        (['3*2', '5*2'], [5, 5], Look(2, False)),
        (None, [3, 3], Look(1, False)),  # of a version that did not count
    ],
)
def test_the_number_of_a_look(looks, counts, look):
    assert look_of(counts, looks) == look


def test_a_damaged_look_costs_no_memory():
    assert has_more([1], ['0*999999999999'])
    assert not has_more([0] * 5, ['999999999999*999999999999'])


def test_a_look_is_recorded_once_for_the_same_trials_and_is_in_the_copy_too(tmp_path, example):
    with example.opened(tmp_path / 'sweep') as store:
        example.fill(store)
        assert store.look == Look(1, False)  # as if of an earlier version
        store.record_look()
        store.record_look()
        assert (list(store.records.manifest.looks), store.look) == (['3*1 1*1 0*1'], Look(1, False))
        store.write_trial(example.points[2], 0, example.record())
        assert store.look == Look(2, True)
    (tmp_path / 'sweep/sweep.json').unlink()
    records = Store.read(tmp_path / 'sweep')
    assert (records.look, records.manifest.looks) == (Look(2, True), ('3*1 1*1 0*1',))
