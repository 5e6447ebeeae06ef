"""The dispatcher between a real queue, real jobs and an executor that only pretends to run."""

import random
from collections import Counter, deque
from dataclasses import dataclass
from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.errors import TuningFailed
from sweeper.executors.base import Executor, Outcome, RunError, Task
from sweeper.results import Tuned
from sweeper.run.dispatcher import Dispatcher
from sweeper.run.jobs import (
    RunDone,
    RunFailed,
    TaskDone,
    TrialDone,
    TrialsJob,
    TuningDone,
    TuningJob,
)
from sweeper.run.queue import ParamsTaskQueue
from sweeper.seeding import run_seed
from sweeper.tuning.base import RunRequest, Stage

TUNED = Tuned(lr_min=0.01, lr_max=0.1, batch_size=8, cycle_size_epochs=2, epochs=4)
STAGES = ('lr_vs_perf', 'candidates')
A, B, C = ('a',), ('b',), ('c',)


class Run(tuple):
    """Says which run it was, and passes for what a trial gives."""

    result = SimpleNamespace(seconds=1.0)


class FakeExecutor(Executor):
    """Holds what is submitted until `finish` says that it is done, or finishes at random."""

    def __init__(self, cores, fails=lambda task: False, order=None):
        super().__init__(cores)
        self.seconds = 0.0  # that each run takes
        self.running = {}
        self.started = []
        self._fails = fails
        self._order = order
        self._done = deque()

    def start(self, spec, expect_work=True, on_output=None):
        raise AssertionError('the dispatcher gets it started')

    def close(self):
        raise AssertionError('the caller closes it')

    def submit(self, key, task):
        assert key not in self.running
        self.running[key] = task
        self.started.append(run_of(task))
        assert len(self.running) <= self.cores

    def finish(self, *runs):
        """Lets these runs be done at the next `wait`."""
        keys = {run_of(task): key for key, task in self.running.items()}
        self._done += [keys[run] for run in runs]

    def wait(self):
        assert self.running
        if self._order is not None:
            keys = sorted(self.running)
            self._done += self._order.sample(keys, self._order.randint(1, len(keys)))
        outcomes = []
        while self._done:
            key = self._done.popleft()
            task = self.running.pop(key)
            error = RunError('ValueError', str(run_of(task))) if self._fails(task) else None
            outcomes.append((key, Outcome(None if error else Run(run_of(task)), error, self.seconds)))
        assert outcomes, 'the test would block here'
        return outcomes

    @property
    def now(self):
        """The runs in progress, in the order in which they were started."""
        return [run_of(task) for task in self.running.values()]


def failures(events):
    """The points that failed and the trial that did, None for the tuning, as they were told."""
    return [(event.point, event.error.trial) for event in events if isinstance(event, RunFailed)]


def run_of(task):
    """A run as `(point, stage, index)` or `(point, 'trial', index)`."""
    if task.function == 'train_trial':
        seeds = [run_seed(0, 'trial', index) for index in range(20)]
        return *task.point, 'trial', seeds.index(task.arguments['seed'])
    return *task.point, task.arguments['stage'], task.arguments['index']


def tuner(sizes):
    for name, size in zip(STAGES, sizes, strict=False):
        yield Stage(name, [RunRequest('measure_curve', {'stage': name, 'index': i}) for i in range(size)])
    return TUNED


def dispatcher_of(executor, sweep_cores=1, stages=(3, 3), points=(), saved=(), **options):
    """A dispatcher and its queue; `points` are `(point, trials, tuned)`, `saved` runs that are on disk."""
    queue = ParamsTaskQueue(executor.cores, sweep_cores)
    for point, trials, tuned in points:
        queue.add_task_by_params(point, trials, tuned=tuned)

    def make_job(task):
        if task.is_tuning:
            sizes = stages(task.point) if callable(stages) else stages

            def find(stage, index, request):
                run = (*task.point, STAGES[stage], index)
                return run if run in saved else None

            return TuningJob(task, tuner(sizes), find)
        return TrialsJob(task, TUNED, 0)

    return Dispatcher(queue, executor, make_job, **options), queue


def run_all(dispatcher, queue):
    """Runs until nothing is left; returns the events."""
    events = start(dispatcher)
    while dispatcher.jobs:
        queue.check_invariants()
        events += dispatcher.wait()
        events += start(dispatcher)
    assert not queue.have_more_tasks()
    return events


def start(dispatcher):
    """Starts what can be started; returns the events of what needed no run."""
    events = []
    while new := dispatcher.start_what_fits():
        events += new
    return events


def runs_done(events):
    """The runs that were told one by one, as `run_of` has them."""
    runs = []
    for event in events:
        if isinstance(event, RunDone):
            assert event.value == (*event.point, STAGES[event.stage], event.index)
            runs.append(event.value)
        elif isinstance(event, TrialDone):
            assert event.record == (*event.point, 'trial', event.index)
            runs.append(event.record)
    return runs


def test_idle_cores_of_an_ending_stage_are_lent_to_trials_of_another_point():
    executor = FakeExecutor(3)
    dispatcher, _ = dispatcher_of(executor, 3, points=[(A, 1, False), (B, 5, True)])
    dispatcher.start_what_fits()
    assert executor.now == [('a', 'lr_vs_perf', 0), ('a', 'lr_vs_perf', 1), ('a', 'lr_vs_perf', 2)]
    executor.finish(('a', 'lr_vs_perf', 1))
    assert runs_done(dispatcher.wait()) == [('a', 'lr_vs_perf', 1)]
    dispatcher.start_what_fits()
    assert executor.now[-1] == ('b', 'trial', 0)
    assert len(executor.now) == 3


def test_next_stage_of_a_job_goes_before_new_tasks():
    executor = FakeExecutor(3)
    dispatcher, queue = dispatcher_of(executor, 3, points=[(A, 1, False), (B, 5, True)])
    dispatcher.start_what_fits()
    executor.finish(('a', 'lr_vs_perf', 1))
    dispatcher.wait()
    dispatcher.start_what_fits()
    executor.finish(('a', 'lr_vs_perf', 0), ('a', 'lr_vs_perf', 2))
    dispatcher.wait()
    dispatcher.start_what_fits()
    assert executor.now == [('b', 'trial', 0), ('a', 'candidates', 0), ('a', 'candidates', 1)]
    executor.finish(('b', 'trial', 0))
    dispatcher.wait()
    dispatcher.start_what_fits()
    assert executor.now[-1] == ('a', 'candidates', 2)
    queue.check_invariants()


def test_cores_that_a_stage_has_no_runs_for_are_lent_from_the_start():
    executor = FakeExecutor(4)
    dispatcher, _ = dispatcher_of(executor, 4, stages=(1,), points=[(A, 0, False), (B, 3, True)])
    dispatcher.start_what_fits()
    assert executor.now == [('a', 'lr_vs_perf', 0), *(('b', 'trial', index) for index in range(3))]


def test_stage_of_more_runs_than_cores_starts_the_next_run_as_one_ends():
    executor = FakeExecutor(2)
    dispatcher, _ = dispatcher_of(executor, 8, stages=(4,), points=[(A, 0, False), (B, 3, True)])
    dispatcher.start_what_fits()
    executor.finish(('a', 'lr_vs_perf', 0))
    dispatcher.wait()
    assert executor.now == [('a', 'lr_vs_perf', 1), ('a', 'lr_vs_perf', 2)]


def test_cores_that_nothing_waits_for_go_to_a_tuning_beyond_its_share():
    executor = FakeExecutor(6)
    dispatcher, queue = dispatcher_of(executor, 2, stages=(5,), points=[(A, 1, False), (B, 1, True)])
    dispatcher.start_what_fits()
    assert executor.now[:3] == [('a', 'lr_vs_perf', 0), ('a', 'lr_vs_perf', 1), ('b', 'trial', 0)]
    assert len(executor.now) == 6
    queue.check_invariants()


def test_a_borrowed_core_goes_back_as_soon_as_something_else_waits():
    executor = FakeExecutor(4)
    dispatcher, queue = dispatcher_of(executor, 2, stages=(9,), points=[(A, 0, False)])
    dispatcher.start_what_fits()
    assert len(executor.now) == 4
    queue.add_task_by_params(B, 3, tuned=True)
    executor.finish(*(('a', 'lr_vs_perf', index) for index in range(3)))
    dispatcher.wait()
    dispatcher.start_what_fits()
    assert [run[0] for run in executor.now] == ['a', 'a', 'b', 'b']
    queue.check_invariants()


def test_a_tuning_is_not_kept_waiting_by_trials_that_end_one_by_one():
    executor = FakeExecutor(3)
    dispatcher, queue = dispatcher_of(executor, 3, stages=(3,), points=[(A, 50, True)])
    dispatcher.start_what_fits()
    queue.add_task_by_params(B, 0)
    for index in range(3):
        executor.finish(('a', 'trial', index))
        dispatcher.wait()
        dispatcher.start_what_fits()
        assert executor.now[-1] == ('b', 'lr_vs_perf', index)


def test_jobs_are_listed_in_the_order_in_which_they_were_started():
    executor = FakeExecutor(2)
    dispatcher, _ = dispatcher_of(executor, points=[(A, 1, True), (B, 1, False)])
    dispatcher.start_what_fits()
    assert [job.task.point for job in dispatcher.jobs] == [B, A]


def test_events_tell_the_run_then_the_tuning_then_the_end_of_its_task():
    executor = FakeExecutor(1)
    dispatcher, _ = dispatcher_of(executor, stages=(1,), points=[(A, 0, False)])
    dispatcher.start_what_fits()
    [task] = [job.task for job in dispatcher.jobs]
    executor.finish(('a', 'lr_vs_perf', 0))
    run, *others = dispatcher.wait()
    assert runs_done([run]) == [('a', 'lr_vs_perf', 0)]
    assert others == [TuningDone(A, TUNED), TaskDone(task)]
    assert dispatcher.jobs == []


def test_the_end_of_a_task_tells_how_long_its_runs_took():
    executor = FakeExecutor(2, order=random.Random(0))
    executor.seconds = 1.5
    dispatcher, queue = dispatcher_of(executor, 2, stages=(2, 1), points=[(A, 2, False)])
    ends = [event for event in run_all(dispatcher, queue) if isinstance(event, TaskDone)]
    assert [end.seconds for end in ends] == [4.5, 3]


def test_what_a_tuning_took_is_not_known_if_runs_of_it_were_found_on_disk():
    executor = FakeExecutor(2, order=random.Random(0))
    executor.seconds = 1.5
    for saved in ([('a', 'lr_vs_perf', 0)], [('a', 'candidates', 1)]):
        dispatcher, queue = dispatcher_of(executor, 2, (2, 2), [(A, 0, False), (B, 0, False)], saved)
        ends = [event for event in run_all(dispatcher, queue) if isinstance(event, TaskDone)]
        assert {end.task.point: end.seconds for end in ends} == {A: None, B: 6}


def test_seconds_under_way_are_those_of_trials_in_progress_and_of_tunings_with_all_their_runs():
    executor, now = FakeExecutor(2), [100.0]
    points = [(A, 0, False), (B, 2, True)]
    dispatcher, _ = dispatcher_of(executor, stages=(1, 1), points=points, clock=lambda: now[0])
    dispatcher.start_what_fits()
    assert executor.now == [('a', 'lr_vs_perf', 0), ('b', 'trial', 0)]
    assert (dispatcher.busy_cores, dispatcher.seconds_under_way) == (2, 0)
    now[0] += 3
    assert dispatcher.seconds_under_way == 6
    executor.seconds = 2.5
    executor.finish(('a', 'lr_vs_perf', 0))
    dispatcher.wait()  # and the next stage begins
    assert dispatcher.seconds_under_way == 2.5 + 3
    executor.finish(('b', 'trial', 0))
    dispatcher.wait()
    assert dispatcher.seconds_under_way == 2.5
    executor.finish(('a', 'candidates', 0))
    dispatcher.wait()
    assert (dispatcher.busy_cores, dispatcher.seconds_under_way) == (0, 0)


def test_trials_start_when_their_tuning_is_done():
    executor = FakeExecutor(2)
    dispatcher, _ = dispatcher_of(executor, 2, stages=(1,), points=[(A, 2, False)])
    dispatcher.start_what_fits()
    executor.finish(('a', 'lr_vs_perf', 0))
    dispatcher.wait()
    dispatcher.start_what_fits()
    assert executor.now == [('a', 'trial', 0), ('a', 'trial', 1)]


def test_failing_tuning_starts_nothing_more_and_what_it_started_finishes():
    executor = FakeExecutor(2, fails=lambda task: run_of(task) == ('a', 'lr_vs_perf', 0))
    dispatcher, queue = dispatcher_of(executor, 2, stages=(4, 2), points=[(A, 3, False), (B, 1, True)])
    executor._order = random.Random(0)
    events = run_all(dispatcher, queue)
    started = [run for run in executor.started if run[0] == 'a']
    assert started == [('a', 'lr_vs_perf', index) for index in range(len(started))]
    assert 2 <= len(started) <= 3
    assert executor.started.count(('b', 'trial', 0)) == 1
    assert failures(events) == [(A, None)]


def test_failing_trial_leaves_the_other_trials_of_its_point_alone():
    executor = FakeExecutor(
        2, fails=lambda task: run_of(task)[:2] == ('a', 'trial') and run_of(task)[2] % 3 == 0
    )
    dispatcher, queue = dispatcher_of(executor, points=[(A, 9, True), (B, 2, True)])
    dispatcher.start_what_fits()
    executor.finish(('a', 'trial', 0), ('a', 'trial', 1))
    events = dispatcher.wait()
    failed, done, ended = events
    assert (failures([failed]), runs_done([done])) == ([(A, 0)], [('a', 'trial', 1)])
    assert ended.task.trials == (0, 1)
    executor._order = random.Random(0)
    events += run_all(dispatcher, queue)
    expected = [('a', 'trial', index) for index in range(9)] + [('b', 'trial', index) for index in range(2)]
    assert sorted(executor.started) == expected
    assert sorted(failures(events)) == [(A, 0), (A, 3), (A, 6)]
    assert Counter(runs_done(events)) == Counter(run for run in expected if run[0] == 'b' or run[2] % 3)


def test_a_tuning_whose_runs_are_all_on_disk_is_told_without_a_run_before_its_trials_start():
    executor = FakeExecutor(2)
    saved = {('a', 'lr_vs_perf', 0), ('a', 'lr_vs_perf', 1), ('a', 'candidates', 0)}
    dispatcher, queue = dispatcher_of(executor, 2, stages=(2, 1), points=[(A, 1, False)], saved=saved)
    tuned, ended = dispatcher.start_what_fits()
    assert tuned == TuningDone(A, TUNED)
    assert ended.task.is_tuning and ended.task.point == A
    assert executor.now == [] and dispatcher.jobs == []
    queue.check_invariants()
    assert dispatcher.start_what_fits() == []
    assert executor.now == [('a', 'trial', 0)]


def test_a_tuning_that_gives_up_on_what_is_on_disk_fails_its_point_without_a_run():
    executor, queue = FakeExecutor(2), ParamsTaskQueue(2, 2)
    queue.add_task_by_params(A, 3)

    def make_job(task):
        def give_up():
            yield Stage('lr_vs_perf', [RunRequest('measure_curve', {})])
            raise TuningFailed('every run diverged')

        return TuningJob(task, give_up(), lambda *_: 'saved')

    events = Dispatcher(queue, executor, make_job).start_what_fits()
    assert failures(events) == [(A, None)] and isinstance(events[-1], TaskDone)
    assert not executor.started and not queue.have_more_tasks()
    assert queue.available_cores == 2


def test_no_run_starts_while_cores_that_were_taken_away_are_in_use():
    executor = FakeExecutor(4)
    dispatcher, _ = dispatcher_of(executor, points=[(A, 4, True), (B, 3, True)])
    dispatcher.start_what_fits()
    executor.cores = 1
    executor.finish(*(('a', 'trial', index) for index in range(3)))
    dispatcher.wait()
    dispatcher.start_what_fits()
    assert executor.now == [('a', 'trial', 3)]
    executor.finish(('a', 'trial', 3))
    dispatcher.wait()
    dispatcher.start_what_fits()
    assert executor.now == [('b', 'trial', 0)]


def test_an_executor_that_has_more_cores_than_before_gets_more_runs():
    executor = FakeExecutor(2)
    dispatcher, _ = dispatcher_of(executor, points=[(A, 9, True)])
    dispatcher.start_what_fits()
    assert len(executor.now) == 2
    executor.cores = 5
    dispatcher.start_what_fits()
    assert executor.now == [('a', 'trial', index) for index in range(5)]
    executor.cores = 2
    executor.finish(*executor.now[:2])
    dispatcher.wait()
    dispatcher.start_what_fits()
    assert len(executor.now) == 3


@dataclass(frozen=True)
class Plan:
    """What one point needs, which of its runs fail, and which of its tuning are on disk."""

    tuned: bool
    stages: tuple[int, ...]
    trials: int
    fails: frozenset
    saved: frozenset

    def runs(self, name):
        """The runs that the point starts if every one that it may start ends before the next begins."""
        runs = []
        if not self.tuned:
            for stage, size in zip(STAGES, self.stages, strict=False):
                stage_runs = [(name, stage, i) for i in range(size) if (stage, i) not in self.saved]
                runs += stage_runs
                if any(run[1:] in self.fails for run in stage_runs):
                    return runs, True
        return runs + [(name, 'trial', index) for index in range(self.trials)], False


RUNS = st.tuples(st.sampled_from([*STAGES, 'trial']), st.integers(0, 5))
PLANS = st.builds(
    Plan,
    tuned=st.booleans(),
    stages=st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple),
    trials=st.integers(0, 6),
    fails=st.one_of(st.just(frozenset()), st.frozensets(RUNS, max_size=2)),
    saved=st.one_of(st.just(frozenset()), st.frozensets(RUNS, max_size=12)),
)


@settings(deadline=None, max_examples=100)
@given(
    plans=st.lists(PLANS, min_size=1, max_size=5),
    cores=st.integers(1, 6),
    sweep_cores=st.integers(1, 8),
    order=st.randoms(use_true_random=False),
)
def test_whatever_the_order_every_run_is_started_and_told_once_and_everything_drains(
    plans, cores, sweep_cores, order
):
    executor = FakeExecutor(cores, lambda task: run_of(task)[1:] in plans[task.point[0]].fails, order)
    dispatcher, queue = dispatcher_of(
        executor,
        sweep_cores,
        stages=lambda point: plans[point[0]].stages,
        points=[((number,), plan.trials, plan.tuned) for number, plan in enumerate(plans)],
        saved={(number, *run) for number, plan in enumerate(plans) for run in plan.saved},
    )
    events = run_all(dispatcher, queue)

    assert not executor.running
    assert queue.available_cores == cores
    started = Counter(executor.started)
    assert set(started.values()) <= {1}
    told = runs_done(events)
    assert set(told) == {run for run in started if run[1:] not in plans[run[0]].fails}
    assert len(told) == len(set(told))
    for number, plan in enumerate(plans):
        runs, tuning_fails = plan.runs(number)
        mine = {run for run in started if run[0] == number}
        failed = [trial for params, trial in failures(events) if params == (number,)]
        tunings = [event for event in events if isinstance(event, TuningDone) and event.point == (number,)]
        if tuning_fails:
            assert mine <= set(runs)
            assert (failed, tunings) == ([None], [])
        else:
            assert mine == set(runs)
            assert sorted(failed) == sorted(i for _, stage, i in runs if (stage, i) in plan.fails)
            assert len(tunings) == (not plan.tuned)


@settings(deadline=None, max_examples=60)
@given(
    plans=st.lists(PLANS, min_size=1, max_size=4),
    cores=st.integers(1, 6),
    sweep_cores=st.integers(1, 8),
    order=st.randoms(use_true_random=False),
)
def test_no_core_idles_while_a_run_could_start(plans, cores, sweep_cores, order):
    executor = FakeExecutor(cores, order=order)
    dispatcher, queue = dispatcher_of(
        executor,
        sweep_cores,
        stages=lambda point: plans[point[0]].stages,
        points=[((number,), plan.trials, plan.tuned) for number, plan in enumerate(plans)],
    )
    dispatcher.start_what_fits()
    while dispatcher.jobs:
        assert len(executor.running) == cores - queue.available_cores
        if queue.available_cores:
            assert not any(job.waiting for job in dispatcher.jobs)
            assert not len(queue)
        dispatcher.wait()
        dispatcher.start_what_fits()


# Tasks of no job


class Beside(FakeExecutor):
    """One that others' tasks, which carry no seed, are given to, too; of more than `cores` the last wait."""

    def submit(self, key, task):
        self.running[key] = task

    def wait(self):
        key = self._order.choice(list(self.running)[: self.cores])
        task = self.running.pop(key)
        return [(key, Outcome('beside' if task.function == 'violation' else Run(run_of(task))))]


@settings(max_examples=50)
@given(rng=st.randoms(use_true_random=False), cores=st.integers(1, 3), count=st.integers(0, 5))
def test_what_is_done_while_other_tasks_are_run_is_told_afterwards(rng, cores, count):
    points = [(A, 3, True), (B, 2, True)]
    dispatcher, queue = dispatcher_of(Beside(cores, order=rng), points=points)
    events = start(dispatcher)
    tasks = [Task('checking constraints', 'violation', (number,), {}) for number in range(count)]
    assert [outcome.value for outcome in dispatcher.run_beside(tasks)] == ['beside'] * count
    events += run_all(dispatcher, queue)
    done = sorted((event.point, event.index) for event in events if isinstance(event, TrialDone))
    assert done == [(A, 0), (A, 1), (A, 2), (B, 0), (B, 1)]
