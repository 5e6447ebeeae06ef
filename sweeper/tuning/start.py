"""Starts tuning methods: checks what they yield and return, and adds what their runs tell."""

from __future__ import annotations

import dataclasses
import inspect
import json
import math
import operator
import re
from collections.abc import Generator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InvalidArgument
from ..io.checksums import json_bytes
from ..metric import PERFORMANCE, MetricInfo
from ..points import to_json
from ..results import UNMEASURED, UNSURE, ModelCost, Tuned
from ..seeding import run_seed
from .base import FUNCTIONS, NO_PARAMETERS, RunRequest, RunResult, Stage, Tuner, TuningMethod
from .effort import are_whole_cycles, whole_if_it_is

if TYPE_CHECKING:
    from ..space import Domain

PLAIN: Mapping[str, str | float] = MappingProxyType({})
"""How trainings differ from plain ones: not at all."""

CURVES: Mapping[str, frozenset[str]] = {
    'lr_vs_perf': frozenset({'lrs', 'loss', 'perf'}),
    'candidates': frozenset({'round', 'lr', 'batch_size', 'steps', 'loss', 'perf'}),
}
"""The curves that reports show, and the arrays of one length that each has at least."""

_LISTED = ', '.join(f'{", ".join(sorted(columns))} in {name!r}' for name, columns in CURVES.items())


def start_tuning(
    method: TuningMethod,
    train_size: int,
    seed: int,
    nuisance: Mapping[str, Domain] = NO_PARAMETERS,
    training: Mapping[str, str | float] = PLAIN,
    objective: MetricInfo = PERFORMANCE,
    can_hold_out: bool = True,
) -> Tuner:
    """Starts a method on one architecture; checks what it yields and returns, and adds what runs tell of it.

    The arguments are those of `TuningMethod.tune`, how the problem's trainings differ from plain ones, what
    is known of its objective, and whether some of the training samples can be held out.

    Raises:
        TuningFailed: The architecture cannot be trained at all.
        InvalidArgument: The method broke its contract.
    """
    optional = {'objective': objective, 'can_hold_out': can_hold_out}
    parameters = inspect.signature(method.tune).parameters
    also: dict[str, Any] = {argument: value for argument, value in optional.items() if argument in parameters}
    name, observed = type(method).__name__, _Observed()
    tuner = method.tune(train_size, seed, nuisance, **also)
    if not isinstance(tuner, Generator):
        raise InvalidArgument(f'{name}.tune() returned {tuner!r}: it must be a generator, with a `yield`')
    results: Sequence[RunResult] | None = None
    while True:
        try:
            stage = next(tuner) if results is None else tuner.send(results)
        except StopIteration as end:
            tuned = _checked(name, end.value, [*nuisance], objective)
            if not observed.has_curve:  # what tells the cost of an architecture
                stage = _first_step(tuned, train_size, seed)
                observed.note(stage, (yield stage))
            knows_direction = 'objective' in also or objective.is_share
            if not knows_direction:
                tuned = dataclasses.replace(tuned, span=0.0)
            return dataclasses.replace(observed.added_to(tuned), training=training)
        _check_stage(name, stage, train_size)
        results = yield stage
        observed.note(stage, results)


def _first_step(tuned: Tuned, train_size: int, seed: int) -> Stage:
    size = min(tuned.batch_size, train_size)
    step = RunRequest.measure_curve(
        seed=run_seed(seed, 'first step', 0), lrs=[tuned.lr_min], batch_sizes=[size]
    )
    return Stage('first step', [step])


class _Observed:
    """What the runs of a tuning tell of an architecture, whatever the method.

    Attributes:
        has_curve: Whether a curve was measured.
    """

    def __init__(self) -> None:
        self.has_curve = False
        self._steps: dict[str, set[str]] = {}
        self._unread: set[str] | None = None
        self._is_unsure, self._is_measured = False, True
        self._cost: ModelCost | None = None
        self._scored_on: str | None = None

    def note(self, stage: Stage, results: Sequence[RunResult]) -> None:
        self._steps.setdefault(stage.name, set()).update(str(result['step']) for result in results)
        unmeasured: list[bool] = []
        for run, result in zip(stage.runs, results, strict=True):
            if run.function == 'train_briefly':
                unread = set(json.loads(str(result['unread']))) if 'unread' in result else set()
                self._unread = unread if self._unread is None else self._unread & unread
                flags = str(result.get('flags', '')).split()
                self._is_unsure = self._is_unsure or UNSURE in flags
                unmeasured.append(UNMEASURED in flags)
                is_held_out = bool(run.arguments.get('held_out')) or self._scored_on == 'held-out'
                self._scored_on = 'held-out' if is_held_out else 'training'
            self.has_curve |= run.function == 'measure_curve'
            if self._cost is None and 'cost' in result:  # a run from before there was one lacks it
                self._cost = ModelCost(**json.loads(str(result['cost'])))
        self._is_measured = self._is_measured and not (unmeasured and all(unmeasured))

    def added_to(self, tuned: Tuned) -> Tuned:
        more = ['unread'] * bool(self._unread) + [UNSURE] * self._is_unsure
        more += [UNMEASURED] * (not self._is_measured)
        return dataclasses.replace(
            tuned,
            flags=tuple(sorted([*tuned.flags, *more])),
            cost=self._cost,
            unread=tuple(sorted(self._unread or ())),
            report={
                **tuned.report,
                'steps': {name: sorted(kinds) for name, kinds in self._steps.items()},
                **({'scored_on': self._scored_on} if self._scored_on is not None else {}),
            },
        )


def _check_stage(method: str, stage: object, train_size: int) -> None:
    if not isinstance(stage, Stage):
        raise InvalidArgument(f'{method}.tune() yielded {stage!r}: it must be a Stage')
    if not isinstance(stage.name, str) or not re.fullmatch(r'\w[\w .-]*', stage.name):
        raise InvalidArgument(
            f'{method}.tune() yielded a stage named {stage.name!r}: it must be a word or two'
        )
    if not stage.runs or not all(
        isinstance(run, RunRequest) and run.function in FUNCTIONS for run in stage.runs
    ):
        raise InvalidArgument(
            f'{method}.tune() yielded the stage {stage.name!r} with the runs {[*stage.runs]!r}: there must '
            f'be at least one, each a RunRequest.{" or RunRequest.".join(FUNCTIONS)}'
        )
    for run in stage.runs:
        limits = {'held_out': (0, train_size - 1), 'cycles': (1, run.arguments.get('steps'))}
        for argument in limits.keys() & run.arguments.keys():
            (least, most), value = limits[argument], run.arguments[argument]
            if not (hasattr(value, '__index__') and least <= value <= most):
                raise InvalidArgument(
                    f'{method}.tune() yielded a brief training with {argument}={value!r}: it must be an '
                    f'integer from {least} to {most}'
                )


def _is_curve(item: tuple[str, Mapping[str, Any]]) -> bool:
    name, columns = item
    if name not in CURVES or not columns.keys() >= CURVES[name]:
        return False
    arrays = {column: np.asarray(values) for column, values in columns.items()}
    required = [arrays[column] for column in (CURVES[name] if name == 'lr_vs_perf' else arrays)]
    is_plain = not any(array.dtype.hasobject for array in arrays.values())
    return is_plain and all(array.ndim == 1 and len(array) == len(required[0]) for array in required)


def _checked(method: str, tuned: object, nuisance: Sequence[str], objective: MetricInfo) -> Tuned:
    """Returns what a method returned, its numbers as Python's own.

    Raises:
        InvalidArgument: Trials cannot be trained so, or it cannot be written.
    """
    if not isinstance(tuned, Tuned):
        raise InvalidArgument(f'{method}.tune() returned {tuned!r}: it must be a Tuned')

    def require(holds: bool, name: str, valid: str) -> None:
        if not holds:
            value = getattr(tuned, name)
            raise InvalidArgument(f'{method}.tune() returned {name}={value!r}: it must be {valid}'[:500])

    changes: dict[str, Any] = {}
    size = tuned.batch_size
    require(hasattr(size, '__index__') and not isinstance(size, bool), 'batch_size', 'an integer')
    changes['batch_size'] = operator.index(size)
    require(changes['batch_size'] >= 1, 'batch_size', 'at least 1')
    for name in ('lr_min', 'lr_max', 'performance', 'span', 'cycle_size_epochs', 'epochs'):
        value = getattr(tuned, name)
        require(hasattr(value, '__float__') and not isinstance(value, bool), name, 'a number')
        changes[name] = float(value)
        require(math.isfinite(changes[name]), name, 'finite')
        is_bounded = name not in ('performance', 'span') or objective.is_share
        require(not is_bounded or changes[name] >= 0, name, 'finite and not negative')
    for name in ('cycle_size_epochs', 'epochs'):
        require(changes[name] > 0, name, 'above 0')
        changes[name] = whole_if_it_is(changes[name])
    require(tuned.lr_min <= tuned.lr_max, 'lr_min', f'at most lr_max={tuned.lr_max!r}')
    is_whole = are_whole_cycles(changes['epochs'], changes['cycle_size_epochs'])
    require(is_whole, 'epochs', 'a whole number of cycles')
    require(not tuned.alternatives, 'alternatives', 'empty: a sweep has them with its option tunings')
    if objective.is_share:
        require(tuned.performance <= 1, 'performance', 'at most 1')
    are_words = all(isinstance(flag, str) and re.fullmatch(r'\w+', flag) for flag in tuned.flags)
    require(not isinstance(tuned.flags, str) and are_words, 'flags', 'a tuple of words')
    require(tuned.nuisance.keys() <= {*nuisance}, 'nuisance', f'of {", ".join(nuisance) or "none"}')
    require(all(map(_is_curve, tuned.curves.items())), 'curves', f'arrays of one length, at least {_LISTED}')
    try:
        json_bytes({'report': tuned.report, 'nuisance': {n: to_json(v) for n, v in tuned.nuisance.items()}})
    except (TypeError, ValueError) as error:
        require(False, 'report', f'of what JSON holds ({error})')
    changes['curves'] = {
        name: {column: np.asarray(values) for column, values in columns.items()}
        for name, columns in tuned.curves.items()
    }
    return dataclasses.replace(tuned, **changes, flags=tuple(tuned.flags))
