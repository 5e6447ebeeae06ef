"""Other libraries' searches on the same tables, asked one trial at a time: each as it is by default."""

import logging
import tempfile
import warnings

import numpy as np
from selector_replay import History

from sweeper import NamedPoint


def optuna_search(table, draws, trials, seed, sampler='TPESampler', in_flight=1):
    """Optuna, asked directly."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction='maximize', sampler=getattr(optuna.samplers, sampler)(seed=seed))
    domains = {
        name: optuna.distributions.CategoricalDistribution(domain.choices)
        for name, domain in table.space.items()
    }
    history, waiting = _History(table, draws), []
    while len(history.rows) < trials:
        while len(waiting) < in_flight:
            waiting.append(study.ask(domains))
        trial = waiting.pop(0)
        study.tell(trial, history.train(trial.params))
    return history


def smac_search(table, draws, trials, seed):
    """SMAC's facade for hyperparameters: a random forest, and its own first points."""
    from ConfigSpace import Categorical, ConfigurationSpace
    from smac import HyperparameterOptimizationFacade, Scenario
    from smac.runhistory.dataclasses import TrialValue

    space = ConfigurationSpace(seed=seed)
    space.add([
        Categorical(name, [*range(len(domain.choices))]) for name, domain in table.space.items()
    ])  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter('ignore')
        scenario = Scenario(
            space, deterministic=True, n_trials=10 * trials, seed=seed, output_directory=folder
        )
        smac = HyperparameterOptimizationFacade(
            scenario, _no_target, overwrite=True, logging_level=logging.ERROR
        )
        history = _History(table, draws)
        while len(history.rows) < trials:
            info = smac.ask()
            params = {name: domain.choices[int(info.config[name])] for name, domain in table.space.items()}
            smac.tell(info, TrialValue(cost=-history.train(params)))
    return history


def _no_target(config, seed=0):
    raise AssertionError(f'{config} of seed {seed} is looked up, not called')


def syne_tune_search(table, draws, trials, seed, searcher='regularized_evolution'):
    """One of Syne Tune's searchers."""
    import datetime

    from syne_tune.backend.trial_status import Trial
    from syne_tune.config_space import choice
    from syne_tune.optimizer.schedulers.single_objective_scheduler import SingleObjectiveScheduler

    space = {name: choice([*domain.choices]) for name, domain in table.space.items()}
    scheduler = SingleObjectiveScheduler(
        space, metric='value', do_minimize=False, searcher=searcher, random_seed=seed
    )
    history = _History(table, draws)
    for number in range(trials):
        config = scheduler.suggest().config
        trial = Trial(number, config, datetime.datetime.now())
        scheduler.on_trial_add(trial)
        scheduler.on_trial_complete(trial, {'value': history.train(config)})
    return history


class _History(History):
    """A history of single trials; a point that comes again gets its next one."""

    def __init__(self, table, draws):
        super().__init__()
        self._table, self._draws = table, draws

    def train(self, params):
        """Trains a point once more; returns its value."""
        row = self._table.row(NamedPoint({name: params[name] for name in self._table.space}))
        value = self._draws.trial(row, len(self.trials.setdefault(row, [])))
        self.trials[row].append(value)
        self.rows.append(row)
        self.values.append(value)
        self.trained.append(float(len(self.rows)))
        return value


PEERS = {
    'Optuna, TPE': optuna_search,
    'SMAC': smac_search,
    'Syne Tune, evolution': syne_tune_search,
    'Syne Tune, KDE': lambda *args: syne_tune_search(*args, searcher='kde'),
}


def missing(name):
    """Why a peer cannot run here; None if it can."""
    module = {'Optuna': 'optuna', 'SMAC': 'smac', 'Syne Tune': 'syne_tune'}[name.partition(',')[0]]
    try:
        __import__(module)
    except ImportError as error:
        return str(error)
    return None


def at(values, trials):
    """The values after so many trials, or the last."""
    return np.asarray(values)[np.minimum(np.asarray(trials), len(values)) - 1]
