"""How long trials are: as long as what they have learned holds on data that they are not trained on.

The last trainings are scored at the end of each cycle, so one training tells of several lengths (as for
early stopping: Prechelt 1998, Early Stopping - But When?).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .candidates import Scored
from .constants import CONSTANTS
from .rounds import Round
from .scale import Scale

SEVERAL = 3
"""So many models tell by themselves how much their losses differ by chance."""


class End(NamedTuple):
    """A candidate as it was at the end of a cycle.

    Attributes:
        scored: The candidate, with what it came to by then.
        done: The round it is of.
        cycle: Which of the cycles.
        length: How long it was trained by then, in cycles of a trial.
        losses: Of each of its models.
        is_last: Whether its training ended there.
    """

    scored: Scored
    done: Round
    cycle: int
    length: float
    losses: np.ndarray
    is_last: bool


class Length(NamedTuple):
    """How long trials are.

    Attributes:
        end: Where the best ended.
        cycles: The same as a number of whole cycles.
        why: Why no longer, as a clause.
        is_disputed: Whether a longer training had the better performance, though not for sure.
    """

    end: End
    cycles: int
    why: str
    is_disputed: bool = False


def best_length(
    scale: Scale, rounds: Sequence[Round], held_out: int, batch_size: int | None
) -> Length | None:
    """Returns after how many cycles more of them made the best candidates worse; None if none did.

    The best are those that are not worse than the best of all for sure; a few samples tell losses better than
    performances, so of these it is the lowest loss that counts. A learning rate that is too high to be stable
    may do well for a while by luck, so it counts only where its training ended.

    Args:
        scale: Tells what is better.
        rounds: The last is that of the longest trainings.
        held_out: On how many samples each model was scored.
        batch_size: The only one that may be chosen; None for any.
    """
    last = rounds[-1]
    ends = [
        end
        for done in rounds[-2:]
        if not done.is_void and done.models == last.models
        for end in _ends(scale, done)
        if batch_size in (None, end.scored.candidate.batch_size)
        and (end.is_last or not _is_unstable(scale, end))
    ]
    final = [end for end in ends if end.done is last and end.is_last]
    if not final:
        return None
    best = max(ends, key=lambda end: end.scored.rank)
    error = scale.standard_error(best.scored, held_out * last.models)
    close = [end for end in ends if end.scored.perf >= best.scored.perf - error]
    chosen = min(close, key=lambda end: end.scored.loss)
    cycles = max(1, round(chosen.length))
    way = scale.loss_way(chosen.scored.loss)
    if chosen.done is last and chosen.is_last:
        overfits = chosen.scored.loss - chosen.scored.fitted_loss > CONSTANTS.cliff * way
        is_flat = chosen.cycle > 0 and overfits and not _is_less(chosen.losses, _before(chosen), way, 1)
        why = f'{_cycles(cycles)} long, since the last cycle brought no improvement beyond noise'
        return Length(chosen, cycles, why) if is_flat else None
    longer = min(final, key=lambda end: end.scored.loss)
    if longer.scored.fitted_loss >= chosen.scored.loss:  # it got worse at the training data, too: unstable
        return None
    if not _is_less(chosen.losses, longer.losses, way, -1):
        return None
    losses = f'{chosen.scored.loss:.3g} after {chosen.length:.2g} and {longer.scored.loss:.3g}'
    why = f'the loss on held-out training data was {losses} after {longer.length:.2g}'
    is_disputed = max(end.scored.perf for end in final) > chosen.scored.perf + CONSTANTS.little
    return Length(chosen, cycles, f'{_cycles(cycles)} long, since {why}', is_disputed)


def _cycles(cycles: int) -> str:
    return f'trials are {cycles} cycle{"s" * (cycles != 1)}'


def is_improving_still(scale: Scale, scored: Scored) -> bool:
    """Whether the second half of a training made a candidate better, by more than little."""
    cycles = 1 if scored.course is None else scored.course.losses.shape[1]
    if cycles == 1:
        return False
    half, end = (at_cycle(scale, scored, cycle) for cycle in (cycles // 2 - 1, cycles - 1))
    return end.loss < half.loss and end.perf > half.perf + CONSTANTS.little


def is_overfitting(scale: Scale, scored: Scored) -> bool:
    """Whether a candidate fits the data that it was trained on far better than other data."""
    return scored.loss - scored.fitted_loss > CONSTANTS.gap * scale.loss_way(scored.loss)


def _ends(scale: Scale, done: Round) -> list[End]:
    """The ends of cycles in a round, of those long enough, of candidates that did not diverge."""
    ends = []
    for scored in done.scored:
        course = scored.course
        if course is None:
            continue
        for cycle, length in enumerate(course.lengths.tolist()):
            losses = course.losses[:, cycle]
            if length >= CONSTANTS.shortest and np.isfinite(losses).all():
                place = at_cycle(scale, scored, cycle)
                ends.append(End(place, done, cycle, length, losses, cycle == course.losses.shape[1] - 1))
    return ends


def at_cycle(scale: Scale, scored: Scored, cycle: int) -> Scored:
    """A candidate that has a course, as it was at the end of one of the cycles of that."""
    assert scored.course is not None
    loss, value = (float(table[:, cycle].mean()) for table in (scored.course.losses, scored.course.values))
    return scale.placed(scored._replace(loss=loss, value=value))


def _is_unstable(scale: Scale, end: End) -> bool:
    """Whether a lower learning rate fits the training data better in the end, by far."""
    fitted = end.scored.fitted_loss
    lower = [
        rung.fitted_loss
        for rung in end.done.rungs(end.scored.candidate)
        if rung.candidate.lr < end.scored.candidate.lr
    ]
    return fitted - min(lower, default=fitted) > CONSTANTS.cliff * scale.loss_way(min(lower, default=fitted))


def _before(end: End) -> np.ndarray:
    """The lowest loss of each model before the last cycle."""
    assert end.scored.course is not None
    lowest: np.ndarray = end.scored.course.losses[:, : end.cycle].min(axis=1)
    return lowest


def _is_less(losses: np.ndarray, others: np.ndarray, way: float, errors: int) -> bool:
    """Whether losses are lower than others of the same models by so many standard errors of several models.

    Few models cannot tell their error: by more than little.
    """
    gain = others - losses
    limit = errors * _error_of_mean(gain) if len(gain) >= SEVERAL else CONSTANTS.little * way
    return bool(gain.mean() > limit)


def _error_of_mean(values: np.ndarray) -> float:
    return float(values.std(ddof=1)) / math.sqrt(len(values))
