"""What of a tuning is left out where even its shortest runs would take more than its budget."""

from __future__ import annotations

from collections.abc import Iterator

from .candidates import batch_sizes, reference_size
from .constants import CONSTANTS
from .effort import Effort
from .rounds import Budget

_USUAL_SIZE, _LEAST_SIZE = 8, 2
"""Batch sizes are halved down to the first, then other things are left out; then down to the second."""


def affordable(settings: Effort, train_size: int, nuisance: int, budget: Budget) -> Effort:
    """Returns settings whose shortest runs fit into the budget: those given if they do.

    The cheapest that there are if none do; then the budget is exceeded.

    Args:
        settings: As the user gave them.
        train_size: Samples in the training set.
        nuisance: How many nuisance parameters there are.
        budget: What tuning may cost.
    """
    cheapest = settings
    for cheapest in (settings, *_variants(settings, train_size)):
        if _least_samples(cheapest, train_size, nuisance) <= budget.whole:
            break
    return cheapest


def _variants(settings: Effort, train_size: int) -> Iterator[Effort]:
    """Settings that cost less and less: one batch size, fewer models, fewer learning rates and rounds."""
    one_size = settings.replace(batch_candidates=1)
    one_model = one_size.replace(lr_initialisations=1)
    few = one_model.replace(rounds=2, lr_candidates=min(settings.lr_candidates, 5))
    for least in (_USUAL_SIZE, _LEAST_SIZE):
        for variant in (one_size, one_model, few):
            size = reference_size(settings, train_size)
            yield variant
            while isinstance(settings.batch_objective, str) and size // 2 >= least:
                size //= 2
                yield variant.replace(batch_size=size)


def _least_samples(settings: Effort, train_size: int, nuisance: int) -> int:
    """How many samples the shortest runs take, at most, if no round has to be repeated."""
    size, sizes = reference_size(settings, train_size), batch_sizes(settings, train_size)
    curve = settings.lr_initialisations * (CONSTANTS.warmup_steps + CONSTANTS.fewest_range_steps)
    first = settings.lr_candidates * (1 + min(nuisance, CONSTANTS.most_scattered))
    if settings.rounds == 2:
        second, later = len(CONSTANTS.below) * (CONSTANTS.few_finalists if nuisance else 1), 0
    else:
        ladders = len(CONSTANTS.about) + (
            len(CONSTANTS.beside) * (CONSTANTS.finalists - 1) if nuisance else 0
        )
        kept = max(CONSTANTS.fewest_kept, -(-first // CONSTANTS.kept)) + 2
        second = max(ladders, kept + (2 * CONSTANTS.finalists + 2) * min(nuisance, 1))
        later = second * (settings.rounds - 2)
    others = sum(other for other in sizes if other != size)
    trained = (first + second) * size + others + later * max(size, *sizes)
    return curve * size + CONSTANTS.fewest_steps * trained
