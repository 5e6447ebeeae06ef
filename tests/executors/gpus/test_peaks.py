"""How much memory a run is given, by what others have taken."""

import math

import numpy as np
import pytest

from sweeper.executors.base import Task
from sweeper.executors.gpus.peaks import GUESS, MARGIN, Peaks

MB = 2**20


def trial(point=(8,), batch_size=32, **also):
    return Task('trial 0', 'train_trial', point, {'batch_size': batch_size, 'seed': 1, **also})


def brief(point=(8,), batch_size=32):
    return Task('candidates 0', 'train_briefly', point, {'batch_size': batch_size, 'seed': 1})


def curve(point, sizes):
    return Task('lr_vs_perf 0', 'measure_curve', point, {'seed': 1, 'batch_sizes': np.array(sizes)})


def known(*tasks):
    peaks = Peaks()
    for task, megabytes in tasks:
        peaks.record(task, megabytes * MB)
    return peaks


def times(factor, megabytes):
    return math.ceil(factor * megabytes * MB)


def test_nothing_is_known_at_first():
    assert Peaks().need(trial()) is None


def test_a_run_like_one_that_was_measured_gets_that_and_a_margin():
    peaks = known((trial(seed=1), 100))
    assert peaks.need(trial(seed=2)) == times(MARGIN, 100)


def test_the_largest_of_several_counts():
    assert known((trial(), 100), (trial(), 300), (trial(), 200)).need(trial()) == times(MARGIN, 300)


@pytest.mark.parametrize(('batch_size', 'megabytes'), [(32, 100), (64, 200), (16, 100), (48, 150)])
def test_larger_batches_take_at_most_their_part_more_and_smaller_ones_not_less(batch_size, megabytes):
    assert known((trial(), 100)).need(trial(batch_size=batch_size)) == times(MARGIN, megabytes)


def test_of_several_batch_sizes_the_lowest_bound_counts():
    peaks = known((trial(batch_size=16), 100), (trial(batch_size=64), 160))
    assert peaks.need(trial(batch_size=32)) == times(MARGIN, 160)
    assert peaks.need(trial(batch_size=18)) == times(MARGIN, 112.5)
    assert peaks.need(trial(batch_size=128)) == times(MARGIN, 320)


def test_another_kind_of_run_of_the_same_architecture_is_a_guess():
    peaks = known((brief((8,)), 100), (brief((99,)), 900), (trial((99,)), 900))
    assert peaks.need(trial((8,))) == times(GUESS, 100)


def test_for_another_architecture_the_largest_of_the_kind_is_a_guess():
    peaks = known((trial((8,)), 100), (trial((9,)), 300), (brief((9,)), 700))
    assert peaks.need(trial((10,))) == times(GUESS, 300)


def test_for_a_kind_that_was_never_run_the_largest_of_all_is_a_guess():
    assert known((brief((8,)), 100), (curve((9,), [4, 32]), 400)).need(trial((10,))) == times(GUESS, 400)


def test_a_curve_goes_by_its_largest_batch():
    assert known((curve((8,), [4, 8, 16]), 100)).need(curve((8,), [8, 32, 4])) == times(MARGIN, 200)


def test_a_run_that_tells_no_batch_size_says_nothing_of_those_that_do():
    peaks = known((Task('dry run', 'dry_run', (8,), {'seed': 0}), 50))
    assert peaks.need(trial()) is None
    assert peaks.need(Task('dry run', 'dry_run', (9,), {'seed': 0})) == times(GUESS, 50)


def test_runs_side_by_side_count_with_all_their_models():
    def lanes(seeds):
        arguments = {'seeds': seeds, 'function': 'train_trial', 'batch_size': 32}
        return Task('trial 0-7', 'in_lanes', (8,), arguments)

    peaks = known((lanes([1, 2, 3, 4]), 100))
    assert peaks.need(lanes([5, 6, 7, 8, 9, 10, 11, 12])) == times(MARGIN, 200)
    assert peaks.need(trial()) == times(GUESS, 100)
