"""The moving average of a model's weights, which is evaluated in its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.parameter import is_lazy
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from .checkpoints.plain import NotKeepable, copy_all
from .objective import tensors_of
from .transfer import runs_ahead

REASON = 'the average of its weights (ema) is taken at every step'

Pairs = list[tuple[torch.Tensor, torch.Tensor]]


class Averaging(NamedTuple):
    """What taking the average does at every step, tensor by tensor.

    Attributes:
        averaged: Tensors of the average, each with the model's: copied at first, then moved towards it.
        copied: Those that are copied in every step.
        weight: How far they are moved.
        steps: How many there were.
    """

    averaged: Pairs
    copied: Pairs
    weight: float
    steps: torch.Tensor


class WeightAverage:
    """An exponential moving average of a model's parameters, by `torch.optim.swa_utils`.

    It begins with the parameters after the first step. The running statistics of normalisation layers belong
    to the activations that the parameters give, and are averaged like them; other buffers are the model's.

    Args:
        model: The model that is trained. What it is like when this is made is copied; a model with lazy
            modules is copied after its first step.
        decay: The weight of the average before each step, in (0, 1).
    """

    def __init__(self, model: torch.nn.Module, decay: float) -> None:
        self._model, self._decay = model, decay
        self._average = None if any(map(is_lazy, model.parameters())) else self._copied()

    @property
    def model(self) -> torch.nn.Module:
        """The average, a model like the one that is trained."""
        return self._model if self._average is None else self._average.module

    def _copied(self) -> AveragedModel:
        try:
            average = get_ema_multi_avg_fn(self._decay)  # type: ignore[no-untyped-call]
            return AveragedModel(self._model, multi_avg_fn=average)
        except Exception as error:
            error.add_note('ema needs a copy of the model, by copy.deepcopy')
            raise

    def averaging(self) -> Averaging | None:
        """Returns what `update` does, or None if that is not known."""
        if self._average is None:
            return None
        own = self._average.module
        statistics = {id(buffer) for buffer in _running_statistics(own)}
        pairs = list(zip(tensors_of(own), tensors_of(self._model), strict=True))
        parameters = {id(parameter) for parameter in own.parameters()}
        averaged = [pair for pair in pairs if id(pair[0]) in parameters | statistics]
        if not all(tensor.is_floating_point() for tensor, _ in averaged):
            return None
        copied = [pair for pair in pairs if id(pair[0]) not in parameters | statistics]
        return Averaging(averaged, copied, 1 - self._decay, self._average.n_averaged)

    @property
    def tensors(self) -> list[torch.Tensor]:
        """All that changes of it."""
        return [] if self._average is None else [*tensors_of(self._average.module), self._average.n_averaged]

    def state(self) -> dict[str, Any]:
        """Returns what there is of it: the number of steps, and all tensors."""
        if self._average is None:
            raise NotKeepable('there is no average yet')
        return {'count': self._average.n_averaged, 'tensors': tensors_of(self._average.module)}

    @torch.no_grad()
    def restore(self, state: Mapping[str, Any]) -> None:
        """Puts back what `state` returned."""
        assert self._average is not None
        copy_all(state['tensors'], tensors_of(self._average.module))
        self._average.n_averaged.copy_(state['count'])

    @torch.no_grad()
    def update(self) -> None:
        """Takes in the model's present weights."""
        if self._average is None:
            self._average = self._copied()
        if (averaging := self._on_device) is not None:
            self._update_on_device(averaging)
            return
        is_first = not self._average.n_averaged
        statistics = _running_statistics(self._average.module)
        before = [buffer.clone() for buffer in statistics]
        self._average.update_parameters(self._model)  # copies buffers
        if not is_first:
            for buffer, old in zip(statistics, before, strict=True):
                buffer.copy_(old.lerp(buffer, 1 - self._decay))

    @property
    def _on_device(self) -> Averaging | None:
        """What to do on a device that runs ahead of Python: torch's own way waits for it at each step."""
        is_ahead = any(runs_ahead(parameter.device) for parameter in self._model.parameters())
        return self.averaging() if is_ahead else None

    def _update_on_device(self, averaging: Averaging) -> None:
        """Does the same arithmetic as `update` does by torch."""
        own, tensors = ([pair[k] for pair in averaging.averaged] for k in (0, 1))
        if averaging.steps:  # which is a number of the CPU's
            torch._foreach_lerp_(own, tensors, averaging.weight)
        else:
            torch._foreach_copy_(own, tensors)
        for buffer, tensor in averaging.copied:
            buffer.copy_(tensor)
        averaging.steps.add_(1)


def _running_statistics(model: torch.nn.Module) -> list[torch.Tensor]:
    layers = [module for module in model.modules() if isinstance(module, _NormBase)]
    return [
        buffer for layer in layers for buffer in (layer.running_mean, layer.running_var) if buffer is not None
    ]
