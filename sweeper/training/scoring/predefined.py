"""Predefined metrics, by scikit-learn; what is here brings a network's outputs into the form it takes."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np
import torch

from ...errors import ProblemError
from ...extras import needed
from ...metric import Metric
from ...seeding import random_states_kept

_ACCURACIES = ('accuracy', 'classification', 'multiclass')
_OF_LABELS = {
    'balanced_accuracy': 'balanced_accuracy_score', 'f1': 'f1_score',
    'iou': 'jaccard_score', 'dice': 'f1_score',
}  # fmt: skip
_OF_VALUES = {'r2': 'r2_score', 'mae': 'mean_absolute_error', 'mse': 'mean_squared_error'}
_AVERAGED = ('f1', 'iou', 'dice')
_PIXELWISE = ('iou', 'dice')


@dataclass(frozen=True)
class Conventions:
    """How a metric reads outputs.

    Attributes:
        metric: What the problem says of it.
        threshold: The output above which a label is predicted, where outputs are thresholds' matter.
        ignored: The label that does not count, or None.
        is_by_label: Whether each output stands for a label of its own, as the criterion says (binary
            cross-entropy), so that it is not the highest that counts.
    """

    metric: Metric
    threshold: float = 0.5
    ignored: int | None = None
    is_by_label: bool = False

    @property
    def name(self) -> str:
        return self.metric.info.name


class _OfScikitLearn(ABC):
    """One of scikit-learn's functions."""

    functions: ClassVar[Mapping[str, str]] = {}

    def __init__(self, owner: Conventions) -> None:
        self._owner = owner
        self._name = str(owner.metric.function)
        self._options = {
            name: value
            for name, value in owner.metric.options.items()
            if name not in ('threshold', 'ignore_index')
        }

    @abstractmethod
    def prepare(self, output: Any, target: Any) -> tuple[np.ndarray, np.ndarray]: ...

    @abstractmethod
    def compute(self, output: np.ndarray, target: np.ndarray) -> Any: ...

    def _call(self, target: Any, output: Any, **options: Any) -> Any:
        with needed('metrics', f'the metric {self._name!r} needs scikit-learn'):
            metrics = _scikit_learn()
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # an undefined metric is NaN, which is an error of ours
            return getattr(metrics, self.functions[self._name])(
                target, output, **{**options, **self._options}
            )

    def _tensors(self, output: Any, target: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Outputs and targets, of which those that do not count are left out.

        Raises:
            ProblemError: They are no tensors.
        """
        for what, part in (('outputs', output), ('targets', target)):
            if not isinstance(part, torch.Tensor):
                raise ProblemError(
                    f'the metric {self._owner.name!r} needs {what} that are a tensor, and got a '
                    f'{type(part).__name__}: return what it needs from predict(model, batch), outputs or '
                    f'(outputs, targets)'
                )
        if self._owner.ignored is not None:
            output, target = counted(output, target, self._owner.ignored)
        return output.detach(), target

    def _mismatch(self, output: torch.Tensor, target: torch.Tensor, valid: str) -> ProblemError:
        return ProblemError(
            f'the metric {self._owner.name!r} cannot score outputs of shape {tuple(output.shape)} by targets '
            f'of shape {tuple(target.shape)}: {valid}'
        )


class _Labels(_OfScikitLearn):
    """Metrics of predicted labels: the highest output, or those above the threshold."""

    functions = _OF_LABELS

    def prepare(self, output: Any, target: Any) -> tuple[np.ndarray, np.ndarray]:
        output, target = self._tensors(output, target)
        if output.ndim == target.ndim + 1 and output.shape[1] == 1:
            output = output.squeeze(1)
        if output.ndim == target.ndim + 1:
            predicted = output.argmax(1)
        elif output.shape == target.shape and self._is_thresholded(output):
            threshold = self._owner.metric.options.get('threshold', self._owner.threshold)
            predicted, target = (output > threshold).long(), (target > 0.5).long()
        elif output.shape == target.shape:  # one-hot rows
            predicted, target = output.argmax(1), target.argmax(1)
        else:
            raise self._mismatch(output, target, 'there must be one class index per prediction')
        if predicted.shape != target.shape:
            raise self._mismatch(output, target, 'there must be one class index per prediction')
        is_flat = self._name in _PIXELWISE or predicted.ndim < 2 or not self._is_thresholded(output)
        if is_flat or predicted.shape[1] == 1:
            predicted, target = predicted.flatten(), target.flatten()
        return predicted.cpu().numpy(), target.cpu().numpy()

    def _is_thresholded(self, output: torch.Tensor) -> bool:
        is_single = output.ndim < 2 or output.shape[1] == 1
        is_by_label = self._owner.is_by_label or self._name == 'multiclass'
        return is_single or is_by_label or 'threshold' in self._owner.metric.options

    def compute(self, output: np.ndarray, target: np.ndarray) -> Any:
        if self._name in _ACCURACIES:
            return (output == target).reshape(len(output), -1).all(1).mean()
        options: dict[str, Any] = {}
        if self._name in _AVERAGED:
            is_binary = output.ndim == 1 and max(output.max(), target.max()) <= 1
            options = {'average': 'binary' if is_binary else 'macro', 'zero_division': 0}
        return self._call(target, output, **options)


class _Ranking(_OfScikitLearn):
    """The area under the receiver operating characteristic."""

    functions: ClassVar[Mapping[str, str]] = {'auc': 'roc_auc_score'}

    def prepare(self, output: Any, target: Any) -> tuple[np.ndarray, np.ndarray]:
        output, target = self._tensors(output, target)
        if output.ndim == 2 and output.shape[1] == 1:
            output = output.squeeze(1)
        if target.ndim == 2 and target.shape[1] == 1:
            target = target.squeeze(1)
        if output.ndim == 2 and output.shape[1] == 2 and not self._owner.is_by_label:
            output = output[:, 1] - output[:, 0]
            target = target.argmax(1) if target.ndim == 2 else target
        if output.shape[0] != target.shape[0] or output.ndim < target.ndim or output.ndim > 2:
            raise self._mismatch(output, target, 'there must be one row of scores, or one score, per target')
        return output.double().cpu().numpy(), target.cpu().numpy()

    def compute(self, output: np.ndarray, target: np.ndarray) -> Any:
        if output.ndim == 1 or target.ndim == 2:
            return self._call(target, output)
        from scipy.special import softmax

        is_probability = output.min() >= 0 and np.allclose(output.sum(1), 1, atol=1e-4)
        shares = output if is_probability else softmax(output, axis=1)
        labels = np.arange(output.shape[1])
        return self._call(target, shares, labels=labels, multi_class='ovr')


class _Values(_OfScikitLearn):
    """Metrics of a regression."""

    functions = _OF_VALUES

    def prepare(self, output: Any, target: Any) -> tuple[np.ndarray, np.ndarray]:
        output, target = self._tensors(output, target)
        if output.shape != target.shape:
            raise self._mismatch(output, target, 'the two must be the same')
        rows = (part.reshape(len(part), -1).double().cpu().numpy() for part in (output, target))
        return next(rows), next(rows)

    def compute(self, output: np.ndarray, target: np.ndarray) -> Any:
        return self._call(target, output)


_PREPARED: Mapping[str, type[_OfScikitLearn]] = {'auc': _Ranking, **dict.fromkeys(_OF_VALUES, _Values)}


def predefined(conventions: Conventions) -> _OfScikitLearn:
    """Returns what computes the predefined metric that has these conventions."""
    return _PREPARED.get(str(conventions.metric.function), _Labels)(conventions)


def counted(output: Any, target: Any, ignored: int) -> tuple[Any, Any]:
    """Outputs, a row per prediction, and targets, without the label that does not count."""
    if target.ndim == output.ndim:
        return output, target
    rows = output.movedim(1, -1).reshape(-1, output.shape[1])
    labels = target.reshape(-1)
    counts = labels != ignored
    return rows[counts], labels[counts]


@cache
def _scikit_learn() -> Any:
    """Its metrics. Importing it draws from `random`: the first run of a process must not differ by that."""
    with random_states_kept():
        from sklearn import metrics
    return metrics
