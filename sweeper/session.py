"""A sweep from its problem to its results: the parts are made, checked, put together, and run."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from .architectures import common_values, known_points, of_networks, trials_of_points
from .config import SweepConfig
from .errors import DeclarationWarning, InvalidArgument, ProblemError, ProblemWarning
from .executors import open_executor
from .executors.base import Executor, Task
from .garbage import uncollected
from .listeners.base import Listener
from .points import Point, are_named, label
from .problem.parameters import ProblemParameters
from .problem.presets import Presets, as_texts, presets_of, with_values
from .problem.problem import load_problem
from .problem.reference import ProblemReference
from .report.live.progress import open_progress
from .report.live.status_file import StatusWriter
from .results import SweepResults
from .run.assembly import assemble
from .run.dry_runs import check_by_dry_runs
from .run.queue import ParamsTaskQueue
from .run.trial_time import TrialTime
from .seeding import random_states_kept
from .selectors.base import Selector, checked_selector
from .selectors.budgets import BudgetedSelector, searching
from .space import Space
from .store.acceptance import accepted_kinds
from .store.layout import holds_sweep
from .store.log import RunLog
from .store.manifest import Manifest
from .store.origin import this_origin
from .store.parquet import check_parquet
from .store.store import Store
from .training.facts import ProblemFacts, check
from .training.parallel.checks import check_together
from .training.resampling.resampler import Resampler
from .tuning.bounds import split_bounds
from .tuning.methods import get_method
from .work import LANES, WorkerSpec

_SAVE_THREADS = 8


def run_session(
    reference: ProblemReference,
    param_selector: Selector | Callable[[], Selector],
    folder: Path,
    config: SweepConfig,
    listeners: Sequence[Listener],
    executor: Executor | None = None,
) -> SweepResults:
    """Runs a sweep, or what is missing of it, and returns what the folder holds then; as for `sweep`."""
    running = executor or open_executor(config.executor, config.executor_options)
    if config.summaries == 'parquet':
        check_parquet()
    with ExitStack() as stack:
        is_new, log = not holds_sweep(folder), RunLog()
        if not running.in_process:
            reference.check_loadable_elsewhere()
        presets = presets_of(reference)

        def start(presets: Presets) -> None:
            stack.callback(running.close)
            spec = WorkerSpec(reference, config.seed, config.device, config.step, presets, config.resample)
            running.start(spec, is_new, lambda *printed: _log(log, *printed))

        start(presets)
        # What takes its time comes only now: the workers get ready beside us.
        display = open_progress(config.progress)
        with uncollected():
            selector = (
                param_selector if isinstance(param_selector, Selector) else checked_selector(param_selector())
            )
            facts = _facts(reference, running, config, presets)
            known = known_points(selector)
            if known and (values := common_values(known, facts.parameters)):
                running.close()  # the data is to be another
                in_force = with_values(presets, values)
                start(in_force)
                facts = _facts(reference, running, config, in_force)
        check_together(running.processes_per_run, facts, config.device, config.step)
        if config.stopping and not facts.has_data:
            raise ProblemError(f"stop='held-out': {facts.name!r} has no dataset() to hold something out of")
        if config.stopping and not facts.can_hold_out:
            raise ProblemError(
                f"stop='held-out': no training samples of {facts.name!r} can be held out, since they are a "
                f'stream, or all of one group by groups(), or a single one'
            )
        resampler = _resampler(config, facts)
        parameters = facts.parameters
        if (space := selector.whole_space) is not None:
            config, parameters = _tuning_within(space, config, parameters, display is not None)
        _check_points(parameters, known)
        manifest = Manifest(
            facts.name, train_size=facts.train_size, device=facts.device, path=facts.path,
            source=facts.source, origin=(this_origin(searching(selector)),),
            declared=parameters.declared.to_dict() if parameters.declared is not None else {},
            values=as_texts(presets), metrics=facts.metrics,
            resample={} if resampler is None else resampler.record(),
            tuned_space=parameters.tuned_texts(),
            val_size=facts.val_size if resampler is None else resampler.split(0).place['val'],
            paired=config.paired, planned_looks=_planned_looks(config, selector),
            margin=config.margin, looks=(), storage=config.storage,
            processes_per_run=running.processes_per_run,
            **config.identity(),
        )  # fmt: skip
        trial_time = TrialTime.of(config.method, manifest, folder)
        manifest = trial_time.manifest
        names = parameters.signature.parameter_names()
        store = stack.enter_context(Store.opened(folder, manifest, names, config.if_changed))
        stack.callback(running.close)  # before the folder is given back
        log.open(store)
        selector = of_networks(selector, parameters, running, config.seed, store.records)
        _check_trials(selector, config.tunings)
        if isinstance(selector, BudgetedSelector):
            name = type(searching(selector)).__name__
            selector.attach(store.read_budget(name), partial(store.write_budget, name))
        if config.retry_failed or config.on_error == 'raise':
            store.forget_failures()
        lanes = LANES if config.step == 'lanes' else 1
        are_alike = resampler is None and config.tunings == 1
        queue = ParamsTaskQueue(running.cores, config.sweep_cores, lanes if are_alike else 1)

        def check_points(points: Sequence[Point]) -> None:
            check_by_dry_runs(running, points, config.seed, not selector.adaptive)
            if (came_to := trial_time.measure(running, points, store)) is not None:
                log.write(None, 'worker', f'{came_to}\n')
                if display is not None:
                    print(came_to, file=sys.stderr)

        sweeper = assemble(
            parameters, selector, queue, running, store, trial_time.method, facts.train_size, config.seed,
            [*listeners, StatusWriter(store.records), *([display] if display else [])],
            training={**facts.training, **config.stopping}, raise_failures=config.on_error == 'raise',
            save_threads=0 if running.in_process else _SAVE_THREADS,
            same_selector='selector' not in (accepted_kinds(config.if_changed) or ()), lanes=lanes,
            check_points=check_points, split_of=resampler, can_hold_out=facts.can_hold_out,
            limits=config.limits if config.limits or facts.has_constraint else None,
            tunings=config.tunings,
        )  # fmt: skip
        results = sweeper.run()
        results.store = store.records
        return results


def _facts(
    reference: ProblemReference, running: Executor, config: SweepConfig, presets: Presets
) -> ProblemFacts:
    """Returns what to know of the problem, checked before anything is trained.

    This process finds it out itself only if it has imported torch anyway or no worker process tells it.
    """
    facts = None
    if running.tells_facts or 'torch' not in sys.modules:
        # For later; there is nothing else to do until a worker has loaded the problem.
        import rich.table  # noqa: F401
        import scipy.special  # noqa: F401

        try:
            facts = running.problem_facts()
        except InvalidArgument as error:
            raise error.naming(('device', config.device)) from None
        except ProblemError as error:  # which lost its arguments on the way
            if config.resample is not None:
                error.naming(('resample', config.resample))
            raise
    if facts is None:
        with random_states_kept(), reference.with_own_argv():
            facts, _ = check(
                load_problem(reference, presets=presets), config.seed, config.device, config.resample
            )
    return facts


def _planned_looks(config: SweepConfig, selector: Selector) -> int | None:
    """Returns in how many looks at the results it is decided what is better; None if that is open."""
    least = selector.planned_looks
    if config.looks is not None and least is not None and config.looks < least:
        name = type(searching(selector)).__name__
        error = InvalidArgument(f'looks={config.looks}: {name} looks at the results up to {least} times')
        raise error.naming(('looks', config.looks))
    return config.looks or least


def _tuning_within(
    space: Space, config: SweepConfig, parameters: ProblemParameters, is_shown: bool
) -> tuple[SweepConfig, ProblemParameters]:
    """Returns how to tune, and what, if a space says what is tuned for every architecture; says so, too."""
    bounds, tuned = split_bounds(space, lambda name: parameters.owner(name) is not None)
    if bounds.settings:
        config = replace(config, tuning=bounds.applied(get_method(config.tuning)))
    parameters = parameters if tuned is None else parameters.tuning(tuned)
    texts = [bounds.text, *(f'{name} ({text})' for name, text in parameters.tuned_texts().items())]
    if (listed := ', '.join(filter(None, texts))) and is_shown:
        print(f'Tuned for every architecture, not compared: {listed}', file=sys.stderr)
    return config, parameters


def _resampler(config: SweepConfig, facts: ProblemFacts) -> Resampler | None:
    """Returns what splits the data for each trial, if they are resamples."""
    resampling = config.resampling
    if resampling is None:
        return None
    assert facts.pool is not None
    return Resampler(resampling, facts.pool, config.seed)


def _check_points(parameters: ProblemParameters, points: Sequence[Point]) -> None:
    """Checks what is declared, and all points that are known from the start, before anything is trained."""
    if parameters.declared is not None:
        for message in parameters.declared.warnings:
            warnings.warn(message, DeclarationWarning, stacklevel=4)
    if not points:
        return
    for point in points:
        parameters.check(point)
    are_named(points)
    for message in parameters.warnings(points):
        warnings.warn(message, ProblemWarning, stacklevel=4)


def _check_trials(selector: Selector, tunings: int) -> None:
    """Warns if some tunings will have more trials than others."""
    trials = trials_of_points(selector)
    uneven = {point: number for point, number in trials.items() if number % tunings}
    if uneven:
        point, number = next(iter(uneven.items()))
        warnings.warn(
            f'({label(point)}): the number of trials, {number}, is not a multiple of the number of tunings, '
            f'{tunings}, so some tunings have more trials than others',
            ProblemWarning,
            stacklevel=4,
        )


def _log(log: RunLog, task: Task | None, text: str) -> None:
    has_folder = task is not None and task.function not in ('dry_run', 'measure_speed', 'read_parameters')
    log.write(task.point if task and has_folder else None, task.name if task else 'worker', text)
