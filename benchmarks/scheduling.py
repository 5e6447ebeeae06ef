"""Are all cores kept busy to the end, and at what cost? Simulated, and measured on this machine.

    python benchmarks/scheduling.py [queue] [cluster] [machine] [memory]

- `queue`: a million trials over 100,000 points: does an event cost more when there is more?
- `cluster`: 10,000 cores and a million trials of log-normal length, on a virtual clock: the real queue,
  dispatcher and jobs. How busy the cores are, and what share of a core's time the scheduler takes.
- `machine`: a sweep of architectures that differ in cost, on the cores here: the runs' own seconds (those of
  tuning too) in proportion to cores x wall time, and the processor time of the process that schedules.
- `memory`: 100,000 trials through a whole `Sweeper` with a store in memory: by how much the process grows.
"""

import csv
import heapq
import itertools
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil

from sweeper import FixedSweep, ParamsTaskQueue, get_settings
from sweeper.executors.base import Executor, Outcome
from sweeper.problem.parameters import ModelSignature, ProblemParameters
from sweeper.results import TrialRecord, TrialResult, Tuned
from sweeper.run.assembly import assemble
from sweeper.run.dispatcher import Dispatcher
from sweeper.run.jobs import TrialsJob, TuningJob
from sweeper.store.manifest import Manifest
from sweeper.store.store import Store
from sweeper.tuning.base import RunRequest, Stage

TUNED = Tuned(lr_min=0.01, lr_max=0.1, batch_size=8, cycle_size_epochs=2, epochs=4)
PROBLEM = Path(__file__).with_name('scheduling_problem.py')
ROUNDS = 3


def bench_queue(points=100_000, trials=10, cores=64, sweep_cores=4):
    """Time per event of the last tenth of the tasks in proportion to that of the first tenth."""
    queue = ParamsTaskQueue(cores, sweep_cores)
    start = time.perf_counter()
    for point in range(points):
        queue.add_task_by_params((point,), trials)
    print(f'{points} points asked for: {(time.perf_counter() - start) / points * 1e6:.1f} µs each')
    running, marks, done = deque(), [time.perf_counter()], 0
    while queue.have_more_tasks():
        while (task := queue.get_next_task(queue.available_cores)) is not None:
            running.append(task)
        task = running.popleft()
        for _ in task.trials:
            queue.trial_took(task.point, 1.0 + task.point[0] % 97)
        queue.task_done(task)
        done += len(task.trials)
        marks.append(time.perf_counter())
    tasks = len(marks) - 1
    tenth = tasks // 10
    first, last = marks[tenth] - marks[0], marks[-1] - marks[-1 - tenth]
    total = marks[-1] - marks[0]
    print(f'{done} trials in {tasks} tasks: {total / tasks * 1e6:.1f} µs per task')
    print(f'last tenth / first tenth: {last / first:.2f}')
    print(f'share of one core, at a second per trial on {cores} cores: {total / done * cores:.4%}')


class VirtualExecutor(Executor):
    """Runs nothing, and says when it would be done, by its own clock."""

    def __init__(self, cores, seconds_of):
        super().__init__(cores)
        self.now = self.busy = 0.0
        self.starts, self.ends = [], []  # of trials
        self._seconds_of = seconds_of
        self._running = []

    def start(self, spec, expect_work=True, on_output=None):
        pass

    def close(self):
        pass

    def submit(self, key, task):
        seconds = self._seconds_of(task)
        heapq.heappush(self._running, (self.now + seconds, key, seconds))
        assert len(self._running) <= self.cores
        self.busy += seconds
        if task.function == 'train_trial':
            self.starts.append(self.now)

    def wait(self):
        self.now, key, seconds = heapq.heappop(self._running)
        self.ends.append(self.now)
        return [(key, Outcome(SimpleNamespace(result=SimpleNamespace(seconds=seconds))))]

    def busy_until(self, moment):
        """Core seconds in use before a moment; known while all that began before it is counted."""
        return self.busy - sum(end - moment for end, *_ in self._running if end > moment)


def bench_cluster(points=5000, trials=200, cores=10_000, sweep_cores=4):
    """A cluster on a virtual clock; tuning is four stages of runs a fifth as long as a trial."""
    random.seed(0)
    lengths = [random.lognormvariate(math.log(60), 1.0) for _ in range(points)]
    scatter = [random.lognormvariate(0, 0.1) for _ in range(10_007)]
    numbers = itertools.count()

    def seconds_of(task):
        length = lengths[task.point[0]] * scatter[next(numbers) % len(scatter)]
        return length if task.function == 'train_trial' else length / 5

    def tuner():
        for name, size in (('lr_vs_perf', 8), ('candidates', 12), ('candidates', 8), ('candidates', 5)):
            yield Stage(name, [RunRequest('measure_curve', {'seed': index}) for index in range(size)])
        return TUNED

    def make_job(task):
        return TuningJob(task, tuner()) if task.is_tuning else TrialsJob(task, TUNED, 0)

    executor = VirtualExecutor(cores, seconds_of)
    queue = ParamsTaskQueue(cores, sweep_cores)
    for point in range(points):
        queue.add_task_by_params((point,), trials)
    dispatcher = Dispatcher(queue, executor, make_job)
    share, marks, before_last = None, [], 0.99 * points * trials
    start = time.process_time()
    while True:
        while dispatcher.start_what_fits():
            pass
        if share is None and len(executor.starts) >= before_last:
            share, moment = executor.busy_until(executor.now) / (cores * executor.now), executor.now
        if not dispatcher.is_busy:
            break
        dispatcher.wait()
        marks.append(time.process_time())
    cpu, runs = time.process_time() - start, len(executor.ends)
    assert len(executor.starts) == points * trials and not queue.have_more_tasks()
    tenth = runs // 10
    last_start, tail = executor.starts[-1], [executor.now - end for end in sorted(executor.ends)[-cores:]]
    print(f'{points} points, {points * trials} trials, {runs} runs on {cores} cores: {executor.now:.0f} s')
    print(f'cores in use until the last 1% of the trials begin ({moment:.0f} s): {share:.2%}')
    use = _use(executor, last_start, cores)
    print(f'cores in use until the last trial begins ({last_start:.0f} s): {use:.2%}')
    print(f'cores in use until the very end: {executor.busy / (cores * executor.now):.2%}')
    print(f'a core idles at the end for (mean, most): {statistics.mean(tail):.0f} s, {max(tail):.0f} s; '
          f'a trial of the longest point takes {max(lengths):.0f} s')  # fmt: skip
    print(f'{cpu / runs * 1e6:.1f} µs of processor time per run; in proportion to the time of all cores: '
          f'{cpu / executor.busy:.1e}; of one core while they train: {cpu / executor.now:.2%}')  # fmt: skip
    ratio = (marks[-1] - marks[-1 - tenth]) / (marks[tenth] - marks[0])
    print(f'last tenth / first tenth of the runs: {ratio:.2f}')


def _use(executor, moment, cores):
    after = sum(end - moment for end in executor.ends if end > moment)
    return (executor.busy - after) / (cores * moment)


def bench_machine():
    """A sweep in a fresh process (which is this file again)."""
    found = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, __file__, 'sweep', folder], check=True)
            found.append(_packing(Path(folder)))
    for name, *values in zip(
        ('efficiency', 'of that after the tail', 'processor time of the parent'), *found, strict=True
    ):
        print(f'{name}: {statistics.median(values):.2%}   ({min(values):.2%} to {max(values):.2%})')


def run_sweep(folder):
    """Runs the sweep of `bench_machine`, and notes what this process did while the workers trained."""
    from sweeper import SweepListener, sweep

    class Clock(SweepListener):
        def on_status(self, status):
            marks.append((time.monotonic(), time.process_time()))

    marks = []

    os.environ['SWEEPER_BENCHMARK'] = str(Path(folder, 'runs.csv'))
    settings = get_settings('fastest').replace(trial_samples=60_000)
    widths = [8, 32, 64, 128, 256, 512]
    sweep(
        PROBLEM, FixedSweep([((width,), 6) for width in widths]), 2, settings, Path(folder, 'out'),
        listeners=[Clock()], progress='none',
    )  # fmt: skip
    Path(folder, 'parent.csv').write_text('\n'.join(f'{wall},{cpu}' for wall, cpu in marks))


def _packing(folder):
    """The share of the cores' time that runs take, that before the last of them begins, and the parent's."""
    from sweeper.cores import usable_cores

    runs = [(float(start), float(end)) for start, end in csv.reader((folder / 'runs.csv').open())]
    parent = [(float(wall), float(cpu)) for wall, cpu in csv.reader((folder / 'parent.csv').open())]
    begin, end, last = min(runs)[0], max(end for _, end in runs), max(runs)[0]
    cores = usable_cores()
    busy = sum(end - start for start, end in runs)
    before_last = sum(min(end, last) - start for start, end in runs)
    parent = [mark for mark in parent if begin <= mark[0] <= end]
    cpu = (parent[-1][1] - parent[0][1]) / (parent[-1][0] - parent[0][0])
    return busy / cores / (end - begin), before_last / cores / (last - begin), cpu


class InstantExecutor(Executor):
    """Answers every trial at once, with weights of a kilobyte."""

    def __init__(self):
        super().__init__(64)
        self._tasks = deque()

    def start(self, spec, expect_work=True, on_output=None):
        pass

    def wake(self):
        pass

    def close(self):
        pass

    def submit(self, key, task):
        self._tasks.append((key, task))

    def wait(self):
        answers = []
        while self._tasks:
            key, task = self._tasks.popleft()
            scores, seconds, step = np.random.random(4).tolist(), random.random(), b'captured'.decode()
            result = TrialResult(task.arguments['seed'], 4, seconds, False, *scores, step=step)
            record = TrialRecord(result, bytes(1000), bytes(1000), {'loss': np.zeros(4)})
            answers.append((key, Outcome(record)))
        return answers


def bench_memory(points=10_000, trials=10):
    """Everything but training; tunings are on disk already."""
    process = psutil.Process()
    place = '/dev/shm' if os.access('/dev/shm', os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=place) as folder:
        manifest = Manifest('problem', 'fast', vars(get_settings('fast')), 1, 0, 100)
        with Store.opened(folder, manifest) as store:
            store.add_points([(number,) for number in range(points)])
            for point in store.records.points:
                store.write_tuned(point, TUNED)
        with Store.opened(folder, manifest) as store:
            selector = FixedSweep.with_fixed_trials(store.records.points, trials)
            executor = InstantExecutor()
            before = process.memory_info().rss
            sweeper = assemble(
                ProblemParameters(ModelSignature('problem', '(...)', None)), selector, ParamsTaskQueue(64, 1),
                executor, store, get_settings('fast'), 100, 0, save_threads=8,
            )  # fmt: skip
            start, cpu = time.perf_counter(), time.process_time()
            results = sweeper.run()
            seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
            after, done = process.memory_info().rss, sum(len(result.perf_val) for result in results)
    peak = _peak()
    print(f'{done} trials of {points} points: grown by {(after - before) / 1e6:.0f} MB, '
          f'at most by {(peak - before) / 1e6:.0f} MB')  # fmt: skip
    print(f'{seconds / done * 1e3:.2f} ms and {cpu / done * 1e3:.2f} ms of processor time per trial')


def _peak():
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == 'darwin' else 1024)


BENCHMARKS = {
    'queue': bench_queue, 'cluster': bench_cluster, 'machine': bench_machine, 'memory': bench_memory,
}  # fmt: skip


def main():
    if sys.argv[1:2] == ['sweep']:
        run_sweep(sys.argv[2])
        return
    for name in sys.argv[1:] or BENCHMARKS:
        print(f'\n{name}: {BENCHMARKS[name].__doc__}')
        if sys.argv[1:] == [name]:
            BENCHMARKS[name]()
        else:  # each in a process of its own: what one leaves in memory is not the other's
            sys.stdout.flush()
            subprocess.run([sys.executable, __file__, name], check=True)


if __name__ == '__main__':
    main()
