"""The same 24 trials by sweeper and by what one would use instead: wall time, CPU seconds, memory.

    pip install -e '.[benchmarks]'
    python benchmarks/sweep_vs.py [--rounds 3] [--kind mlp|cnn] [--ways on_ray,ray]

24 trials, 4 widths and 6 seeds, of a perceptron (or a convolutional network with batch normalisation) on
scikit-learn's digits, at a fixed learning rate and batch size, for the same epochs, all on two cores:

    sweeper      `sweep` with its files and resumability; tuning replaced by the fixed values
    on_ray       the same with `executor='ray'`, which starts a Ray cluster of this machine
    processes    a process per trial, two at a time, running `plain_loop.py`
    joblib       joblib (loky) over `plain_loop.train`
    optuna       Optuna (grid sampler, n_jobs=2: threads) driving `plain_loop.train`
    ray          Ray Tune driving `plain_loop.train`

Every way runs in a fresh process: *cold* is from its start to its end, *warm* the same 24 trials once more
in the process as it then is (for `processes` there is nothing to be warm). CPU seconds and the peak of the
memory that all its processes hold (proportional set size) are of the cold run. The ways take turns; printed
are medians, and how many times sweeper's time each takes. What is not installed is left out by name.
"""

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

HERE = Path(__file__).parent
CORES, WIDTHS, SEEDS = 2, {'mlp': (16, 32, 64, 128), 'cnn': (8, 12, 16, 24)}, range(6)
LR, BATCH_SIZE, EPOCHS = 0.1, 32, {'mlp': 140, 'cnn': 30}
NEEDS = {
    'sweeper': 'sweeper', 'on_ray': 'ray', 'processes': 'torch', 'joblib': 'joblib', 'optuna': 'optuna',
    'ray': 'ray',
}  # fmt: skip


def trials(kind):
    return [(width, seed) for width in WIDTHS[kind] for seed in SEEDS]


def sweeper(kind, executor='local'):
    from sweeper import FixedHyperparameters, FixedSweep, sweep

    fixed = FixedHyperparameters(
        lr=LR, batch_size=BATCH_SIZE, epochs=EPOCHS[kind], cycle_epochs=10, lr_ratio=1
    )
    selector = FixedSweep([((kind, width), len(SEEDS)) for width in WIDTHS[kind]])
    with tempfile.TemporaryDirectory() as folder:
        sweep(
            str(HERE / 'plain_loop.py'), selector, 1, fixed, f'{folder}/out',
            cores=CORES, executor=executor, progress='none',
        )  # fmt: skip


def on_ray(kind):
    sweeper(kind, 'ray')


def processes(kind):
    def run(trial):
        command = [
            sys.executable,
            str(HERE / 'plain_loop.py'),
            kind,
            *map(str, (*trial, EPOCHS[kind], LR, BATCH_SIZE)),
        ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    with ThreadPoolExecutor(CORES) as pool:
        list(pool.map(run, trials(kind)))


def joblib(kind):
    import joblib
    from plain_loop import train

    joblib.Parallel(n_jobs=CORES)(
        joblib.delayed(train)(kind, width, seed, EPOCHS[kind], LR, BATCH_SIZE) for width, seed in trials(kind)
    )


def optuna(kind):
    import optuna
    from plain_loop import train

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = {'width': list(WIDTHS[kind]), 'seed': list(SEEDS)}
    study = optuna.create_study(direction='maximize', sampler=optuna.samplers.GridSampler(space))

    def objective(trial):
        width = trial.suggest_categorical('width', space['width'])
        seed = trial.suggest_categorical('seed', space['seed'])
        return train(kind, width, seed, EPOCHS[kind], LR, BATCH_SIZE)[1]

    study.optimize(objective, n_trials=len(trials(kind)), n_jobs=CORES)


def ray(kind):
    import ray
    from plain_loop import train
    from ray import tune

    if not ray.is_initialized():
        environment = {'env_vars': {'PYTHONPATH': str(HERE)}}
        ray.init(
            address='local', num_cpus=CORES, include_dashboard=False, log_to_driver=False,
            _node_ip_address='127.0.0.1', runtime_env=environment,
        )  # fmt: skip

    def objective(config):
        tune.report(
            {'accuracy': train(kind, config['width'], config['seed'], EPOCHS[kind], LR, BATCH_SIZE)[1]}
        )

    space = {'width': tune.grid_search(list(WIDTHS[kind])), 'seed': tune.grid_search(list(SEEDS))}
    with tempfile.TemporaryDirectory() as folder:
        run = tune.RunConfig(storage_path=folder, verbose=0)
        tune.Tuner(tune.with_resources(objective, {'cpu': 1}), param_space=space, run_config=run).fit()


WAYS = {way.__name__: way for way in (sweeper, on_ray, processes, joblib, optuna, ray)}


class Meter:
    """Watches this process and all that it started: CPU seconds, and the peak of their memory."""

    def __init__(self):
        self.peak, self._cpu, self._is_done = 0, {}, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self):
        while not self._is_done.wait(1):
            self.measure()

    def measure(self):
        me, memory = psutil.Process(), 0
        for process in (me, *me.children(recursive=True)):
            try:
                memory += process.memory_full_info().pss
                times = process.cpu_times()
                self._cpu[process.pid, process.create_time()] = times.user + times.system
            except psutil.Error:
                pass
        self.peak = max(self.peak, memory)

    def read(self):
        """CPU seconds (of processes that were seen alive) and bytes."""
        self.measure()
        return sum(self._cpu.values()), self.peak

    def stop(self):
        self._is_done.set()
        self._thread.join()


def one_way(name, kind):
    """Runs in a fresh process; prints what it measured."""
    sys.path.insert(0, str(HERE))
    started, meter = psutil.Process().create_time(), Meter()
    with open(os.devnull, 'w') as silence:
        out, sys.stdout = sys.stdout, silence
        WAYS[name](kind)
        cold = time.time() - started
        cpu, peak = meter.read()
        start = time.perf_counter()
        if name != 'processes':
            WAYS[name](kind)
        warm = time.perf_counter() - start
        sys.stdout = out
    meter.stop()
    print(json.dumps({'cold': cold, 'warm': cold if name == 'processes' else warm, 'cpu': cpu, 'peak': peak}))


def ways(text):
    names = text.split(',')
    if unknown := [name for name in names if name not in WAYS]:
        raise argparse.ArgumentTypeError(f'{", ".join(unknown)}: choose from {", ".join(WAYS)}')
    return names


def at_least_one(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'{text}: must be a whole number of at least 1')
    return int(text)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--rounds', type=at_least_one, default=3)
    parser.add_argument('--kind', choices=WIDTHS)
    parser.add_argument('--ways', type=ways, help='only these, besides sweeper; with commas between')
    parser.add_argument('--only', help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        return one_way(options.only, options.kind)
    from rich.console import Console
    from rich.table import Table

    wanted = ['sweeper', *(options.ways or WAYS)]
    names = [name for name in WAYS if name in wanted and importlib.util.find_spec(NEEDS[name])]
    for kind in [options.kind] if options.kind else WIDTHS:
        runs = {name: [] for name in names}
        for _ in range(options.rounds):
            for name in names:
                command = [sys.executable, __file__, '--only', name, '--kind', kind]
                environment = {**os.environ, 'OMP_NUM_THREADS': '1'}
                done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
                runs[name].append(json.loads(done.stdout.splitlines()[-1]))
        table = Table('way', 'cold', 'x', 'warm', 'x', 'CPU', 'peak memory', title=f'24 trials, {kind}')
        for name in names:
            middle = {key: statistics.median(run[key] for run in runs[name]) for key in runs[name][0]}
            ratios = {
                key: statistics.median(
                    run[key] / ours[key] for run, ours in zip(runs[name], runs['sweeper'], strict=True)
                )
                for key in ('cold', 'warm')
            }
            table.add_row(
                name, f'{middle["cold"]:.1f} s', f'{ratios["cold"]:.2f}', f'{middle["warm"]:.1f} s',
                f'{ratios["warm"]:.2f}', f'{middle["cpu"]:.1f} s', f'{middle["peak"] / 2**20:.0f} MiB',
            )  # fmt: skip
        Console(width=100).print(table)
    if missing := [name for name in WAYS if name in wanted and name not in names]:
        print(f'not installed: {", ".join(missing)}')
    return None


if __name__ == '__main__':
    main()
