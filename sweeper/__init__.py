"""Compare neural-network architectures fairly: every one tuned, repeated over seeds, with error bars."""

from .api import load, sweep, train
from .errors import SweepError
from .points import NamedPoint
from .scheduling.queue import ParamsTaskQueue
from .scheduling.task import ParamsTask
from .selectors.base import ParamSelector
from .selectors.fixed import FixedSweep
from .selectors.listener import SweepListener
from .store.results import PointResult, SweepResults
from .sweeper import Sweeper
from .tuning.settings import HyperparameterSettings, get_settings

__version__ = '0.1.0'

__all__ = [
    'FixedSweep',
    'HyperparameterSettings',
    'NamedPoint',
    'ParamSelector',
    'ParamsTask',
    'ParamsTaskQueue',
    'PointResult',
    'SweepError',
    'SweepListener',
    'SweepResults',
    'Sweeper',
    'get_settings',
    'load',
    'sweep',
    'train',
]
