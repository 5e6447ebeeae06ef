"""Candidates for a trial's learning rate and batch size, and how brief trainings thin them out.

Successive halving (Jamieson and Talwalkar 2016, Non-stochastic Best Arm Identification): every round
keeps the better third of the candidates and so trains each of them longer. Unlike plain halving, a round also
looks beside the best learning rate so far, and the last ones are ladders of learning rates.

Just above the best learning rate there often is a cliff, where training diverges or never recovers, and
longer trainings meet it earlier. So a rung is judged together with the one above it, and the last ladder,
of the longest trainings, goes down from there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from ..points import to_json
from ..training.schedule import geometric
from .constants import CONSTANTS
from .effort import Effort
from .lr_range import LRRange


class Candidate(NamedTuple):
    """Hyperparameters that a trial could use.

    Attributes:
        lr: The highest learning rate of a cycle.
        batch_size: The most samples of a batch.
        nuisance: The values of nuisance parameters, as pairs of name and value.
    """

    lr: float
    batch_size: int
    nuisance: tuple[tuple[str, Any], ...] = ()

    def is_beside(self, other: Candidate) -> bool:
        """Whether another differs in the learning rate at most."""
        return self.batch_size == other.batch_size and self.nuisance == other.nuisance

    def to_dict(self) -> dict[str, Any]:
        """For `misc.json`."""
        data: dict[str, Any] = {'lr': self.lr, 'batch_size': self.batch_size}
        nuisance = {name: to_json(value) for name, value in self.nuisance}
        return {**data, 'nuisance': nuisance} if nuisance else data


@dataclass(frozen=True, eq=False)
class Course:
    """What the brief trainings of a candidate measured on their way.

    Attributes:
        losses: At the end of each cycle, shape `(models, cycles)`.
        values: The objective in its own unit, the same shape.
        length: How long a training was, in cycles of a trial.
    """

    losses: np.ndarray
    values: np.ndarray
    length: float

    @property
    def models(self) -> int:
        return len(self.losses)

    @property
    def lengths(self) -> np.ndarray:
        """When it was measured, in cycles of a trial."""
        cycles = self.losses.shape[1]
        return np.linspace(self.length / cycles, self.length, cycles)


class Scored(NamedTuple):
    """A candidate and what brief trainings came to, on training data.

    Attributes:
        candidate: The candidate that was trained.
        loss: Mean; infinite if one diverged.
        perf: Mean performance, on the tuner's scale (see `scale`); 0 for one that diverged.
        value: The mean of the objective in its own unit; None if that is the performance.
        fit: Mean loss on data that it was trained on; None if it was scored on these anyway.
        course: What was measured on the way; None if candidates are scored on data they are trained on.
    """

    candidate: Candidate
    loss: float
    perf: float
    value: float | None = None
    fit: float | None = None
    course: Course | None = None

    @property
    def objective(self) -> float:
        """The mean of the objective, in its own unit."""
        return self.perf if self.value is None else self.value

    @property
    def fitted_loss(self) -> float:
        """The loss on data that it was trained on, or, if that was not measured, where it was scored."""
        return self.loss if self.fit is None else self.fit

    @property
    def rank(self) -> tuple[float, float]:
        """The higher, the better; among equal performances the loss decides."""
        return self.perf, -self.loss

    @property
    def early_rank(self) -> tuple[float, float]:
        """The higher, the better, while little is learned: losses tell more than performances then."""
        return -self.loss, self.perf


def size_limits(settings: Effort, train_size: int) -> tuple[int, int]:
    """Returns the least and largest batch size to consider for `train_size` training samples."""
    largest = max(1, min(settings.batch_end, min(settings.trial_samples, train_size) // 4))
    return min(settings.batch_start, largest), largest


def even(size: int, train_size: int) -> int:
    """Returns the batch size that an epoch of batches of at most `size` really has: they are evened out."""
    return math.ceil(train_size / math.ceil(train_size / size))


def reference_size(settings: Effort, train_size: int) -> int:
    """Returns the batch size of the learning-rate range test."""
    if isinstance(settings.batch_objective, int):
        return even(min(settings.batch_objective, train_size), train_size)
    return even(min(settings.batch_size, size_limits(settings, train_size)[1]), train_size)


def batch_sizes(settings: Effort, train_size: int) -> list[int]:
    """Returns the batch sizes to compare, rising."""
    if isinstance(settings.batch_objective, int) or settings.batch_candidates == 1:
        return [reference_size(settings, train_size)]
    spaced = np.geomspace(*size_limits(settings, train_size), settings.batch_candidates)
    return sorted({even(round(size), train_size) for size in spaced.tolist()})


def grid(settings: Effort, train_size: int, low: float, high: float) -> list[Candidate]:
    """Returns the candidates of the first round: learning rates from `low` to `high`, at one batch size."""
    size = reference_size(settings, train_size)
    lrs = geometric(low, high, settings.lr_candidates).tolist()
    return [Candidate(within(settings, lr), size) for lr in lrs]


def at_other_sizes(settings: Effort, train_size: int, best: Candidate) -> list[Candidate]:
    """Returns a candidate at every other batch size.

    Its learning rate goes with the square root of the batch size: between the linear rule (Goyal et al. 2017)
    and none, for the rounds to decide.
    """
    return [
        best._replace(lr=within(settings, best.lr * math.sqrt(size / best.batch_size)), batch_size=size)
        for size in batch_sizes(settings, train_size)
        if size != best.batch_size
    ]


def thinned_out(settings: Effort, scored: Sequence[Scored], apart: float) -> list[Candidate]:
    """Returns the better third of a round, and the neighbours of its best.

    Args:
        settings: Whether every batch size is to stay in, and the limits of learning rates.
        scored: The round; not all of it diverged.
        apart: The factor between the best learning rate and its neighbours'.
    """
    ranked = sorted(scored, key=lambda score: score.early_rank, reverse=True)
    best = winner(settings, scored).candidate
    count = max(CONSTANTS.fewest_kept, math.ceil(len(scored) / CONSTANTS.kept))
    if settings.batch_objective == 'throughput':
        best_of_size = {score.candidate.batch_size: score for score in reversed(ranked)}
        ranked.sort(key=lambda score: score is not best_of_size[score.candidate.batch_size])
        count = max(count, len(best_of_size))
    kept = [score.candidate for score in ranked[:count]]
    for lr in (best.lr, best.lr * apart, best.lr / apart):
        neighbour = best._replace(lr=within(settings, lr))
        if not any(_are_alike(neighbour, other) for other in kept):
            kept.append(neighbour)
    return kept


def patient(
    settings: Effort, train_size: int, scored: Sequence[Scored], lr_range: LRRange
) -> list[Candidate]:
    """Returns the candidates where none has learned anything yet: few, of the highest rates that do no harm.

    And the best so far, which may be no chance.

    Deep and saturating networks stay on a plateau for long, and leave it the sooner the more they move.
    So they get the batch size of the most steps.

    Args:
        settings: The limits of learning rates and batch sizes.
        train_size: Samples in the training set.
        scored: The round; not all of it diverged.
        lr_range: By the range test.
    """
    limit = lr_range.baseline_loss + CONSTANTS.risen * lr_range.loss_deviation
    harmless = [score for score in scored if score.fitted_loss <= limit]
    harmless = harmless or [min(scored, key=lambda score: score.loss)]
    highest, top = (max((score.candidate for score in some), key=_height) for some in (harmless, scored))
    lr = lr_range.cutoff if highest == top else highest.lr
    size = batch_sizes(settings, train_size)[0]
    scale = math.sqrt(size / highest.batch_size)
    lrs = {within(settings, lr * scale / CONSTANTS.patient_apart**rung) for rung in range(CONSTANTS.patient)}
    proposed = [highest._replace(lr=lr, batch_size=size) for lr in sorted(lrs)]
    best = winner(settings, scored).candidate
    return proposed if any(_are_alike(best, other) for other in proposed) else sorted([*proposed, best])


def _height(candidate: Candidate) -> tuple[float, int]:
    return candidate.lr, candidate.batch_size


def ladder(
    settings: Effort, base: Candidate, rungs: Sequence[float], apart: float = CONSTANTS.rung
) -> list[Candidate]:
    """Returns candidates with learning rates about that of `base`, rising, each `apart` times the next."""
    lrs = sorted({within(settings, base.lr * apart**rung) for rung in rungs})
    return [base._replace(lr=lr) for lr in lrs]


def winner(settings: Effort, scored: Sequence[Scored], is_early: bool = True) -> Scored:
    """Returns the best candidate of a round, not all of which diverged, as `batch_objective` defines it.

    Args:
        settings: The settings of the tuning.
        scored: The round.
        is_early: Whether losses tell more than performances yet.
    """
    if settings.batch_objective != 'throughput':
        return max(scored, key=lambda score: score.early_rank if is_early else score.rank)
    best = max(scored, key=lambda score: score.rank)
    good = [
        score
        for score in scored
        if math.isfinite(score.loss) and score.perf >= best.perf - settings.batch_tolerance
    ]
    largest = max(score.candidate.batch_size for score in good)
    return max(
        (score for score in good if score.candidate.batch_size == largest), key=lambda score: score.rank
    )


def sure_rung(rungs: Sequence[Scored]) -> Scored:
    """Returns the best rung of a ladder, judged together with the one above it."""
    if len(rungs) == 1:
        return rungs[0]
    best, _ = max(
        pairwise(rungs), key=lambda pair: (pair[0].perf + pair[1].perf, -pair[0].loss - pair[1].loss)
    )
    return best


def middle(rungs: Sequence[Scored]) -> Candidate:
    """Returns the middle of the best two neighbours on a ladder."""
    low = sure_rung(rungs)
    high = rungs[min(rungs.index(low) + 1, len(rungs) - 1)]
    return low.candidate._replace(lr=math.sqrt(low.candidate.lr * high.candidate.lr))


def _are_alike(candidate: Candidate, other: Candidate) -> bool:
    ratio = candidate.lr / other.lr
    return candidate.is_beside(other) and 1 / CONSTANTS.same < ratio < CONSTANTS.same


def within(settings: Effort, lr: float) -> float:
    """Returns the learning rate that is closest to one among those that may be tried."""
    return min(max(lr, settings.lr_start), settings.lr_end)
