"""What tuning a nuisance parameter is worth: beside learning rate and batch size, within the same budget.

python benchmarks/nuisance.py [--seeds 3] [--preset fast]

Problems are in `nuisance_problems`. Compared by the mean validation performance of 3 trials, each at a
learning rate and a batch size of its own: the parameter tuned; left at its default; the best of a grid of its
values, each tuned with a whole budget (an oracle that costs as many times more, and is chosen by validation
data); and a random search of all three with as many samples, scored on a held-out fifth of the training data.
"""

import argparse
import json
import math
import tempfile
from pathlib import Path

import numpy as np

from sweeper import FixedSweep, get_settings, sweep
from sweeper.points import NamedPoint
from sweeper.problem.problem import load_problem
from sweeper.problem.reference import find_problem, load_module
from sweeper.seeding import run_seed
from sweeper.work import WorkerSpec, in_lanes, open_workspace

FOLDER = Path(__file__).with_name('nuisance_problems')
PROBLEMS = [file.stem for file in sorted(FOLDER.glob('[a-z]*.py'))]
WIDTH, TRIALS, CONFIGURATIONS = 24, 3, 8


def measure(name, preset, seed, trial_samples):
    """Returns the mean validation performance of each way, and the values that the first and third chose."""
    path, settings = FOLDER / f'{name}.py', get_settings(preset).replace(trial_samples=trial_samples)
    values = load_module(find_problem(path)).VALUES
    ((parameter, domain),) = load_problem(find_problem(path)).parameters.nuisance(()).items()
    points = [{'width': WIDTH}, {'width': WIDTH, parameter: domain.default}]
    points += [{'width': WIDTH, parameter: value} for value in values if value != domain.default]
    with tempfile.TemporaryDirectory() as folder:
        selector = FixedSweep.with_fixed_trials(points, TRIALS)
        results = sweep(path, selector, 2, settings, folder, seed=seed, progress='none')
        final = json.loads((Path(folder) / 'points/0/hparams/final.json').read_text())
    perfs = {result.params: result.perf_val.mean() for result in results}
    tuned, default = (perfs[NamedPoint(point)] for point in points[:2])
    best = max((perfs[NamedPoint(point)], point[parameter]) for point in points[1:])
    searched = search(path, parameter, domain, settings, seed)
    return (tuned, default, best[0], searched), (final['nuisance'][parameter], best[1])


def search(path, parameter, domain, settings, seed):
    """Random search: the best of `CONFIGURATIONS` equally long trainings, then trials."""
    workspace = open_workspace(WorkerSpec(find_problem(path), seed, 'cpu'))
    size, rng = len(workspace.splits.train), np.random.default_rng(seed)
    epochs = settings.trial_epochs(size)
    samples = settings.tuning_budget * epochs * size / CONFIGURATIONS
    point, best = NamedPoint(width=WIDTH), (-1.0, None)
    for index in range(CONFIGURATIONS):
        lr = math.exp(rng.uniform(math.log(settings.lr_start), math.log(settings.lr_end)))
        batch_size = int(rng.choice([8, 16, 32, 64, 128]))
        plan = {
            'lr_min': lr / settings.lr_ratio, 'lr_max': lr, 'batch_size': batch_size,
            'nuisance': {parameter: domain.decode(rng.uniform())},
        }  # fmt: skip
        (score,) = in_lanes(
            workspace, point, [run_seed(seed, 'search', index)], 'train_briefly', **plan,
            steps=int(samples / batch_size), holdout_seed=run_seed(seed, 'holdout', 0), held_out=size // 5,
        )  # fmt: skip
        best = max(best, (score['perf'], index, plan))
    seeds = [run_seed(seed, 'trial', index) for index in range(TRIALS)]
    cycles = {'epochs': epochs, 'cycle_size_epochs': settings.cycle_epochs}
    trials = [in_lanes(workspace, point, [one], 'train_trial', **best[2], **cycles)[0] for one in seeds]
    return np.mean([trial.result.perf_val for trial in trials])


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--seeds', type=int, default=3)
    parser.add_argument('--preset', default='fast')
    parser.add_argument('--trial-samples', type=int, default=60_000)
    parser.add_argument('problems', nargs='*', default=PROBLEMS)
    options = parser.parse_args()
    columns = ('problem', 'tuned', 'at its default', 'best of a grid', 'random search', 'chosen')
    print(f'| {" | ".join(columns)} |\n|{"---|" * len(columns)}')
    for name in options.problems:
        done = [measure(name, options.preset, seed, options.trial_samples) for seed in range(options.seeds)]
        cells = [f'{100 * np.mean(column):.1f}' for column in zip(*(perfs for perfs, _ in done), strict=True)]
        chosen = ', '.join(f'{tuned:g} (grid {best:g})' for _, (tuned, best) in done)
        print(f'| {name} | {" | ".join(cells)} | {chosen} |', flush=True)


if __name__ == '__main__':
    main()
