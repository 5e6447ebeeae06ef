"""Performance of a model's outputs, in [0, 1], for each accuracy style."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

Criterion = Callable[..., torch.Tensor]

_EVALUATION_BATCH = 1024
_ROUNDING = 1e-5
_ON_LOGITS = (torch.nn.BCEWithLogitsLoss, torch.nn.MultiLabelSoftMarginLoss)


@dataclass(frozen=True)
class Scorer:
    """Scores outputs in one accuracy style.

    Attributes:
        style: `classification`: the share of samples whose highest output is the target class.
            `multiclass`: the share of samples of which every label is on the right side of the
            threshold (subset accuracy, as scikit-learn and ignite define it).
            `inv-loss`: `1 / (loss + 1)`.
        threshold: For `multiclass`: 0.5 on probabilities, 0 (the same) on logits.
    """

    style: str
    threshold: float = 0.5

    def correct(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Returns which predictions are right, as a boolean tensor; not for `inv-loss`."""
        if self.style == 'multiclass':
            return ((output > self.threshold) == (target > 0.5)).flatten(1).all(1)
        if target.ndim == output.ndim:
            target = target.argmax(1)
        return output.argmax(1) == target

    def performance(self, output: torch.Tensor, target: torch.Tensor, loss: torch.Tensor) -> torch.Tensor:
        """Returns one batch's performance, as a scalar tensor."""
        if self.style == 'inv-loss':
            return 1 / (loss.clamp(min=0) + 1)
        return self.correct(output, target).float().mean()


def scorer(style: str, criterion: Criterion) -> Scorer:
    """Returns the scorer of a problem; a criterion that takes logits moves the threshold to 0."""
    return Scorer(style, 0.0 if isinstance(criterion, _ON_LOGITS) else 0.5)


def check_loss(loss: float) -> None:
    """Raises ValueError for a negative loss: performance could leave [0, 1], and tuning be misled."""
    if loss < -_ROUNDING:
        raise ValueError(f'the loss is negative ({loss:g}); a criterion must be at least 0')


@dataclass(frozen=True)
class Score:
    """Mean loss and performance over a split; loss infinity and performance 0 if not finite."""

    loss: float
    perf: float


@torch.no_grad()  # not inference mode: what a model caches in it could not be trained with
def evaluate(
    model: torch.nn.Module, split: Any, criterion: Criterion, scorer: Scorer, most: int | None = None
) -> Score:
    """Scores `model` in evaluation mode on a split (a `data.Split`), or on at most so many samples of it."""
    model.eval()
    samples = len(split) if most is None else min(len(split), most)
    loss_sum = perf_sum = 0.0
    order = torch.split(torch.arange(samples) * len(split) // samples, _EVALUATION_BATCH)
    for indices, (inputs, targets) in zip(order, split.batches(order), strict=True):
        output = model(inputs)
        loss = criterion(output, targets)
        loss_sum += loss.item() * len(indices)
        if scorer.style != 'inv-loss':
            perf_sum += scorer.correct(output, targets).double().mean().item() * len(indices)
    model.train()
    loss_mean = loss_sum / samples
    check_loss(loss_mean)
    if not math.isfinite(loss_mean):
        return Score(float('inf'), 0.0)
    loss_mean = max(loss_mean, 0.0)
    return Score(loss_mean, 1 / (loss_mean + 1) if scorer.style == 'inv-loss' else perf_sum / samples)
