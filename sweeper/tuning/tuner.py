"""Tuning one architecture: a coroutine that asks for runs and answers with hyperparameters."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from ..errors import TuningFailed
from ..seeding import run_seed
from ..store.results import Tuned
from . import candidates, lr_range
from .candidates import Candidate, Scored
from .lr_range import LRRange
from .settings import HyperparameterSettings

ROUNDS = 'candidates'

_LOWERINGS = 3
_LOWERED_BY = 10.0
_FEWEST_STEPS = 10
_LAST_SHARE = 2.0
_MUCH = 0.5
_SENSITIVE = 0.05
_SHADING = 0.2
_ABOUT, _DOWN, _BELOW = (-2, -1, 0, 1), (-2, -1, 0), (-1, 0)
_EDGE = 2.0


@dataclass(frozen=True)
class RunRequest:
    """A run that the tuner wants: a function of `work.py` and its arguments, besides the point."""

    function: str
    arguments: Mapping[str, Any]

    def digest(self) -> str:
        """A short text that tells this request from any other."""
        told = [self.function, self.arguments]
        text = json.dumps(told, sort_keys=True, default=lambda array: array.tolist())
        return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Stage:
    """Runs that may go on side by side; their results are sent back together, in this order.

    Attributes:
        name: The name of the curve that they make.
        runs: At least one.
    """

    name: str
    runs: Sequence[RunRequest]


RunResult: TypeAlias = Mapping[str, Any]
Tuner: TypeAlias = Generator[Stage, Sequence[RunResult], Tuned]


def tune(settings: HyperparameterSettings, train_size: int, seed: int) -> Tuner:
    """Tunes one architecture's learning-rate range and batch size.

    Yields stages of runs, receives each stage's results, and returns what the trials shall use. It
    trains nothing itself and knows neither the architecture nor the data but for its size.

    Args:
        settings: The budget, already raised to the sweep's `sweep_cores`.
        train_size: Samples in the training set; at least 1.
        seed: The sweep's seed.

    Raises:
        TuningFailed: The architecture cannot be trained at all.
    """
    tuner = _tune(settings, train_size, seed)
    steps: dict[str, set[str]] = {}
    stage = next(tuner)
    while True:
        results = yield stage
        steps.setdefault(stage.name, set()).update(str(result['step']) for result in results)
        try:
            stage = tuner.send(results)
        except StopIteration as end:
            tuned: Tuned = end.value
            return dataclasses.replace(
                tuned, misc={**tuned.misc, 'steps': {name: sorted(kinds) for name, kinds in steps.items()}}
            )


def _tune(settings: HyperparameterSettings, train_size: int, seed: int) -> Tuner:
    budget = _Budget(settings, train_size)
    found = yield from _range_test(settings, train_size, seed, budget)
    rounds = yield from _rounds(settings, train_size, seed, budget, found)
    chosen = candidates.winner(settings, rounds[-1].scored, is_early=False)
    found_lr = chosen.candidate.lr
    lr = max(found_lr * rounds[-1].shading(budget.trial), min(found_lr, settings.lr_start))
    size = chosen.candidate.batch_size
    misc: dict[str, Any] = {
        'flags': _flags(settings, found, rounds, chosen, lr),
        'why': _why(settings, rounds, chosen, lr),
        'budget': budget.told(),
        'lr_range': found.details,
        'rounds': [one.told() for one in rounds],
        'train_size': train_size,
    }
    return Tuned(
        lr_start=lr / settings.lr_ratio,
        lr_end=lr,
        batch_size=size,
        cycle_size_epochs=settings.cycle_epochs,
        epochs=settings.trial_epochs(train_size),
        misc=misc,
        curves={'lr_vs_perf': found.arrays, ROUNDS: _table(rounds)},
    )


class _Budget:
    """What tuning may cost, and what it has cost, in training samples."""

    def __init__(self, settings: HyperparameterSettings, train_size: int) -> None:
        self.trial = train_size * settings.trial_epochs(train_size)
        self.whole = settings.tuning_budget * self.trial
        self._spent = 0

    @property
    def left(self) -> float:
        return self.whole - self._spent

    def spend(self, samples: int) -> None:
        self._spent += samples

    def told(self) -> dict[str, float]:
        """For `misc.json`."""
        return {'samples': self._spent, 'trial_samples': self.trial, 'trials': self._spent / self.trial}


@dataclass(frozen=True)
class _Round:
    """One comparison of candidates.

    Attributes:
        scored: In the order of their runs.
        steps: Of each of them.
    """

    scored: list[Scored]
    steps: list[int]

    @property
    def samples(self) -> int:
        """How many samples one model per candidate was trained on, all together."""
        return sum(
            one.candidate.batch_size * steps for one, steps in zip(self.scored, self.steps, strict=True)
        )

    @property
    def all_diverged(self) -> bool:
        return not any(math.isfinite(one.loss) for one in self.scored)

    def is_sensitive(self, chosen: Scored) -> bool:
        """Whether a neighbour of the chosen learning rate does much worse."""
        same = [one for one in self.scored if one.candidate.batch_size == chosen.candidate.batch_size]
        place = same.index(chosen)
        neighbours = same[max(0, place - 1) : place + 2]
        return min(one.perf for one in neighbours) < chosen.perf - _SENSITIVE

    def shading(self, trial: int) -> float:
        """How much lower than here the best learning rate of a trial is, of so many samples, as a factor.

        Longer trainings meet instabilities that brief ones do not; the exponent was measured
        (`benchmarks/tuner_regret.py`).
        """
        return float(min(1.0, self.samples / len(self.scored) / trial) ** _SHADING)

    def told(self) -> list[dict[str, float]]:
        """A row per candidate, for `misc.json` and `candidates.npz`."""
        return [
            {**one.candidate._asdict(), 'steps': steps, 'loss': one.loss, 'perf': one.perf}
            for one, steps in zip(self.scored, self.steps, strict=True)
        ]


def _range_test(
    settings: HyperparameterSettings, train_size: int, seed: int, budget: _Budget
) -> Generator[Stage, Sequence[RunResult], LRRange]:
    size = candidates.reference_size(settings, train_size)
    lrs = lr_range.schedule(settings, budget.whole, size)
    arguments = {'lrs': lrs, 'batch_sizes': np.full(len(lrs), size)}
    runs = [
        RunRequest('measure_curve', {'seed': run_seed(seed, 'lr_vs_perf', index), **arguments})
        for index in range(settings.lr_initialisations)
    ]
    results = yield Stage('lr_vs_perf', runs)
    budget.spend(len(runs) * len(lrs) * size)
    losses, perfs = (np.stack([result[key] for result in results]) for key in ('loss', 'perf'))
    return lr_range.analyse(settings, lrs, size, losses, perfs)


def _rounds(
    settings: HyperparameterSettings, train_size: int, seed: int, budget: _Budget, found: LRRange
) -> Generator[Stage, Sequence[RunResult], list[_Round]]:
    """Compares candidates round by round; one in which all diverge is repeated at lower learning rates."""
    rounds: list[_Round] = []
    lowerings = 0
    for number in range(settings.rounds):
        is_last = number == settings.rounds - 1
        tried = _tried(settings, train_size, found, [one.scored for one in rounds if not one.all_diverged])
        initialisations = settings.final_initialisations if is_last else 1
        seeds = [run_seed(seed, f'{ROUNDS} {number}', index) for index in range(initialisations)]
        while True:
            shares = settings.rounds - number - 1 + _LAST_SHARE
            samples = budget.left * (_LAST_SHARE if is_last else 1) / shares
            done = yield from _compare(settings, seeds, tried, samples, budget)
            rounds.append(done)
            if not done.all_diverged:
                break
            if lowerings == _LOWERINGS:
                lowest = min(one.lr for one in tried)
                raise TuningFailed(f'every brief training diverged, down to a learning rate of {lowest:g}')
            lowerings += 1
            tried = [one._replace(lr=one.lr / _LOWERED_BY) for one in tried]
    return rounds


def _tried(
    settings: HyperparameterSettings, train_size: int, found: LRRange, done: Sequence[Sequence[Scored]]
) -> list[Candidate]:
    """Returns the candidates of the next round."""
    if not done:
        return candidates.grid(settings, train_size, found.low, found.high)
    last, left = done[-1], settings.rounds - len(done)
    if not found.is_learned(max(one.perf for one in last)):
        return candidates.patient(last, found.baseline_loss)
    best = candidates.winner(settings, last).candidate
    others = candidates.at_other_sizes(settings, train_size, best) if len(done) == 1 else []
    if left > 2:
        apart = (found.high / found.low) ** (1 / (settings.lr_candidates - 1))
        return candidates.thinned_out(settings, last, apart ** (0.5 ** len(done))) + others
    if left == 2:
        return candidates.ladder(settings, best, _ABOUT) + others
    if settings.rounds == 2:
        return candidates.ladder(settings, best, _BELOW) + others
    rungs = [one for one in last if one.candidate.batch_size == best.batch_size]
    return candidates.ladder(settings, candidates.sure_rung(rungs).candidate, _DOWN)


def _compare(
    settings: HyperparameterSettings,
    seeds: Sequence[int],
    tried: Sequence[Candidate],
    samples: float,
    budget: _Budget,
) -> Generator[Stage, Sequence[RunResult], _Round]:
    """Trains every candidate briefly, from the same seeds, on an equal share of the samples."""
    each = samples / len(tried) / len(seeds)
    steps = [max(_FEWEST_STEPS, math.floor(each / one.batch_size)) for one in tried]
    requests = [
        RunRequest(
            'train_briefly',
            {
                'seed': seed, 'lr_start': one.lr / settings.lr_ratio, 'lr_end': one.lr,
                'batch_size': one.batch_size, 'steps': count,
            },
        )
        for one, count in zip(tried, steps, strict=True)
        for seed in seeds
    ]  # fmt: skip
    results = yield Stage(ROUNDS, requests)
    losses, perfs = (
        np.reshape([result[key] for result in results], (len(tried), len(seeds))).mean(axis=1)
        for key in ('loss', 'perf')
    )
    scored = [Scored(*one) for one in zip(tried, losses.tolist(), perfs.tolist(), strict=True)]
    done = _Round(scored, steps)
    budget.spend(len(seeds) * done.samples)
    return done


def _flags(
    settings: HyperparameterSettings, found: LRRange, rounds: Sequence[_Round], chosen: Scored, lr: float
) -> list[str]:
    flags = {flag for flag in found.flags if flag != 'nothing_learned'}
    if not found.is_learned(chosen.perf):
        flags.add('nothing_learned')
    elif not found.is_learned(chosen.perf, _MUCH):
        flags.add('barely_learned')
    if rounds[-1].is_sensitive(chosen):
        flags.add('sensitive')
    if lr <= settings.lr_start * _EDGE:
        flags.add('lr_at_low_edge')
    if chosen.candidate.lr >= settings.lr_end / _EDGE:
        flags.add('lr_at_high_edge')
    if any(one.all_diverged for one in rounds):
        flags.add('nan_seen')
    return sorted(flags)


def _why(settings: HyperparameterSettings, rounds: Sequence[_Round], chosen: Scored, lr: float) -> str:
    """Says why this batch size and this learning rate were chosen."""
    if isinstance(settings.batch_objective, int):
        size = 'as asked for'
    elif len({one.candidate.batch_size for done in rounds for one in done.scored}) == 1:
        size = 'no other was compared'
    elif settings.batch_objective == 'throughput':
        size = f'the largest within {settings.batch_tolerance:g} of the best training performance'
    else:
        size = 'of the best training performance in the rounds before the last'
    lrs = ', '.join(f'{one.candidate.lr:.2g}' for one in rounds[-1].scored)
    return (
        f'batch size {chosen.candidate.batch_size}: {size}; learning rate {lr:.2g}: somewhat below '
        f'{chosen.candidate.lr:.2g}, since trials are longer, which was the best of {lrs} in the last round'
    )


def _table(rounds: Sequence[_Round]) -> dict[str, np.ndarray]:
    """All brief trainings, one element each."""
    rows = [{'round': number, **row} for number, done in enumerate(rounds) for row in done.told()]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}
