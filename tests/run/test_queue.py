"""The queue on its own: what it gives out, in which order, and what it costs."""

import heapq
import math
import sys
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sweeper.run.queue import ParamsTaskQueue

A, B, C = ('a',), ('b',), ('c',)


def queue_of(total_cores, sweep_cores=1, **points):
    """A queue with tuned points, asked in this order: `queue_of(4, a=3)` has 3 trials of `('a',)`."""
    queue = ParamsTaskQueue(total_cores, sweep_cores)
    for name, trials in points.items():
        queue.add_task_by_params((name,), trials, tuned=True)
    return queue


def take(queue, cores=None):
    """The next task as `(point, trials, cores)`, or None."""
    task = queue.get_next_task(queue.available_cores if cores is None else cores)
    queue.check_invariants()
    return task and (task.point, task.trials, task.cores)


def drain(queue):
    """Runs everything, one task at a time; returns the trials of each point, in order."""
    trials = defaultdict(list)
    while (task := queue.get_next_task(queue.available_cores)) is not None:
        trials[task.point] += task.trials
        queue.task_done(task)
        queue.check_invariants()
    assert not queue.have_more_tasks()
    return dict(trials)


# order


def test_tuning_goes_first_if_the_free_cores_suffice():
    queue = queue_of(4, sweep_cores=3, a=9)
    queue.add_task_by_params(B, 1)
    assert take(queue) == (B, (), 3)
    assert take(queue) == (A, (0,), 1)


def test_tuning_starts_on_what_is_free_and_gets_the_rest_of_its_share_as_that_becomes_free():
    queue = queue_of(4, sweep_cores=3, a=9)
    trials = queue.get_next_task(3)
    queue.add_task_by_params(B, 1)
    tuning = queue.get_next_task(1)
    assert (tuning.point, tuning.cores, queue.held_cores(tuning)) == (B, 3, 1)
    queue.release(trials, 1)
    assert queue.reclaim(tuning, 2) == 1
    queue.release(trials, 2)
    assert queue.reclaim(tuning, 5) == 1
    assert (queue.held_cores(tuning), queue.available_cores) == (3, 1)
    queue.check_invariants()


def test_points_are_tuned_in_the_order_of_proposal():
    queue = ParamsTaskQueue(3, 1)
    for point, trials in ((B, 1), (C, 9), (A, 5)):
        queue.add_task_by_params(point, trials)
    assert [take(queue) for _ in range(3)] == [(B, (), 1), (C, (), 1), (A, (), 1)]


def test_point_with_most_trials_left_is_next():
    queue = queue_of(1, a=2, b=4, c=3)
    order = []
    while (task := queue.get_next_task(1)) is not None:
        order.append(task.point)
        queue.task_done(task)
    assert order == [B, B, C, A, B, C, A, B, C]


def test_ties_are_broken_by_the_order_of_proposal():
    queue = queue_of(3, c=1, a=1, b=1)
    assert [take(queue)[0] for _ in range(3)] == [C, A, B]


def test_asking_again_moves_a_point_ahead():
    queue = queue_of(1, a=3, b=2)
    queue.add_task_by_params(B, 2)
    assert take(queue) == (B, (0,), 1)


def test_trials_are_split_to_the_free_cores():
    queue = queue_of(5, a=8)
    assert take(queue, cores=3) == (A, (0, 1, 2), 3)
    assert take(queue, cores=9) == (A, (3, 4), 2)
    assert take(queue) is None


def test_trials_take_no_more_cores_than_there_are_trials():
    queue = queue_of(5, a=2)
    assert take(queue) == (A, (0, 1), 2)
    assert queue.available_cores == 3


def test_sweep_cores_beyond_the_total_use_all_cores():
    queue = ParamsTaskQueue(2, 64)
    queue.add_task_by_params(A, 1)
    assert take(queue) == (A, (), 2)
    assert queue.available_cores == 0


# lengths


def ran(queue, **seconds):
    """Tells how long trials of points took: `ran(queue, a=3.0)`."""
    for name, took in seconds.items():
        queue.trial_took((name,), took)
        queue.check_invariants()


def test_near_the_end_the_point_with_the_longest_trials_is_next():
    queue = queue_of(2, a=4, b=1, c=2)
    ran(queue, a=1.0, b=30.0, c=5.0)
    assert [take(queue, 1)[0] for _ in range(2)] == [B, C]


def test_long_before_the_end_the_point_with_most_trials_left_is_next_however_long():
    queue = queue_of(2, a=1000, b=1)
    ran(queue, a=1.0, b=30.0)
    assert take(queue, 1)[0] == A


def test_a_long_trial_starts_when_what_waits_keeps_the_cores_busy_for_twice_its_length():
    queue = queue_of(2, a=1000, b=1)
    ran(queue, a=1.0, b=30.0)
    left = 1000
    while take(queue, 1)[0] == A:
        queue.task_done(next(iter(queue._held)))
        left -= 1
    assert left + 30 < 2 * 30 * 2 <= left + 31


def test_trials_of_unknown_length_count_as_the_longest_near_the_end():
    queue = queue_of(4, a=3, b=1)
    ran(queue, a=5.0)
    assert take(queue, 1)[0] == B


def test_the_length_of_a_point_is_the_mean_of_its_trials():
    queue = queue_of(8, a=1, b=1)
    ran(queue, a=1.0, b=4.0)
    ran(queue, a=9.0)
    assert take(queue, 1)[0] == A


@given(
    lengths=st.lists(st.integers(1, 1000), min_size=1, max_size=30),
    trials=st.integers(1, 6),
    cores=st.integers(1, 12),
)
def test_cores_run_out_of_work_within_the_length_of_one_run_of_each_other(lengths, trials, cores):
    queue = ParamsTaskQueue(cores, 1)
    for number, seconds in enumerate(lengths):
        queue.add_task_by_params((number,), trials, tuned=True)
        queue.trial_took((number,), seconds)
    running, now, last_start = [], 0, {}
    while queue.have_more_tasks():
        while (task := queue.get_next_task(queue.available_cores)) is not None:
            for index in task.trials:
                seconds = lengths[task.point[0]]
                heapq.heappush(running, (now + seconds, id(task), task, index))
                last_start[seconds] = now
        end, _, task, _ = heapq.heappop(running)
        now = end
        queue.trial_took(task.point, lengths[task.point[0]])
        others = any(other is task for _, _, other, _ in running)
        queue.release(task) if others else queue.task_done(task)
        queue.check_invariants()
    work = sum(lengths) * trials
    # No core is idle while there is work (Graham 1966, Bell System Technical Journal 45).
    assert now <= work / cores + (1 - 1 / cores) * max(lengths) + 1e-9


# tuning before trials


def test_trials_never_start_before_their_tuning_is_done():
    queue = ParamsTaskQueue(4, 1)
    queue.add_task_by_params(A, 3)
    tuning = queue.get_next_task(4)
    queue.add_task_by_params(A, 1)
    assert take(queue) is None
    queue.task_done(tuning)
    assert take(queue) == (A, (0, 1, 2, 3), 4)


def test_zero_trials_tune_only():
    queue = ParamsTaskQueue(4, 4)
    queue.add_task_by_params(A, 0)
    tuning = queue.get_next_task(4)
    assert tuning.is_tuning
    queue.task_done(tuning)
    assert not queue.have_more_tasks()
    assert take(queue) is None


def test_known_tuning_is_not_done_again():
    queue = queue_of(2, a=1)
    assert drain(queue) == {A: [0]}


def test_known_tuning_and_no_trials_need_nothing():
    assert not queue_of(1, a=0).have_more_tasks()


# asking again, and what is on disk


def test_asking_again_adds_trials_with_fresh_indices():
    queue = queue_of(3, a=3)
    first = queue.get_next_task(3)
    queue.add_task_by_params(A, 2)
    queue.task_done(first)
    assert (first.trials, drain(queue)) == ((0, 1, 2), {A: [3, 4]})


def test_asking_again_after_everything_is_done_does_not_tune_again():
    queue = ParamsTaskQueue(2, 2)
    queue.add_task_by_params(A, 1)
    drain(queue)
    queue.add_task_by_params(A, 2)
    assert take(queue) == (A, (1, 2), 2)


def test_finished_trials_are_skipped():
    queue = ParamsTaskQueue(8, 1)
    queue.add_task_by_params(A, 4, tuned=True, finished={0, 2, 5})
    queue.add_task_by_params(A, 3, finished={0, 2, 5})
    assert drain(queue) == {A: [1, 3, 4, 6]}


def test_point_with_all_trials_finished_needs_nothing():
    queue = ParamsTaskQueue(8, 1)
    queue.add_task_by_params(A, 2, tuned=True, finished=range(2))
    assert len(queue) == 0
    assert not queue.have_more_tasks()


# failures


def test_failed_tuning_leaves_nothing_of_its_point():
    queue = ParamsTaskQueue(2, 2)
    queue.add_task_by_params(A, 5)
    queue.add_task_by_params(B, 1)
    queue.task_failed(queue.get_next_task(2))
    queue.check_invariants()
    assert drain(queue) == {B: [0]}


def test_failed_tuning_leaves_the_cores_to_others():
    queue = ParamsTaskQueue(3, 2)
    queue.add_task_by_params(A, 5)
    queue.add_task_by_params(B, 1, tuned=True)
    tuning, trial = queue.get_next_task(3), queue.get_next_task(1)
    queue.task_failed(tuning)
    queue.check_invariants()
    assert queue.available_cores == 2
    queue.task_done(trial)
    assert not queue.have_more_tasks()


def test_trials_do_not_fail_as_a_task_since_each_has_its_own_outcome():
    queue = queue_of(1, a=1)
    task = queue.get_next_task(1)
    with pytest.raises(AssertionError):
        queue.task_failed(task)


def test_asking_for_a_failed_point_does_nothing():
    queue = ParamsTaskQueue(1, 1)
    queue.add_task_by_params(A, 1)
    queue.task_failed(queue.get_next_task(1))
    queue.add_task_by_params(A, 5)
    assert not queue.have_more_tasks()


# cores


def test_cores_are_held_until_the_task_ends():
    queue = queue_of(3, a=2)
    task = queue.get_next_task(3)
    assert queue.available_cores == 1
    queue.task_done(task)
    assert queue.available_cores == 3


def test_released_cores_go_to_another_task_and_come_back_as_they_become_free():
    queue = ParamsTaskQueue(3, 3)
    queue.add_task_by_params(A, 0)
    queue.add_task_by_params(B, 1, tuned=True)
    tuning = queue.get_next_task(3)
    queue.release(tuning, 2)
    other = queue.get_next_task(2)
    assert (other.point, queue.available_cores) == (B, 1)
    assert queue.reclaim(tuning, 2) == 1
    queue.task_done(other)
    assert queue.reclaim(tuning, 2) == 1
    queue.check_invariants()
    queue.task_done(tuning)
    assert queue.available_cores == 3


def test_reclaim_grants_no_more_than_the_task_was_given():
    queue = queue_of(4, a=2)
    task = queue.get_next_task(2)
    queue.release(task, 1)
    assert queue.reclaim(task, 4) == 1
    assert queue.available_cores == 2


def test_releasing_more_than_is_held_is_a_mistake():
    queue = queue_of(4, a=2)
    task = queue.get_next_task(4)
    with pytest.raises(AssertionError):
        queue.release(task, 3)


def test_task_that_ends_twice_is_a_mistake():
    queue = queue_of(1, a=1)
    task = queue.get_next_task(1)
    queue.task_done(task)
    with pytest.raises(KeyError):
        queue.task_done(task)


def test_cores_taken_away_while_in_use_leave_less_than_none():
    queue = queue_of(4, a=4, b=4)
    tasks = [queue.get_next_task(2), queue.get_next_task(2)]
    queue.set_total_cores(1)
    assert queue.available_cores == -3
    assert take(queue) is None
    assert take(queue, cores=4) is None
    queue.release(tasks[0], 1)
    assert queue.reclaim(tasks[0], 1) == 0
    queue.task_done(tasks[0])
    assert take(queue, cores=4) is None
    queue.task_done(tasks[1])
    assert take(queue, cores=4)[2] == 1


def test_added_cores_are_given_out():
    queue = queue_of(1, a=4)
    queue.get_next_task(1)
    queue.set_total_cores(4)
    assert take(queue, cores=4) == (A, (1, 2, 3), 3)


# any order of events


def mean(values):
    """As the queue has it, step by step."""
    result = 0.0
    for number, value in enumerate(values, start=1):
        result += (value - result) / number
    return result


class QueueMachine(RuleBasedStateMachine):
    """Drives the queue beside a model that searches plain lists for the answer."""

    def __init__(self):
        super().__init__()
        self.total, self.sweep = 4, 3
        self.queue = ParamsTaskQueue(self.total, self.sweep)
        self.points = {}  # in the order of proposal
        self.running = {}  # task -> cores held
        self.given = set()
        self.overdrawn = 0

    def free(self):
        return self.total - sum(self.running.values())

    def expected(self, cores):
        cores = min(cores, self.free())
        untuned = [name for name, one in self.points.items() if one['stage'] == 'untuned']
        if cores > 0 and untuned:
            return untuned[0], (), min(self.sweep, self.total)
        ready = {n: one['left'] for n, one in self.points.items() if one['stage'] == 'tuned' and one['left']}
        if cores <= 0 or not ready:
            return None
        lengths = {n: self.points[n]['seconds'] for n in ready}
        longest = max((lengths[n] and mean(lengths[n])) or math.inf for n in ready)
        known = [seconds for one in self.points.values() for seconds in one['seconds']]
        waiting = sum(len(left) * mean(lengths[n] or known or [0]) for n, left in ready.items())
        is_near = waiting < 2 * min(longest, max(known, default=0)) * self.total

        def rank(name):
            length = mean(lengths[name]) if lengths[name] else math.inf
            return (-length if is_near else 0), -len(ready[name])

        name = min(ready, key=rank)
        trials = tuple(ready[name][:cores])
        return name, trials, len(trials)

    @rule(name=st.sampled_from('abcde'), trials=st.integers(0, 5), tuned=st.booleans(), data=st.data())
    def ask(self, name, trials, tuned, data):
        is_new = name not in self.points
        finished = data.draw(st.sets(st.integers(0, 8)) if is_new else st.just(set()), label='finished')
        one = self.points.setdefault(
            name,
            {
                'stage': 'tuned' if tuned else 'untuned',
                'asked': 0,
                'left': [],
                'finished': finished,
                'wanted': set(),
                'seconds': [],
            },
        )
        self.queue.add_task_by_params((name,), trials, tuned=tuned, finished=one['finished'])
        if one['stage'] != 'failed':
            new = [i for i in range(one['asked'], one['asked'] + trials) if i not in one['finished']]
            one['left'] += new
            one['wanted'] |= set(new)
            one['asked'] += trials

    @rule(cores=st.integers(0, 9))
    def get(self, cores):
        expected = self.expected(cores)
        task = self.queue.get_next_task(cores)
        assert (task and (task.point[0], task.trials, task.cores)) == expected
        if task is None:
            return
        one = self.points[task.point[0]]
        if task.is_tuning:
            one['stage'] = 'tuning'
        else:
            assert one['stage'] == 'tuned'
            runs = {(task.point, index) for index in task.trials}
            assert not runs & self.given
            self.given |= runs
            one['left'] = one['left'][len(task.trials) :]
        self.running[task] = min(task.cores, cores, self.free())

    def pick(self, data):
        return data.draw(st.sampled_from(list(self.running)), label='task')

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def done(self, data):
        task = self.pick(data)
        del self.running[task]
        self.queue.task_done(task)
        one = self.points[task.point[0]]
        if one['stage'] == 'tuning':
            one['stage'] = 'tuned'

    @precondition(lambda self: any(task.is_tuning for task in self.running))
    @rule(data=st.data())
    def failed(self, data):
        task = data.draw(st.sampled_from([task for task in self.running if task.is_tuning]), label='task')
        del self.running[task]
        self.queue.task_failed(task)
        self.points[task.point[0]] |= {'stage': 'failed', 'left': []}

    @precondition(lambda self: any(self.running.values()))
    @rule(data=st.data())
    def release(self, data):
        task = data.draw(st.sampled_from([task for task, held in self.running.items() if held]))
        cores = data.draw(st.integers(1, self.running[task]))
        self.queue.release(task, cores)
        self.running[task] -= cores

    @precondition(lambda self: self.running)
    @rule(data=st.data(), cores=st.integers(0, 6))
    def reclaim(self, data, cores):
        task = self.pick(data)
        expected = max(0, min(cores, self.free(), task.cores - self.running[task]))
        assert self.queue.reclaim(task, cores) == expected
        self.running[task] += expected

    @precondition(lambda self: any(task.is_tuning for task in self.running))
    @rule(data=st.data(), cores=st.integers(1, 6))
    def borrow(self, data, cores):
        task = data.draw(st.sampled_from([task for task in self.running if task.is_tuning]), label='task')
        expected = 0 if len(self.queue) else max(0, min(cores, self.free()))
        assert self.queue.borrow(task, cores) == expected
        self.running[task] += expected

    @precondition(lambda self: self.points)
    @rule(data=st.data(), seconds=st.sampled_from([1, 2, 4, 1024]))
    def took(self, data, seconds):
        name = data.draw(st.sampled_from(list(self.points)), label='point')
        self.queue.trial_took((name,), seconds)
        self.points[name]['seconds'].append(seconds)

    @rule(total=st.integers(1, 8))
    def set_total(self, total):
        self.queue.set_total_cores(total)
        self.total = total
        self.overdrawn = max(0, -self.free())

    @invariant()
    def agrees_with_the_model(self):
        self.queue.check_invariants()
        assert self.queue.available_cores == self.free()
        waiting = [
            one['stage'] == 'untuned' or (one['stage'] == 'tuned' and bool(one['left']))
            for one in self.points.values()
        ]
        assert len(self.queue) == sum(waiting)
        assert self.queue.have_more_tasks() == (any(waiting) or bool(self.running))

    @invariant()
    def holds_no_more_than_the_total_but_what_ran_when_it_was_lowered(self):
        overdrawn = max(0, -self.free())
        assert overdrawn <= self.overdrawn
        self.overdrawn = overdrawn

    def teardown(self):
        for task in list(self.running):
            self.queue.task_done(task)
            one = self.points[task.point[0]]
            one['stage'] = 'tuned' if one['stage'] == 'tuning' else one['stage']
        while (task := self.queue.get_next_task(self.queue.available_cores)) is not None:
            runs = {(task.point, index) for index in task.trials}
            assert not runs & self.given
            self.given |= runs
            self.queue.task_done(task)
            self.queue.check_invariants()
        assert not self.queue.have_more_tasks()
        assert self.queue.available_cores == self.total
        for name, one in self.points.items():
            given = {index for point, index in self.given if point == (name,)}
            if one['stage'] == 'failed':
                assert given <= one['wanted']
            else:
                assert given == one['wanted']


QueueMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAnyOrderOfEvents = QueueMachine.TestCase


# scale


class CallCounter:
    """Counts function calls, those into C included, while it is entered."""

    def __enter__(self):
        self.calls = 0
        self._before = sys.getprofile()
        sys.setprofile(self._count)
        return self

    def _count(self, frame, event, argument):
        self.calls += event in ('call', 'c_call')

    def __exit__(self, *error):
        sys.setprofile(self._before)


WINDOW = 200


def calls_per_window(operations, between, limit):
    """Runs `operations`, counting the calls of a window of them, then again after every `between`."""
    counts = []
    while True:
        with CallCounter() as counter:
            done = sum(1 for _, _ in zip(range(WINDOW), operations, strict=False))
        if done < WINDOW:
            return counts
        counts.append(counter.calls)
        assert counter.calls <= limit, f'{operations.__name__} slows down'
        for _ in zip(range(between), operations, strict=False):
            pass


def most_calls(points, trials, between, limits=None):
    """Asks, tunes and runs `points` points; returns the most calls in a window of each phase."""
    queue = ParamsTaskQueue(8, 8)
    given = [0] * points

    def ask():
        for number in range(points):
            queue.add_task_by_params((number,), trials)
            yield

    def tune():
        for _ in range(points):
            task = queue.get_next_task(8)
            assert task.is_tuning
            queue.task_done(task)
            yield

    def run():
        while (task := queue.get_next_task(8)) is not None:
            given[task.point[0]] += len(task.trials)
            for _ in task.trials:
                queue.trial_took(task.point, 1.0 + task.point[0] % 7)
            queue.task_done(task)
            yield

    most = {}
    for phase in (ask, tune, run):
        limit = limits[phase.__name__] if limits else math.inf
        counts = calls_per_window(phase(), between, limit)
        assert len(counts) >= 5
        most[phase.__name__] = max(counts)
    assert given == [trials] * points
    assert not queue.have_more_tasks()
    return most


@pytest.mark.slow
def test_a_million_trials_over_a_hundred_thousand_points_pass_without_slowing_down():
    few = most_calls(points=1000, trials=10, between=0)
    most_calls(
        points=100_000, trials=10, between=5000, limits={phase: 3 * calls for phase, calls in few.items()}
    )


def test_a_core_does_a_group_of_trials_in_lanes():
    queue = ParamsTaskQueue(4, 1, lanes=4)
    queue.add_task_by_params(('a',), 11, tuned=True, finished={5})
    task = queue.get_next_task(2)
    assert (task.trials, task.cores) == ((0, 1, 2, 3, 4, 6, 7), 2)
    assert queue.available_cores == 2
    rest = queue.get_next_task(2)
    assert (rest.trials, rest.cores) == ((8, 9, 10), 1)
    queue.check_invariants()
    queue.task_done(task), queue.task_done(rest)
    assert queue.available_cores == 4 and not queue.have_more_tasks()
