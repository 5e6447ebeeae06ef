"""The sweep's loop: cores get new work before anything is written, and nothing is told before it is."""

import math
import threading
from collections import deque
from dataclasses import replace

import numpy as np
import pytest

from sweeper import FixedSweep, ParamsTaskQueue, SweepListener, get_settings
from sweeper.errors import FolderError, SweepError
from sweeper.executors.base import Executor, Outcome
from sweeper.io.files import AtomicWriter, npz_bytes
from sweeper.problem.parameters import ModelSignature, ProblemParameters
from sweeper.results import TrialRecord, TrialResult, Tuned
from sweeper.run.assembly import assemble
from sweeper.store.manifest import Manifest
from sweeper.store.store import Store

pytestmark = pytest.mark.slow

LONG = 30
TUNED = Tuned(0.01, 0.1, 8, 2, 4)
POINTS = [('a',), ('b',)]
WEIGHTS = npz_bytes({})


class OneByOne(Executor):
    """Answers one task at each `wait`, the first submitted first; trials of the given names diverge."""

    def __init__(self, cores, diverge=()):
        super().__init__(cores)
        self._diverge = diverge
        self.submitted = []
        self.has_submitted = threading.Condition()
        self._tasks = deque()

    def start(self, spec, expect_work=True, on_output=None):
        raise AssertionError('it is started by the caller')

    def close(self):
        raise AssertionError('it is closed by the caller')

    def submit(self, key, task):
        self._tasks.append((key, task))
        with self.has_submitted:
            self.submitted.append(task.name)
            self.has_submitted.notify_all()

    def wait(self):
        key, task = self._tasks.popleft()
        diverged = task.name in self._diverge
        loss = math.inf if diverged else 0.5
        result = TrialResult(task.arguments['seed'], 4, 1.0, diverged, 0.5, loss, 0.5, loss)
        return [(key, Outcome(TrialRecord(result, WEIGHTS, WEIGHTS, {'loss': np.zeros(1)})))]


class Told(SweepListener):
    def __init__(self, folder):
        self.folder, self.trials = folder, []

    def on_trials_completed(self, values, *scores):
        self.trials.append((values, len(scores[0]), len(Store.read(self.folder).trials(values))))


class Begun(SweepListener):
    def __init__(self):
        self.heard = []

    def on_start(self, folder, names):
        self.heard.append((folder, names))

    def on_hparams_found(self, values, *tuned):
        self.heard.append(values)


def run_sweep(folder, executor, trials, threads, listeners=(), flags=()):
    """Sweeps over tuned points, which have flags."""
    manifest = Manifest('problem', 'fast', vars(get_settings('fast')), 1, 0, 100)
    with Store.opened(folder, manifest) as store:
        store.add_points(POINTS)
        for point in POINTS:
            store.write_tuned(point, replace(TUNED, flags=tuple(flags)))
    with Store.opened(folder, manifest) as store:
        return assemble(
            ProblemParameters(ModelSignature('problem', '(...)', None)),
            FixedSweep.with_fixed_trials(POINTS, trials),
            ParamsTaskQueue(executor.cores, 1), executor, store, get_settings('fast'), 100, 0, listeners,
            save_threads=threads,
        ).run()  # fmt: skip


def test_a_core_gets_its_next_run_before_what_the_last_one_gave_is_on_disk(tmp_path, monkeypatch):
    executor, write = OneByOne(2), AtomicWriter.write_together

    def write_later(self, files):
        if executor.submitted:
            with executor.has_submitted:
                assert executor.has_submitted.wait_for(lambda: len(executor.submitted) >= 3, LONG)
        write(self, files)

    monkeypatch.setattr(AtomicWriter, 'write_together', write_later)
    results = run_sweep(tmp_path / 'out', executor, 3, 4)
    assert [len(result.perf_val) for result in results] == [3, 3]


class AfterTheFirst(OneByOne, SweepListener):
    """Answers the first task at once, and the others when it hears that a trial is on disk."""

    def submit(self, key, task):
        super().submit(key, task)
        if len(self.submitted) == 1:
            self.answer_all()

    def answer_all(self):
        while self._tasks:
            [(key, outcome)] = super().wait()
            self.answer(key, outcome)

    def wait(self):
        return Executor.wait(self)

    def on_trials_completed(self, *_):
        self.answer_all()


def test_what_is_on_disk_is_published_while_all_that_runs_goes_on(tmp_path):
    executor = AfterTheFirst(2)
    watchdog = threading.Timer(LONG, executor.answer, [0, SweepError('the loop was not woken')])
    watchdog.start()
    try:
        results = run_sweep(tmp_path / 'out', executor, 1, 4, [executor])
    finally:
        watchdog.cancel()
    assert [len(result.perf_val) for result in results] == [1, 1]


def test_listeners_hear_first_where_the_sweep_is_and_what_its_parameters_are_called(
    write_problem, sweep_inline, tmp_path
):
    problem = write_problem()
    for _ in range(2):
        begun = Begun()
        sweep_inline(problem.path, FixedSweep([((2,), 0)]), tmp_path / 'out', listeners=[begun])
        assert begun.heard == [(tmp_path / 'out', ['width', 'depth']), (2,)]


@pytest.mark.parametrize('threads', [0, 4])
def test_listeners_hear_of_every_trial_once_and_when_it_is_on_disk(tmp_path, threads):
    told = Told(tmp_path / 'out')
    run_sweep(tmp_path / 'out', OneByOne(3), 5, threads, [told])
    for point in POINTS:
        heard = 0
        for _, new, on_disk in (one for one in told.trials if one[0] == point):
            heard += new
            assert on_disk >= heard
        assert heard == 5


@pytest.mark.parametrize('threads', [0, 4])
def test_a_trial_that_cannot_be_saved_ends_the_sweep_and_the_others_are_kept(tmp_path, monkeypatch, threads):
    write, told = AtomicWriter.write_together, Told(tmp_path / 'out')

    def refuse_one(self, files):
        if any('1/trials/2' in str(path) for path in files):
            raise FolderError('the disk is full')
        write(self, files)

    monkeypatch.setattr(AtomicWriter, 'write_together', refuse_one)
    executor = OneByOne(1)
    with pytest.raises(FolderError, match='the disk is full'):
        run_sweep(tmp_path / 'out', executor, 3, threads, [told])
    kept = Store.read(tmp_path / 'out')
    assert sum(len(kept.trials(point)) for point in POINTS) == 5
    assert sum(new for _, new, _ in told.trials) <= 5


def test_no_more_waits_to_be_written_than_memory_bears(tmp_path, monkeypatch):
    most, write = [], AtomicWriter.write_together
    monkeypatch.setattr('sweeper.store.saving._MOST_SAVES', 3)

    def count(self, files):
        most.append(len(executor.submitted))
        write(self, files)

    executor, lock = OneByOne(1), threading.Lock()

    def one_at_a_time(self, files):
        with lock:
            count(self, files)

    monkeypatch.setattr(AtomicWriter, 'write_together', one_at_a_time)
    run_sweep(tmp_path / 'out', executor, 20, 1)
    written_before = range(len(most) - len(POINTS))
    assert all(submitted <= done + 3 + 2 for done, submitted in zip(written_before, most[2:], strict=True))


class Heard(SweepListener):
    """Notes flags, whether it heard before of a trial of the point that diverged, and every status."""

    def __init__(self):
        self.flags, self.diverged, self.statuses = {}, set(), []

    def on_trials_completed(self, values, perfs_train, losses_train, *_):
        if np.isinf(losses_train).any():
            self.diverged.add(values)

    def on_flagged(self, values, flags):
        self.flags.setdefault(values, []).append((values in self.diverged, flags))

    def on_status(self, status):
        self.statuses.append(status)


@pytest.mark.parametrize('threads', [0, 4])
def test_flags_are_told_once_after_what_they_were_seen_in(tmp_path, threads):
    told = Heard()
    run_sweep(tmp_path / 'out', OneByOne(1, ['trial 2', 'trial 3']), 5, threads, [told], ['sensitive'])
    expected = [(False, ['sensitive']), (True, ['sensitive', 'trial_diverged'])]
    assert told.flags == dict.fromkeys(POINTS, expected)


def test_flags_that_a_resumed_sweep_finds_are_told_as_any_other(tmp_path):
    for trials, executor in ((3, OneByOne(1, ['trial 2'])), (4, OneByOne(2))):
        told = Heard()
        run_sweep(tmp_path / 'out', executor, trials, 0, [told])
        assert [[flags for _, flags in told.flags[point]] for point in POINTS] == [[['trial_diverged']]] * 2


def test_where_nothing_is_suspicious_no_flags_are_told(tmp_path):
    told = Heard()
    run_sweep(tmp_path / 'out', OneByOne(2), 3, 0, [told])
    assert told.flags == {}


def test_a_status_says_how_much_is_done_and_how_long_the_rest_will_take(tmp_path):
    first, last = Heard(), Heard()
    run_sweep(tmp_path / 'out', OneByOne(2), 2, 0, [first])
    begun, *_, done = first.statuses
    assert (begun.cores, begun.busy, begun.seconds_left) == (2, 2, None)
    assert (done.busy, done.share, done.seconds_left) == (0, 1.0, 0.0)
    shares = [status.share for status in first.statuses]
    assert shares == sorted(shares) and 0 < shares[0] < 1
    run_sweep(tmp_path / 'out', OneByOne(2), 6, 0, [last])
    resumed = last.statuses[0]
    assert resumed.trials_done == 4
    assert 3 < resumed.seconds_left <= 4  # eight trials of a second on two cores, as those found took


def test_what_runs_says_how_many_cores_it_uses(tmp_path):
    told = Heard()
    told.running = []
    told.on_status = lambda status: told.running.append(list(status.running))
    run_sweep(tmp_path / 'out', OneByOne(2), 2, 0, [told])
    assert told.running[0] == [(POINTS[0], 'training: trials 0, 1')]
    assert told.running[-1] == []
