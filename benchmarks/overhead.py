"""What does it cost to have a task done by another process? No-op tasks, ours beside other executors.

    python benchmarks/overhead.py [--busy | --start-up] [--without 'Ray Tune' 'Dask distributed' …]

Prints, per executor: the median latency of one task at a time, the throughput of many, and the parent's CPU
time per task; medians over rounds in which all take turns, and ratios to `concurrent.futures`. With `--busy`:
how busy two workers are with short tasks, also while the parent is elsewhere for 0.5 to 3 ms between two
calls of `wait`. With `--start-up`: the seconds until the first task is done, each in fresh processes.
Others than ours and that of the standard library take part if they are installed. Ray's are Ray's tasks, its
actors, and trials of Ray Tune, of which there are a hundredth as many.
"""

import argparse
import importlib.util
import random
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from sweeper import work

WORKERS, ROUNDS, ONE_AT_A_TIME, MANY = 2, 5, 200, 2000
BUSY_SECONDS = 10


def nothing(*_):
    return None


def keep_busy(_workspace, point):
    """Computes for so many seconds."""
    (seconds,), start = point, time.perf_counter()
    while time.perf_counter() - start < seconds:
        pass


# As a problem: a worker that imports this file finds the functions that its tasks name.
work.FUNCTIONS |= {'nothing': nothing, 'keep_busy': keep_busy}
accuracy_style = 'classification'


def loss():
    return print  # never called


def model():
    raise NotImplementedError('no task trains anything')


def dataset():
    import torch

    data = torch.utils.data.TensorDataset(torch.zeros(8, 1), torch.zeros(8, dtype=torch.long))
    return data, data


class Ours:
    """Worker processes of this package."""

    name = 'sweeper (local)'

    def __init__(self):
        from sweeper.problem.reference import find_problem

        self.executor = self.make()
        self.executor.start(work.WorkerSpec(find_problem(Path(__file__)), 0, 'cpu'))

    def make(self):
        from sweeper import LocalExecutor

        return LocalExecutor(WORKERS)

    def run(self, count, at_once, function='nothing', between=nothing, point=()):
        from sweeper.executors.base import Task

        submitted = done = 0
        while done < count:
            while submitted < count and submitted - done < at_once:
                self.executor.submit(submitted, Task('run', function, point, {}))
                submitted += 1
            for _, outcome in self.executor.wait():
                assert outcome.error is None, outcome.error
                done += 1
            between()

    def close(self):
        self.executor.close()


class Futures:
    """Whatever has `submit` and futures."""

    def run(self, count, at_once):
        futures = []
        for _ in range(count):
            futures.append(self.pool.submit(nothing))
            if at_once == 1:
                futures.pop().result()
        for future in futures:
            future.result()

    def close(self):
        self.pool.shutdown()


class Standard(Futures):
    """The pool of the standard library, its processes started anew."""

    name = 'concurrent.futures'

    def __init__(self):
        self.pool = ProcessPoolExecutor(WORKERS, get_context('spawn'))


class Loky(Futures):
    """The pool of joblib."""

    name, needs = 'loky', 'loky'

    def __init__(self):
        from loky import ProcessPoolExecutor

        self.pool = ProcessPoolExecutor(WORKERS)


class Dask(Futures):
    """A cluster of Dask processes on this machine."""

    name, needs = 'Dask distributed', 'distributed'

    def __init__(self):
        from distributed import Client

        self.client = Client(
            n_workers=WORKERS, threads_per_worker=1, processes=True, host='127.0.0.1', dashboard_address=None
        )
        self.pool = self

    def submit(self, function):
        return self.client.submit(function, pure=False)

    def close(self):
        self.client.shutdown()


def start_ray():
    """A session of Ray, which all its ways share; there are enough CPUs for each to have its own workers."""
    import ray

    if not ray.is_initialized():
        ray.init(
            address='local', num_cpus=4 * WORKERS, include_dashboard=False, _node_ip_address='127.0.0.1',
            log_to_driver=False, logging_level='ERROR',
        )  # fmt: skip
    return ray


class OursOnRay(Ours):
    """Worker processes of this package on the nodes of a Ray cluster, here one."""

    name, needs = 'sweeper (ray)', 'ray'

    def make(self):
        from sweeper import RayExecutor

        start_ray()
        return RayExecutor(cpus=WORKERS)


class Ray:
    """Tasks of Ray."""

    name, needs = 'Ray, tasks', 'ray'

    def __init__(self):
        self.ray = start_ray()
        self.nothing = self.ray.remote(nothing)

    def submit(self, number):
        return self.nothing.remote()

    def run(self, count, at_once):
        references = []
        for number in range(count):
            references.append(self.submit(number))
            if at_once == 1:
                self.ray.get(references.pop())
        self.ray.get(references)

    def close(self):
        self.ray.shutdown()


class RayActors(Ray):
    """Calls of actors of Ray, which are processes that stay."""

    name = 'Ray, actors'

    def __init__(self):
        self.ray = start_ray()

        class Actor:
            def nothing(self):
                return None

        self.actors = [self.ray.remote(Actor).remote() for _ in range(WORKERS)]

    def submit(self, number):
        return self.actors[number % WORKERS].nothing.remote()


class RayTune:
    """Trials of Ray Tune that report a number."""

    name, needs, share = 'Ray Tune', 'ray.tune', 0.01

    def __init__(self):
        start_ray()

    def run(self, count, at_once):
        from ray import tune

        def objective(_config):
            tune.report({'score': 0.0})

        with tempfile.TemporaryDirectory() as folder:
            tune.Tuner(
                tune.with_resources(objective, {'cpu': 1}),
                tune_config=tune.TuneConfig(num_samples=count, max_concurrent_trials=min(at_once, WORKERS)),
                run_config=tune.RunConfig(storage_path=folder, verbose=0),
            ).fit()

    def close(self):
        pass


WAYS = (Ours, OursOnRay, Standard, Loky, Dask, Ray, RayActors, RayTune)


def measured(executor):
    """Latency in ms, tasks per second, and the parent's CPU time per task in ms."""
    share = getattr(executor, 'share', 1)
    latencies = []
    for _ in range(round(ONE_AT_A_TIME * share)):
        start = time.perf_counter()
        executor.run(1, 1)
        latencies.append(time.perf_counter() - start)
    many = round(MANY * share)
    start, cpu = time.perf_counter(), time.process_time()
    executor.run(many, many)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    return statistics.median(latencies) * 1e3, many / seconds, cpu / many * 1e3


def is_installed(way):
    try:
        return importlib.util.find_spec(getattr(way, 'needs', 'sys')) is not None
    except ImportError:
        return False


def compare(without):
    executors = [way() for way in WAYS if is_installed(way) and way.name not in without]
    try:
        for executor in executors:
            executor.run(round(20 * WORKERS * getattr(executor, 'share', 1)), 1)
        rounds = [[measured(executor) for executor in executors] for _ in range(ROUNDS)]
    finally:
        for executor in executors:
            executor.close()
    medians = [
        [statistics.median(one[i][j] for one in rounds) for j in range(3)] for i in range(len(executors))
    ]
    reference = next(m for e, m in zip(executors, medians, strict=True) if isinstance(e, Standard))
    print(f'{WORKERS} workers, {ROUNDS} rounds; in brackets: in proportion to {Standard.name}')
    print(f'{"":20s} {"latency":>18s} {"throughput":>24s} {"CPU of the parent":>24s}')
    for executor, values in zip(executors, medians, strict=True):
        latency, throughput, cpu = (
            f'{value:.{digits}f} {unit} ({value / other:.2f})'
            for value, other, digits, unit in zip(
                values, reference, (2, 0, 3), ('ms', 'tasks/s', 'ms/task'), strict=True
            )
        )
        print(f'{executor.name:20s} {latency:>18s} {throughput:>24s} {cpu:>24s}')
    tell_what_is_missing()


def tell_what_is_missing():
    for way in WAYS:
        if not is_installed(way):
            print(f'{way.name:20s} not installed')


def compare_start_up(without):
    """Prints the seconds from the start of a process to the end of its first task."""
    ways = [way for way in WAYS if is_installed(way) and way.name not in without]
    rounds = [[start_up(way) for way in ways] for _ in range(ROUNDS)]
    print(f'{ROUNDS} rounds; seconds until the first task is done')
    for way, seconds in zip(ways, zip(*rounds, strict=True), strict=True):
        print(f'{way.name:20s} {statistics.median(seconds):.1f} s ({min(seconds):.1f} to {max(seconds):.1f})')
    tell_what_is_missing()


def start_up(way):
    start = time.perf_counter()
    command = [sys.executable, __file__, '--first-task', way.__name__]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        for line in process.stdout:
            if line == 'done\n':
                seconds = time.perf_counter() - start
    return seconds


def do_first_task(name):
    executor = next(way for way in WAYS if way.__name__ == name)()
    executor.run(1, 1)
    print('done', flush=True)
    executor.close()


def measure_busy():
    """Prints the share of two workers' time that short tasks take."""
    executor, rng = Ours(), random.Random(0)

    def be_elsewhere():
        time.sleep(rng.uniform(0.0005, 0.003))  # as for a disk

    try:
        for milliseconds in (5, 20, 100):
            shares = []
            for between in (nothing, be_elsewhere):
                count = BUSY_SECONDS * 1000 * WORKERS // milliseconds
                executor.run(50, WORKERS, 'keep_busy', between, (milliseconds / 1000,))
                start = time.perf_counter()
                executor.run(count, WORKERS, 'keep_busy', between, (milliseconds / 1000,))
                shares.append(BUSY_SECONDS / (time.perf_counter() - start))
            print(
                f'tasks of {milliseconds:2d} ms: workers are {shares[0]:.1%} busy, '
                f'and {shares[1]:.1%} if the parent is often elsewhere'
            )
    finally:
        executor.close()


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--busy', action='store_true', help='how busy are two cores with short tasks?')
    parser.add_argument('--start-up', action='store_true', help='how long does the first task take?')
    names = [way.name for way in WAYS if way is not Standard]
    parser.add_argument('--without', nargs='+', choices=names, default=(), help='leave out what takes long')
    parser.add_argument('--first-task', help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.first_task:
        do_first_task(options.first_task)
    elif options.start_up:
        compare_start_up(options.without)
    elif options.busy:
        measure_busy()
    else:
        compare(options.without)
