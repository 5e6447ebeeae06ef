"""A driver's surroundings without training: workers that sleep, tunings that are known, what a sweep costs.

`scale.py` has sweeps run in them.
"""

import heapq
import os
import random
import resource
import sys
import tempfile
import threading
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sweeper import FixedSweep, ParamsTaskQueue, Proposal, Selector, get_settings
from sweeper.executors.base import Executor, Outcome
from sweeper.problem.parameters import ModelSignature, ProblemParameters
from sweeper.report.live.status_file import StatusWriter
from sweeper.results import TrialRecord, TrialResult, Tuned
from sweeper.run.assembly import assemble
from sweeper.selectors.base import DONE, WAIT
from sweeper.store.manifest import Manifest
from sweeper.store.store import Store
from sweeper.tuning.base import RunRequest, Stage

WEIGHTS = bytes(1000)
CURVE = {'lrs': np.ones(100), 'loss': np.ones(100), 'perf': np.ones(100)}
CURVES = ('epochs', *(f'{kind}_{split}' for split in ('train', 'val') for kind in ('perf', 'loss')))
BRIEF = 0.1  # how long a run of a tuning takes, in trials
THREADS = 8  # that write, as in any sweep


class SimulatedExecutor(Executor):
    """Answers as workers would that train nothing, on a clock of their own.

    It counts the processor time of this process, all threads together, and jumps to the next answer when the
    driver waits for one: as on a machine where nothing else needs a core, and with a disk that needs no time.

    Args:
        slots: How many tasks at a time.
        seconds: How long a trial takes, up to a fifth more or less.
    """

    def __init__(self, slots, seconds):
        super().__init__(slots)
        self._seconds, self._random = seconds, random.Random(0)
        self._due, self._skipped = [], -time.process_time()
        self.spans = []  # of tasks: when each was started, and how long it took

    def start(self, spec, expect_work=True, on_output=None):
        pass

    def close(self):
        pass

    @property
    def now(self):
        return time.process_time() + self._skipped

    def submit(self, key, task):
        seconds, now = self._seconds * self._random.uniform(0.8, 1.2), self.now
        if task.function != 'train_trial':
            seconds *= BRIEF
        self.spans.append((now, seconds))
        heapq.heappush(self._due, (now + seconds, key, task))

    def wait(self):
        self._skipped += max(self._due[0][0] - self.now, 0)
        answers, now = [], self.now
        while self._due and self._due[0][0] <= now:
            _, key, task = heapq.heappop(self._due)
            answers.append((key, outcome_of(task)))
        return answers

    @property
    def busy(self):
        """The share of the slots' time that tasks took, from when the first began until the last did."""
        first, last = self.spans[0][0], self.spans[-1][0]
        used = sum(min(seconds, last - start) for start, seconds in self.spans)
        return used / (self.cores * (last - first))


class SleepingExecutor(SimulatedExecutor):
    """The same on the real clock; a thread answers when it is time."""

    def __init__(self, slots, seconds):
        super().__init__(slots, seconds)
        self._changed, self._is_closed = threading.Condition(), False
        self._thread = threading.Thread(target=self._keep_answering, daemon=True)
        self._thread.start()

    @property
    def now(self):
        return time.monotonic()

    def submit(self, key, task):
        with self._changed:
            super().submit(key, task)
            if self._due[0][1] == key:
                self._changed.notify()

    def wait(self):
        return Executor.wait(self)

    def close(self):
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._thread.join()

    def _keep_answering(self):
        while True:
            with self._changed:
                while not self._is_closed and not (self._due and self._due[0][0] <= self.now):
                    self._changed.wait(self._due[0][0] - self.now if self._due else None)
                if self._is_closed:
                    return
                _, key, task = heapq.heappop(self._due)
            self.answer(key, outcome_of(task))


def outcome_of(task):
    """What a worker would send back, made anew each time as if it had been received."""
    seconds = 2 * random.random()
    if task.function != 'train_trial':
        arrays = {name: array.copy() for name, array in CURVE.items()}
        return Outcome({**arrays, 'step': 'captured'}, seconds=seconds)
    scores, step = np.random.random(4).tolist(), b'captured'.decode()
    result = TrialResult(task.arguments['seed'], 4, seconds, False, *scores, step=step)
    curves = {name: np.zeros(4) for name in CURVES}
    weights = (bytes(WEIGHTS), bytes(WEIGHTS)) if task.arguments.get('weights', True) else (None, None)
    return Outcome(TrialRecord(result, *weights, curves), seconds=seconds)


@dataclass(frozen=True)
class Scripted:
    """A tuning method that takes so many runs, in four stages, and comes to the same each time."""

    runs: int

    def tune(self, train_size, seed, nuisance=()):
        for stage in range(4):
            requests = [RunRequest('measure_curve', {'seed': index}) for index in range(stage, self.runs, 4)]
            if requests:
                yield Stage('lr_vs_perf', requests)
        curves = {'lr_vs_perf': CURVE} if self.runs else {}
        return Tuned(0.01, 0.1, 8, 2, 4, curves=curves, report={'why': 'simulated'})


class Waiting(Selector):
    """Proposes points one by one, with at most so many of which it does not know the result."""

    adaptive = True

    def __init__(self, points, trials, most=10**9):
        self._points, self._trials, self._most = deque(points), trials, most
        self._open = 0

    def ask(self):
        if not self._points:
            return DONE
        if self._open >= self._most:
            return WAIT
        self._open += 1
        return Proposal(self._points.popleft(), self._trials)

    def tell(self, event):
        self._open -= type(event).__name__ in ('TrialsDone', 'PointFailed')


class NothingWritten(Store):
    """A store that forgets: what is left is what the rest of the driver takes."""

    def _nothing(self, *_):
        pass

    write_run = write_tuned = write_trial = write_scores = complete = write_summaries = _nothing
    collate = check_still_there = _nothing


class Marks:
    """A listener that notes processor times when a tenth of the trials is done, in order."""

    def __init__(self, trials):
        self.cpu, self._next, self._step = [], 0, max(trials // 10, 1)

    def handle(self, event):
        if type(event).__name__ == 'Status' and event.trials_done >= self._next:
            self.cpu.append(time.process_time())
            self._next += self._step


@dataclass(frozen=True)
class Cost:
    """What a sweep took: trials, seconds, processor seconds of all threads and of the driver's own, bytes."""

    trials: int
    wall: float
    cpu: float
    thread: float
    growth: float
    memory: int

    def __str__(self):
        own, others = self.thread / self.trials * 1e3, (self.cpu - self.thread) / self.trials * 1e3
        return (
            f'{self.wall / self.trials * 1e3:.2f} ms per trial; of processor time {own:.2f} ms in the '
            f"driver's thread and {others:.2f} ms in those that write; last tenth / first: "
            f'{self.growth:.2f}; grown by {self.memory / 1e6:.0f} MB'
        )


@contextmanager
def a_folder(place):
    """A folder in `place`: 'disk', 'memory', 'nowhere', or a path."""
    shared = '/dev/shm' if os.access('/dev/shm', os.W_OK) else None
    where = {'disk': None, 'memory': shared, 'nowhere': shared}.get(place, place)
    with tempfile.TemporaryDirectory(dir=where) as folder:
        yield Path(folder)


def run(
    executor,
    points,
    trials,
    place='disk',
    tuning_runs=0,
    make_selector=FixedSweep.with_fixed_trials,
    keep='all',
    look=None,
):
    """Runs a sweep of so many points in a new folder; has that looked at; returns its `Cost`."""
    method, kept = Scripted(tuning_runs), {'keep_weights': keep}
    manifest = Manifest('problem', 'fast', vars(get_settings('fast')), 1, 0, 9, storage=kept)
    with a_folder(place) as folder, Store.opened(folder, manifest) as store:
        if place == 'nowhere':
            store.__class__ = NothingWritten
        selector = make_selector([(number, number % 7 / 10) for number in range(points)], trials)
        marks = Marks(points * trials)
        sweeper = assemble(
            ProblemParameters(ModelSignature('problem', '(...)', None)), selector,
            ParamsTaskQueue(executor.cores, 4), executor, store, method, 100, 0,
            [marks, StatusWriter(store.records)], save_threads=THREADS,
        )  # fmt: skip
        before, start, cpu, thread = _memory(), time.perf_counter(), time.process_time(), time.thread_time()
        results = sweeper.run()
        cpu, thread = time.process_time() - cpu, time.thread_time() - thread
        wall = time.perf_counter() - start
        assert not results.failures and sum(len(result.perf_val) for result in results) == points * trials
        if look is not None:
            look(folder)
    executor.close()
    tenths = [b - a for a, b in zip(marks.cpu, marks.cpu[1:], strict=False)]
    growth = tenths[-1] / tenths[0] if len(tenths) > 1 else float('nan')
    return Cost(points * trials, wall, cpu, thread, growth, _memory() - before)


def _memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == 'darwin' else 1024)
