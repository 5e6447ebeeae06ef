"""How optimizers update parameters on a device, many at once, their numbers being on the device, too.

The arithmetic is that of `torch.optim` up to rounding: what changes from step to step, the learning rate and
what follows from the number of the step, is read from memory, since a graph repeats other numbers as they
were.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import torch

Tensors: TypeAlias = list[torch.Tensor]

Number: TypeAlias = Callable[[float, int], float]
"""Called with the learning rate and the number of steps before this one; returns a number of this step."""


class DeviceUpdate(Protocol):
    """The update of all parameters of one group; equal ones are of one group."""

    @property
    def numbers(self) -> Sequence[Number]:
        """The numbers that it takes."""
        ...

    def apply(self, parameters: Tensors, gradients: Tensors, states: Sequence[Tensors], n: Tensors) -> None:
        """Updates parameters in place.

        Args:
            parameters: All of one type.
            gradients: Theirs; not written to.
            states: By name of the optimizer's state, that of each parameter, 0 at first.
            n: What `numbers` come to, as scalar tensors.
        """
        ...


@dataclass(frozen=True)
class SGDOnDevice:
    """As `torch.optim.SGD`; `ratio` is the group's factor of the learning rate."""

    ratio: float = 1.0
    momentum: float = 0.0
    dampening: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    @property
    def numbers(self) -> Sequence[Number]:
        return (
            lambda lr, _: lr * self.ratio,
            lambda _, step: 1 - self.dampening if step else 1.0,  # the first gradient is taken as it is
        )

    def apply(self, parameters: Tensors, gradients: Tensors, states: Sequence[Tensors], n: Tensors) -> None:
        lr, share = n
        step = gradients
        if self.weight_decay:
            step = [*torch._foreach_add(step, parameters, alpha=self.weight_decay)]
        if self.momentum:
            (momenta,) = states
            torch._foreach_mul_(momenta, self.momentum)
            taken = [*torch._foreach_mul(step, share)] if self.dampening else step
            torch._foreach_add_(momenta, taken)
            ahead = torch._foreach_add(step, momenta, alpha=self.momentum) if self.nesterov else momenta
            step = [*ahead]
        torch._foreach_sub_(parameters, torch._foreach_mul(step, lr))


@dataclass(frozen=True)
class AdamOnDevice:
    """As `torch.optim.Adam`, and `AdamW` if decoupled; `ratio` is the group's factor of the learning rate."""

    ratio: float
    beta1: float
    beta2: float
    eps: float
    weight_decay: float
    is_decoupled: bool

    @property
    def numbers(self) -> Sequence[Number]:
        return (
            lambda lr, _: 1 - lr * self.ratio * self.weight_decay,
            lambda _, step: (1 - self.beta2 ** (step + 1)) ** -0.5,
            lambda lr, step: lr * self.ratio / (1 - self.beta1 ** (step + 1)),
        )

    def apply(self, parameters: Tensors, gradients: Tensors, states: Sequence[Tensors], n: Tensors) -> None:
        (first, second), (kept, correction, size) = states, n
        if self.weight_decay and self.is_decoupled:
            torch._foreach_mul_(parameters, kept)
        elif self.weight_decay:
            gradients = [*torch._foreach_add(gradients, parameters, alpha=self.weight_decay)]
        torch._foreach_lerp_(first, gradients, 1 - self.beta1)
        torch._foreach_mul_(second, self.beta2)
        torch._foreach_addcmul_(second, gradients, gradients, value=1 - self.beta2)
        scale = torch._foreach_sqrt(second)
        torch._foreach_mul_(scale, correction)
        torch._foreach_add_(scale, self.eps)
        step = torch._foreach_div(first, scale)
        torch._foreach_mul_(step, size)
        torch._foreach_sub_(parameters, step)


def clipped(gradients: Tensors, most: float, in_lanes: bool) -> Tensors:
    """Returns gradients as `torch.nn.utils.clip_grad_norm_` makes them; each lane's by themselves.

    Args:
        gradients: Not written to.
        most: The largest norm of all of them.
        in_lanes: Their first dimension is the lane.
    """
    if not gradients:
        return gradients
    if not in_lanes:
        total = torch.linalg.vector_norm(torch.stack([*torch._foreach_norm(gradients)]))
        return [*torch._foreach_mul(gradients, torch.clamp(most / (total + 1e-6), max=1.0))]
    norms = [torch.linalg.vector_norm(gradient.flatten(1), dim=1) for gradient in gradients]
    total = torch.linalg.vector_norm(torch.stack(norms), dim=0)
    factor = torch.clamp(most / (total + 1e-6), max=1.0)
    return [gradient * factor.reshape([-1] + [1] * (gradient.ndim - 1)) for gradient in gradients]
