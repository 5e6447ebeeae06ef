"""From the last round to what the trials use, and what is suspicious about it.

The best learning rate falls as trainings get longer: long ones meet instabilities that brief ones do not,
and those that learn late meet them late. How fast it falls differs between networks, so it is observed
between the last two rounds, and followed up to the length of a trial. The constants were measured
(`benchmarks/tuner_regret.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..points import value_to_text
from . import candidates
from .candidates import Scored
from .certainty import Certainty, certainty
from .constants import CONSTANTS
from .effort import Effort
from .length import Length, best_length, is_improving_still, is_overfitting
from .lr_range import LRRange
from .rounds import LadderBase, Round
from .scale import Scale


@dataclass(frozen=True)
class Choice:
    """What the trials use.

    Attributes:
        scored: The candidate of the last round.
        lr: The highest learning rate of a trial's cycles.
        why: Why these, as a sentence.
        flags: What is suspicious about the choice; see `report.flags`.
        cycles: How many cycles trials have; None: as many as they may.
        certainty: How sure it is among the candidates of its round; None if that cannot be told.
    """

    scored: Scored
    lr: float
    why: str
    flags: list[str]
    cycles: int | None = None
    certainty: Certainty | None = None


def choose(
    settings: Effort,
    lr_range: LRRange,
    scale: Scale,
    rounds: Sequence[Round],
    trial: int,
    held_out: int = 0,
    most_cycles: int = 1,
) -> Choice:
    """Chooses from the last round; and how long trials are, from the last two.

    Args:
        settings: The batch size's objective, the limits of learning rates, whether the length is tuned.
        lr_range: By the range test.
        scale: Tells what is learned.
        rounds: At least one; not all of the last one diverged.
        trial: How many samples a trial is trained on.
        held_out: On how many samples each model of a candidate was scored that it was not trained on.
        most_cycles: How many cycles a trial may have.
    """
    of, chosen = rounds[-1], best_of(settings, scale, rounds, held_out)
    length = None
    if settings.length == 'tuned' and most_cycles > 1 and scale.has_learned(of.scored):
        length = _shorter(settings, scale, rounds, chosen, held_out, most_cycles)
    if length is None:
        longer = max(1.0, trial / of.samples_each)
        lr, safe = _lowered(settings, of, chosen, longer), _below_divergence(rounds, chosen, trial)
        reason = _reason(of, chosen, longer) if lr <= safe else 'because higher ones diverged sooner'
        lr = max(min(lr, safe), min(lr, settings.lr_start))
        why = _why(settings, rounds, of, chosen, lr, held_out, reason)
        flags = _flags(settings, lr_range, scale, rounds, of, trial, chosen, lr)
        if settings.length == 'tuned':
            flags += _flags_of_length(scale, chosen, longer, most_cycles)
        return _with_certainty(scale, Choice(chosen, lr, why, flags), of, held_out)
    end = length.end
    longer = max(1.0, length.cycles / end.length)
    lr = candidates.within(settings, end.scored.candidate.lr * longer**-CONSTANTS.usual_fall)
    whole = next(score for score in end.done.scored if score.candidate == end.scored.candidate)
    why = _why(settings, rounds, end.done, whole, lr, held_out, 'because trials are longer')
    why = f'{why}; {length.why}'
    shorter = min(trial, length.cycles * trial // most_cycles)
    flags = _flags(settings, lr_range, scale, rounds, end.done, shorter, whole, lr)
    flags += ['stopped_early', *['toss_up'] * length.is_disputed]
    choice = Choice(end.scored, lr, why, flags, length.cycles)
    return _with_certainty(scale, choice, end.done, held_out, whole, end.cycle)


def _shorter(
    settings: Effort, scale: Scale, rounds: Sequence[Round], chosen: Scored, held_out: int, most_cycles: int
) -> Length | None:
    """How long trials are, if they are best shorter than they may be."""
    size = None if settings.batch_objective == 'performance' else chosen.candidate.batch_size
    length = best_length(scale, rounds, held_out, size)
    return length if length is not None and length.cycles < most_cycles else None


def _with_certainty(
    scale: Scale, choice: Choice, of: Round, held_out: int, chosen: Scored | None = None, cycle: int = -1
) -> Choice:
    """A choice with how sure it is among the candidates of a round at the end of a cycle, and its flag."""
    place = of.scored.index(chosen or choice.scored)
    sure = certainty(scale, place, of.scored, held_out, cycle)
    flags = sorted({*choice.flags, *['toss_up'] * (sure is not None and sure.is_toss_up)})
    return replace(choice, flags=flags, certainty=sure)


def _lowered(settings: Effort, last: Round, chosen: Scored, longer: float) -> float:
    """The learning rate of trials that are so many times longer than the trainings of a ladder."""
    candidate = chosen.candidate.lr
    lr = candidate * longer ** -_fall(last.base(chosen.candidate), candidate) * _safety(last, chosen)
    return float(max(lr, min(candidate, settings.lr_start)))


def _below_divergence(rounds: Sequence[Round], chosen: Scored, trial: int) -> float:
    """The highest learning rate that is likely safe for trials, as where shorter trainings diverged says."""
    safe = math.inf
    for done in rounds:
        longer = max(1.0, trial / done.samples_each)
        for rung in done.rungs(chosen.candidate):
            if not math.isfinite(rung.loss):
                safe = min(safe, rung.candidate.lr * longer**-CONSTANTS.usual_fall / CONSTANTS.rung)
    return safe


def best_of(settings: Effort, scale: Scale, rounds: Sequence[Round], held_out: int) -> Scored:
    """Returns the best candidate of the last round, or the one that is surest to be good."""
    last = rounds[-1]
    best = candidates.winner(settings, last.scored, is_early=False)
    if held_out:
        best = _surest(settings, scale, last, best, held_out * last.models)
    rungs = last.rungs(best.candidate)
    if not scale.has_learned(last.scored):  # a guess: the highest that does no harm is too high for long
        rungs = max((last.rungs(score.candidate) for score in last.scored), key=len)
        return rungs[max(0, len(rungs) - 2)]
    if not scale.is_learned(best, CONSTANTS.some):
        return candidates.sure_rung(rungs)
    before = [round_ for round_ in rounds[:-1] if not round_.is_void]
    if before and not scale.has_learned(before[-1].scored):  # the rungs are far apart
        return next(rung for rung in rungs if rung.perf >= best.perf - CONSTANTS.little)
    return best


def _surest(settings: Effort, scale: Scale, last: Round, best: Scored, held_out: int) -> Scored:
    """Returns the lowest loss among those that are not worse than the best for sure.

    A few samples tell losses better than performances.
    """
    error = scale.standard_error(best, held_out)
    close = [score for score in last.scored if score.perf >= best.perf - error]
    if settings.batch_objective == 'throughput':
        close = [score for score in close if score.candidate.batch_size == best.candidate.batch_size]
    return min(close, key=lambda score: score.loss)


def _fall(base: LadderBase | None, lr: float) -> float:
    """How fast the best learning rate falls with the length of training: as its power, negated.

    As observed between the last two rounds, moderated by what is usual.
    """
    if base is None:
        return CONSTANTS.usual_fall
    observed = math.log(base.lr / lr, base.longer)
    return min(max(CONSTANTS.usual_fall + CONSTANTS.trust * (observed - CONSTANTS.usual_fall), 0.0), 1.0)


def _safety(last: Round, chosen: Scored) -> float:
    """A factor for the chosen learning rate: half a rung down, if that costs little or avoids a cliff."""
    rungs = last.rungs(chosen.candidate)
    place = rungs.index(chosen)
    if _is_below_cliff(last, chosen):
        return math.sqrt(chosen.candidate.lr / rungs[place + 1].candidate.lr)
    if place == 0:
        return 1.0
    down = rungs[place - 1].candidate.lr / chosen.candidate.lr
    is_unsure = chosen is rungs[-1] and down < 1 / CONSTANTS.edge  # the highest, of rungs far apart
    return math.sqrt(down) if is_unsure or rungs[place - 1].perf > chosen.perf - CONSTANTS.little else 1.0


def _is_below_cliff(last: Round, chosen: Scored) -> bool:
    """Whether the next learning rate above the chosen one does much worse."""
    rungs = last.rungs(chosen.candidate)
    above = rungs[min(rungs.index(chosen) + 1, len(rungs) - 1)]
    return above.perf < chosen.perf - CONSTANTS.cliff


def _flags(
    settings: Effort,
    lr_range: LRRange,
    scale: Scale,
    rounds: Sequence[Round],
    of: Round,
    trial: int,
    chosen: Scored,
    lr: float,
) -> list[str]:
    flags = set(lr_range.flags)
    if not any(scale.has_learned(done.scored) or any(map(scale.is_fitted, done.scored)) for done in rounds):
        flags.add('nothing_learned')
    elif (
        not scale.has_objective_learned(chosen)
        or rounds[-1].has_collapsed(lr_range)
        or _is_early(scale, rounds, trial)
    ):
        flags.add('barely_learned')
    if _is_below_cliff(of, chosen):
        flags.add('sensitive')
    if lr <= settings.lr_start * CONSTANTS.edge:
        flags.add('lr_at_low_edge')
    if chosen.candidate.lr >= settings.lr_end / CONSTANTS.edge:
        flags.add('lr_at_high_edge')
    if any(round_.has_diverged for round_ in rounds):
        flags.add('nan_seen')
    return sorted(flags)


def _flags_of_length(scale: Scale, chosen: Scored, longer: float, most_cycles: int) -> list[str]:
    """What is suspicious about trials so many times longer than the candidate's trainings, and no shorter."""
    if longer > CONSTANTS.unseen:  # whether they should be longer still cannot be seen from so far
        return ['may_overfit'] * is_overfitting(scale, chosen)
    return ['longest'] * (most_cycles > 1 and is_improving_still(scale, chosen))


def _is_early(scale: Scale, rounds: Sequence[Round], trial: int) -> bool:
    """Whether candidates were compared long before they had learned what they can, by objective or loss.

    What trainings before the last round's came to, of what these came to, says how much they learn with
    length: if the candidates of the last round were proposed by trainings that had learned much less than
    that, or if what is left until the length of a trial is likely more than what has been learned.
    """
    *before, last = [round_ for round_ in rounds if not round_.is_void]
    before = [round_ for round_ in before if round_.samples_each < last.samples_each]
    if not before:
        return False
    longer = math.log2(last.samples_each / max(round_.samples_each for round_ in before))
    left = math.log2(max(1.0, trial / last.samples_each))
    all_before = [score for round_ in before for score in round_.scored]
    for then, now in zip(scale.progress(all_before), scale.progress(last.scored), strict=True):
        share = min(max(then / now, 0.0), 1.0) if now > 0 else 1.0
        expected = 1 + (1 - share) / longer * left
        if share < CONSTANTS.most or 1 / expected < CONSTANTS.half:
            return True
    return False


def _reason(last: Round, chosen: Scored, longer: float) -> str:
    """Says why trials use a lower learning rate than the one that was chosen."""
    also = ' and trials are longer' if longer > 1 else ''
    if _is_below_cliff(last, chosen):
        return f'because the next higher one did much worse{also}'
    if _safety(last, chosen) < 1:
        rungs = last.rungs(chosen.candidate)
        below = rungs[rungs.index(chosen) - 1]
        is_alike = below.perf > chosen.perf - CONSTANTS.little
        return f'because {"a lower one did about as well" if is_alike else "none higher was tried"}{also}'
    return 'because trials are longer'


def _why(
    settings: Effort,
    rounds: Sequence[Round],
    of: Round,
    chosen: Scored,
    lr: float,
    held_out: int,
    reason: str,
) -> str:
    """Says why this batch size, this learning rate and these values of nuisance parameters were chosen.

    `reason` says why the learning rate is lower than the candidate's, if it is.
    """
    values = chosen.candidate.nuisance
    data = 'held-out training data' if held_out else 'training data'
    place = 'in the last round' if of is rounds[-1] else 'in the round before the last'
    if isinstance(settings.batch_objective, int):
        size = 'as asked for'
    elif len({score.candidate.batch_size for done in rounds for score in done.scored}) == 1:
        size = 'no other was compared'
    elif settings.batch_objective == 'throughput':
        size = f'the largest within {settings.batch_tolerance:g} of the best performance on {data}'
    else:
        size = f'it did best on {data} in the rounds before the last'
    lrs = [f'{rung.candidate.lr:.2g}' for rung in of.rungs(chosen.candidate)]
    nuisance = ', '.join(f'{name} {value_to_text(value)}' for name, value in values)
    nuisance = f'; {nuisance}, which did best on {data} {place}' if values else ''
    last = f'{chosen.candidate.lr:.2g}'
    alone = f'the only one compared{" with these values" if values else ""}'
    source = f'chosen from {", ".join(lrs)}' if len(lrs) > 1 else alone
    is_lower = lr < chosen.candidate.lr and f'{lr:.2g}' != last
    lowered = f', then lowered {reason}' if is_lower else ''
    return (
        f'batch size {chosen.candidate.batch_size}: {size}; learning rate {lr:.2g}: {last} was {source} '
        f'{place}{lowered}{nuisance}'
    )
