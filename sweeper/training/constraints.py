"""Whether a point's model keeps within limits, found out by building it and without training it.

What is counted is counted on torch's `meta` device, where tensors have shapes and no values: that takes
milliseconds and no memory, whatever the size. A model that cannot be built or called there is counted as it
is, with the same result.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.nn.parameter import is_lazy

from ..errors import ProblemError
from ..points import Point
from ..space.constraints import Limits
from .cost import model_cost
from .data import Batch, Split, map_tensors
from .objective import Objective, tensors_of
from .workspace import Workspace

_META = torch.device('meta')
_SAMPLES = 2  # that memory is counted on: batch normalisation takes no single one in training
_WARM_UP, _RUNS = 3, 20


class _Unknown(Exception):
    """Something that there is a limit of cannot be told; says why."""


@dataclass(frozen=True)
class _MetaSplit:
    """A split whose batches are on the `meta` device."""

    split: Split

    def __getattr__(self, name: str) -> Any:
        return getattr(self.split, name)

    def __len__(self) -> int:
        return len(self.split)

    def batch(self, indices: torch.Tensor) -> Batch:
        """As `Split.batch`."""
        return map_tensors(self.split.batch(indices), lambda tensor: tensor.to(_META))


def violation(workspace: Workspace, point: Point, seed: int, limits: Limits) -> str | None:
    """Says why a point's model is not to be trained: it exceeds a limit, or the problem's own constraint.

    Args:
        workspace: Where. The model is thrown away.
        point: The architecture; its declared values are in force.
        seed: Seeds the model's weights, where it has some.
        limits: What there is a limit of. What cannot be told exceeds its limit.

    Returns:
        The reason; None if it may be trained.

    Raises:
        ProblemError: The problem's `constraint` raises, or returns something else than it must.
        Exception: The model cannot be built.
    """
    reason = _counted_violation(workspace, point, seed, replace(limits, latency=None))
    if reason is None and limits.latency is not None:
        return _too_slow(workspace, *workspace.fresh_model(point, seed), limits.latency)
    return reason


def _counted_violation(workspace: Workspace, point: Point, seed: int, limits: Limits) -> str | None:
    with suppress(Exception):  # values are looked at, say
        with torch.device(_META):
            model, objective = replace(workspace, device=_META).fresh_model(point, seed)
        return _violation(workspace, model, objective, _MetaSplit(workspace.splits.train), limits)
    model, objective = workspace.fresh_model(point, seed)
    try:
        return _violation(workspace, model, objective, workspace.splits.train, limits)
    except _Unknown as unknown:
        return str(unknown)


def _violation(
    workspace: Workspace, model: torch.nn.Module, objective: Objective, split: Split, limits: Limits
) -> str | None:
    if any(is_lazy(parameter) for parameter in model.parameters()):
        with torch.no_grad():
            objective.run(model, split.batch(torch.zeros(_SAMPLES, dtype=torch.long)))
    measures: dict[str, float] = {}
    if limits.parameters is not None:
        measures['parameters'] = sum(parameter.numel() for parameter in model.parameters())
    if (reason := _own_violation(workspace, model)) is not None:
        return reason
    if limits.memory is not None:
        measures['memory'] = _memory(model, objective, split)
    if limits.flops is not None:
        cost = model_cost(model, split, objective)
        if cost.flops is None:
            raise _Unknown(f'its FLOPs cannot be told: {cost.reason}')
        measures['flops'] = cost.flops
    return limits.violation(measures)


def _own_violation(workspace: Workspace, model: torch.nn.Module) -> str | None:
    """What the problem's own `constraint` says."""
    constraint, name = workspace.problem.constraint, workspace.problem.name
    if constraint is None:
        return None
    try:
        answer = constraint(model)
    except Exception as error:
        raise ProblemError(f'constraint(model) of {name!r} raised {type(error).__name__}: {error}') from error
    if isinstance(answer, str) and answer:
        return answer
    if not isinstance(answer, bool):
        raise ProblemError(
            f'constraint(model) of {name!r} returned {answer!r}: it must return True for a model to be '
            f'trained, and False or the reason, a text, for another'
        )
    return None if answer else 'constraint(model) returned False'


def _memory(model: torch.nn.Module, objective: Objective, split: Split) -> int:
    """Bytes of weights, gradients and buffers, and per sample of what is kept for the backward pass."""
    own = {_storage(tensor): tensor.untyped_storage().nbytes() for tensor in tensors_of(model)}
    gradients = sum(_bytes(tensor) for tensor in model.parameters() if tensor.requires_grad)
    kept: dict[int, int] = {}
    alive: list[Any] = []  # so that no storage takes the place of another

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        alive.append(tensor)
        if _storage(tensor) not in own:
            kept[_storage(tensor)] = tensor.untyped_storage().nbytes()
        return tensor

    batch = split.batch(torch.zeros(_SAMPLES, dtype=torch.long))
    model.train()
    try:
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            alive.append(objective.loss(model, batch))
    except Exception as error:
        raise _Unknown(
            f'its memory cannot be told: a forward pass on two samples raised {type(error).__name__}'
        ) from error
    return sum(own.values()) + gradients + -(-sum(kept.values()) // _SAMPLES)


def _storage(tensor: torch.Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _bytes(tensor: torch.Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _too_slow(workspace: Workspace, model: torch.nn.Module, objective: Objective, limit: float) -> str | None:
    """Whether the fastest of some forward passes of one sample takes longer than it may."""
    batch = workspace.splits.train.batch(torch.zeros(1, dtype=torch.long))
    model.eval()
    seconds = []
    try:
        with torch.no_grad():
            for _ in range(_WARM_UP + _RUNS):
                start = time.perf_counter()
                objective.run(model, batch)
                if workspace.device.type == 'cuda':
                    torch.cuda.synchronize(workspace.device)
                seconds.append(time.perf_counter() - start)
    except Exception as error:
        return f'its latency cannot be told: a forward pass on one sample raised {type(error).__name__}'
    return Limits(latency=limit).violation({'latency': min(seconds[_WARM_UP:])})
