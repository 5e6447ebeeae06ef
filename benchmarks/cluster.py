"""Does one process keep hundreds of workers busy? A sweep of trials that sleep, on a Ray cluster here.

    python benchmarks/cluster.py [--workers 200] [--seconds 2] [--trials 30]

A whole sweep on `RayExecutor`, with its files, of trials that sleep for so many seconds, and so leave the
cores to the scheduler; each worker gets so many of them. Prints how much of their time workers had a trial:
while there were enough for all, from the end of the first workers' first to the begin of the last ones' last;
and from the first to the last trial. Then what the process that sweeps took of one core meanwhile.
"""

import argparse
import json
import resource
import tempfile
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


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--workers', type=int, default=200)
    parser.add_argument('--seconds', type=float, default=2.0, help='that a trial takes')
    parser.add_argument('--trials', type=int, default=30, help='of each worker, at the mean')
    options = parser.parse_args()
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
