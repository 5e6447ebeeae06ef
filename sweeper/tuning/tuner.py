"""Tuning one architecture: a coroutine that asks for runs and answers with hyperparameters."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Generator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import EvaluationDiverged, TuningFailed
from ..metric import PERFORMANCE, MetricInfo
from ..results import Tuned, is_only_in_evaluation
from ..seeding import run_seed
from . import candidates, lr_range
from .affordable import affordable
from .base import NO_PARAMETERS, RunRequest, RunResult, Stage, Tuner
from .candidates import Candidate, Course, Scored
from .choice import best_of, choose
from .constants import CONSTANTS
from .effort import Effort
from .lr_range import LRRange
from .nuisance import at_both_rates, finalists, grid_and_scattered, varied
from .rounds import Budget, LadderBase, Round, table
from .scale import Scale

if TYPE_CHECKING:
    from ..space import Domain

ROUNDS = 'candidates'


class Holdout(NamedTuple):
    """Training samples that candidates are scored on, and not trained on.

    Attributes:
        seed: Draws them; the same for all candidates.
        samples: How many samples are held out.
        cycle: How many samples a cycle of a trial on the others has.
    """

    seed: int
    samples: int
    cycle: float

    @property
    def folds(self) -> int:
        """With how many parts held out candidates are told apart."""
        return min(max(round(CONSTANTS.told_apart / self.samples), 1), CONSTANTS.folds)

    def of_model(self, index: int) -> dict[str, int]:
        """Arguments of a brief training that say what is held out of its data."""
        times, part = divmod(index, CONSTANTS.folds)
        return {
            'holdout_seed': run_seed(self.seed, 'holdout', times),
            'held_out': self.samples,
            **({'holdout_part': part} if part else {}),
        }


def _holdout(
    settings: Effort, train_size: int, seed: int, can_hold_out: bool, is_needed: bool
) -> Holdout | None:
    samples = min(train_size // CONSTANTS.held_out, CONSTANTS.most_held_out)
    if not samples or not (is_needed or (can_hold_out and settings.score_on == 'held-out')):
        return None
    return Holdout(seed, samples, settings.trial_cycle_epochs(train_size) * (train_size - samples))


def tune(
    settings: Effort,
    train_size: int,
    seed: int,
    nuisance: Mapping[str, Domain] = NO_PARAMETERS,
    objective: MetricInfo = PERFORMANCE,
    can_hold_out: bool = True,
) -> Tuner:
    """Tunes one architecture's learning rates, batch size, length and nuisance parameters.

    Yields stages of runs, receives each stage's results, and returns what the trials shall use. It
    trains nothing itself and knows neither the architecture nor the data but for its size.

    Args:
        settings: The budget, already raised to the sweep's `sweep_cores`.
        train_size: Samples in the training set; at least 1.
        seed: The sweep's seed.
        nuisance: What is to be tuned besides, by the same rounds. A regulariser is no use on the data that a
            network is trained on, so candidates are scored on a held-out part of them then, whatever
            `settings.score_on` says.
        objective: What is known of the metric that models are compared by.
        can_hold_out: Whether training samples can be held out; if not, models are scored on all of them.

    Raises:
        TuningFailed: The architecture cannot be trained at all.
    """
    given, budget = settings, Budget(settings, train_size)
    settings = affordable(given, train_size, len(nuisance), budget)
    holdout = _holdout(settings, train_size, seed, can_hold_out, bool(nuisance))
    lr_range, scale = yield from _range_test(settings, train_size, seed, budget, objective)
    rounds = yield from _rounds(settings, train_size, seed, budget, lr_range, nuisance, holdout, scale)
    held_out = holdout.samples if holdout else 0
    choice = choose(
        settings, lr_range, scale, rounds, budget.trial, held_out, _most_cycles(settings, train_size)
    )
    report = {
        'why': choice.why,
        'budget': budget.to_dict(),
        'lr_range': lr_range.details,
        'rounds': [round_.rows() for round_ in rounds],
        'train_size': train_size,
    }
    if choice.certainty is not None:
        report['probability_best'] = choice.certainty.probability
    if settings != given:
        names = [field.name for field in dataclasses.fields(settings)]
        both = {name: (getattr(settings, name), getattr(given, name)) for name in names}
        report['reduced'] = {name: value for name, (value, before) in both.items() if value != before}
    return Tuned(
        lr_min=choice.lr / settings.lr_ratio,
        lr_max=choice.lr,
        batch_size=choice.scored.candidate.batch_size,
        cycle_size_epochs=settings.trial_cycle_epochs(train_size),
        epochs=_epochs(settings, train_size, choice.cycles),
        nuisance=dict(choice.scored.candidate.nuisance),
        flags=tuple(sorted([*choice.flags, *['over_budget'] * budget.is_exceeded])),
        performance=choice.scored.objective,
        span=scale.span(choice.scored),
        report=report,
        curves={'lr_vs_perf': lr_range.arrays, ROUNDS: table(rounds)},
    )


def _most_cycles(settings: Effort, train_size: int) -> int:
    """How many cycles a trial has at most."""
    return round(settings.trial_epochs(train_size) / settings.trial_cycle_epochs(train_size))


def _epochs(settings: Effort, train_size: int, cycles: int | None) -> float:
    """How many epochs so many cycles are; None: all that a trial has at most."""
    if cycles is None:
        return settings.trial_epochs(train_size)
    return cycles * settings.trial_cycle_epochs(train_size)


def _range_test(
    settings: Effort, train_size: int, seed: int, budget: Budget, objective: MetricInfo
) -> Generator[Stage, Sequence[RunResult], tuple[LRRange, Scale]]:
    size = candidates.reference_size(settings, train_size)
    lrs = lr_range.schedule(settings, budget.whole, size)
    sizes = [size] * len(lrs)
    runs = [
        RunRequest.measure_curve(seed=run_seed(seed, 'lr_vs_perf', index), lrs=lrs, batch_sizes=sizes)
        for index in range(settings.lr_initialisations)
    ]
    results = yield Stage('lr_vs_perf', runs)
    budget.spend(len(runs) * len(lrs) * size)
    losses, perfs = (np.stack([result[key] for result in results]) for key in ('loss', 'perf'))
    scale = Scale(objective, results)
    return lr_range.analyse(settings, lrs, size, losses, perfs, scale.is_by_loss), scale


def _rounds(
    settings: Effort,
    train_size: int,
    seed: int,
    budget: Budget,
    lr_range: LRRange,
    nuisance: Mapping[str, Domain],
    holdout: Holdout | None,
    scale: Scale,
) -> Generator[Stage, Sequence[RunResult], list[Round]]:
    """Compares candidates round by round; one that says nothing is repeated at lower learning rates.

    Where nothing is learned in a round, the next is the last. Two rounds say nothing of the length of trials,
    so half of their budget is kept for a third one of longer trainings, if that is to be found out.
    """
    rounds: list[Round] = []
    has_more = settings.rounds == 2 and _tunes_length(settings, train_size, holdout)
    kept = CONSTANTS.kept_share * budget.whole if has_more else 0.0
    number, lowerings, is_last = 0, 0, False
    while not is_last:
        done = [round_ for round_ in rounds if not round_.is_void]
        is_stuck = bool(done) and not scale.has_learned(done[-1].scored)
        is_last = is_stuck or number == settings.rounds - 1 + has_more
        kept = 0.0 if is_last else kept
        bases: list[LadderBase] = []
        if is_stuck:
            proposed = candidates.patient(settings, train_size, done[-1].scored, lr_range)
        elif is_last and number > 1:
            proposed, bases = _descent(settings, scale, done[-1], budget, holdout, nuisance)
        else:
            proposed = _proposed(settings, train_size, lr_range, done, nuisance)
        while True:
            samples = budget.left if is_last else _share(budget, kept, settings.rounds - number - 1)
            models = max(1, math.floor(samples / len(proposed) / budget.trial))
            if is_last:
                models = max(models, _folds(holdout, samples / len(proposed), budget.trial))
            seeds = [run_seed(seed, f'{ROUNDS} {number}', index) for index in range(models)]
            latest = yield from _compare(seeds, holdout, proposed, samples, budget, settings.lr_ratio, scale)
            rounds = scale.applied(rounds)
            lowered_by = _lowered_by(latest, lr_range, is_first=not rounds)
            rounds.append(dataclasses.replace(latest, bases=bases, is_void=lowered_by > 1))
            if lowered_by == 1:
                break
            if lowerings == CONSTANTS.lowerings:
                raise _none_is_finite(latest)
            lowerings += 1
            proposed = [candidate._replace(lr=candidate.lr / lowered_by) for candidate in proposed]
            bases = [base._replace(lr=base.lr / lowered_by) for base in bases]
        number += 1
    return rounds


def _tunes_length(settings: Effort, train_size: int, holdout: Holdout | None) -> bool:
    is_asked = settings.length == 'tuned' and settings.score_on == 'held-out'
    return is_asked and holdout is not None and _most_cycles(settings, train_size) > 1


def _folds(holdout: Holdout | None, samples: float, trial: int) -> int:
    """With how many parts held out a candidate of the last round is trained, each for a cycle at least.

    So many that it is told apart from others, or as many as are trained for long enough.
    """
    if holdout is None:
        return 1
    affordable = math.floor(samples / (CONSTANTS.long_enough * trial))
    return min(
        max(math.floor(samples / holdout.cycle), 1), max(holdout.folds, min(affordable, CONSTANTS.folds))
    )


def _none_is_finite(latest: Round) -> TuningFailed:
    """Says why no brief training has a finite loss, by what their runs have shown."""
    down_to = f'down to a learning rate of {min(score.candidate.lr for score in latest.scored):g}'
    fine = sum(map(is_only_in_evaluation, latest.flags))
    what = (
        'look at what the model does only in evaluation mode, after model.eval(): statistics that it keeps '
        '(batch normalisation), a branch for `not self.training`, a loss of confident outputs'
    )
    if fine and fine == len(latest.flags):
        return EvaluationDiverged(
            f'in every brief training, {down_to}, the loss was finite in training mode, and NaN or infinite '
            f'in evaluation mode: {what}'
        )
    also = f'; {fine} of {len(latest.flags)} only in evaluation mode: {what}' if fine else ''
    return TuningFailed(f'every brief training diverged, {down_to}{also}')


def _share(budget: Budget, kept: float, rounds: int) -> float:
    """Returns the samples of one of so many rounds before the last, for which some of the budget is kept."""
    whole, left = budget.whole - kept, budget.left - kept
    if not rounds:
        return left
    return max(left - CONSTANTS.last_share * whole, CONSTANTS.least_share * left) / rounds


def _lowered_by(latest: Round, lr_range: LRRange, is_first: bool) -> float:
    """By how much learning rates have to be lowered for a round to say something; 1 if it does."""
    if latest.has_diverged:
        return CONSTANTS.diverged_by
    return CONSTANTS.collapsed_by if is_first and latest.has_collapsed(lr_range) else 1.0


def _proposed(
    settings: Effort,
    train_size: int,
    lr_range: LRRange,
    done: Sequence[Round],
    nuisance: Mapping[str, Domain],
) -> list[Candidate]:
    """Returns the candidates of a round before the last; or of the second of two."""
    if not done:
        return grid_and_scattered(settings, train_size, lr_range.low, lr_range.high, nuisance)
    last = done[-1].scored
    best = candidates.winner(settings, last).candidate
    others = candidates.at_other_sizes(settings, train_size, best) if len(done) == 1 else []
    apart = (lr_range.high / lr_range.low) ** (1 / (settings.lr_candidates - 1))
    if settings.rounds == 2:
        ladders = [
            candidates.ladder(settings, finalist, CONSTANTS.below, math.sqrt(apart))
            for finalist in finalists(settings, last, nuisance, CONSTANTS.few_finalists)
        ]
        return [*chain.from_iterable(ladders), *others]
    staying = finalists(settings, last, nuisance, CONSTANTS.finalists)
    if len(done) == settings.rounds - 2:
        ladders = [
            candidates.ladder(settings, candidate, CONSTANTS.about if candidate == best else CONSTANTS.beside)
            for candidate in staying
        ]
        return [*chain.from_iterable(ladders), *others]
    kept = candidates.thinned_out(settings, last, apart ** (0.5 ** len(done)))
    beside = varied(best, nuisance, CONSTANTS.varied_by)
    also = [candidate for candidate in (*at_both_rates(staying), *beside) if candidate not in kept]
    return [*kept, *others, *also]


def _descent(
    settings: Effort,
    scale: Scale,
    before: Round,
    budget: Budget,
    holdout: Holdout | None,
    nuisance: Mapping[str, Domain],
) -> tuple[list[Candidate], list[LadderBase]]:
    """Returns the last ladders: where the best learning rate is if it falls slowly, as usual, or fast."""
    if settings.rounds == 2:
        middles = [best_of(settings, scale, [before], holdout.samples if holdout else 0).candidate]
        falls = [CONSTANTS.falls_of_few]
    else:
        last = finalists(settings, before.scored, nuisance, CONSTANTS.finalists)
        middles = [candidates.middle(before.rungs(ladder)) for ladder in last]
        of_best = CONSTANTS.falls if len(last) == 1 else CONSTANTS.falls_of_best
        falls = [of_best, *[CONSTANTS.falls_of_others] * (len(last) - 1)]
    count = sum(map(len, falls))
    each = min(budget.left / count, budget.trial)  # if not repeated: nearer to how long trials are
    longer = max(CONSTANTS.least_longer, each / before.samples_each)
    ladders = [
        candidates.ladder(settings, middle, [-fall for fall in some], longer)
        for middle, some in zip(middles, falls, strict=True)
    ]
    return [*chain.from_iterable(ladders)], [
        LadderBase(middle.lr, longer, middle.nuisance) for middle in middles
    ]


def _compare(
    seeds: Sequence[int],
    holdout: Holdout | None,
    proposed: Sequence[Candidate],
    samples: float,
    budget: Budget,
    lr_ratio: float,
    scale: Scale,
) -> Generator[Stage, Sequence[RunResult], Round]:
    """Trains every candidate briefly, from the same seeds, on an equal share of the samples."""
    each = min(samples / len(proposed) / len(seeds), budget.trial)
    steps = [max(CONSTANTS.fewest_steps, math.floor(each / candidate.batch_size)) for candidate in proposed]
    requests = [
        RunRequest.train_briefly(
            seed=seed, lr_min=candidate.lr / lr_ratio, lr_max=candidate.lr,
            batch_size=candidate.batch_size, steps=count,
            **_others(holdout, candidate, count, index, budget.trial),
        )
        for candidate, count in zip(proposed, steps, strict=True)
        for index, seed in enumerate(seeds)
    ]  # fmt: skip
    results = yield Stage(ROUNDS, requests)
    by_candidate = (results[first : first + len(seeds)] for first in range(0, len(results), len(seeds)))
    scored = [
        _scored(candidate, some, None if holdout is None else count * candidate.batch_size / holdout.cycle)
        for candidate, count, some in zip(proposed, steps, by_candidate, strict=True)
    ]
    done = Round(scale.noted(scored), steps, flags=[str(result.get('flags', '')) for result in results])
    budget.spend(len(seeds) * done.samples)
    return done


def _others(
    holdout: Holdout | None, candidate: Candidate, steps: int, index: int, trial: int
) -> dict[str, Any]:
    """Arguments of a candidate's brief training, by its index, besides its learning rates and length.

    It has the cycles of a trial. Where trials are far longer, one of about a cycle has two, to see whether
    the second one is of use.
    """
    nuisance = {'nuisance': dict(candidate.nuisance)} if candidate.nuisance else {}
    if holdout is None:
        return nuisance
    samples = steps * candidate.batch_size
    length, is_far = samples / holdout.cycle, trial > CONSTANTS.unseen * samples
    cycles = min(max(2 if is_far and length >= 2 * CONSTANTS.shortest else 1, round(length)), steps)
    return {**nuisance, **holdout.of_model(index), **({'cycles': cycles} if cycles > 1 else {})}


def _scored(candidate: Candidate, results: Sequence[RunResult], length: float | None) -> Scored:
    """What the models of a candidate came to, which lasted for so many cycles of a trial; None: unknown."""
    loss, perf = (float(np.mean([result[key] for result in results])) for key in ('loss', 'perf'))
    fits = [result['fit'] for result in results if 'fit' in result]
    course = None
    if length is not None:
        losses, values = (
            np.array([np.atleast_1d(result.get(many, result[final])) for result in results], dtype=float)
            for final, many in (('loss', 'losses'), ('perf', 'perfs'))
        )
        course = Course(losses, values, length)
    return Scored(candidate, loss, perf, fit=float(np.mean(fits)) if fits else None, course=course)
