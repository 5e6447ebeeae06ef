"""What does it cost to have a task done by another process? No-op tasks, ours beside other executors.

    python benchmarks/overhead.py [--busy]

Prints, per executor: the latency of one task at a time, the throughput of many, and the parent's CPU time
per task; medians over rounds in which all take turns, and ratios to `concurrent.futures`. With `--busy`:
how busy two workers are with short tasks, also while the parent is elsewhere for 0.5 to 3 ms between two
calls of `wait`.
Others than ours and that of the standard library take part if they are installed.
"""

import argparse
import importlib.util
import random
import statistics
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
        from sweeper.executors.local.executor import LocalExecutor
        from sweeper.problem.reference import find_problem

        self.executor = LocalExecutor(WORKERS)
        self.executor.start(work.WorkerSpec(find_problem(Path(__file__)), 0, 'cpu'))

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


class Ray:
    """A cluster of Ray processes on this machine."""

    name, needs = 'Ray', 'ray'

    def __init__(self):
        import ray

        self.ray = ray
        ray.init(
            num_cpus=WORKERS, include_dashboard=False, _node_ip_address='127.0.0.1', logging_level='ERROR'
        )
        self.nothing = ray.remote(nothing)

    def run(self, count, at_once):
        references = []
        for _ in range(count):
            references.append(self.nothing.remote())
            if at_once == 1:
                self.ray.get(references.pop())
        self.ray.get(references)

    def close(self):
        self.ray.shutdown()


def measured(executor):
    """Latency in ms, tasks per second, and the parent's CPU time per task in ms."""
    start = time.perf_counter()
    executor.run(ONE_AT_A_TIME, 1)
    latency = (time.perf_counter() - start) / ONE_AT_A_TIME
    start, cpu = time.perf_counter(), time.process_time()
    executor.run(MANY, MANY)
    return latency * 1e3, MANY / (time.perf_counter() - start), (time.process_time() - cpu) / MANY * 1e3


def compare():
    ways = [Ours, Standard, Loky, Dask, Ray]
    missing = [way for way in ways if not importlib.util.find_spec(getattr(way, 'needs', 'sys'))]
    executors = [way() for way in ways if way not in missing]
    try:
        for executor in executors:
            executor.run(20 * WORKERS, 1)
        rounds = [[measured(executor) for executor in executors] for _ in range(ROUNDS)]
    finally:
        for executor in executors:
            executor.close()
    medians = [
        [statistics.median(one[i][j] for one in rounds) for j in range(3)] for i in range(len(executors))
    ]
    reference = medians[1]
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
    for way in missing:
        print(f'{way.name:20s} not installed')


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
    if parser.parse_args().busy:
        measure_busy()
    else:
        compare()
