"""Sweeps of 24 trials that share one card, as `gpu.py` compares them: 3 widths of a perceptron, 8 seeds.

    python benchmarks/gpu_sweep.py WAY DEVICE [--small]

runs one way from start to end; `gpu.py` takes the time of that.
"""

import argparse
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
WIDTHS, SEEDS, EPOCHS, AT_A_TIME = (16, 32, 64), 8, 100, 4
LR, BATCH_SIZE = 0.1, 32


def sizes(is_small):
    """Widths, seeds and epochs."""
    return ((4,), 2, 2) if is_small else (WIDTHS, SEEDS, EPOCHS)


def sweeper(device, is_small, step):
    from sweeper import FixedHyperparameters, FixedSweep, sweep

    widths, seeds, epochs = sizes(is_small)
    fixed = FixedHyperparameters(
        lr=LR, batch_size=BATCH_SIZE, epochs=epochs, cycle_epochs=min(10, epochs), lr_ratio=1
    )
    selector = FixedSweep([(('mlp', width), seeds) for width in widths])
    with tempfile.TemporaryDirectory() as folder:
        results = sweep(
            str(HERE / 'plain_loop.py'), selector, 1, fixed, f'{folder}/out',
            cores=AT_A_TIME, per_gpu=None if device == 'cpu' else AT_A_TIME, device=device, step=step,
            progress='none',
        )  # fmt: skip
    assert len(results) == len(widths) and not results.failures


def processes(device, is_small):
    widths, seeds, epochs = sizes(is_small)

    def run(trial):
        arguments = map(str, ('mlp', *trial, epochs, LR, BATCH_SIZE, device))
        command = [sys.executable, str(HERE / 'plain_loop.py'), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        list(pool.map(run, [(width, seed) for width in widths for seed in range(seeds)]))


def ray(device, is_small):
    import ray
    from plain_loop import train
    from ray import tune

    widths, seeds, epochs = sizes(is_small)
    on_gpu = device != 'cpu'
    ray.init(
        num_cpus=AT_A_TIME, num_gpus=1 if on_gpu else 0, include_dashboard=False, log_to_driver=False,
        runtime_env={'env_vars': {'PYTHONPATH': str(HERE)}}, _node_ip_address='127.0.0.1',
    )  # fmt: skip

    def objective(config):
        scores = train('mlp', config['width'], config['seed'], epochs, LR, BATCH_SIZE, device)
        tune.report({'accuracy': scores[1]})

    space = {'width': tune.grid_search([*widths]), 'seed': tune.grid_search([*range(seeds)])}
    needs = {'cpu': 1, **({'gpu': 1 / AT_A_TIME} if on_gpu else {})}
    with tempfile.TemporaryDirectory() as folder:
        run = tune.RunConfig(storage_path=folder, verbose=0)
        tune.Tuner(tune.with_resources(objective, needs), param_space=space, run_config=run).fit()


WAYS = {
    'sweeper captured': lambda *given: sweeper(*given, 'captured'),
    'sweeper lanes': lambda *given: sweeper(*given, 'lanes'),
    'processes': processes,
    'ray': ray,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('way', choices=WAYS)
    parser.add_argument('device')
    parser.add_argument('--small', action='store_true')
    options = parser.parse_args()
    WAYS[options.way](options.device, options.small)


if __name__ == '__main__':
    main()
