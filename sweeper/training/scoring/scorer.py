"""How a model's outputs are scored: batch by batch, in training steps too, or on a whole split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import torch

from ...metric import PERFORMANCE, Metric, MetricInfo
from ..objective import Criterion, Outputs
from ..parallel.ranks import Ranks
from .split_metrics import SplitMetric, inverse_loss

_ON_LOGITS = (torch.nn.BCEWithLogitsLoss, torch.nn.MultiLabelSoftMarginLoss)
_FUNCTIONS_ON_LOGITS = (
    torch.nn.functional.binary_cross_entropy_with_logits,
    torch.nn.functional.multilabel_soft_margin_loss,
)
_ON_PROBABILITIES = (
    torch.nn.BCELoss, torch.nn.MSELoss, torch.nn.L1Loss, torch.nn.SmoothL1Loss, torch.nn.HuberLoss,
)  # fmt: skip


class BatchTally(NamedTuple):
    """What was counted of a batch's predictions: scalars on its device, or these as numbers.

    Attributes:
        share: The share of predictions that count; None if all do.
        correct: The share of right ones, or how many there are among those that count; None if the objective
            is not measured so.
        counted: How many count; None if all do, or nothing is compared.
        is_unsure: Whether outputs left [0, 1] that may be meant as probabilities; None if they did not.
    """

    share: Any = None
    correct: Any = None
    counted: Any = None
    is_unsure: Any = None

    @property
    def performance(self) -> float:
        """The performance among the predictions that count, of numbers."""
        if self.correct is None:
            return 0.0
        value: float = self.correct if self.counted is None else self.correct / max(1, int(self.counted))
        return value


@dataclass(frozen=True)
class Scorer:
    """Scores outputs: by an accuracy style, in steps and on splits, or by metrics of a whole split.

    Attributes:
        style: `classification`: the share of samples whose highest output is the target class.
            `multiclass`: the share of samples of which every label is on the right side of the
            threshold (subset accuracy, as scikit-learn and ignite define it).
            `inv-loss`: `1 / (loss + 1)`. None: steps do not measure the objective.
        threshold: For `multiclass`: 0.5 on probabilities, 0 (the same) on logits.
        is_assumed: The threshold is 0.5 although nothing says that outputs are probabilities.
        ignored: Samples or pixels with this label do not count; None counts all.
        on_splits: The metrics that are measured on whole splits; if there is no style, the first is the
            objective.
        objective: What is known of it.
        ranks: The processes that hold the same model, if there are several: they share a split's batches.
    """

    style: str | None
    threshold: float = 0.5
    is_assumed: bool = False
    ignored: int | None = None
    on_splits: tuple[SplitMetric, ...] = ()
    objective: MetricInfo = PERFORMANCE
    ranks: Ranks | None = field(default=None, compare=False)

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

    def _is_unsure_of(self, output: Any) -> torch.Tensor | None:
        """Whether an output left [0, 1], though only that it is in it would say that it is a probability."""
        if not self.is_assumed or self.style != 'multiclass' or not output.numel():
            return None
        low, high = torch.aminmax(output)
        return (low < 0) | (high > 1)

    @property
    def is_by_output(self) -> bool:
        """Whether the objective is measured by comparing each output with its target."""
        return self.style in ('classification', 'multiclass')

    @property
    def needs_outputs(self) -> bool:
        """Whether anything looks at more than the loss."""
        return (
            self.is_by_output
            or any(metric.needs_outputs for metric in self.on_splits)
            or (self.style is None and self.ignored is not None)
        )

    @property
    def others(self) -> tuple[SplitMetric, ...]:
        """The metrics other than the objective."""
        return self.on_splits if self.style is not None else self.on_splits[1:]

    @property
    def of_objective(self) -> Scorer:
        """Measures the loss and the objective only."""
        return replace(self, on_splits=() if self.style is not None else self.on_splits[:1])

    @property
    def of_loss(self) -> Scorer:
        """Measures the loss only."""
        return replace(self, style=None, on_splits=())

    def measured(self, output: Any, target: Any) -> BatchTally:
        """Counts a batch's predictions, where these are: no number is read."""
        counted, is_unsure = self.counted(output, target), self._is_unsure_of(output)
        share = None if counted is None else counted.double().mean()
        if not self.is_by_output:
            return BatchTally(share, None, None, is_unsure)
        correct = self.correct(output, target)
        if counted is None:
            return BatchTally(share, correct.double().mean(), None, is_unsure)
        return BatchTally(share, (correct & counted).double().sum(), counted.sum(), is_unsure)

    def check_loss(self, loss: float) -> None:
        """Raises ValueError for a negative loss if the performance is `1 / (loss + 1)`."""
        if self.style == 'inv-loss':
            inverse_loss(loss)

    def performance(self, outputs: Outputs, loss: torch.Tensor) -> torch.Tensor:
        """Returns one batch's performance in a style, as a scalar tensor.

        Args:
            outputs: Gives the batch's outputs and targets.
            loss: The batch's, a scalar.
        """
        if not self.is_by_output:
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
    style: str | None,
    criterion: Criterion | None,
    threshold: float | None = None,
    ignored: int | None = None,
    metrics: Mapping[str, Metric] = MappingProxyType({}),
) -> Scorer:
    """Returns the scorer of a problem.

    Args:
        style: Its accuracy style, if each step can measure the objective.
        criterion: One that takes logits moves the threshold to 0; None if there is none.
        threshold: The problem's own, if it has one.
        ignored: The label that does not count.
        metrics: All of its metrics, the objective first.
    """
    first = next(iter(metrics.values()), None)
    if style is not None and first is not None:
        ignored = first.options.get('ignore_index', ignored)
    inner = criterion.func if isinstance(criterion, partial) else criterion
    is_on_logits = isinstance(criterion, _ON_LOGITS) or inner in _FUNCTIONS_ON_LOGITS
    limit = (0.0 if is_on_logits else 0.5) if threshold is None else threshold
    is_known = threshold is not None or is_on_logits or isinstance(criterion, _ON_PROBABILITIES)
    is_by_label = is_on_logits or isinstance(criterion, torch.nn.BCELoss)
    on_splits = (
        SplitMetric(metric, limit, metric.options.get('ignore_index', ignored), is_by_label)
        for metric in metrics.values()
        if metric is not first or style is None
    )
    info = PERFORMANCE if first is None else first.info
    return Scorer(style, limit, not is_known, ignored, tuple(on_splits), info)


def ignored_label(criterion: Criterion | None) -> int | None:
    """The label that a criterion leaves out, such as the -100 of `torch.nn.CrossEntropyLoss`."""
    index = getattr(criterion, 'ignore_index', None)
    return index if isinstance(index, int) and not isinstance(index, bool) else None
