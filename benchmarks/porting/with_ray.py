"""Compares architectures fairly by Ray Tune: a search for each, then trials over seeds.

pip install '.[examples]' 'ray[tune]'
python benchmarks/porting/with_ray.py tumours_table [FOLDER]
"""

import sys
from pathlib import Path

from loops import BATCH_SIZES, LRS, POINTS, held_out, importlib, interval, train

try:
    import ray
    from ray import tune
except ImportError:
    sys.exit("Ray Tune is not installed: pip install 'ray[tune]'")

CANDIDATES, TRIALS, SAMPLES, BRIEF, CORES = 8, 3, 80_000, 20_000, 2


def fit(trainable, space, samples, folder, name):
    """Runs a search, or goes on with the one that is there."""
    trainable = tune.with_resources(trainable, {'cpu': 1})
    if tune.Tuner.can_restore(f'{folder}/{name}'):
        return tune.Tuner.restore(
            f'{folder}/{name}', trainable, resume_unfinished=True, param_space=space
        ).fit()
    config = tune.TuneConfig(metric='score', mode='max', num_samples=samples)
    run = tune.RunConfig(name=name, storage_path=folder, verbose=0)
    return tune.Tuner(trainable, param_space=space, tune_config=config, run_config=run).fit()


def compare(name, point, data, val, folder):
    """Returns the best learning rate and batch size, and the scores of trials with them."""
    part, other = held_out(data)

    def brief(config):
        tune.report({'score': train(name, point, 0, part, other, BRIEF, **config)})

    def trial(config):
        tune.report({'score': train(name, point, config['seed'], data, val, SAMPLES, **best)})

    space = {'lr': tune.loguniform(*LRS), 'batch_size': tune.choice(BATCH_SIZES)}
    label = '-'.join(map(str, point))
    best = fit(brief, space, CANDIDATES, folder, f'tune-{label}').get_best_result().config
    seeds = {'seed': tune.grid_search(list(range(TRIALS)))}
    results = fit(trial, seeds, 1, folder, f'trials-{label}')
    return best, [result.metrics['score'] for result in results]


def main(name, folder):
    path = {'env_vars': {'PYTHONPATH': f'{Path(__file__).parent}'}}
    ray.init(num_cpus=CORES, include_dashboard=False, log_to_driver=False, runtime_env=path)
    data, val, *_ = importlib.import_module(name).dataset()
    for point in POINTS[name]:
        best, scores = compare(name, point, data, val, str(Path(folder).resolve()))
        print(point, f'lr {best["lr"]:.3g}, batch size {best["batch_size"]}:', interval(scores), flush=True)


if __name__ == '__main__':
    main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else f'out/ray_{sys.argv[1]}')
