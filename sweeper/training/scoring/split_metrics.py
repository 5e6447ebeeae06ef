"""Metrics of a whole split: predefined ones, functions of all outputs and targets, and those of ignite.

The predefined ones are scikit-learn's (see `predefined`) and ignite's.
"""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch

from ...errors import MissingExtra, ProblemError
from ...metric import is_ignite_metric
from ..data import leaves, map_tensors
from ..described import described
from .predefined import Conventions, counted, predefined

_ROUNDING = 1e-5


def inverse_loss(loss: float) -> float:
    """Returns `1 / (loss + 1)`; raises ValueError for a loss that is negative by more than rounding."""
    if loss < -_ROUNDING:
        raise ValueError(
            f'the loss is negative ({loss:g}); with the performance 1 / (loss + 1) it must be at least 0. '
            f"Write metrics = {{'loss': 'loss'}} in place of 'inv-loss' to compare by the loss itself"
        )
    return 1 / (max(loss, 0.0) + 1)


_OF_LOSS: Mapping[str, Callable[[float], float]] = {
    'loss': lambda loss: loss,
    'inv-loss': inverse_loss,
    'perplexity': lambda loss: math.exp(loss) if loss < math.log(np.finfo(float).max) else math.inf,
    'bits_per_character': lambda loss: loss / math.log(2),
}


class NotMeasured(ProblemError):
    """A metric raised an error, or has no value, when it was to be computed of all outputs of a split."""


class Undefined(NotMeasured):
    """A metric has no value for these samples: the area under a curve, say, if all are of one class."""


class Tally(Protocol):
    """Takes the outputs of a split, batch by batch, and says what they come to."""

    def add(self, output: Any, target: Any) -> None:
        """Takes a batch's outputs and targets."""
        ...

    def value(self, loss: float) -> float:
        """Returns the metric of all batches, whose mean loss is given."""
        ...


class SplitMetric(Conventions):
    """A metric that is measured on a whole split."""

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
            return _Collected(self, predefined(self))
        return _Collected(self, _Own(function))

    def failure(
        self, error: Exception, output: Any, target: Any, kind: type[ProblemError] = ProblemError
    ) -> ProblemError:
        """Returns the error that says what a metric did not take."""
        return kind(
            f'the metric {self.name!r} raised {type(error).__name__}: {error}. It got outputs '
            f'{_described(output)} and targets {_described(target)}'
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


def _described(tree: Any) -> str:
    return described(torch.from_numpy(tree) if isinstance(tree, np.ndarray) else tree)


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
            output, target = counted(output, target, self._owner.ignored)
        self._samples += len(target) if isinstance(target, torch.Tensor) else 1
        try:
            self._metric.update((output.detach() if isinstance(output, torch.Tensor) else output, target))
        except Exception as error:
            raise self._owner.failure(error, output, target) from error

    def value(self, loss: float) -> float:
        try:
            value = self._metric.compute()
        except Exception as error:
            raise NotMeasured(
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
            raise self._owner.failure(error, outputs, targets, NotMeasured) from error
        return self._owner.checked(value, len(targets))


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
