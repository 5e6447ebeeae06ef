"""Other ways to choose a learning rate and a batch size, as jobs (see `regret.py`)."""

import logging
import math
import warnings
from functools import partial

import numpy as np
import torch
from regret import fixed_pick, try_plan

from sweeper.executors.base import Task
from sweeper.problem.problem import load_problem
from sweeper.seeding import run_seed

CONFIGURATIONS = 8
FALLBACK_LR = 0.01


def fastai_pick(case, point, seed, batch_size=64):
    """A job: the learning rate that ignite's `FastaiLRFinder` suggests, from an epoch or 100 iterations.

    Where it raises, `FALLBACK_LR` is taken instead and the pick has the flag `raised`.
    """
    from ignite.engine import create_supervised_trainer
    from ignite.handlers.lr_finder import FastaiLRFinder
    from torch.utils.data import DataLoader

    problem = load_problem(case.reference)
    torch.manual_seed(run_seed(seed, 'lr_finder', 0))
    size = min(batch_size, case.train_size // 4)
    loader = DataLoader(problem.load_datasets()[0], size, shuffle=True)
    model = problem.model(point)
    optimizer = (problem.build_optimizer or torch.optim.SGD)(model.parameters(), 1e-5)
    trainer = create_supervised_trainer(model, optimizer, problem.build_criterion())
    trainer.logger = logging.getLogger('silent')
    finder, flags = FastaiLRFinder(), []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            to_save = {'model': model, 'optimizer': optimizer}
            with finder.attach(trainer, to_save, start_lr=1e-5, end_lr=10.0) as finding:
                finding.run(loader, max_epochs=math.ceil(100 / len(loader)))
        lr = float(finder.lr_suggestion())
    except Exception:
        lr, flags = FALLBACK_LR, ['raised']
    samples = len(finder.get_results().get('lr', ())) * size
    return (yield from try_plan(case, point, seed, case.plan(lr, size), samples, flags))


class Search:
    """How a number of samples is spent on configurations: how many there are, and for how many epochs each.

    Mostly `CONFIGURATIONS`; fewer where these could not have an epoch each, more where each has a trial's.
    """

    def __init__(self, case, samples):
        longest = case.plan(1.0, 8)['epochs']
        self.epochs = min(max(1, int(samples / CONFIGURATIONS / case.train_size)), longest)
        most = max(1, int(samples / self.epochs / case.train_size))
        self.configurations = most if self.epochs == longest else min(CONFIGURATIONS, most)
        self.samples = self.configurations * self.epochs * case.train_size
        self.sizes, self.lrs = case.batch_sizes(), case.lrs

    def task(self, case, point, seed, index, lr, size):
        plan = {**case.plan(lr, size), 'epochs': self.epochs, 'cycle_size_epochs': self.epochs}
        return Task('search', 'train_trial', point, {'seed': run_seed(seed, 'search', index), **plan})


def random_pick(case, point, seed, samples):
    """A job: random search, the best by training performance."""
    search, draw = Search(case, samples), np.random.default_rng(seed)
    lrs = np.exp(draw.uniform(*np.log(search.lrs), search.configurations)).tolist()
    sizes = draw.choice(search.sizes, search.configurations).tolist()
    tasks = [
        search.task(case, point, seed, *configuration)
        for configuration in zip(range(len(lrs)), lrs, sizes, strict=True)
    ]
    records = yield tasks
    best = int(np.argmax([record.result.perf_train for record in records]))
    return (yield from try_plan(case, point, seed, case.plan(lrs[best], sizes[best]), search.samples))


def optuna_pick(case, point, seed, samples):
    """A job: Optuna's TPE, the best by training performance; 4 random configurations first, not 10."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    search = Search(case, samples)
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=4)
    study = optuna.create_study(direction='maximize', sampler=sampler)
    for index in range(search.configurations):
        trial = study.ask()
        lr = trial.suggest_float('lr', *search.lrs, log=True)
        size = trial.suggest_categorical('batch_size', search.sizes)
        (record,) = yield [search.task(case, point, seed, index, lr, size)]
        study.tell(trial, record.result.perf_train)
    best = study.best_params
    return (yield from try_plan(case, point, seed, case.plan(best['lr'], best['batch_size']), search.samples))


AT_EQUAL_COST = {'random search': random_pick, 'Optuna TPE': optuna_pick}
ONCE = {
    **{f'LR {lr}': partial(fixed_pick, lr=lr) for lr in (0.1, 0.01, 0.001)},
    'LR finder of ignite': fastai_pick,
}
