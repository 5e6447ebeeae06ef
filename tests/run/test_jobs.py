"""Jobs: what runs a task consists of, and what its outcomes come to."""

import dataclasses
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.errors import FolderError, TuningFailed
from sweeper.executors.base import Outcome, RunError, Task
from sweeper.points import NamedPoint
from sweeper.results import PointError, Tuned
from sweeper.run.jobs import (
    STAGE_TITLES,
    RunDone,
    RunFailed,
    TrialDone,
    TrialsJob,
    TuningDone,
    TuningJob,
)
from sweeper.run.queue import ParamsTask
from sweeper.seeding import run_seed
from sweeper.tuning.base import RunRequest, Stage

POINT = (16, 'relu')
TUNED = Tuned(lr_min=0.01, lr_max=0.1, batch_size=8, cycle_size_epochs=2, epochs=4)
STAGES = ('lr_vs_perf', 'candidates', 'candidates', 'candidates')


class FakeTuner:
    """A tuner of some stages, each of so many runs, that notes what it receives."""

    seed = 0

    def __init__(self, *sizes, ending=TUNED):
        self.sizes, self.ending = sizes, ending
        self.received = []
        self.closed = False

    def run(self):
        try:
            for number, (name, size) in enumerate(zip(STAGES, self.sizes, strict=False)):
                runs = [
                    RunRequest('measure_curve', {'stage': number, 'seed': self.seed + index})
                    for index in range(size)
                ]
                self.received.append((yield Stage(name, runs)))
            if isinstance(self.ending, Exception):
                raise self.ending
            return self.ending
        finally:
            self.closed = True


def tuning_of(tuner, point=POINT, **options):
    """A tuning's job that has begun, and needed no more than that for nothing."""
    job = TuningJob(ParamsTask(point, (), 2), tuner.run(), **options)
    assert job.begin() == []
    return job


def take_all(job, order=None, errors=()):
    """Starts all waiting runs and answers them in `order`; returns the events but for `RunDone`."""
    runs = {index: task for (index,), task in job.waiting}
    job.waiting.clear()
    events = []
    for index in sorted(runs) if order is None else order:
        error = RunError('ValueError', f'run {index}') if index in errors else None
        outcome = Outcome(error=error) if error else Outcome(f'result {index}')
        assert not events
        run_done = [] if error else [(POINT, index, f'result {index}')]
        told = job.take((index,), outcome)
        assert [(e.point, e.index, e.value) for e in told if isinstance(e, RunDone)] == run_done
        assert all(isinstance(event, RunDone) for event in told[: len(run_done)])
        events += told[len(run_done) :]
    return events


def test_a_job_asks_for_nothing_before_it_begins():
    tuner = FakeTuner(2)
    job = TuningJob(ParamsTask(POINT, (), 2), tuner.run())
    assert not job.waiting and not job.failed
    assert TrialsJob(ParamsTask(POINT, (3,), 1), TUNED, 7).waiting == deque()


def test_tuning_wants_the_runs_of_its_first_stage_for_its_point():
    job = tuning_of(FakeTuner(2, 1))
    assert list(job.waiting) == [
        ((0,), Task('lr_vs_perf 0', 'measure_curve', POINT, {'stage': 0, 'seed': 0})),
        ((1,), Task('lr_vs_perf 1', 'measure_curve', POINT, {'stage': 0, 'seed': 1})),
    ]
    assert not job.failed


def test_next_stage_begins_only_when_every_run_of_the_stage_is_answered():
    job = tuning_of(FakeTuner(2, 1))
    job.waiting.clear()
    assert [type(event) for event in job.take((1,), Outcome('b'))] == [RunDone]
    assert not job.waiting
    assert [type(event) for event in job.take((0,), Outcome('a'))] == [RunDone]
    assert list(job.waiting) == [
        ((0,), Task('candidates 0', 'measure_curve', POINT, {'stage': 1, 'seed': 0}))
    ]


@settings(deadline=None)
@given(data=st.data(), sizes=st.lists(st.integers(1, 6), min_size=1, max_size=4))
def test_tuner_gets_results_in_the_order_of_the_runs_however_they_arrive(data, sizes):
    tuner = FakeTuner(*sizes)
    job = tuning_of(tuner)
    for size in sizes:
        assert [index for (index,), _ in job.waiting] == list(range(size))
        events = take_all(job, data.draw(st.permutations(range(size))))
    assert tuner.received == [[f'result {index}' for index in range(size)] for size in sizes]
    assert events == [TuningDone(POINT, TUNED)]
    assert not job.waiting and not job.failed


@settings(deadline=None)
@given(data=st.data(), size=st.integers(1, 6))
def test_of_several_failed_runs_the_lowest_is_reported_once_all_are_answered(data, size):
    errors = data.draw(st.sets(st.integers(0, size - 1), min_size=1))
    tuner = FakeTuner(size, 3)
    job = tuning_of(tuner)
    events = take_all(job, data.draw(st.permutations(range(size))), errors)
    error = PointError('ValueError', f'run {min(errors)}', 'tuning')
    assert events == [RunFailed(POINT, error)]
    assert job.failed and not job.waiting
    assert tuner.closed and tuner.received == []


def test_failure_in_a_later_stage_fails_the_point():
    job = tuning_of(FakeTuner(1, 2))
    assert take_all(job) == []
    [event] = take_all(job, errors={1})
    assert event.error.message == 'run 1'


RUN_ERROR = RunError('WorkerDied', 'killed', 'Traceback: …', 'SIGSEGV', 'loading…\n')


def test_failed_run_keeps_all_that_is_known_of_it():
    job = tuning_of(FakeTuner(1))
    job.waiting.clear()
    [event] = job.take((0,), Outcome(error=RUN_ERROR))
    assert event.error == PointError(
        'WorkerDied', 'killed', 'tuning', 'Traceback: …', 'SIGSEGV', 'loading…\n'
    )
    assert event.error.trial is None


def test_after_a_failure_no_more_runs_of_the_stage_are_started_and_those_under_way_are_waited_for():
    job = tuning_of(FakeTuner(4))
    for _ in range(2):
        job.waiting.popleft()
    assert job.take((1,), Outcome(error=RUN_ERROR)) == []
    assert not job.waiting
    [done, failed] = job.take((0,), Outcome('result'))
    assert (type(done), type(failed)) == (RunDone, RunFailed)


def test_tuning_that_gives_up_fails_the_point():
    job = tuning_of(FakeTuner(1, ending=TuningFailed('every run diverged')))
    assert take_all(job) == [RunFailed(POINT, PointError('TuningFailed', 'every run diverged', 'tuning'))]
    assert job.failed and not job.waiting


def test_a_curve_that_the_tuner_cannot_understand_costs_that_point_only():
    job = tuning_of(FakeTuner(1, ending=ZeroDivisionError('no scale')))
    [event] = take_all(job)
    assert (event.error.kind, event.error.message) == ('ZeroDivisionError', 'no scale')
    assert 'Traceback' in event.error.traceback
    assert job.failed


@pytest.mark.parametrize('stages_done', range(4))
def test_every_stage_of_a_tuning_has_a_description(stages_done):
    job = tuning_of(FakeTuner(1, 1, 1, 1))
    for _ in range(stages_done):
        take_all(job)
    assert job.describe() == f'tuning: {STAGE_TITLES[STAGES[stages_done]]}'


def test_a_tuning_has_a_description_before_it_has_begun():
    job = TuningJob(ParamsTask(POINT, (), 2), FakeTuner(1).run())
    assert job.describe() == 'tuning: starting'


# What was done before the sweep was interrupted


class SavedRuns:
    """Keeps what `RunDone` says, and finds it again."""

    def __init__(self):
        self.runs = {}

    def save(self, events):
        for event in events:
            if isinstance(event, RunDone):
                key = event.stage, event.index
                assert key not in self.runs, 'done twice'
                self.runs[key] = event.request, event.value

    def __call__(self, stage, index, request):
        saved_request, value = self.runs.get((stage, index), (None, None))
        return value if saved_request == request else None


@settings(deadline=None)
@given(data=st.data(), sizes=st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_a_tuning_interrupted_anywhere_goes_on_with_the_runs_that_are_missing(data, sizes):
    saved, left = SavedRuns(), sum(sizes)
    while True:
        tuner = FakeTuner(*sizes)
        job = TuningJob(ParamsTask(POINT, (), 2), tuner.run(), saved)
        events, done = job.begin(), 0
        most = data.draw(st.integers(1, 8), label='runs until it is interrupted')
        while job.waiting and done < most:
            index = data.draw(st.sampled_from([index for (index,), _ in job.waiting]), label='done next')
            job.waiting = deque(run for run in job.waiting if run[0] != (index,))
            events = job.take((index,), Outcome(f'result {index}'))
            saved.save(events)
            done += 1
        left -= done
        if not job.waiting:
            break
    assert left == 0
    assert events[-1] == TuningDone(POINT, TUNED)
    assert tuner.received == [[f'result {index}' for index in range(size)] for size in sizes]


def test_a_tuning_whose_runs_are_all_there_needs_none():
    saved = SavedRuns()
    job = TuningJob(ParamsTask(POINT, (), 2), FakeTuner(2, 1).run())
    job.begin()
    while job.waiting:
        indices, _ = job.waiting.popleft()
        saved.save(job.take(indices, Outcome('result')))
    again = TuningJob(ParamsTask(POINT, (), 2), FakeTuner(2, 1).run(), saved)
    assert again.begin() == [TuningDone(POINT, TUNED)]
    assert not again.waiting


def test_a_run_that_answers_another_request_is_made_anew():
    saved = SavedRuns()
    job = TuningJob(ParamsTask(POINT, (), 2), FakeTuner(1).run(), saved)
    job.begin()
    saved.save(job.take((0,), Outcome('result')))
    for point, tuner in ((POINT[::-1], FakeTuner(1)), (NamedPoint(a=16, b='relu'), FakeTuner(1))):
        assert tuning_of(tuner, point, saved=saved).waiting
    other = FakeTuner(1)
    other.seed = 5
    assert tuning_of(other, saved=saved).waiting


def test_trouble_with_the_folder_is_not_taken_for_a_failure_of_the_point():
    def saved(*_):
        raise FolderError('no space left')

    job = TuningJob(ParamsTask(POINT, (), 2), FakeTuner(1).run(), saved)
    with pytest.raises(FolderError, match='no space left'):
        job.begin()


# Trials


def trials_of(*indices, seed=7):
    job = TrialsJob(ParamsTask(POINT, indices, len(indices)), TUNED, seed)
    assert job.begin() == []
    return job


def test_trials_run_with_the_tuned_plan_and_a_seed_for_their_index():
    job = trials_of(3, 4)
    arguments = [{'seed': run_seed(7, 'trial', index), 'index': index, **TUNED.plan()} for index in (3, 4)]
    assert list(job.waiting) == [
        ((index,), Task(f'trial {index}', 'train_trial', POINT, arguments[index - 3])) for index in (3, 4)
    ]


@pytest.mark.parametrize('lanes', [1, 8])
def test_trials_take_turns_in_what_several_tunings_came_to_and_are_trained_alone(lanes):
    others = tuple(dataclasses.replace(TUNED, batch_size=size, epochs=2 * size) for size in (16, 32))
    tuned = dataclasses.replace(TUNED, alternatives=others)
    job = TrialsJob(ParamsTask(POINT, (1, 3, 5), 3), tuned, 7, lanes)
    job.begin()
    assert [indices for indices, _ in job.waiting] == [(1,), (3,), (5,)]
    plans = [tuned.tunings[index % 3].plan() for index in (1, 3, 5)]
    assert [task.arguments for _, task in job.waiting] == [
        {'seed': run_seed(7, 'trial', index), 'index': index, **plan}
        for index, plan in zip((1, 3, 5), plans, strict=True)
    ]
    assert [plan['batch_size'] for plan in plans] == [16, 8, 32]


def test_trial_is_seeded_alike_in_whatever_task_it_comes():
    assert dict(trials_of(3, 4).waiting)[4,] == dict(trials_of(4).waiting)[4,]


def test_each_trial_is_told_under_its_index_as_it_arrives():
    job = trials_of(3, 4)
    assert job.take((4,), Outcome('four')) == [TrialDone(POINT, 4, 'four')]
    assert job.take((3,), Outcome('three')) == [TrialDone(POINT, 3, 'three')]
    assert not job.failed


def test_a_failed_trial_is_told_as_such_and_the_other_trials_still_run_and_are_told():
    job = trials_of(3, 4, 5)
    job.waiting.popleft(), job.waiting.popleft()
    [failed] = job.take((4,), Outcome(error=RUN_ERROR))
    assert failed == RunFailed(
        POINT, PointError('WorkerDied', 'killed', 'trial 4', 'Traceback: …', 'SIGSEGV', 'loading…\n')
    )
    assert failed.error.trial == 4
    assert [index for (index,), _ in job.waiting] == [5]
    assert job.take((3,), Outcome('three')) == [TrialDone(POINT, 3, 'three')]
    assert job.take((5,), Outcome(error=RUN_ERROR))[0].error.trial == 5
    assert not job.failed  # so that what waits of the point is still given out


@pytest.mark.parametrize(
    ('indices', 'told'),
    [
        ([3], 'trial 3'),
        ([3, 4], 'trials 3, 4'),
        ([0, 1, 2, 5, 7, 8, 9], 'trials 0-2, 5, 7-9'),
    ],
)
def test_trials_say_what_they_are(indices, told):
    assert trials_of(*indices).describe() == f'training: {told}'


def test_trials_that_are_done_or_failed_are_not_spoken_of_any_more():
    job = trials_of(0, 1, 2)
    job.take((1,), Outcome('one'))
    assert job.describe() == 'training: trials 0, 2'
    job.take((0,), Outcome(error=RUN_ERROR))
    assert job.describe() == 'training: trial 2'


def test_a_tuning_says_how_many_cores_it_uses():
    job = tuning_of(FakeTuner(3))
    job.running = 3
    assert job.describe() == f'tuning: {STAGE_TITLES[STAGES[0]]}, 3 cores'


# In lanes


def lanes_of(*indices, lanes=4):
    job = TrialsJob(ParamsTask(POINT, indices, 1), TUNED, 7, lanes)
    assert job.begin() == []
    return job


def test_trials_in_lanes_always_have_the_same_neighbours():
    job = lanes_of(1, 5, 6)
    assert [group for group, _ in job.waiting] == [(0, 1, 2, 3), (4, 5, 6, 7)]
    assert list(lanes_of(5).waiting) == [job.waiting[1]] != list(lanes_of(3).waiting)
    task = job.waiting[1][1]
    assert (task.name, task.function, task.point) == ('trial 4-7', 'in_lanes', POINT)
    seeds = [run_seed(7, 'trial', index) for index in (4, 5, 6, 7)]
    assert task.arguments == {'seeds': seeds, 'function': 'train_trial', 'index': 4, **TUNED.plan()}


def test_of_a_group_only_the_trials_asked_for_are_told():
    events = lanes_of(5, 6).take((4, 5, 6, 7), Outcome(['four', 'five', 'six', 'seven']))
    assert events == [TrialDone(POINT, 5, 'five'), TrialDone(POINT, 6, 'six')]


def test_trials_of_a_group_that_fails_are_tried_one_by_one():
    job = lanes_of(5, 6)
    job.waiting.clear()
    assert job.take((4, 5, 6, 7), Outcome(error=RUN_ERROR)) == []
    assert list(job.waiting) == list(trials_of(5, 6).waiting)
    [failed] = job.take((5,), Outcome(error=RUN_ERROR))
    assert failed.error.trial == 5
    assert job.take((6,), Outcome('six')) == [TrialDone(POINT, 6, 'six')]


def tuning_in_lanes(*sizes, lanes=3, saved=lambda *_: None):
    tuner = FakeTuner(*sizes)
    job = TuningJob(ParamsTask(POINT, (), 2), tuner.run(), saved, lanes)
    assert job.begin() == []
    return tuner, job


def test_runs_of_a_stage_go_side_by_side_if_they_differ_in_their_seeds_alone():
    tuner, job = tuning_in_lanes(5)
    assert [group for group, _ in job.waiting] == [(0, 1, 2), (3, 4)]
    arguments = job.waiting[0][1].arguments
    assert arguments == {'seeds': [0, 1, 2], 'function': 'measure_curve', 'stage': 0}
    job.waiting.clear()
    assert [e.index for e in job.take((3, 4), Outcome(['d', 'e']))] == [3, 4]
    *told, end = job.take((0, 1, 2), Outcome(['a', 'b', 'c']))
    assert [(e.index, e.value) for e in told] == [(0, 'a'), (1, 'b'), (2, 'c')]
    assert end == TuningDone(POINT, TUNED) and tuner.received == [['a', 'b', 'c', 'd', 'e']]


def test_a_group_of_which_a_run_is_saved_is_done_again_for_the_others():
    saved = SavedRuns()
    _, job = tuning_in_lanes(3, 1)
    saved.save(job.take((0, 1, 2), Outcome(['a', 'b', 'c']))[:1])
    tuner, again = tuning_in_lanes(3, 1, saved=saved)
    assert next(iter(again.waiting))[0] == (0, 1, 2)
    again.waiting.clear()
    told = again.take((0, 1, 2), Outcome(['not this', 'b', 'c']))
    assert [(e.index, e.value) for e in told] == [(1, 'b'), (2, 'c')]
    assert tuner.received == [['a', 'b', 'c']]


def test_runs_of_a_group_that_fails_are_tried_one_by_one_and_the_first_counts():
    _, job = tuning_in_lanes(3)
    job.waiting.clear()
    assert job.take((0, 1, 2), Outcome(error=RUN_ERROR)) == []
    assert [indices for indices, _ in job.waiting] == [(0,), (1,), (2,)]
    job.waiting.popleft(), job.waiting.popleft()
    assert job.take((1,), Outcome(error=RunError('ValueError', 'run 1'))) == []
    assert not job.waiting
    [failed] = job.take((0,), Outcome(error=RunError('ValueError', 'run 0')))
    assert failed.error.message == 'run 0' and job.failed
