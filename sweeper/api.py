"""What users call to train: `sweep` and `train`."""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

from .architectures import common_values, distinct
from .arguments import bytes_of, check_arguments, checked_listeners, checked_selector
from .cores import usable_cores
from .errors import (
    DeclarationWarning,
    FolderError,
    InvalidArgument,
    PointFailedWarning,
    ProblemError,
    ProblemWarning,
)
from .executors import open_executor
from .executors.base import Executor, Task
from .garbage import uncollected
from .listeners.base import Listener
from .points import Point, are_named, as_point, label
from .problem.parameters import ProblemParameters
from .problem.presets import Presets, presets_of, told, with_values
from .problem.problem import load_problem
from .problem.reference import ProblemReference, find_problem, is_loading_a_problem
from .report.live.progress import open_progress
from .report.live.status_file import Noting
from .results import PointResult, SweepResults
from .run.assembly import assemble
from .run.dry_runs import check_by_dry_runs
from .run.queue import ParamsTaskQueue
from .seeding import random_states_kept
from .selectors.base import Selector
from .selectors.fixed import FixedSweep
from .signals import ended_by_signals
from .store.layout import SweepLayout, checked_folder
from .store.lock import locked
from .store.log import RunLog
from .store.manifest import Manifest, accepted_kinds
from .store.origin import this_origin
from .store.store import Store
from .text import printable, reason
from .training.facts import ProblemFacts, check
from .tuning.settings import HyperparameterSettings, get_settings, preset_name
from .work import LANES, WorkerSpec

_SAVE_THREADS = 8


def sweep(
    module_name: str | os.PathLike[str] | ModuleType,
    param_selector: Selector | Callable[[], Selector],
    sweep_cores: int,
    hparams: str | HyperparameterSettings,
    folder: str | os.PathLike[str],
    *,
    cores: int | None = None,
    executor: str = 'local',
    seed: int = 0,
    listeners: Iterable[Listener] = (),
    progress: str = 'auto',
    on_error: str = 'record',
    retries: int = 1,
    timeout: float | None = None,
    device: str = 'auto',
    memory: int | str | None = None,
    step: str = 'auto',
    if_changed: str = 'stop',
    retry_failed: bool = False,
) -> SweepResults:
    """Compares architectures: tunes learning rate and batch size for each, then trains it repeatedly.

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
        hparams: A preset (`fastest`, `fast`, `slow`, `slowest`) or settings of your own.
        folder: Where everything is kept; made if need be. One sweep per folder.
        cores: How many cores to use; the physical cores that this process may use, by default.
        executor: `local` (worker processes) or `inline` (in this process, to debug).
        seed: Seeds everything; results depend on it and not on cores, executor or timing.
        listeners: Told of everything that is found, as it is found.
        progress: `auto` (`rich` in a terminal, else `plain`), `rich`, `plain` or `none`; on stderr.
        on_error: What a failed point does: `record` it and go on, or `raise` `PointFailed` at the first one,
            which is tried again at the next start.
        retries: How often a run whose worker process died is tried again; `local` only.
        timeout: Seconds that one run may take; `local` only.
        device: A torch device, or `auto`: a GPU if torch has one.
        memory: What a worker process may take, in bytes or as `'2GB'`; `local` on Linux only.
        step: How training steps are taken: `eager`, one operator after another; `captured`, recorded once
            and replayed without Python; `lanes`, captured, and 8 runs of a tiny network at a time; `auto`,
            captured where it is worth it. What cannot be captured is eager (`misc.json` says why).
        if_changed: What to do if the folder's sweep is not this one any more: `stop` with a `FolderError`
            that says what changed; accept that by its name, `accept:source` or `accept:versions,device`, if
            it makes no difference to results (the problem's `source`, `versions`, `device`, `step`; or the
            `selector`, if one that adapts decides otherwise, to keep the points of both); or `restart`, after
            moving what is there to `earlier/` (not for a changed selector, which has been asked by then).
            Other points are no change: those that are there stay, and are compared with the new ones.
        retry_failed: Try what failed before once more. An adaptive selector that then decides otherwise is a
            changed one.

    Returns:
        One `PointResult` per point that the folder holds, in the order proposed, with all its trials;
        failed points are in `.failures`, those that were not proposed this time in `.others`.

    Raises:
        InvalidArgument: An argument cannot be what it is.
        ProblemError: The module is not a usable problem.
        DeclarationError: A parameter that its code declares is not as it must be.
        FolderError: The folder cannot be used.
        SelectorError: The selector broke its contract.
        PointFailed: A point failed, under `on_error='raise'`.
    """
    if is_loading_a_problem():
        raise ProblemError(
            'sweep() was called while its problem was being imported; workers import it too. '
            "Put the call under: if __name__ == '__main__':"
        )
    preset = get_settings(hparams)
    cores = usable_cores() if cores is None else cores
    limit = bytes_of(memory)
    check_arguments(
        param_selector, sweep_cores, cores, executor, seed, on_error, retries, timeout, limit, if_changed,
        progress, step,
    )  # fmt: skip
    folder, listeners = checked_folder(folder), checked_listeners(listeners)
    settings = preset.for_sweep_cores(sweep_cores)
    with ExitStack() as stack:
        stack.enter_context(ended_by_signals())
        is_new, log = not _holds_sweep(folder), RunLog()
        reference = find_problem(module_name)
        if executor != 'inline':
            reference.check_loadable_elsewhere()
        presets = presets_of(reference)

        def started(presets: Presets) -> Executor:
            running = open_executor(executor, cores, retries, timeout, limit)
            stack.callback(running.close)
            spec = WorkerSpec(reference, seed, device, step, presets)
            running.start(spec, is_new, lambda *printed: _log(log, *printed))
            return running

        running = started(presets)
        # What takes its time comes only now: the workers get ready beside us.
        display = open_progress(progress)
        with uncollected():
            selector = (
                param_selector if isinstance(param_selector, Selector) else checked_selector(param_selector())
            )
            facts = _facts(reference, running, seed, device, presets)
            known = (
                [point for point, _ in selector.points_and_trials()]
                if isinstance(selector, FixedSweep)
                else []
            )
            if known and (values := common_values(known, facts.parameters)):
                running.close()  # the data is to be another
                in_force = with_values(presets, values)
                running = started(in_force)
                facts = _facts(reference, running, seed, device, in_force)
        parameters = facts.parameters
        _warn_of_doubts(parameters)
        if isinstance(selector, FixedSweep):
            _check_points(parameters, known)
        manifest = Manifest(
            facts.name, preset_name(preset), vars(settings), sweep_cores, seed, facts.train_size,
            device=facts.device, step=step, path=facts.path, source=facts.source,
            origin=(this_origin(selector),),
            declared=parameters.declared.told() if parameters.declared is not None else {},
            values=told(presets),
        )  # fmt: skip
        store = stack.enter_context(
            Store.opened(folder, manifest, parameters.signature.parameter_names(), if_changed)
        )
        stack.callback(running.close)  # before the folder is given back
        log.open(store)
        selector = _as_kept(selector, parameters, store.manifest.named_points)
        if isinstance(selector, FixedSweep):
            selector = distinct(selector, parameters, running, seed, store.points)
        if retry_failed or on_error == 'raise':
            store.forget_failures()
        lanes = LANES if step == 'lanes' else 1
        queue = ParamsTaskQueue(cores, sweep_cores, lanes)
        sweeper = assemble(
            parameters, selector, queue, running, store, settings, facts.train_size, seed,
            [*listeners, Noting(store), *([display] if display else [])], raise_failures=on_error == 'raise',
            save_threads=0 if executor == 'inline' else _SAVE_THREADS,
            same_selector='selector' not in (accepted_kinds(if_changed) or ()), lanes=lanes,
            check_points=lambda points: check_by_dry_runs(running, points, seed, not selector.adaptive),
        )  # fmt: skip
        results = sweeper.run()
        results.store = store
    for failure in results.failures:
        message = f'the point ({label(failure.params)}) failed: {printable(failure.error)}'
        warnings.warn(message, PointFailedWarning, stacklevel=2)
    return results


def train(
    module_name: str | os.PathLike[str] | ModuleType,
    params: Any,
    folder: str | os.PathLike[str],
    hparams: str | HyperparameterSettings = 'fast',
    trials: int = 1,
    *,
    sweep_cores: int = 1,
    history: str | os.PathLike[str] | None = None,
    cores: int | None = None,
    executor: str = 'local',
    seed: int = 0,
    listeners: Iterable[Listener] = (),
    progress: str = 'auto',
    retries: int = 1,
    timeout: float | None = None,
    device: str = 'auto',
    memory: int | str | None = None,
    step: str = 'auto',
    if_changed: str = 'stop',
) -> PointResult:
    """Tunes and trains a single architecture; called again, it adds trials.

    Args:
        module_name: The problem, as for `sweep`.
        params: The architecture: a tuple for `model(*params)` or a mapping for `model(**params)`.
        folder: Where everything is kept, laid out as a sweep of one point.
        hparams: A preset or settings.
        trials: Trials to add to those that the folder has; 0 tunes only.
        sweep_cores: As for `sweep`.
        history: Move what `folder` holds into a new numbered folder in `history` first, and start anew.
        cores: As for `sweep`, and so are the arguments that follow.
        executor: `local` or `inline`.
        seed: Seeds everything.
        listeners: Told of everything that is found.
        progress: `auto`, `rich`, `plain` or `none`.
        retries: How often a run whose worker process died is tried again.
        timeout: Seconds that one run may take.
        device: A torch device, or `auto`.
        memory: What a worker process may take.
        step: `auto`, `eager`, `captured` or `lanes`.
        if_changed: `stop`, or what is accepted, such as `accept:source`.

    Returns:
        The point's result with all its trials, earlier ones included.

    Raises:
        PointFailed: It cannot be tuned or trained.
        InvalidArgument, ProblemError, FolderError: As for `sweep`.
    """
    folder, point = checked_folder(folder), as_point(params)
    history = None if history is None else checked_folder(history)
    if if_changed == 'restart':
        raise InvalidArgument("if_changed='restart': train() starts anew if it is given history=")
    get_settings(hparams)
    find_problem(module_name)
    selector = FixedSweep([(point, trials)])
    if history is not None and _holds_sweep(folder):
        _archive(folder, history)
    before = 0
    if _holds_sweep(folder):
        with Store.opened(folder) as store:
            others = [other for other in store.points if other != point]
            before = len(store.trials(point))
        if others:
            raise FolderError(
                f'{folder} holds another architecture ({label(others[0])}), not ({label(point)}); name '
                f'another folder, or pass history= to archive it first'
            )
    if before:
        selector = FixedSweep([(point, before + trials)])
    results = sweep(
        module_name, selector, sweep_cores, hparams, folder,
        cores=cores, executor=executor, seed=seed, listeners=listeners, progress=progress,
        on_error='raise', retries=retries, timeout=timeout, device=device, memory=memory,
        step=step, if_changed=if_changed,
    )  # fmt: skip
    return results[0]


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


def _holds_sweep(folder: Path) -> bool:
    try:
        return SweepLayout(folder).holds_sweep()
    except OSError as error:
        raise FolderError(f'cannot look into the folder {str(folder)!r}: {reason(error, folder)}') from error


def _facts(
    reference: ProblemReference, running: Executor, seed: int, device: str, presets: Presets
) -> ProblemFacts:
    """Returns what to know of the problem, checked before anything is trained.

    This process finds it out itself only if it has imported torch anyway or no worker process tells it.
    """
    facts = None
    if 'torch' not in sys.modules:
        # For later; there is nothing else to do until a worker has loaded the problem.
        import rich.table  # noqa: F401
        import scipy.special  # noqa: F401

        try:
            facts = running.problem_facts()
        except InvalidArgument as error:
            raise error.naming(('device', device)) from None
    if facts is None:
        with random_states_kept(), reference.with_own_argv():
            facts, _ = check(load_problem(reference, presets=presets), seed, device)
    return facts


def _warn_of_doubts(parameters: ProblemParameters) -> None:
    if parameters.declared is not None:
        for doubt in parameters.declared.doubts:
            warnings.warn(doubt, DeclarationWarning, stacklevel=3)


def _check_points(parameters: ProblemParameters, points: Sequence[Point]) -> None:
    """Checks points that are known from the start, all of them, before anything is trained."""
    for point in points:
        parameters.check(point)
    are_named(points)
    for doubt in parameters.doubts(points):
        warnings.warn(doubt, ProblemWarning, stacklevel=3)


def _as_kept(selector: Selector, parameters: ProblemParameters, named: bool | None) -> Selector:
    """Returns the selector with points that are named or tuples, as those in the folder, if they can be."""
    if named is None or type(selector) is not FixedSweep:
        return selector
    proposals = [(parameters.signature.as_kept(point, named), n) for point, n in selector.points_and_trials()]
    return FixedSweep(proposals)


def _log(log: RunLog, task: Task | None, text: str) -> None:
    has_folder = task is not None and task.function not in ('dry_run', 'read_parameters')
    log.write(task.point if task and has_folder else None, task.name if task else 'worker', text)
