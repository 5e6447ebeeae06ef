import random

import pytest

from sweeper.run.estimate import Estimate

A, B, C = ('a',), ('b',), ('c',)


def requested(*points, trials=3, **options):
    estimate = Estimate(**{'tuning_in_trials': 2.0} | options)
    for point in points:
        estimate.request(point, trials)
    return estimate


def test_nothing_is_said_before_anything_is_known():
    assert requested(A, B).seconds_left(2) is None


def test_where_nothing_is_left_it_takes_no_time():
    assert requested().seconds_left(2) == 0
    assert requested(A, trials=0).seconds_left(2) is None


def test_a_tuning_tells_what_the_others_take_and_by_the_budget_what_trials_do():
    estimate = requested(A, B)
    estimate.tuning_took(A, 20)
    assert estimate.seconds_left(1) == pytest.approx(20 + 6 * 10)


def test_trials_tell_what_a_tuning_takes_for_which_the_budget_is_known():
    estimate = requested(B)
    estimate.request(A, 0, is_tuned=True)
    estimate.trials_took(A, [4, 6], were_left=False)
    assert estimate.seconds_left(1) == pytest.approx(2 * 5 + 3 * 5)


def test_what_was_found_on_disk_is_not_taken_for_instantaneous():
    estimate = Estimate(2.0)
    for point in (A, B):
        estimate.request(point, 0, is_tuned=True)
    estimate.trials_took(A, [10, 10], were_left=False)
    estimate.request(C, 2)
    assert estimate.seconds_left(1) == pytest.approx(2 * 10 + 2 * 10)


def test_a_tuning_that_was_not_seen_as_a_whole_says_nothing_of_others():
    estimate = requested(A, B)
    estimate.tuning_took(A, None)
    assert estimate.seconds_left(1) is None
    estimate.trials_took(A, [7])
    assert estimate.seconds_left(1) == pytest.approx(2 * 7 + 2 * 7 + 3 * 7)


def test_each_point_has_trials_of_its_own_length():
    estimate = requested(A, B)
    for point, seconds in ((A, 2), (B, 200)):
        estimate.tuning_took(point, seconds)
    assert estimate.seconds_left(1) == pytest.approx(3 * 1 + 3 * 100)
    estimate.trials_took(A, [1])
    assert estimate.seconds_left(1) == pytest.approx(2 * 1 + 3 * 100)
    estimate.trials_took(B, [110])
    estimate.trials_took(B, [90])
    assert estimate.seconds_left(1) == pytest.approx(2 * 1 + 100)


def test_how_many_trials_a_tuning_amounts_to_is_learned():
    estimate = requested(A, B)
    for point in (A, B):
        estimate.tuning_took(point, 30)
    estimate.trials_took(A, [10])
    assert estimate.tuning_in_trials == pytest.approx(3)
    assert estimate.seconds_left(1) == pytest.approx(5 * 10)


def test_what_is_under_way_is_partly_done_and_never_less_than_nothing_is_left():
    estimate = requested(A)
    estimate.tuning_took(A, 20)
    assert estimate.seconds_left(1, under_way=12) == pytest.approx(18)
    assert estimate.seconds_left(1, under_way=1000) == 0


def test_no_more_cores_help_than_there_are_trials_or_groups_of_them():
    for lanes, cores in ((1, 3), (2, 2), (4, 1)):
        estimate = requested(A, lanes=lanes)
        estimate.tuning_took(A, 20)
        assert estimate.seconds_left(100) == pytest.approx(30 / cores)
    assert requested(A, sweep_cores=4).seconds_left(1) is None
    estimate = requested(A, B, trials=0, sweep_cores=4)
    estimate.tuning_took(A, 20)
    assert estimate.seconds_left(100) == pytest.approx(20 / 4)


def test_of_what_failed_nothing_is_left():
    estimate = requested(A, B)
    estimate.tuning_took(A, 20)
    estimate.tuning_failed(B)
    estimate.trial_failed(A)
    assert estimate.seconds_left(1) == pytest.approx(2 * 10)
    estimate.trials_took(A, [10, 10])
    assert estimate.seconds_left(1) == 0


def test_the_share_counts_tunings_by_what_they_take():
    estimate = requested(A, B, trials=4)
    assert estimate.share(2, 0, 8) == 0
    estimate.tuning_took(A, 20)
    assert estimate.share(2, 0, 8) == pytest.approx(2 / 12)
    estimate.trials_took(A, [5])
    assert estimate.share(2, 1, 8) == pytest.approx((4 + 1) / (8 + 8))
    estimate.tuning_failed(B)
    assert estimate.share(2, 4, 4) == 1
    assert Estimate(2.0).share(0, 0, 0) == 0


def test_whatever_the_order_what_is_known_in_the_end_is_the_same():
    """Sums that are kept up to date are those that one would compute from all that is known."""
    rng = random.Random(0)
    for _ in range(50):
        estimate = requested(*((n,) for n in range(5)))
        events = [(n, kind) for n in range(5) for kind in ('tuning', 'trial', 'trial', 'failed trial')]
        rng.shuffle(events)
        for n, kind in events[:-4]:
            if kind == 'tuning':
                estimate.tuning_took((n,), 10 + n)
            elif kind == 'trial':
                estimate.trials_took((n,), [5 + n])
            else:
                estimate.trial_failed((n,))
        left = events[-4:]
        measured = {n for n, kind in events[:-4] if kind == 'trial'}
        tuned = {n for n, kind in events[:-4] if kind == 'tuning'}
        both = measured & tuned
        weight = sum(10 + n for n in both) / sum(5 + n for n in both) if both else 2.0
        known = {n: 5 + n if n in measured else (10 + n) / weight for n in measured | tuned}
        mean = sum(known.values()) / len(known)
        tuning = sum(10 + n for n in tuned) / len(tuned)
        expected = sum(tuning if kind == 'tuning' else known.get(n, mean) for n, kind in left)
        assert estimate.seconds_left(1) == pytest.approx(expected)


def test_trials_of_a_point_are_expected_to_be_as_long_as_its_tuning_found_best():
    estimate = requested(A, B, full_epochs=lambda: 40)
    estimate.has_length(A, 10)
    estimate.tuning_took(A, 20)
    assert estimate.seconds_left(1) == pytest.approx(3 * 10 / 4 + 20 + 3 * 10 / 4)
    estimate.has_length(B, 40)
    estimate.tuning_took(B, 60)
    assert estimate.seconds_left(1) == pytest.approx(3 * 10 / 4 + 3 * 30)
    estimate.trials_took(A, [5])  # so a tuning takes what one trial of the full length does
    assert estimate.tuning_in_trials == pytest.approx(1)
    assert estimate.seconds_left(1) == pytest.approx(2 * 5 + 3 * 60)


def test_if_nobody_says_what_the_full_length_is_it_is_that_of_the_first_point():
    estimate = requested(A, B)
    for point, epochs in ((A, 30), (B, 10)):
        estimate.has_length(point, epochs)
        estimate.tuning_took(point, 20)
    assert estimate.seconds_left(1) == pytest.approx(3 * 10 + 3 * 10 / 3)


def test_what_was_found_on_disk_tells_what_a_tuning_takes_by_the_length_of_its_trials():
    estimate = Estimate(2.0, full_epochs=lambda: 40)
    estimate.request(A, 0, is_tuned=True)
    estimate.has_length(A, 10)
    estimate.trials_took(A, [5, 5], were_left=False)
    estimate.request(B, 2)
    assert estimate.seconds_left(1) == pytest.approx(2 * 20 + 2 * 5)


def test_the_share_takes_trials_to_be_as_long_as_those_that_are_known():
    estimate = requested(A, B, trials=4, full_epochs=lambda: 40)
    estimate.has_length(A, 10)
    estimate.tuning_took(A, 20)
    assert estimate.share(2, 0, 8) == pytest.approx(2 / (4 + 8 / 4))
