"""Several tunings of an architecture, side by side."""

import dataclasses
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper import RunRequest, Stage, Tuned, get_settings
from sweeper.errors import EvaluationDiverged, TuningFailed
from sweeper.seeding import run_seed, tuning_seed
from sweeper.testing.tuning import SimulatedTraining, tune
from sweeper.tuning.repeated import tune_repeatedly
from sweeper.tuning.start import start_tuning

CHOSEN = Tuned(0.01, 0.1, 32, 2, 4)


def drive(tuner, answer):
    """Drives a tuning to its end; returns what it came to, and the stages."""
    stages, results = [], None
    while True:
        try:
            stages.append(next(tuner) if results is None else tuner.send(results))
        except StopIteration as end:
            return end.value, stages
        results = answer(stages[-1])


def tuning(sizes, heard, closed, number, failure=None):
    """A tuning with a stage of each size; keeps what it is sent."""
    try:
        for index, size in enumerate(sizes):
            runs = [RunRequest('measure_curve', {'run': (number, index, run)}) for run in range(size)]
            heard.append((number, (yield Stage(f'part {index}', runs))))
        if failure is not None:
            raise failure
        return dataclasses.replace(CHOSEN, batch_size=number + 1)
    finally:
        closed.append(number)


@given(st.lists(st.lists(st.integers(1, 4), max_size=4), min_size=1, max_size=4))
def test_each_gets_the_results_of_its_own_runs_however_many_stages_the_others_have(sizes):
    heard, closed = [], []
    tuned, stages = drive(
        tune_repeatedly(lambda number: tuning(sizes[number], heard, closed, number), len(sizes)),
        lambda stage: [run.arguments['run'] for run in stage.runs],
    )
    assert [one.batch_size for one in tuned.tunings] == [number + 1 for number in range(len(sizes))]
    for number, own in enumerate(sizes):
        expected = [[(number, index, run) for run in range(size)] for index, size in enumerate(own)]
        assert [results for who, results in heard if who == number] == expected
    assert len(stages) == max(map(len, sizes))  # side by side, not one after another
    assert sorted(closed) == [*range(len(sizes))]


def simulated(seed, tunings):
    start = lambda number: start_tuning(get_settings('fastest'), 1_500, tuning_seed(seed, number))  # noqa: E731
    return drive(tune_repeatedly(start, tunings), SimulatedTraining().answer)


@pytest.mark.parametrize('tunings', [1, 3])
def test_each_comes_to_what_it_comes_to_alone_and_the_first_to_what_a_single_one_does(tunings):
    tuned, _ = simulated(7, tunings)
    alone = [tune(get_settings('fastest'), 1_500, tuning_seed(7, number))[0] for number in range(tunings)]
    assert len(tuned.tunings) == tunings
    for ours, theirs in zip(tuned.tunings, alone, strict=True):
        assert dataclasses.replace(ours, alternatives=()).without_report() == theirs.without_report()
        assert ours.report == theirs.report
    assert tuning_seed(7, 0) == 7
    assert len({one.performance for one in tuned.tunings}) == tunings


def test_seeds_of_tunings_are_those_of_nothing_else():
    seeds = {tuning_seed(seed, number) for seed in range(20) for number in range(1, 20)}
    others = {
        run_seed(seed, phase, i) for seed in range(20) for phase in ('trial', 'dataset') for i in range(20)
    }
    assert len(seeds) == 20 * 19 and not seeds & others


@pytest.mark.parametrize('failing', [[0], [1], [0, 1]])
def test_one_that_fails_fails_them_all_and_says_which_it_was(failing):
    closed = []
    start = lambda number: tuning(  # noqa: E731
        [1, 1, 1] if number == 2 else [1],
        [],
        closed,
        number,
        EvaluationDiverged(f'no {number}') if number in failing else None,
    )
    with pytest.raises(EvaluationDiverged, match=f'^tuning {failing[0] + 1} of 3: no {failing[0]}$'):
        drive(tune_repeatedly(start, 3), lambda stage: [0] * len(stage.runs))
    assert sorted(closed) == [0, 1, 2]


def test_a_single_one_says_nothing_of_numbers():
    with pytest.raises(TuningFailed, match=r'^no$'):
        drive(tune_repeatedly(partial(tuning, [1], [], [], failure=TuningFailed('no')), 1), lambda stage: [0])
