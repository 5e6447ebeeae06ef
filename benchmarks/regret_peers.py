"""Other ways to choose a learning rate and a batch size, as jobs (see `regret.py`)."""

import itertools
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
HELD_OUT = 5
"""One in so many training samples is held out."""
STARTUP = 4
"""Random configurations before TPE has enough of them."""
REDUCTION = 3
"""Of Hyperband and successive halving: one in so many configurations goes on."""


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
    Scored on held-out data, a training has cycles about as long as those of a trial, and the best of their
    ends counts.

    Args:
        case: The problem.
        seed: The sweep's.
        point: The architecture.
        samples: How many may be trained.
        held_out: Whether a fifth of the training data is held out to score on.
    """

    def __init__(self, case, point, seed, samples, held_out):
        self.case, self.point, self.seed, self.held_out = case, point, seed, held_out
        self.epochs = min(max(1, int(samples / CONFIGURATIONS / case.train_size)), case.epochs)
        most = max(1, int(samples / self.epochs / case.train_size))
        self.configurations = most if self.epochs == case.epochs else min(CONFIGURATIONS, most)
        self.samples = self.configurations * self.epochs * case.train_size
        self.cycles = max(1, round(self.epochs / case.cycle_epochs)) if held_out else 1
        self.found = []

    def task(self, lr, size):
        """The training of one more configuration."""
        index = len(self.found)
        if self.held_out:
            each = self.epochs / self.cycles
            task = held_out_task(self.case, self.point, self.seed, index, lr, size, self.cycles, each)
        else:
            plan = self.case.plan(lr, size, self.epochs) | {'cycle_size_epochs': self.epochs}
            arguments = {'seed': run_seed(self.seed, 'search', index), **plan}
            task = Task('search', 'train_trial', self.point, arguments)
        self.found.append((lr, size, None))
        return task

    def score(self, index, value):
        """Takes what such a training came to; returns its score."""
        lr, size, _ = self.found[index]
        if self.held_out:
            score, cycle = best_cycle(value)
            epochs = length(self.case, cycle, self.cycles, self.epochs / self.cycles)
        else:
            score, epochs = (value.result.perf_train, -value.result.loss_train), self.case.epochs
        self.found[index] = lr, size, (score, epochs)
        return score[0]

    def pick(self):
        """A job: trials of the best configuration."""
        lr, size, (_, epochs) = max(self.found, key=lambda configuration: configuration[2][0])
        plan = self.case.plan(lr, size, epochs)
        return (yield from try_plan(self.case, self.point, self.seed, plan, self.samples))


def held_out_task(case, point, seed, index, lr, size, cycles, epochs):
    """A training of so many cycles, each of so many epochs, scored on a fifth of the training data."""
    steps = cycles * max(1, round(epochs * case.train_size / size))
    plan = {'lr_min': lr / 10, 'lr_max': lr, 'batch_size': size, 'steps': steps, 'cycles': cycles}
    holdout = {'holdout_seed': run_seed(seed, 'holdout', 0), 'held_out': case.train_size // HELD_OUT}
    return Task(
        'search', 'train_briefly', point, {'seed': run_seed(seed, 'search', index), **plan, **holdout}
    )


def scores(result):
    """Performance and negated loss at the end of every cycle of a brief training; the higher, the better."""
    perfs, losses = result.get('perfs', [result['perf']]), result.get('losses', [result['loss']])
    return [(float(perf), -float(loss)) for perf, loss in zip(perfs, losses, strict=True)]


def best_cycle(result):
    """Returns the best of a brief training's scores, and after how many cycles that was."""
    found = scores(result)
    best = max(found)
    return best, found.index(best) + 1


def length(case, cycle, cycles, epochs):
    """Epochs of trials, if the best of so many cycles of so many epochs was that one.

    Whole cycles of a trial; as long as may be if it was the last, after which it might have got better.
    """
    if cycle == cycles:
        return case.epochs
    return min(case.epochs, case.cycle_epochs * max(1, round(cycle * epochs / case.cycle_epochs)))


def random_pick(case, point, seed, samples, held_out=False):
    """A job: random search, the best by training performance, or on held-out training data."""
    search = Search(case, point, seed, samples, held_out)
    draw = np.random.default_rng(seed)
    lrs = np.exp(draw.uniform(*np.log(case.lrs), search.configurations)).tolist()
    sizes = draw.choice(case.batch_sizes(), search.configurations).tolist()
    values = yield [search.task(*configuration) for configuration in zip(lrs, sizes, strict=True)]
    for index, value in enumerate(values):
        search.score(index, value)
    return (yield from search.pick())


def tpe_pick(case, point, seed, samples, held_out=False):
    """A job: Optuna's TPE, scored in the same ways; 4 random configurations first, not 10."""
    optuna = _optuna()
    search = Search(case, point, seed, samples, held_out)
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP)
    study = optuna.create_study(direction='maximize', sampler=sampler)
    for index in range(search.configurations):
        trial = study.ask()
        (value,) = yield [search.task(*_suggested(trial, case))]
        study.tell(trial, search.score(index, value))
    return (yield from search.pick())


def _optuna():
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _suggested(trial, case):
    lr = trial.suggest_float('lr', *case.lrs, log=True)
    return lr, trial.suggest_categorical('batch_size', case.batch_sizes())


def hyperband_pick(case, point, seed, samples):
    """A job: Optuna's TPE with its Hyperband pruner, one configuration after the other, as in BOHB.

    Configurations are scored on held-out data at the end of every cycle, until they are pruned; the best end
    of a cycle is chosen. One that goes on is trained again from the beginning, which leads to the same scores
    up to there: only what is new counts.
    """
    optuna = _optuna()
    cycles = max(case.cycles, REDUCTION**2)
    study = optuna.create_study(
        study_name=f'{case.name} {seed}',  # by which Hyperband distributes the trials
        direction='maximize',
        sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP),
        pruner=optuna.pruners.HyperbandPruner(1, cycles, REDUCTION),
    )
    epochs = case.epochs / cycles
    affordable = left = max(1, int(samples / epochs / case.train_size))
    found = []
    while left:
        trial = study.ask()
        lr, size = _suggested(trial, case)
        scored, is_pruned = [], False
        while len(scored) < cycles and left and not is_pruned:
            done = len(scored)
            target = min(cycles, max(1, REDUCTION * done), done + left)
            (result,) = yield [held_out_task(case, point, seed, len(found), lr, size, target, epochs)]
            for score in scores(result)[done:]:
                scored.append(score)
                left -= 1
                trial.report(score[0], len(scored))
                is_pruned = trial.should_prune()
                if is_pruned:
                    break
        found.append((max(scored), lr, size, scored.index(max(scored)) + 1, len(scored)))
        state = optuna.trial.TrialState.PRUNED if is_pruned else None
        study.tell(trial, None if is_pruned else scored[-1][0], state)
    _, lr, size, *ends = max(found)
    spent = (affordable - left) * epochs * case.train_size
    return (yield from try_plan(case, point, seed, case.plan(lr, size, length(case, *ends, epochs)), spent))


def halving_pick(case, point, seed, samples):
    """A job: successive halving (Jamieson and Talwalkar 2016) of random configurations, on held-out data.

    Cycles are a 27th of a trial, or those of a trial if these are shorter. All configurations get one; the
    better third goes on to three times the length, as often as it takes to half the budget or a whole trial.
    There are as many configurations as the budget allows. What goes on is counted as above.
    """
    cycles = max(case.cycles, REDUCTION**3)
    epochs = case.epochs / cycles
    affordable = max(2, int(samples / epochs / case.train_size))
    longest = min(cycles, affordable // 2)
    rungs = [*itertools.takewhile(lambda rung: rung < longest, (REDUCTION**i for i in range(20))), longest]

    def widths(count):
        return [max(1, count // REDUCTION**index) for index in range(len(rungs))]

    def cost(count):
        new = np.diff([0, *rungs])
        return int(np.dot(new, widths(count)))

    count = next(count for count in range(affordable, 0, -1) if cost(count) <= affordable or count == 1)
    draw = np.random.default_rng(seed)
    lrs = np.exp(draw.uniform(*np.log(case.lrs), count)).tolist()
    kept = [*enumerate(zip(lrs, draw.choice(case.batch_sizes(), count).tolist(), strict=True))]
    for rung, width in zip(rungs, widths(count), strict=True):
        kept = kept[:width]
        results = yield [held_out_task(case, point, seed, index, *of, rung, epochs) for index, of in kept]
        ends = [(*best_cycle(result), rung) for result in results]
        order = sorted(range(len(kept)), key=lambda i: ends[i], reverse=True)
        kept, ends = [kept[i] for i in order], [ends[i] for i in order]
    plan = case.plan(*kept[0][1], length(case, *ends[0][1:], epochs))
    return (yield from try_plan(case, point, seed, plan, cost(count) * epochs * case.train_size))


AT_EQUAL_COST = {
    'random search': random_pick,
    'Optuna TPE': tpe_pick,
    'random search, held out': partial(random_pick, held_out=True),
    'Optuna TPE, held out': partial(tpe_pick, held_out=True),
    'Optuna TPE, Hyperband': hyperband_pick,
    'successive halving': halving_pick,
}
ONCE = {
    **{f'LR {lr}': partial(fixed_pick, lr=lr) for lr in (0.1, 0.01, 0.001)},
    'LR finder of ignite': fastai_pick,
}
