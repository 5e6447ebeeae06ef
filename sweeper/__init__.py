"""Compare neural-network architectures fairly: every one tuned, repeated over seeds, with error bars."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .api import load, sweep, train
    from .errors import SweepError
    from .models import load_model
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
    'load_model',
    'sweep',
    'train',
]

_MODULES = {
    'FixedSweep': 'selectors.fixed',
    'HyperparameterSettings': 'tuning.settings',
    'NamedPoint': 'points',
    'ParamSelector': 'selectors.base',
    'ParamsTask': 'scheduling.task',
    'ParamsTaskQueue': 'scheduling.queue',
    'PointResult': 'store.results',
    'SweepError': 'errors',
    'SweepListener': 'selectors.listener',
    'SweepResults': 'store.results',
    'Sweeper': 'sweeper',
    'get_settings': 'tuning.settings',
    'load': 'api',
    'load_model': 'models',
    'sweep': 'api',
    'train': 'api',
}


def __getattr__(name: str) -> object:
    """Imports what is asked for, at the first time: importing the package costs next to nothing."""
    if name not in _MODULES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    value = globals()[name] = getattr(importlib.import_module(f'.{_MODULES[name]}', __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
