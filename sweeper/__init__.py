"""Compare neural-network architectures fairly: every one tuned, repeated over seeds, with error bars."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from .version import __version__ as __version__

if TYPE_CHECKING:
    from . import adapters, events
    from .api import sweep, train
    from .errors import (
        DamagedFileWarning,
        DeclarationError,
        DeclarationWarning,
        EqualPointsWarning,
        FolderError,
        InvalidArgument,
        InvalidPoint,
        ListenerWarning,
        MissingExtra,
        PointFailed,
        PointFailedWarning,
        ProblemError,
        ProblemWarning,
        SelectorError,
        SweepError,
        TuningFailed,
    )
    from .executors.base import Executor, Outcome, Resources, RunError, Task
    from .executors.inline import InlineExecutor, run_task
    from .executors.local.executor import LocalExecutor
    from .executors.ray.executor import RayExecutor
    from .frozen import NamedPoint
    from .listeners.base import SweepListener
    from .listeners.mlflow import MLflowListener
    from .listeners.tensorboard import TensorBoardListener
    from .loading import load, load_model
    from .metric import Metric, MetricInfo
    from .objectives import Objective
    from .pareto import pareto_front
    from .report.figures.paper import save_figure
    from .report.figures.plotting import plot
    from .report.methods.writing import report_methods
    from .report.page.writing import report_page
    from .report.stats.comparison import Comparison, compare
    from .results import PointError, PointFailure, PointResult, SweepResults, TrialResult, Tuned
    from .run.queue import ParamsTask, ParamsTaskQueue
    from .run.sweeper import Sweeper
    from .seeding import run_seed
    from .selectors.base import DONE, WAIT, ParamSelector, Proposal, Selector
    from .selectors.budgets import BudgetedSelector
    from .selectors.evolution import EvolutionSweep
    from .selectors.fixed import FixedSweep
    from .selectors.grid import GridSweep
    from .selectors.halving import HalvingSweep
    from .selectors.optuna import OptunaSelector
    from .selectors.racing import RacingSweep
    from .selectors.random import RandomSweep
    from .space import Bits, Categorical, Condition, Float, Integer, Ordinal, Space
    from .stats.intervals import mean_interval
    from .training.attached import Run
    from .training.callbacks import Callback
    from .training.engine import RunEvents
    from .tuning.base import RunRequest, Stage, TuningMethod
    from .tuning.fixed import FixedHyperparameters
    from .tuning.settings import HyperparameterSettings, get_settings
    from .work import WorkerSpec

__all__ = [
    'DONE',
    'WAIT',
    'Bits',
    'BudgetedSelector',
    'Callback',
    'Categorical',
    'Comparison',
    'Condition',
    'DamagedFileWarning',
    'DeclarationError',
    'DeclarationWarning',
    'EqualPointsWarning',
    'EvolutionSweep',
    'Executor',
    'FixedHyperparameters',
    'FixedSweep',
    'Float',
    'FolderError',
    'GridSweep',
    'HalvingSweep',
    'HyperparameterSettings',
    'InlineExecutor',
    'Integer',
    'InvalidArgument',
    'InvalidPoint',
    'ListenerWarning',
    'LocalExecutor',
    'MLflowListener',
    'Metric',
    'MetricInfo',
    'MissingExtra',
    'NamedPoint',
    'Objective',
    'OptunaSelector',
    'Ordinal',
    'Outcome',
    'ParamSelector',
    'ParamsTask',
    'ParamsTaskQueue',
    'PointError',
    'PointFailed',
    'PointFailedWarning',
    'PointFailure',
    'PointResult',
    'ProblemError',
    'ProblemWarning',
    'Proposal',
    'RacingSweep',
    'RandomSweep',
    'RayExecutor',
    'Resources',
    'Run',
    'RunError',
    'RunEvents',
    'RunRequest',
    'Selector',
    'SelectorError',
    'Space',
    'Stage',
    'SweepConfig',
    'SweepError',
    'SweepListener',
    'SweepResults',
    'Sweeper',
    'Task',
    'TensorBoardListener',
    'TrialResult',
    'Tuned',
    'TuningFailed',
    'TuningMethod',
    'WorkerSpec',
    'adapters',
    'compare',
    'events',
    'get_settings',
    'load',
    'load_model',
    'mean_interval',
    'pareto_front',
    'plot',
    'report_methods',
    'report_page',
    'run_seed',
    'run_task',
    'save_figure',
    'sweep',
    'train',
]

_MODULES = {
    'BudgetedSelector': 'selectors.budgets',
    'Bits': 'space',
    'Callback': 'training.callbacks',
    'Categorical': 'space',
    'Comparison': 'report.stats.comparison',
    'Condition': 'space',
    'DONE': 'selectors.base',
    'DamagedFileWarning': 'errors',
    'DeclarationError': 'errors',
    'DeclarationWarning': 'errors',
    'EqualPointsWarning': 'errors',
    'EvolutionSweep': 'selectors.evolution',
    'HalvingSweep': 'selectors.halving',
    'RacingSweep': 'selectors.racing',
    'Executor': 'executors.base',
    'FixedHyperparameters': 'tuning.fixed',
    'FixedSweep': 'selectors.fixed',
    'Float': 'space',
    'FolderError': 'errors',
    'GridSweep': 'selectors.grid',
    'HyperparameterSettings': 'tuning.settings',
    'InlineExecutor': 'executors.inline',
    'Integer': 'space',
    'InvalidArgument': 'errors',
    'InvalidPoint': 'errors',
    'ListenerWarning': 'errors',
    'LocalExecutor': 'executors.local.executor',
    'MLflowListener': 'listeners.mlflow',
    'Metric': 'metric',
    'MetricInfo': 'metric',
    'MissingExtra': 'errors',
    'NamedPoint': 'frozen',
    'Objective': 'objectives',
    'OptunaSelector': 'selectors.optuna',
    'Ordinal': 'space',
    'Outcome': 'executors.base',
    'ParamSelector': 'selectors.base',
    'ParamsTask': 'run.queue',
    'ParamsTaskQueue': 'run.queue',
    'PointError': 'results',
    'PointFailed': 'errors',
    'PointFailedWarning': 'errors',
    'PointFailure': 'results',
    'PointResult': 'results',
    'ProblemError': 'errors',
    'ProblemWarning': 'errors',
    'Proposal': 'selectors.base',
    'RandomSweep': 'selectors.random',
    'RayExecutor': 'executors.ray.executor',
    'Resources': 'executors.base',
    'Run': 'training.attached',
    'RunError': 'executors.base',
    'RunEvents': 'training.engine',
    'RunRequest': 'tuning.base',
    'Selector': 'selectors.base',
    'SelectorError': 'errors',
    'Space': 'space',
    'Stage': 'tuning.base',
    'SweepConfig': 'config',
    'SweepError': 'errors',
    'SweepListener': 'listeners.base',
    'SweepResults': 'results',
    'Sweeper': 'run.sweeper',
    'Task': 'executors.base',
    'TensorBoardListener': 'listeners.tensorboard',
    'TrialResult': 'results',
    'Tuned': 'results',
    'TuningFailed': 'errors',
    'TuningMethod': 'tuning.base',
    'WAIT': 'selectors.base',
    'WorkerSpec': 'work',
    'adapters': 'adapters',
    'compare': 'report.stats.comparison',
    'events': 'events',
    'get_settings': 'tuning.settings',
    'load': 'loading',
    'load_model': 'loading',
    'mean_interval': 'stats.intervals',
    'pareto_front': 'pareto',
    'plot': 'report.figures.plotting',
    'report_methods': 'report.methods.writing',
    'report_page': 'report.page.writing',
    'run_task': 'executors.inline',
    'run_seed': 'seeding',
    'save_figure': 'report.figures.paper',
    'sweep': 'api',
    'train': 'api',
}


def __getattr__(name: str) -> object:
    """Imports what is asked for, at the first time: importing the package costs next to nothing."""
    if name not in _MODULES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    module = importlib.import_module(f'.{_MODULES[name]}', __name__)
    value = globals()[name] = module if name == _MODULES[name] else getattr(module, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
