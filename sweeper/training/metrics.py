"""Performance of a model's outputs, in [0, 1], for each accuracy style."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import torch

from ..errors import ProblemError
from .data import Split
from .finite import check_data, has_finite_parameters, undisturbed
from .objective import Criterion, Objective, Outputs, OwnScore

_EVALUATION_BATCH = 1024
_ROUNDING = 1e-5
_ON_LOGITS = (torch.nn.BCEWithLogitsLoss, torch.nn.MultiLabelSoftMarginLoss)
_FUNCTIONS_ON_LOGITS = (
    torch.nn.functional.binary_cross_entropy_with_logits,
    torch.nn.functional.multilabel_soft_margin_loss,
)
_ON_PROBABILITIES = (
    torch.nn.BCELoss, torch.nn.MSELoss, torch.nn.L1Loss, torch.nn.SmoothL1Loss, torch.nn.HuberLoss,
)  # fmt: skip


@dataclass(frozen=True)
class Scorer:
    """Scores outputs in one accuracy style.

    Attributes:
        style: `classification`: the share of samples whose highest output is the target class.
            `multiclass`: the share of samples of which every label is on the right side of the
            threshold (subset accuracy, as scikit-learn and ignite define it).
            `inv-loss`: `1 / (loss + 1)`.
        threshold: For `multiclass`: 0.5 on probabilities, 0 (the same) on logits.
        is_assumed: The threshold is 0.5 although nothing says that outputs are probabilities.
        ignored: For `classification`: samples or pixels with this label do not count; None counts all.
    """

    style: str
    threshold: float = 0.5
    is_assumed: bool = False
    ignored: int | None = None

    def correct(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Returns which predictions are right, as a boolean tensor; not for `inv-loss`."""
        if self.style == 'multiclass':
            _check_shapes(output, target)
            return ((output > self.threshold) == (target > 0.5)).flatten(1).all(1)
        if target.ndim == output.ndim:
            _check_shapes(output, target)
            target = target.argmax(1)
        predicted = output.argmax(1)
        _check_shapes(predicted, target)
        return predicted == target

    def counted(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor | None:
        """Returns which predictions count, as a boolean tensor; None if all do."""
        if self.ignored is None or target.ndim == output.ndim:
            return None
        return target != self.ignored

    def is_unsure_of(self, output: Any) -> bool:
        """Whether an output left [0, 1], though only that it is in it would say that it is a probability."""
        if not self.is_assumed or self.style != 'multiclass' or not output.numel():
            return False
        low, high = output.aminmax()
        return bool(low < 0) or bool(high > 1)

    @property
    def needs_outputs(self) -> bool:
        """Whether it looks at more than the loss."""
        return self.style != 'inv-loss'

    def performance(self, outputs: Outputs, loss: torch.Tensor) -> torch.Tensor:
        """Returns one batch's performance, as a scalar tensor.

        Args:
            outputs: Gives the batch's outputs and targets.
            loss: The batch's, a scalar.
        """
        if not self.needs_outputs:
            return 1 / (loss.clamp(min=0) + 1)
        output, target = outputs()
        output = output.detach()
        correct, counted = self.correct(output, target), self.counted(output, target)
        if counted is None:
            return correct.float().mean()
        return (correct & counted).sum() / counted.sum().clamp(min=1)


def _check_shapes(output: torch.Tensor, target: torch.Tensor) -> None:
    """Raises ValueError unless there is one target per prediction."""
    if output.shape != target.shape:
        raise ValueError(
            f'predictions of shape {tuple(output.shape)} cannot be scored by targets of shape '
            f'{tuple(target.shape)}: there must be one target per prediction'
        )


def scorer(
    style: str, criterion: Criterion | None, threshold: float | None = None, ignored: int | None = None
) -> Scorer:
    """Returns the scorer of a problem.

    Args:
        style: Its accuracy style.
        criterion: One that takes logits moves the threshold to 0; None if there is none.
        threshold: The problem's own, if it has one.
        ignored: The label that does not count.
    """
    if threshold is not None:
        return Scorer(style, threshold, ignored=ignored)
    inner = criterion.func if isinstance(criterion, partial) else criterion
    if isinstance(criterion, _ON_LOGITS) or inner in _FUNCTIONS_ON_LOGITS:
        return Scorer(style, 0.0, ignored=ignored)
    return Scorer(style, 0.5, not isinstance(criterion, _ON_PROBABILITIES), ignored)


def ignored_label(criterion: Criterion | None) -> int | None:
    """The label that a criterion leaves out, such as the -100 of `torch.nn.CrossEntropyLoss`."""
    index = getattr(criterion, 'ignore_index', None)
    return index if isinstance(index, int) and not isinstance(index, bool) else None


def check_loss(loss: float) -> None:
    """Raises ValueError for a negative loss: performance could leave [0, 1], and tuning be misled."""
    if loss < -_ROUNDING:
        raise ValueError(f'the loss is negative ({loss:g}); a criterion must be at least 0')


@dataclass(frozen=True)
class Score:
    """Mean loss and performance over a split; loss infinity and performance 0 if not finite.

    Attributes:
        loss: At least 0.
        perf: In [0, 1].
        is_unsure: Outputs left [0, 1], though nothing but that they are in it says how to score them.
    """

    loss: float
    perf: float
    is_unsure: bool = False

    @property
    def is_finite(self) -> bool:
        return math.isfinite(self.loss)


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

    Raises:
        NotFiniteData: The loss is not finite because of the data.
    """
    if objective.own_score is not None:
        return _own_score(objective.own_score)
    model.eval()
    objective = objective.guarded()
    loss_sum = perf_sum = weights = 0.0
    is_unsure = False

    loss_of = partial(objective.loss, model)
    order = evaluation_order(split, most)
    for indices, batch in zip(order, split.batches(order), strict=True):
        if watcher is not None:
            watcher.before_valid_step()
        try:
            loss, outputs = objective.forward(model, batch)
            share, perf = 1.0, 0.0
            if scorer.needs_outputs:
                output, targets = outputs()
                is_unsure = is_unsure or scorer.is_unsure_of(output)
                share, perf = _scored(scorer, output, targets)
        except Exception:
            check_data(batch, split.places(indices), name, loss_of)
            raise
        if watcher is not None:
            watcher.after_valid_step()
        if share == 0:  # all labels are ignored
            continue
        weight = share * len(indices)
        value = loss.item()
        if not math.isfinite(value):
            check_data(batch, split.places(indices), name, loss_of)
        loss_sum += value * weight
        perf_sum += perf * weight
        weights += weight
    model.train()
    loss_mean = loss_sum / weights if weights else math.nan
    check_loss(loss_mean)
    if not math.isfinite(loss_mean):
        return Score(float('inf'), 0.0, is_unsure)
    loss_mean = max(loss_mean, 0.0)
    perf = 1 / (loss_mean + 1) if scorer.style == 'inv-loss' else perf_sum / weights
    return Score(loss_mean, perf, is_unsure)


def _own_score(score: OwnScore) -> Score:
    if score.value is None:
        raise ProblemError(
            'there is no dataset(), and train(run) had not called run.score(value) when the model was to be '
            'scored: call it after each step, with a performance in [0, 1]'
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
    return torch.split(torch.arange(samples) * len(split) // samples, _EVALUATION_BATCH)


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


def _scored(scorer: Scorer, output: torch.Tensor, targets: torch.Tensor) -> tuple[float, float]:
    """The share of predictions that count, and the performance among these."""
    correct, counted = scorer.correct(output, targets), scorer.counted(output, targets)
    if counted is None:
        return 1.0, correct.double().mean().item()
    share = counted.double().mean().item()
    return share, (correct & counted).double().sum().item() / max(1, int(counted.sum()))
