"""Compares architectures fairly by Optuna: a study for each, then trials over seeds.

pip install '.[examples]' optuna
python benchmarks/porting/with_optuna.py tumours_table [FOLDER]
"""

import sys
from pathlib import Path

from loops import BATCH_SIZES, LRS, POINTS, held_out, importlib, interval, train

try:
    import optuna
except ImportError:
    sys.exit('Optuna is not installed: pip install optuna')

CANDIDATES, TRIALS, SAMPLES, BRIEF, CORES = 8, 3, 80_000, 20_000, 2


def tune(name, point, data, folder):
    """Returns the best learning rate and batch size by brief trainings; a study that is there goes on."""
    part, other = held_out(data)

    def objective(trial):
        lr = trial.suggest_float('lr', *LRS, log=True)
        batch_size = trial.suggest_categorical('batch_size', BATCH_SIZES)
        return train(name, point, 0, part, other, BRIEF, lr, batch_size)

    study = optuna.create_study(
        study_name=f'{name} {point}',
        storage=f'sqlite:///{folder}/optuna.db',
        sampler=optuna.samplers.TPESampler(seed=0),
        direction='maximize',
        load_if_exists=True,
    )
    done = len(study.get_trials(states=[optuna.trial.TrialState.COMPLETE]))
    study.optimize(objective, n_trials=max(0, CANDIDATES - done), n_jobs=CORES)
    return study.best_params


def main(name, folder):
    Path(folder).mkdir(parents=True, exist_ok=True)
    data, val, *_ = importlib.import_module(name).dataset()
    for point in POINTS[name]:
        best = tune(name, point, data, folder)
        scores = [train(name, point, seed, data, val, SAMPLES, **best) for seed in range(TRIALS)]
        print(point, f'lr {best["lr"]:.3g}, batch size {best["batch_size"]}:', interval(scores), flush=True)


if __name__ == '__main__':
    main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else f'out/optuna_{sys.argv[1]}')
