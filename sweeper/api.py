"""What users call to train: `sweep` and `train`."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from .config import SweepConfig
from .errors import FolderError, InvalidArgument, PointFailedWarning, ProblemError
from .executors import take_executor
from .keywords import check_names, takes_options
from .listeners.base import Listener, checked_listeners
from .points import as_point, label
from .problem.reference import find_problem, is_loading_a_problem
from .results import PointResult, SweepResults
from .selectors.base import Selector, checked_selector
from .selectors.fixed import FixedSweep
from .session import run_session
from .signals import ended_by_signals
from .store.layout import SweepLayout, checked_folder, holds_sweep
from .store.lock import locked
from .store.store import Store
from .text import printable
from .tuning.base import TuningMethod
from .tuning.methods import chosen_method


@takes_options(SweepConfig)
def sweep(
    module_name: str | os.PathLike[str] | ModuleType,
    param_selector: Selector | Callable[[], Selector],
    sweep_cores: int,
    hparams: str | TuningMethod = 'fast',
    folder: str | os.PathLike[str] | None = None,
    *,
    tuning: str | TuningMethod | None = None,
    listeners: Iterable[Listener] = (),
    **options: Any,
) -> SweepResults:
    """Compares architectures: tunes learning rate, batch size and length for each, then trains it repeatedly.

    Calling it again with the same arguments continues where it stopped, however it was ended; on a finished
    folder it trains nothing and returns the same. With more points or trials it trains what is missing.

    Args:
        module_name: The problem: an importable module, the path to a `.py` file, or `__main__`. With
            `executor='inline'` also a module itself, or another object with the same names, and
            `__main__` may be a notebook.
        param_selector: Proposes the points and how many trials each gets; or a function that makes it,
            called when the problem is loaded.
        sweep_cores: How many cores tune one architecture, and the least number of initialisations behind
            each tuning curve; at least 1. If there are fewer cores, the same runs are made on those.
        hparams: How every architecture is tuned: a preset (`fastest`, `fast`, `slow`, `slowest`), settings of
            your own, `FixedHyperparameters`, or a `TuningMethod` of your own.
        folder: Where everything is kept; made if need be. One sweep per folder.
        tuning: Another name for `hparams`, to be given instead.
        listeners: Told of everything that is found, as it is found.
        **options: `cores`, `executor`, `seed`, `step` and so on: the fields of `SweepConfig`.

    Returns:
        One `PointResult` per point that the folder holds, in the order proposed, with all its trials;
        failed points are in `.failures`, those that were not proposed this time in `.others`.

    Raises:
        InvalidArgument: An argument has a value that it cannot have.
        ProblemError: The module is not a usable problem.
        DeclarationError: A parameter that its code declares is not as it must be.
        FolderError: The folder cannot be used.
        SelectorError: The selector broke its contract.
        PointFailed: A point failed, under `on_error='raise'`.
    """
    check_names(SweepConfig, 'sweep()', options, without=('sweep_cores', 'tuning'))
    executor = take_executor(options)
    if is_loading_a_problem():
        raise ProblemError(
            'sweep() was called while its problem was being imported; workers import it too. '
            "Put the call under: if __name__ == '__main__':"
        )
    if isinstance(param_selector, type) or not callable(param_selector):
        checked_selector(param_selector)
    method = chosen_method(hparams, tuning)
    config = SweepConfig(sweep_cores=sweep_cores, tuning=method, **options)
    folder, listeners = checked_folder(folder), checked_listeners(listeners)
    with ended_by_signals():
        results = run_session(find_problem(module_name), param_selector, folder, config, listeners, executor)
    for failure in results.failures:
        message = f'the point ({label(failure.params)}) failed: {printable(failure.error)}'
        warnings.warn(message, PointFailedWarning, stacklevel=2)
    return results


_NOT_OF_TRAIN = ('tuning', 'on_error', 'retry_failed', 'margin', 'paired', 'looks')


@takes_options(SweepConfig, without=_NOT_OF_TRAIN)
def train(
    module_name: str | os.PathLike[str] | ModuleType,
    params: Any,
    folder: str | os.PathLike[str],
    hparams: str | TuningMethod = 'fast',
    trials: int = 1,
    *,
    tuning: str | TuningMethod | None = None,
    sweep_cores: int = 1,
    history: str | os.PathLike[str] | None = None,
    listeners: Iterable[Listener] = (),
    **options: Any,
) -> PointResult:
    """Tunes and trains a single architecture; called again, it adds trials.

    Args:
        module_name: The problem, as for `sweep`.
        params: The architecture: a tuple for `model(*params)` or a mapping for `model(**params)`.
        folder: Where everything is kept, laid out as a sweep of one point.
        hparams: A preset, settings or another method, as for `sweep`.
        trials: Trials to add to those that the folder has; 0 tunes only.
        tuning: Another name for `hparams`, to be given instead.
        sweep_cores: As for `sweep`.
        history: Move what `folder` holds into a new numbered folder in `history` first, and start anew.
        listeners: Told of everything that is found.
        **options: As for `sweep`; `if_changed` may be `stop`, or what is accepted, such as `accept:source`.

    Returns:
        The point's result with all its trials, earlier ones included.

    Raises:
        PointFailed: It cannot be tuned or trained.
        InvalidArgument, ProblemError, FolderError: As for `sweep`.
    """
    check_names(SweepConfig, 'train()', options, without=('sweep_cores', *_NOT_OF_TRAIN))
    folder, point = checked_folder(folder), as_point(params)
    history = None if history is None else checked_folder(history)
    if options.get('if_changed') == 'restart':
        raise InvalidArgument("if_changed='restart': train() starts anew if it is given history=")
    method = chosen_method(hparams, tuning)
    find_problem(module_name)
    selector = FixedSweep([(point, trials)])
    if history is not None and holds_sweep(folder):
        _archive(folder, history)
    before = 0
    if holds_sweep(folder):
        with Store.opened(folder) as store:
            others = [other for other in store.records.by_point if other != point]
            before = len(store.records.trials(point))
        if others:
            raise FolderError(
                f'{folder} holds another architecture ({label(others[0])}), not ({label(point)}); name '
                f'another folder, or pass history= to archive it first'
            )
    if before:
        selector = FixedSweep([(point, before + trials)])
    options |= {'listeners': listeners, 'on_error': 'raise'}
    return sweep(module_name, selector, sweep_cores, method, folder, **options)[0]


def _archive(folder: Path, history: Path) -> None:
    """Moves a sweep's folder to the next free number in `history`; not while a sweep runs in it."""
    if history.resolve().is_relative_to(folder.resolve()):
        raise InvalidArgument(f'history={str(history)!r}: must not be in the folder {str(folder)!r} itself')
    with locked(folder):
        history.mkdir(parents=True, exist_ok=True)
        taken = [int(path.name) for path in history.iterdir() if path.name.isdecimal()]
        target = history / str(max(taken, default=-1) + 1)
        shutil.move(folder, target)
        SweepLayout(target).running.unlink(missing_ok=True)
