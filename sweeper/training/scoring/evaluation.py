"""Scores of a model on a split: its loss, the objective, and whatever other metrics a problem has."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import torch

from ...errors import ProblemError
from ..data import Batch, Split
from ..finite import check_data, has_finite_parameters, undisturbed
from ..objective import Objective, OwnScore
from ..stream import spread
from ..transfer import numbers, runs_ahead
from .scorer import BatchTally, Scorer
from .split_metrics import NotMeasured, Tally

_EVALUATION_BATCH = 1024


@dataclass(frozen=True)
class Score:
    """Mean loss and performance over a split; if not finite, infinity and that of a model that diverged.

    Attributes:
        loss: As it is.
        perf: The objective, in its own unit; NaN if only the loss is measured.
        metrics: The other metrics, by name.
        is_unsure: Outputs left [0, 1], though nothing but that they are in it says how to score them.
        is_measured: The objective could be computed for these samples; else it is that of a model that
            diverged.
    """

    loss: float
    perf: float
    is_unsure: bool = False
    metrics: Mapping[str, float] = field(default_factory=dict)
    is_measured: bool = True

    @property
    def is_finite(self) -> bool:
        return math.isfinite(self.loss)

    @classmethod
    def of_diverged(cls, scorer: Scorer, is_unsure: bool = False) -> Score:
        """The score of a model that diverged."""
        others = {metric.name: metric.metric.info.diverged for metric in scorer.others}
        return cls(math.inf, scorer.objective.diverged, is_unsure, others)


class BatchWatcher(Protocol):
    """Is told of the batches that are scored."""

    def before_valid_step(self) -> None: ...

    def after_valid_step(self) -> None: ...


@torch.no_grad()  # not inference mode: what a model caches in it could not be trained with
def evaluate(
    model: torch.nn.Module,
    split: Split,
    objective: Objective,
    scorer: Scorer,
    most: int | None = None,
    name: str = 'train',
    watcher: BatchWatcher | None = None,
    is_part: bool = False,
) -> Score:
    """Scores a model in evaluation mode.

    Args:
        model: Left in training mode.
        split: The data.
        objective: Its loss, and what is scored.
        scorer: Measures the performance.
        most: How many samples to take, spread over the split; None for all.
        watcher: Is told before and after each batch, if given.
        name: The split's, for messages.
        is_part: The samples are a part of a split for which a metric need not have a value: the area under a
            curve, say, if all of them are of one class.

    Raises:
        NotFiniteData: The loss is not finite because of the data.
    """
    if objective.own_score is not None:
        return _own_score(objective.own_score)
    model.eval()
    tallies = [metric.tally() for metric in scorer.on_splits]
    score = partial(_scored, model, split, objective.guarded(), scorer, tallies, name, watcher)
    order = evaluation_order(split, most)
    # Metrics of a whole split need the outputs of all of it; and of a single batch there is nothing to share.
    ranks = None if tallies or len(order) == 1 else scorer.ranks
    sums = _Sums()
    for loss, tally, samples in score(order) if ranks is None else ranks.shared_out(order, score):
        sums.add(loss, tally, samples)
    model.train()
    loss_mean = sums.loss / sums.weights if sums.weights else math.nan
    scorer.check_loss(loss_mean)
    if not math.isfinite(loss_mean):
        return Score.of_diverged(scorer, sums.is_unsure)
    if scorer.style == 'inv-loss':
        loss_mean = max(loss_mean, 0.0)  # which may be negative by rounding
    values, is_measured = _measured(scorer, tallies, loss_mean, is_part)
    if scorer.style is None:
        perf = values[0] if values else math.nan
    else:
        perf = 1 / (loss_mean + 1) if scorer.style == 'inv-loss' else sums.perf / sums.weights
    others = scorer.others
    by_name = {
        metric.name: value for metric, value in zip(others, values[len(values) - len(others) :], strict=True)
    }
    return Score(loss_mean, perf, sums.is_unsure, by_name, is_measured)


def _scored(
    model: torch.nn.Module,
    split: Split,
    objective: Objective,
    scorer: Scorer,
    tallies: Sequence[Tally],
    name: str,
    watcher: BatchWatcher | None,
    order: Sequence[torch.Tensor],
) -> list[tuple[float, BatchTally, int]]:
    """Scores batches, given by their indices; returns the loss of each, what was counted, and its samples."""
    loss_of = partial(objective.loss, model)
    scored: list[tuple[float, BatchTally, int]] = []
    unread: list[tuple[torch.Tensor, torch.Tensor, BatchTally]] = []  # on a device that is ahead of Python

    def take(indices: torch.Tensor, loss: float, tally: BatchTally, batch: Batch | None) -> None:
        scored.append((loss, tally, len(indices)))
        if not math.isfinite(loss) and tally.share != 0 and batch is not None:
            check_data(batch, split.places(indices), name, loss_of)

    for indices, batch in zip(order, split.batches(order), strict=True):
        if watcher is not None:
            watcher.before_valid_step()
        try:
            loss, outputs = objective.forward(model, batch)
            counts = BatchTally()
            if scorer.needs_outputs:
                output, targets = outputs()
                counts = scorer.measured(output, targets)
                for tally in tallies:
                    tally.add(output, targets)
        except Exception:
            check_data(batch, split.places(indices), name, loss_of)
            raise
        if watcher is not None:
            watcher.after_valid_step()
        if runs_ahead(loss.device):
            unread.append((indices, loss, counts))
        else:
            value, *values = numbers([(loss, *counts)])[0]
            take(indices, value, BatchTally(*values), batch)
    read = numbers([(loss, *counts) for _, loss, counts in unread])
    for (indices, _, _), (value, *values) in zip(unread, read, strict=True):
        take(indices, value, BatchTally(*values), None if math.isfinite(value) else split.suspect(indices))
    return scored


@dataclass
class _Sums:
    """What the batches of a split add up to, each weighed by its predictions that count."""

    loss: float = 0.0
    perf: float = 0.0
    weights: float = 0.0
    is_unsure: bool = False

    def add(self, loss: float, tally: BatchTally, samples: int) -> None:
        """Takes a batch, of numbers."""
        self.is_unsure = self.is_unsure or bool(tally.is_unsure)
        share = 1.0 if tally.share is None else tally.share
        if share == 0:  # all labels are ignored
            return
        weight = share * samples
        self.loss += loss * weight
        self.perf += tally.performance * weight
        self.weights += weight


def _measured(
    scorer: Scorer, tallies: Sequence[Tally], loss: float, is_part: bool
) -> tuple[list[float], bool]:
    """What the metrics of a split came to, and whether the objective could be computed."""
    values, is_measured = [], True
    for metric, tally in zip(scorer.on_splits, tallies, strict=True):
        try:
            values.append(tally.value(loss))
        except NotMeasured:
            if not is_part:
                raise
            values.append(metric.metric.info.diverged)
            is_measured = is_measured and metric in scorer.others
    return values, is_measured


def _own_score(score: OwnScore) -> Score:
    if score.value is None:
        raise ProblemError(
            'there is no dataset(), and train(run) had not called run.score(value) when the model was to be '
            'scored: call it after each step'
        )
    return Score(score.loss, score.value)


def is_finite_in_evaluation(
    model: torch.nn.Module, split: Split, objective: Objective, scorer: Scorer
) -> bool:
    """Whether a model whose loss ceased to be finite in training has a finite one in evaluation mode."""
    try:
        with undisturbed():
            return evaluate(model, split, objective, scorer).is_finite
    except Exception:  # as some models raise if something in them is NaN
        return False


def evaluation_order(split: Split, most: int | None = None) -> Sequence[torch.Tensor]:
    """The batches in which a split is gone through, as indices; `most` as for `evaluate`."""
    samples = len(split) if most is None else min(len(split), most)
    return torch.split(spread(split, samples), _EVALUATION_BATCH)


@torch.no_grad()
def is_finite_in_training(
    model: torch.nn.Module, split: Split, objective: Objective, most: int | None = None
) -> bool:
    """Whether a model whose loss is not finite in evaluation mode has a finite one in training mode.

    Args:
        model: Left in training mode, its buffers as they were.
        split: The data.
        objective: Its loss.
        most: As for `evaluate`.
    """
    if objective.own_score is not None:
        return has_finite_parameters(model)
    order = evaluation_order(split, most)
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    model.train()
    try:
        with undisturbed():
            return all(math.isfinite(objective.loss(model, batch).item()) for batch in split.batches(order))
    except Exception:  # as some criteria do if outputs are NaN
        return False
    finally:
        for buffer, before in buffers:
            buffer.copy_(before)
