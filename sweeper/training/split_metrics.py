"""Metrics of a whole split: predefined ones, functions of all outputs and targets, and those of ignite.

The predefined ones are scikit-learn's and ignite's; what is here brings a network's outputs into the form
that they take.
"""

from __future__ import annotations

import inspect
import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Protocol

import numpy as np
import torch

from ..errors import MissingExtra, ProblemError
from ..extras import needed
from ..metric import Metric, is_ignite_metric
from .data import leaves, map_tensors

_OF_LOSS: Mapping[str, Callable[[float], float]] = {
    'loss': lambda loss: loss,
    'inv-loss': lambda loss: 1 / (max(loss, 0.0) + 1),
    'perplexity': lambda loss: math.exp(loss) if loss < math.log(np.finfo(float).max) else math.inf,
    'bits_per_character': lambda loss: loss / math.log(2),
}
_ACCURACIES = ('accuracy', 'classification', 'multiclass')
_OF_LABELS = {
    'balanced_accuracy': 'balanced_accuracy_score', 'f1': 'f1_score',
    'iou': 'jaccard_score', 'dice': 'f1_score',
}  # fmt: skip
_OF_VALUES = {'r2': 'r2_score', 'mae': 'mean_absolute_error', 'mse': 'mean_squared_error'}
_AVERAGED = ('f1', 'iou', 'dice')
_PIXELWISE = ('iou', 'dice')


class Undefined(ProblemError):
    """A metric has no value for these samples: the area under a curve, say, if all are of one class."""


class Tally(Protocol):
    """Takes the outputs of a split, batch by batch, and says what they come to."""

    def add(self, output: Any, target: Any) -> None:
        """Takes a batch's outputs and targets."""
        ...

    def value(self, loss: float) -> float:
        """Returns the metric of all batches, whose mean loss is given."""
        ...


@dataclass(frozen=True)
class SplitMetric:
    """A metric that is measured on a whole split.

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

    @property
    def needs_outputs(self) -> bool:
        """Whether it looks at more than the loss."""
        return self.metric.needs_outputs

    def tally(self) -> Tally:
        """Returns what measures one split."""
        function = self.metric.function
        if not self.needs_outputs:
            return _OfLoss(_OF_LOSS[function])
        if is_ignite_metric(function):
            return _OfIgnite(self, deepcopy(function))
        if function == 'accuracy' and 'top_k' in self.metric.options:
            return _OfIgnite(self, _top_k(self.metric.options['top_k']))
        if isinstance(function, str):
            return _Collected(self, _PREPARED.get(function, _Labels)(self))
        return _Collected(self, _Own(function))

    def failure(self, error: Exception, output: Any, target: Any) -> ProblemError:
        """Returns the error that says what a metric did not take."""
        return ProblemError(
            f'the metric {self.name!r} raised {type(error).__name__}: {error}. It got outputs '
            f'{described(output)} and targets {described(target)}'
        )

    def checked(self, value: Any, samples: int) -> float:
        """Returns what a metric came to, as a number; infinitely bad is as bad as diverged."""
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise ProblemError(
                f'the metric {self.name!r} returned {value!r}; it must return a number'
            ) from None
        if math.isnan(number):
            raise Undefined(
                f'the metric {self.name!r} is NaN of {samples} samples, although all outputs are finite: is '
                f'it defined for them?'
            )
        if math.isinf(number) and number * self.metric.info.sign < 0:
            return self.metric.info.diverged
        if not self.metric.info.is_valid(number):
            valid = 'in [0, 1]' if self.metric.info.is_share else 'a finite number'
            raise ProblemError(f'the metric {self.name!r} returned {number:g}; it must be {valid}')
        return number


def _is_finite(tree: Any) -> bool:
    if isinstance(tree, np.ndarray):
        return bool(np.isfinite(tree).all())
    return all(bool(part.isfinite().all()) for part in leaves(tree))


class _OfLoss:
    def __init__(self, function: Callable[[float], float]) -> None:
        self._function = function

    def add(self, output: Any, target: Any) -> None:
        return

    def value(self, loss: float) -> float:
        return self._function(loss)


class _OfIgnite:
    """A metric of ignite, fed batch by batch."""

    def __init__(self, owner: SplitMetric, metric: Any) -> None:
        self._owner, self._metric, self._samples = owner, metric, 0
        metric.reset()

    def add(self, output: Any, target: Any) -> None:
        if self._owner.ignored is not None:
            output, target = _counted(output, target, self._owner.ignored)
        self._samples += len(target) if isinstance(target, torch.Tensor) else 1
        try:
            self._metric.update((output.detach() if isinstance(output, torch.Tensor) else output, target))
        except Exception as error:
            raise self._owner.failure(error, output, target) from error

    def value(self, loss: float) -> float:
        try:
            value = self._metric.compute()
        except Exception as error:
            raise ProblemError(
                f'the metric {self._owner.name!r} raised {type(error).__name__}: {error}'
            ) from error
        return self._owner.checked(value, self._samples)


def _top_k(top_k: int) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        from ignite.metrics import TopKCategoricalAccuracy

    return TopKCategoricalAccuracy(top_k)


class Prepared(Protocol):
    """What a collected metric makes of outputs and targets."""

    def prepare(self, output: Any, target: Any) -> tuple[Any, Any]:
        """Returns what to keep of a batch, on the CPU."""
        ...

    def compute(self, output: Any, target: Any) -> Any:
        """Returns the metric of all that was kept."""
        ...


class _Collected:
    """Keeps what is needed of every batch, for a function of all."""

    def __init__(self, owner: SplitMetric, prepared: Prepared) -> None:
        self._owner, self._prepared = owner, prepared
        self._outputs: list[Any] = []
        self._targets: list[Any] = []

    def add(self, output: Any, target: Any) -> None:
        output, target = self._prepared.prepare(output, target)
        self._outputs.append(output)
        self._targets.append(target)

    def value(self, loss: float) -> float:
        outputs, targets = joined(self._outputs), joined(self._targets)
        if not _is_finite(outputs):  # it has diverged, whatever its loss says
            return self._owner.metric.info.diverged
        try:
            value = self._prepared.compute(outputs, targets)
        except (ProblemError, MissingExtra):
            raise
        except Exception as error:
            raise self._owner.failure(error, outputs, targets) from error
        return self._owner.checked(value, len(targets))


def described(tree: Any) -> str:
    """Says what outputs or targets are, for messages."""
    if isinstance(tree, torch.Tensor | np.ndarray):
        return f'of shape {tuple(tree.shape)} ({str(tree.dtype).removeprefix("torch.")})'
    if isinstance(tree, Mapping):
        return f'in a dict with {", ".join(map(str, tree))}'
    return f'in a {type(tree).__name__}'


def joined(parts: list[Any]) -> Any:
    """Batches of one structure as one, along their first dimension."""
    first = parts[0]
    if isinstance(first, torch.Tensor):
        return torch.cat(parts) if first.ndim else torch.stack(parts)
    if isinstance(first, np.ndarray):
        return np.concatenate(parts)
    if isinstance(first, Mapping):
        return {key: joined([part[key] for part in parts]) for key in first}
    if isinstance(first, tuple | list):
        columns = [joined([*column]) for column in zip(*parts, strict=True)]
        return type(first)(*columns) if hasattr(first, '_fields') else type(first)(columns)
    return parts


class _Own:
    """A function of the problem's, called with all outputs and targets."""

    def __init__(self, function: Callable[[Any, Any], Any]) -> None:
        self._function = function

    def prepare(self, output: Any, target: Any) -> tuple[Any, Any]:
        return tuple(map_tensors(part, lambda tensor: tensor.detach().cpu()) for part in (output, target))

    def compute(self, output: Any, target: Any) -> Any:
        pair = (target, output) if self._takes_target_first else (output, target)
        if not any(True for _ in leaves(output)):
            return self._function(*pair)
        if self._is_of_numpy:
            return self._function(*map(_as_arrays, pair))
        try:
            return self._function(*pair)
        except Exception:
            try:
                return self._function(*map(_as_arrays, pair))
            except Exception:  # what the tensors' error says is nearer to the problem's words
                pass
            raise

    @cached_property
    def _takes_target_first(self) -> bool:
        try:
            return next(iter(inspect.signature(self._function).parameters), '') == 'y_true'
        except (TypeError, ValueError):
            return False

    @property
    def _is_of_numpy(self) -> bool:
        return str(getattr(self._function, '__module__', '')).partition('.')[0] in (
            'sklearn',
            'numpy',
            'scipy',
        )


def _as_arrays(tree: Any) -> Any:
    return map_tensors(tree, lambda tensor: tensor.numpy())


class _OfScikitLearn(ABC):
    """One of scikit-learn's functions."""

    functions: ClassVar[Mapping[str, str]] = {}

    def __init__(self, owner: SplitMetric) -> None:
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
            from sklearn import metrics
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
            output, target = _counted(output, target, self._owner.ignored)
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


def _counted(output: Any, target: Any, ignored: int) -> tuple[Any, Any]:
    """Outputs, a row per prediction, and targets, without the label that does not count."""
    if target.ndim == output.ndim:
        return output, target
    rows = output.movedim(1, -1).reshape(-1, output.shape[1])
    labels = target.reshape(-1)
    counts = labels != ignored
    return rows[counts], labels[counts]
