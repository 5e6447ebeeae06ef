"""Jobs: what runs a task consists of, and what its outcomes come to."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.errors import TuningFailed
from sweeper.scheduling.jobs import FailedPoint, PointTuned, TrialDone, TrialsJob, TuningJob
from sweeper.scheduling.task import Outcome, ParamsTask, RunError, Task
from sweeper.seeding import run_seed
from sweeper.store.results import PointError, Tuned
from sweeper.tuning.tuner import RunRequest, Stage

POINT = (16, 'relu')
TUNED = Tuned(lr_start=0.01, lr_end=0.1, batch_size=8, cycle_size_epochs=2, epochs=4)
STAGES = ('lr_vs_perf', 'bs_vs_perf', 'bs_sampled', 'lr_vs_perf2')


class FakeTuner:
    """A tuner of some stages, each of so many runs, that notes what it receives."""

    def __init__(self, *sizes, ending=TUNED):
        self.sizes, self.ending = sizes, ending
        self.received = []
        self.closed = False

    def run(self):
        try:
            for name, size in zip(STAGES, self.sizes, strict=False):
                runs = [RunRequest('measure_curve', {'stage': name, 'seed': index}) for index in range(size)]
                self.received.append((yield Stage(name, runs)))
            if isinstance(self.ending, Exception):
                raise self.ending
            return self.ending
        finally:
            self.closed = True


def tuning_of(tuner):
    return TuningJob(ParamsTask(POINT, (), 2), tuner.run())


def take_all(job, order=None, errors=()):
    """Starts all waiting runs and answers them in `order`; returns the events."""
    runs = dict(job.waiting)
    job.waiting.clear()
    events = []
    for index in sorted(runs) if order is None else order:
        error = RunError('ValueError', f'run {index}') if index in errors else None
        outcome = Outcome(error=error) if error else Outcome(f'result {index}')
        assert not events
        events += job.take(index, outcome)
    return events


def test_tuning_wants_the_runs_of_its_first_stage_for_its_point():
    job = tuning_of(FakeTuner(2, 1))
    assert list(job.waiting) == [
        (0, Task('measure_curve', POINT, {'stage': 'lr_vs_perf', 'seed': 0})),
        (1, Task('measure_curve', POINT, {'stage': 'lr_vs_perf', 'seed': 1})),
    ]
    assert not job.failed


def test_next_stage_begins_only_when_every_run_of_the_stage_is_answered():
    job = tuning_of(FakeTuner(2, 1))
    job.waiting.clear()
    assert job.take(1, Outcome('b')) == []
    assert not job.waiting
    assert job.take(0, Outcome('a')) == []
    assert [task.arguments['stage'] for _, task in job.waiting] == ['bs_vs_perf']


@settings(deadline=None)
@given(data=st.data(), sizes=st.lists(st.integers(1, 6), min_size=1, max_size=4))
def test_tuner_gets_results_in_the_order_of_the_runs_however_they_arrive(data, sizes):
    tuner = FakeTuner(*sizes)
    job = tuning_of(tuner)
    for size in sizes:
        assert [index for index, _ in job.waiting] == list(range(size))
        events = take_all(job, data.draw(st.permutations(range(size))))
    assert tuner.received == [[f'result {index}' for index in range(size)] for size in sizes]
    assert events == [PointTuned(POINT, TUNED)]
    assert not job.waiting and not job.failed


@settings(deadline=None)
@given(data=st.data(), size=st.integers(1, 6))
def test_of_several_failed_runs_the_lowest_is_reported_once_all_are_answered(data, size):
    errors = data.draw(st.sets(st.integers(0, size - 1), min_size=1))
    tuner = FakeTuner(size, 3)
    job = tuning_of(tuner)
    events = take_all(job, data.draw(st.permutations(range(size))), errors)
    error = PointError('ValueError', f'run {min(errors)}', 'tuning')
    assert events == [FailedPoint(POINT, error, -1)]
    assert job.failed and not job.waiting
    assert tuner.closed and tuner.received == []


def test_failure_in_a_later_stage_fails_the_point():
    job = tuning_of(FakeTuner(1, 2))
    assert take_all(job) == []
    [event] = take_all(job, errors={1})
    assert event.error.message == 'run 1'


def test_failed_run_keeps_its_traceback():
    job = tuning_of(FakeTuner(1))
    job.waiting.clear()
    [event] = job.take(0, Outcome(error=RunError('ValueError', 'no', 'Traceback: …')))
    assert event.error == PointError('ValueError', 'no', 'tuning', 'Traceback: …')


def test_tuning_that_gives_up_fails_the_point():
    job = tuning_of(FakeTuner(1, ending=TuningFailed('every run diverged')))
    assert take_all(job) == [
        FailedPoint(POINT, PointError('TuningFailed', 'every run diverged', 'tuning'), -1)
    ]
    assert job.failed and not job.waiting


def test_a_curve_that_the_tuner_cannot_understand_costs_that_point_only():
    job = tuning_of(FakeTuner(1, ending=ZeroDivisionError('no scale')))
    [event] = take_all(job)
    assert (event.error.kind, event.error.message) == ('ZeroDivisionError', 'no scale')
    assert 'Traceback' in event.error.traceback
    assert job.failed


def test_result_none_is_a_result():
    tuner = FakeTuner(1)
    assert tuning_of(tuner).take(0, Outcome(None)) == [PointTuned(POINT, TUNED)]
    assert tuner.received == [[None]]


@pytest.mark.parametrize('stages_done', range(4))
def test_every_stage_of_a_tuning_has_a_description(stages_done):
    job = tuning_of(FakeTuner(1, 1, 1, 1))
    for _ in range(stages_done):
        take_all(job)
    assert job.describe().startswith('tuning: ')


def trials_of(*indices, seed=7):
    return TrialsJob(ParamsTask(POINT, indices, len(indices)), TUNED, seed)


def test_trials_run_with_the_tuned_plan_and_a_seed_for_their_index():
    job = trials_of(3, 4)
    assert list(job.waiting) == [
        (index, Task('train_trial', POINT, {'seed': run_seed(7, 'trial', index), **TUNED.final()}))
        for index in (3, 4)
    ]


def test_trial_is_seeded_alike_in_whatever_task_it_comes():
    assert dict(trials_of(3, 4).waiting)[4] == dict(trials_of(4).waiting)[4]


def test_each_trial_is_told_under_its_index_as_it_arrives():
    job = trials_of(3, 4)
    assert job.take(4, Outcome('four')) == [TrialDone(POINT, 4, 'four')]
    assert job.take(3, Outcome('three')) == [TrialDone(POINT, 3, 'three')]
    assert not job.failed


def test_failed_trial_fails_the_point_and_the_other_trials_are_still_told():
    job = trials_of(3, 4, 5)
    error = RunError('WorkerDied', 'killed', 'where')
    assert job.take(4, Outcome(error=error)) == [
        FailedPoint(POINT, PointError('WorkerDied', 'killed', 'trial 4', 'where'), 4)
    ]
    assert job.failed
    assert job.take(3, Outcome('three')) == [TrialDone(POINT, 3, 'three')]
    assert job.failed
    assert job.take(5, Outcome(error=error))[0].order == 5


def test_trials_say_what_they_are():
    assert trials_of(3).describe() == 'training: trial 3'
    assert trials_of(3, 4).describe() == 'training: trials 3, 4'
