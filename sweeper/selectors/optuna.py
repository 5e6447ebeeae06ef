"""Searches by Optuna's samplers."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InvalidArgument
from ..events import Event, SweepStarted
from ..extras import needed
from ..objectives import Goals, Objectives
from ..points import NamedPoint, Point, as_point, value_to_text
from ..space import Categorical, Domain, Float, Integer, Space
from ..store.layout import SweepLayout
from .search import IN_FLIGHT, SpaceSearch

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage

_ATTEMPTS = 20
_PLAIN = (str, int, float, bool, type(None))

SAMPLERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    'tpe': ('TPESampler', {'constant_liar': True}),
    'gp': ('GPSampler', {}),
    'cmaes': ('CmaEsSampler', {}),
    'nsga2': ('NSGAIISampler', {}),
    'nsga3': ('NSGAIIISampler', {}),
    'random': ('RandomSampler', {}),
    'qmc': ('QMCSampler', {}),
}
"""The class of each sampler that has a name here, and how it differs from its defaults."""


class OptunaSelector(SpaceSearch):
    """Tries what a sampler of Optuna suggests.

    The sampler suggests one parameter after another, each after those that it depends on, and only those that
    are part of the point. A point is proposed once: if the sampler suggests it again, it is told what is
    known of it and asked again, and after twenty times a random point is taken.

    The study is kept in the sweep's folder, as `optuna.log`, which `optuna-dashboard` shows, also while the
    sweep runs. It is a copy, and is written anew whenever the sweep is started.

    Args:
        space: What to search, or a mapping from names to ranges, as for `FixedSweep.with_random_trials`.
        points: How many points to try at most.
        trials: Trials of every point.
        sampler: `tpe`, `gp`, `cmaes`, `nsga2`, `nsga3`, `random` or `qmc`, as Optuna has them by default,
            seeded; or a sampler of Optuna's, to which you have given a seed.
        objectives: What to search by: names of metrics and costs (`'performance,parameters'`), or
            `Objective`s.
        in_flight: How many proposals wait for results at a time, whatever the number of cores.
        seed: Seeds the sampler.

    Attributes:
        study: The study; None before the sweep starts.

    Raises:
        InvalidArgument: An argument is invalid.
        MissingExtra: Optuna is not installed, or what the sampler needs.
    """

    def __init__(
        self,
        space: Space | Mapping[str, Any],
        points: int = 50,
        trials: int = 1,
        *,
        sampler: str | BaseSampler = 'tpe',
        objectives: Objectives = 'performance',
        in_flight: int = IN_FLIGHT,
        seed: int = 0,
    ) -> None:
        super().__init__(space, points, trials, objectives, in_flight, seed)
        self._sampler = _sampler(sampler, seed)
        self.study: Study | None = None
        self._parameters = {name: _Parameter(name, domain) for name, domain in self.space.items()}
        self._running: dict[Point, Trial] = {}

    def tell(self, event: Event) -> None:
        super().tell(event)
        if isinstance(event, SweepStarted):
            self._start(_storage(event.folder))

    def _start(self, storage: BaseStorage | None) -> Study:
        from optuna import create_study

        self.goals = self.goals or Goals(self.objectives)
        with _quiet():
            self.study = create_study(
                storage=storage,
                sampler=self._sampler,
                study_name='sweeper',
                directions=['maximize' if higher else 'minimize' for higher in self.goals.higher],
            )
            self.study.set_metric_names(self.goals.names)
        return self.study

    def choose(self) -> Point | None:
        study = self.study or self._start(None)
        with _quiet():
            for _ in range(_ATTEMPTS):
                trial = study.ask()
                point = self._suggested(trial)
                if self.space.contains(point) and self.is_new(point):
                    self._running[point] = trial
                    return point
                self._finish(trial, self.gains.get(point))
            new = self.new_point(lambda: self.space.sample(self._rng))
            if isinstance(new, NamedPoint):
                study.enqueue_trial({name: self._parameters[name].suggestion(new[name]) for name in new})
                self._running[new] = trial = study.ask()
                self._suggested(trial)
        return new

    def _suggested(self, trial: Trial) -> NamedPoint:
        values: dict[str, Any] = {}
        for name in self.space.order:
            if self.space.is_active(name, values):
                values[name] = self._parameters[name].suggest(trial)
        point = as_point({name: values[name] for name in self.space if name in values})
        assert isinstance(point, NamedPoint)
        return point

    def learn(self, point: Point, gains: tuple[float, ...] | None) -> None:
        if (trial := self._running.pop(point, None)) is not None:
            with _quiet():
                self._finish(trial, gains)

    def _finish(self, trial: Trial, gains: tuple[float, ...] | None) -> None:
        from optuna.trial import TrialState

        assert self.study is not None and self.goals is not None
        if gains is None:
            self.study.tell(trial, state=TrialState.FAIL)
        else:
            self.study.tell(trial, self.goals.natural(gains))


class _Parameter:
    """How Optuna is asked for a parameter's value."""

    def __init__(self, name: str, domain: Domain) -> None:
        self._name, self._domain = name, domain
        self._values = None if domain.size == float('inf') else domain.values()
        is_plain = all(isinstance(value, _PLAIN) for value in self._values or ())
        self._choices = self._values if is_plain else [value_to_text(value) for value in self._values or ()]

    def suggest(self, trial: Trial) -> Any:
        """Returns the value that a trial suggests."""
        name, domain, values = self._name, self._domain, self._values
        if values is not None and len(values) == 1:
            return values[0]
        if isinstance(domain, Categorical):
            assert values is not None and self._choices is not None
            return values[self._choices.index(trial.suggest_categorical(name, self._choices))]
        if isinstance(domain, Integer) and not (domain.log and domain.step > 1):
            last = range(domain.low, domain.high + 1, domain.step)[-1]
            return trial.suggest_int(name, domain.low, last, step=domain.step, log=domain.log)
        if isinstance(domain, Float) and domain.step is None:
            suggested = trial.suggest_float(name, domain.low, domain.high, log=domain.log)
            return domain.decode(domain.encode(suggested))
        if values is not None:
            return values[trial.suggest_int(name, 0, len(values) - 1)]
        return domain.decode(trial.suggest_float(name, 0.0, 1.0))

    def suggestion(self, value: Any) -> Any:
        """Returns what a trial has to suggest for a value."""
        domain, values = self._domain, self._values
        if isinstance(domain, Categorical):
            assert values is not None and self._choices is not None
            return self._choices[values.index(value)]
        is_number = isinstance(domain, Integer) and not (domain.log and domain.step > 1)
        if is_number or (isinstance(domain, Float) and domain.step is None):
            return value
        return values.index(value) if values is not None else domain.encode(value)


def _sampler(sampler: object, seed: int) -> BaseSampler:
    with needed('optuna', 'OptunaSelector needs optuna'), _quiet():
        from optuna import samplers

        if isinstance(sampler, samplers.BaseSampler):
            return sampler
        if not isinstance(sampler, str) or sampler not in SAMPLERS:
            raise InvalidArgument(
                f'sampler={sampler!r}: must be {", ".join(SAMPLERS)}, or a sampler of Optuna'
            )
        if sampler == 'cmaes':
            import cmaes  # noqa: F401
        name, options = SAMPLERS[sampler]
        made: BaseSampler = getattr(samplers, name)(seed=seed, **options)
        return made


def _storage(folder: Path) -> BaseStorage | None:
    """Returns where a study is kept in a sweep's folder, without what is there; None without a folder."""
    if not folder.is_dir():
        return None
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    path = SweepLayout(folder).optuna_study
    for leftover in (path, path.with_name(f'{path.name}.lock')):
        leftover.unlink(missing_ok=True)
    lock = JournalFileOpenLock(str(path))
    return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps Optuna from telling what it does, and that some of it is experimental."""
    from optuna import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        logging.set_verbosity(verbosity)
