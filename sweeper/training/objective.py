"""What training minimises and what is scored: by the problem's criterion, or by its own step."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias

import torch

from ..metric import PERFORMANCE, MetricInfo
from .data import Batch, leaves, pair_of
from .finite import has_finite_parameters, undisturbed

Criterion: TypeAlias = Callable[..., torch.Tensor]
"""Called as `criterion(output, target)`; returns the mean loss, a scalar."""

OwnStep: TypeAlias = Callable[[torch.nn.Module, Any], torch.Tensor]
"""Called as `step(model, batch)`; returns the mean loss, a scalar."""

Outputs: TypeAlias = Callable[[], tuple[Any, Any]]
"""Returns what is scored: outputs and targets."""


def tensors_of(*modules: torch.nn.Module) -> list[torch.Tensor]:
    """Returns all parameters and buffers of modules."""
    return [tensor for module in modules for tensor in (*module.parameters(), *module.buffers())]


@dataclass(eq=False)
class OwnScore:
    """The performance of a model as its own training loop measures it, where there is no data to do so by.

    Attributes:
        info: What is known of the problem's objective, which that performance is.
        value: None as long as there is none.
    """

    info: MetricInfo = PERFORMANCE
    value: float | None = None

    @property
    def loss(self) -> float:
        """The loss that goes with it: as in `inv-loss` of a share, else the value, the lower the better."""
        if self.info.is_share:
            return 1 / max(self.value or 0.0, 1e-6) - 1
        return math.inf if self.value is None else -self.info.sign * self.value


@dataclass(frozen=True, eq=False)
class Objective:
    """What a step minimises, and what of a model is scored.

    Attributes:
        criterion: What `loss()` of the problem gave; None if it has a step of its own and no `loss`.
        step: The problem's `step(model, batch)`, which returns the loss; None for the criterion of what the
            model makes of a batch's inputs, and its targets.
        predict: The problem's `predict(model, batch)`: outputs, or outputs and targets; None for what the
            model makes of a batch's inputs.
        is_guarded: Where numbers that are not finite make the loss raise, it is NaN: a model that has
            diverged has such outputs, and `torch.nn.BCELoss`, say, does not take them.
        autocast: The type of the device where forward passes are computed in bfloat16 as far as
            `torch.autocast` does; None for the precision of the model.
        own_score: What stands for the loss and for what is scored, if there is no data.
    """

    criterion: Criterion | None
    step: OwnStep | None = None
    predict: Callable[[torch.nn.Module, Any], Any] | None = None
    is_guarded: bool = False
    autocast: str | None = None
    own_score: OwnScore | None = None

    @property
    def is_own(self) -> bool:
        """Whether the problem has a step of its own."""
        return self.step is not None

    @property
    def parts(self) -> list[tuple[str, Any]]:
        """What of the problem runs in a step besides the model, by the problem's names."""
        parts = {'criterion': self.criterion, 'step': self.step, 'predict': self.predict}
        return [(name, part) for name, part in parts.items() if part is not None]

    @property
    def modules(self) -> list[torch.nn.Module]:
        """The criterion, if it is a module and computes the loss."""
        return [self.criterion] if isinstance(self.criterion, torch.nn.Module) and not self.is_own else []

    def loss(self, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        """Returns a batch's loss, a scalar."""
        return self.forward(model, batch)[0]

    def forward(self, model: torch.nn.Module, batch: Batch) -> tuple[torch.Tensor, Outputs]:
        """Returns a batch's loss, and what gives the outputs and targets to score.

        These cost another forward pass if the problem has a step or a `predict` of its own.
        """
        if self._step is not None:
            with self.in_precision():
                loss = self._step(model, batch)
            return self._full(loss), lambda: self.outputs(model, batch)
        assert self._criterion is not None
        inputs, targets = pair_of(batch)
        with self.in_precision():
            output = model(inputs)
            loss = self._full(self._criterion(output, targets))
        if self.predict is not None:
            return loss, lambda: self.outputs(model, batch)
        return loss, lambda: (self._full(output), targets)

    def outputs(self, model: torch.nn.Module, batch: Batch) -> tuple[Any, Any]:
        """Returns what is scored of a batch: outputs and targets."""
        with torch.no_grad(), self.in_precision():
            if self.predict is None:
                inputs, targets = pair_of(batch)
                return self._full(model(inputs)), targets
            predicted = self._full(self.predict(model, batch))
        if isinstance(predicted, tuple) and len(predicted) == 2:
            return predicted
        return predicted, pair_of(batch)[1]

    def run(self, model: torch.nn.Module, batch: Batch) -> object:
        """Has the model process a batch, without a loss if that can be."""
        with self.in_precision():
            if self.predict is not None:
                return self.predict(model, batch)
            return model(pair_of(batch)[0]) if self.step is None else self.step(model, batch)

    def in_precision(self) -> AbstractContextManager[Any]:
        """Within it, a forward pass is computed in the problem's precision."""
        return nullcontext() if self.autocast is None else torch.autocast(self.autocast, torch.bfloat16)

    def _full(self, tree: Any) -> Any:
        """Losses and outputs, as float32 where they are bfloat16, which NumPy does not have."""
        return tree if self.autocast is None else _without_bfloat16(tree)

    def guarded(self) -> Objective:
        """Returns the same, guarded."""
        return replace(self, is_guarded=True)

    @cached_property
    def _step(self) -> OwnStep | None:
        return self.step if self.step is None or not self.is_guarded else _guarded_step(self.step)

    @cached_property
    def _criterion(self) -> Criterion | None:
        return self.criterion if self.criterion is None or not self.is_guarded else _guarded(self.criterion)


FORWARD_ONLY = Objective(None)
"""Of a batch's inputs, only what the model makes of them."""


def _without_bfloat16(tree: Any) -> Any:
    if isinstance(tree, torch.Tensor):
        return tree.float() if tree.dtype == torch.bfloat16 else tree
    if type(tree) in (tuple, list):
        return type(tree)(map(_without_bfloat16, tree))
    if type(tree) is dict:
        return {key: _without_bfloat16(value) for key, value in tree.items()}
    return tree


def _guarded(criterion: Criterion) -> Criterion:
    """Returns a criterion that gives NaN where the given one raises because outputs are not finite."""

    def call(output: Any, target: torch.Tensor) -> torch.Tensor:
        try:
            return criterion(output, target)
        except Exception:
            tensors = [tensor for tensor in leaves(output) if tensor.is_floating_point()]
            if all(torch.isfinite(tensor).all() for tensor in tensors):
                raise
            return sum(tensor.sum() for tensor in tensors) * torch.nan  # type: ignore[return-value]

    return call


def _guarded_step(step: OwnStep) -> OwnStep:
    def call(model: torch.nn.Module, batch: Any) -> torch.Tensor:
        try:
            return step(model, batch)
        except Exception:
            if not _has_diverged(model, lambda: step(model, batch)):
                raise
            return sum(parameter.sum() for parameter in model.parameters()) * torch.nan  # type: ignore[return-value]

    return call


def _has_diverged(model: torch.nn.Module, repeat: Callable[[], object]) -> bool:
    """Whether parameters, or what a module gives when a step is repeated, are not finite."""
    if not has_finite_parameters(model):
        return True
    infinite = []

    def look(module: torch.nn.Module, _: Any, output: Any) -> None:
        if isinstance(output, torch.Tensor) and not torch.isfinite(output).all():
            infinite.append(module)

    handles = [module.register_forward_hook(look) for module in model.modules()]
    try:
        with undisturbed(), suppress(Exception):
            repeat()
    finally:
        for handle in handles:
            handle.remove()
    return bool(infinite)
