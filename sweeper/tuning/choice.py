"""From the last round to what the trials use, and what is suspicious about it.

The best learning rate falls as trainings get longer: long ones meet instabilities that brief ones do not,
and those that learn late meet them late. How fast it falls differs between networks, so it is observed
between the last two rounds, and followed up to the length of a trial. The constants were measured
(`benchmarks/tuner_regret.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..points import value_to_text
from . import candidates
from .candidates import Scored
from .constants import CONSTANTS
from .effort import Effort
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
    """

    scored: Scored
    lr: float
    why: str
    flags: list[str]


def choose(
    settings: Effort,
    lr_range: LRRange,
    scale: Scale,
    rounds: Sequence[Round],
    trial: int,
    held_out: int = 0,
) -> Choice:
    """Chooses from the last round.

    Args:
        settings: The batch size's objective, and the limits of learning rates.
        lr_range: By the range test.
        scale: Tells what is learned.
        rounds: At least one; not all of the last one diverged.
        trial: How many samples a trial is trained on.
        held_out: On how many samples candidates were scored, if on so few that luck may decide; else 0.
    """
    last, scored = rounds[-1], _best(settings, scale, rounds, held_out)
    longer = max(1.0, trial / last.samples_each)
    found_lr = scored.candidate.lr
    lr = found_lr * longer ** -_fall(last.base(scored.candidate), found_lr) * _safety(last, scored)
    lr = max(lr, min(found_lr, settings.lr_start))
    flags = _flags(settings, lr_range, scale, rounds, trial, scored, lr)
    return Choice(scored, lr, _why(settings, rounds, scored, lr), flags)


def _best(settings: Effort, scale: Scale, rounds: Sequence[Round], held_out: int) -> Scored:
    last = rounds[-1]
    best = candidates.winner(settings, last.scored, is_early=False)
    if held_out:
        best = _surest(settings, scale, last, best, held_out)
    rungs = last.rungs(best.candidate)
    if not scale.is_learned(best):  # a guess: the highest that does no harm is too high for long
        return rungs[max(0, len(rungs) - 2)]
    if not scale.is_learned(best, CONSTANTS.some):
        return candidates.sure_rung(rungs)
    before = [round_ for round_ in rounds[:-1] if not round_.is_void]
    if before and not any(map(scale.is_learned, before[-1].scored)):  # the rungs are far apart
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
    if place > 0 and rungs[place - 1].perf > chosen.perf - CONSTANTS.little:
        return math.sqrt(rungs[place - 1].candidate.lr / chosen.candidate.lr)
    return 1.0


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
    trial: int,
    chosen: Scored,
    lr: float,
) -> list[str]:
    flags = set(lr_range.flags)
    if not scale.is_learned(chosen):
        flags.add('nothing_learned')
    elif (
        not scale.has_objective_learned(chosen)
        or rounds[-1].has_collapsed(lr_range)
        or _is_early(scale, rounds, trial)
    ):
        flags.add('barely_learned')
    if _is_below_cliff(rounds[-1], chosen):
        flags.add('sensitive')
    if lr <= settings.lr_start * CONSTANTS.edge:
        flags.add('lr_at_low_edge')
    if chosen.candidate.lr >= settings.lr_end / CONSTANTS.edge:
        flags.add('lr_at_high_edge')
    if any(round_.has_diverged for round_ in rounds):
        flags.add('nan_seen')
    return sorted(flags)


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


def _reason(last: Round, chosen: Scored) -> str:
    """Says why trials use a lower learning rate than the one that was chosen."""
    if _is_below_cliff(last, chosen):
        return 'because the next higher one did much worse and trials are longer'
    if _safety(last, chosen) < 1:
        return 'because a lower one did about as well and trials are longer'
    return 'because trials are longer'


def _why(settings: Effort, rounds: Sequence[Round], chosen: Scored, lr: float) -> str:
    """Says why this batch size, this learning rate and these values of nuisance parameters were chosen."""
    values = chosen.candidate.nuisance
    measure = 'performance on held-out training data' if values else 'training performance'
    if isinstance(settings.batch_objective, int):
        size = 'as asked for'
    elif len({score.candidate.batch_size for done in rounds for score in done.scored}) == 1:
        size = 'no other was compared'
    elif settings.batch_objective == 'throughput':
        size = f'the largest within {settings.batch_tolerance:g} of the best {measure}'
    else:
        size = f'of the best {measure} in the rounds before the last'
    lrs = [f'{rung.candidate.lr:.2g}' for rung in rounds[-1].rungs(chosen.candidate)]
    nuisance = ', '.join(f'{name} {value_to_text(value)}' for name, value in values)
    nuisance = f'; {nuisance}: of the best {measure} in the last round' if values else ''
    last = f'{chosen.candidate.lr:.2g}'
    source = f'chosen from {", ".join(lrs)}' if len(lrs) > 1 else 'the only one compared'
    lowered = '' if lr >= chosen.candidate.lr else f', then lowered {_reason(rounds[-1], chosen)}'
    return (
        f'batch size {chosen.candidate.batch_size}: {size}; learning rate {lr:.2g}: {last} was {source} '
        f'in the last round{lowered}{nuisance}'
    )
