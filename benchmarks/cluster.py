"""Does one process keep hundreds of workers busy? A sweep of trials that sleep, on a Ray cluster here.

    python benchmarks/cluster.py [--workers 200] [--seconds 2] [--trials 30] [--simulated]

A whole sweep on `RayExecutor`, with its files, of trials that sleep for so many seconds, and so leave the
cores to the scheduler; each worker gets so many of them. Prints how much of their time workers had a trial:
while there were enough for all, from the end of the first workers' first to the begin of the last ones' last;
and from the first to the last trial. Then what the process that sweeps took of one core meanwhile.
With `--simulated` there are no worker processes, for which this machine may lack the cores: agents of Ray
answer tasks after so many seconds, and what is measured is the executor alone.
"""

import argparse
import heapq
import json
import pickle
import resource
import tempfile
import threading
import time
from pathlib import Path

import psutil

accuracy_style = 'classification'


def loss():
    import torch

    return torch.nn.CrossEntropyLoss()


def model(seconds):
    import torch

    network = torch.nn.Linear(1, 2)
    network.seconds = seconds
    return network


def dataset():
    import torch

    data = torch.utils.data.TensorDataset(torch.zeros(8, 1), torch.zeros(8, dtype=torch.long))
    return data, data


def train(run):
    """One step; then a trial sleeps, and tells from when to when it was there."""
    start = time.time()
    for inputs, targets in run:
        run.report(run.criterion(run.model(inputs), targets))
        break
    if run.index is not None:  # no dry run
        time.sleep(run.model.seconds)
        print(json.dumps([start, time.time()]))


def spans(folder):
    """When each trial began and ended, from the points' logs."""
    for path in folder.glob('points/*/log.txt'):
        for line in path.read_text().splitlines():
            name, _, text = line.partition(' | ')
            if ' trial ' in name:
                yield tuple(json.loads(text))


def busy(spans, workers, start, end):
    """The share of the workers' time from start to end that trials took."""
    return sum(max(0.0, min(last, end) - max(first, start)) for first, last in spans) / (
        workers * (end - start)
    )


def simulate(seconds):
    """Has an agent, in whose process this is called, answer tasks without running them."""
    from sweeper.executors.base import Executor, Outcome
    from sweeper.executors.ray import agent

    class SleepingExecutor(Executor):
        def __init__(self, cores, *_options, **_more):
            super().__init__(cores)
            self._tasks, self._changed = [], threading.Condition()

        def start(self, *_spec):
            threading.Thread(target=self._sleep, daemon=True).start()

        def submit(self, key, task):
            with self._changed:
                heapq.heappush(self._tasks, (time.monotonic() + seconds, key))
                self._changed.notify()

        def _sleep(self):
            while True:
                with self._changed:
                    while not self._tasks or (left := self._tasks[0][0] - time.monotonic()) > 0:
                        self._changed.wait(left if self._tasks else None)
                    key = heapq.heappop(self._tasks)[1]
                self.answer(key, Outcome(pickle.dumps(None)))

        def close(self):
            """It ends with the agent's process."""

    agent.LocalExecutor = SleepingExecutor


def run_simulated(options):
    """Prints how busy slots are that only wait."""
    from sweeper import RayExecutor
    from sweeper.executors.base import Task
    from sweeper.problem.reference import find_problem
    from sweeper.work import WorkerSpec

    seconds = options.seconds

    def hook():
        simulate(seconds)

    init = {'num_cpus': options.workers, 'runtime_env': {'worker_process_setup_hook': hook}}
    executor = RayExecutor(cpus=options.workers, init=init)
    executor.start(WorkerSpec(find_problem(Path(__file__)), 0, 'cpu'))

    def run(count):
        start, cpu, submitted, done = time.perf_counter(), time.process_time(), 0, 0
        while done < count:
            while submitted < count and submitted - done < executor.cores:
                executor.submit(submitted, Task('run', 'nothing', (), {}))
                submitted += 1
            done += len(executor.wait())
        return time.perf_counter() - start, time.process_time() - cpu

    try:
        run(options.workers)
        count = options.workers * options.trials
        took, cpu = run(count)
        print(
            f'{executor.cores} simulated workers, {count} tasks of {seconds:g} s: '
            f'{options.trials * seconds / took:.1%} busy to the end; this process: {cpu / took:.1%} '
            f'of a core, {cpu / count * 1e3:.2f} ms per task; load {psutil.getloadavg()[0]:.0f}'
        )
    finally:
        executor.close()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--workers', type=int, default=200)
    parser.add_argument('--seconds', type=float, default=2.0, help='that a trial takes')
    parser.add_argument('--trials', type=int, default=30, help='of each worker, at the mean')
    parser.add_argument('--simulated', action='store_true', help='of the executor alone, without processes')
    options = parser.parse_args()
    if options.simulated:
        run_simulated(options)
        return
    from sweeper import FixedHyperparameters, FixedSweep, RayExecutor, sweep

    count, points = options.workers * options.trials, 20
    selector = FixedSweep([((options.seconds + number * 1e-6,), count // points) for number in range(points)])
    fixed = FixedHyperparameters(lr=0.1, batch_size=8, epochs=1, cycle_epochs=1)
    executor = RayExecutor(cpus=options.workers, init={'num_cpus': options.workers})
    with tempfile.TemporaryDirectory() as folder:
        start, cpu = time.perf_counter(), time.process_time()
        sweep(__file__, selector, 1, fixed, f'{folder}/out', executor=executor, progress='none')
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        found = sorted(spans(Path(folder) / 'out'))
    assert len(found) == count, f'{len(found)} trials, not {count}'
    first, last = found[0][0], max(end for _, end in found)
    in_full = busy(found, options.workers, found[options.workers - 1][1], found[-options.workers][0])
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(
        f'{options.workers} workers, {count} trials of {options.seconds:g} s: {in_full:.1%} busy, '
        f'{busy(found, options.workers, first, last):.1%} from the first to the last trial; '
        f'the process that sweeps: {cpu / (last - first):.1%} of a core, {cpu / count * 1e3:.1f} ms '
        f'per trial, {memory:.0f} MiB; {seconds:.0f} s in all; load {psutil.getloadavg()[0]:.0f}'
    )


if __name__ == '__main__':
    main()
