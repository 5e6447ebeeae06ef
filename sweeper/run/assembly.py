"""Puts a sweep together from its parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from ..executors.base import Executor
from ..listeners.base import Listener, Listeners
from ..points import Point
from ..problem.parameters import ProblemParameters
from ..seeding import tuning_seed
from ..selectors.base import Selector
from ..selectors.budgets import searching
from ..space.constraints import Limits
from ..store.saving import Saves
from ..store.store import Store
from ..tuning.base import RunResult, Tuner, TuningMethod
from ..tuning.repeated import tune_repeatedly
from ..tuning.settings import HyperparameterSettings
from ..tuning.start import PLAIN, start_tuning
from ..tuning.timed import TimedSettings
from .constraints import Constraints, Violations
from .dispatcher import Dispatcher
from .driver import SelectorDriver
from .estimate import Estimate
from .jobs import JobMaker, SplitOf
from .ledger import Ledger
from .queue import ParamsTaskQueue
from .replay import Replay
from .sweeper import Sweeper


def assemble(
    parameters: ProblemParameters,
    selector: Selector,
    queue: ParamsTaskQueue,
    executor: Executor,
    store: Store,
    method: TuningMethod,
    train_size: int,
    seed: int,
    listeners: Iterable[Listener] = (),
    *,
    training: Mapping[str, str | float] = PLAIN,
    raise_failures: bool = False,
    save_threads: int = 0,
    same_selector: bool = True,
    lanes: int = 1,
    check_points: Callable[[Sequence[Point]], None] = lambda _: None,
    split_of: SplitOf | None = None,
    can_hold_out: bool = True,
    limits: Limits | None = None,
    tunings: int = 1,
) -> Sweeper:
    """Returns a sweep that is ready to run.

    Args:
        parameters: What of the problem can be swept.
        selector: Proposes points.
        queue: Empty; decides what is next.
        executor: Started; the caller closes it.
        store: The sweep's folder, opened.
        method: Tunes every point; already raised to `sweep_cores`.
        train_size: Samples in the training set.
        seed: The sweep's seed.
        listeners: Told of everything as soon as it is there; the selector is told in its own order.
        training: How the problem's trainings differ from plain ones.
        raise_failures: Whether the first failure of a point ends the sweep.
        save_threads: How many results are written to the disk at a time, while new runs are started already;
            0 writes each when it is there.
        same_selector: A selector that adapts must propose what it proposed before.
        lanes: How many runs of a point at most go side by side.
        check_points: As for `Sweeper`.
        split_of: As for `TrialsJob`.
        can_hold_out: Whether some of the training samples can be held out.
        limits: What models may have at most; the problem's own constraint counts, too. None: points are not
            looked at.
        tunings: How often each point is tuned.
    """
    records = store.records
    full_epochs = partial(_full_epochs, method, train_size)
    lanes_of_trials = lanes if split_of is None and tunings == 1 else 1
    ledger = Ledger(records, Estimate(*_expected(method, tunings), lanes_of_trials, full_epochs))

    def start(point: Point, number: int) -> Tuner:
        return start_tuning(
            method, train_size, tuning_seed(seed, number), parameters.nuisance(point), training,
            records.manifest.metrics[0], can_hold_out,
        )  # fmt: skip

    def tuner(point: Point) -> Tuner:
        return tune_repeatedly(partial(start, point), tunings)

    known = frozenset(records.by_point)

    def saved(point: Point, stage: int, index: int, request: str) -> RunResult | None:
        # Of others there is none: looking for it would wait for the threads that write, each time.
        return store.saved_run(point, stage, index, request) if point in known else None

    checkpoints = partial(store.checkpoints, seconds=executor.checkpoint_seconds)
    weights = store.manifest.kept.keep_weights != 'none'
    make_job = JobMaker(tuner, saved, ledger.tuning_of, seed, lanes, checkpoints, split_of, weights)
    dispatcher = Dispatcher(queue, executor, make_job, records.manifest.device)
    is_limited: dict[str, Violations] = {}
    if limits is not None:
        is_limited['violations'] = Constraints(limits, seed, dispatcher.run_beside, store).violations
    chooses = searching(selector)
    name = type(chooses).__name__
    expected = records.points_by(name) if chooses.adaptive and same_selector else []
    return Sweeper(
        selector,
        SelectorDriver(selector, records.by_point, parameters.check, **is_limited),
        Replay(store.layout.folder, name, expected, known - {*expected}),
        ledger,
        queue,
        dispatcher,
        store,
        Saves(save_threads, executor.wake),
        Listeners(listeners),
        raise_failures,
        check_points,
    )


def _full_epochs(method: TuningMethod, train_size: int) -> float | None:
    """The epochs of the trials that the budget of tuning counts in; None if the method does not say."""
    settings = method.settings if isinstance(method, TimedSettings) else method
    return settings.trial_epochs(train_size) if isinstance(settings, HyperparameterSettings) else None


def _expected(method: TuningMethod, tunings: int) -> tuple[float, int]:
    """What a point's tunings are expected to take, in trials, and on how many cores, before any was seen."""
    budget, cores = getattr(method, 'tuning_budget', 1.0), getattr(method, 'lr_initialisations', 1)
    return tunings * budget, tunings * cores
