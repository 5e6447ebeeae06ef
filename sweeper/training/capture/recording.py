"""Records what a training step asks torch to compute, as a list of operator calls.

A step is run once, as it is, while every operator that it calls, the backward pass included, is written
down. What remains is the same computation without the Python that asked for it (see `script`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ...seeding import states_of_other_generators
from ..accumulation import forward_in_parts
from ..data import Batch, leaves
from ..dispatch import OperatorMode
from ..objective import Objective, tensors_of
from ..objects.state import MOST_ENTRIES, PythonState, TooManyObjects, described
from ..scoring.scorer import Scorer

_DEPENDS_ON_VALUES = (torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape)
_MASKS = (torch.bool, torch.uint8)


OUT_OF_MEMORY: type[Exception] = getattr(torch, 'OutOfMemoryError', torch.cuda.OutOfMemoryError)
"""A device has too little memory left. That is no reason to take steps in another way: it depends on what
else is on the device, which the kind of steps, and so results, must not depend on."""


class NotCapturable(Exception):
    """A step cannot be captured; says why, as a clause that continues 'eager, because …'."""


class CannotRehearse(NotCapturable):
    """Nor may it be tried, since what the step may change could not be put back."""


@dataclass(frozen=True, eq=False)
class Call:
    """An operator call: what was called with what, and the tensors (or tuple or list of them) it gave."""

    op: torch._ops.OpOverload
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    output: Any

    @property
    def inputs(self) -> list[torch.Tensor]:
        """The tensors that it takes."""
        return tensors_in([*self.args, *self.kwargs.values()])

    @property
    def has_effect(self) -> bool:
        """Whether it does more than compute its output: writes to a tensor, or draws random numbers."""
        return bool(self.op._schema.is_mutable) or torch.Tag.nondeterministic_seeded in self.op.tags


@dataclass(frozen=True, eq=False)
class Recording:
    """A step at one batch size: forward and backward pass, not the update.

    Attributes:
        calls: The operators that were called, in order.
        batch: The tensors of the batch.
        parameters: The trainable parameters that the loss depends on, the criterion's too.
        gradients: Theirs, in the same order.
        loss: The loss, a scalar.
        perf: The batch's performance, a scalar.
    """

    calls: list[Call]
    batch: list[torch.Tensor]
    parameters: list[torch.Tensor]
    gradients: list[torch.Tensor]
    loss: torch.Tensor
    perf: torch.Tensor


class _Recorder(OperatorMode):  # type: ignore[no-untyped-call]
    """Writes down operators as they reach the backend, below autograd."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        _check(func, args)
        output = func(*args, **kwargs)
        if func is torch.ops.aten.lift_fresh.default:
            args = (args[0].clone(),)  # the output is the same tensor, and may be written to
        self.calls.append(Call(func, args, kwargs, output))
        return output


def _check(op: torch._ops.OpOverload, args: Sequence[Any]) -> None:
    """Raises `NotCapturable` for operators whose result Python, or the shape of a tensor, may depend on."""
    if any(tag in op.tags for tag in _DEPENDS_ON_VALUES):
        by_index = op.overloadpacket is torch.ops.aten.index
        if by_index and not any(index is not None and index.dtype in _MASKS for index in args[1]):
            return
        raise NotCapturable(f'what it computes depends on the values of tensors ({op})')


def record(
    model: torch.nn.Module,
    objective: Objective,
    score: Scorer | None,
    batch: Batch,
    python: PythonState,
    parts: int = 1,
) -> Recording:
    """Records one training step on a batch. Changes the model's buffers and the random state as it would.

    Args:
        model: The model that is trained.
        objective: What is minimised.
        score: Measures the performance; None: that is left out, and the loss stands for it.
        batch: The batch, as the step takes it.
        python: The Python state of both, as it is.
        parts: In how many parts the batch is processed.

    Raises:
        NotCapturable: The step does something that a recording would leave out.
    """
    modules = [model, *objective.modules]
    trainable = [*dict.fromkeys(p for module in modules for p in module.parameters() if p.requires_grad)]

    def step() -> tuple[Any, ...]:
        loss, outputs = objective.forward(model, batch)
        gradients = torch.autograd.grad(loss, trainable, allow_unused=True)
        with torch.no_grad():
            perf = loss if score is None else score.performance(outputs, loss.detach())
            return gradients, loss, perf

    def step_in_parts() -> tuple[Any, ...]:
        measured = []
        total: list[torch.Tensor | None] = [None] * len(trainable)
        for loss, outputs, share in forward_in_parts(objective, model, batch, parts):
            gradients = torch.autograd.grad(loss, trainable, allow_unused=True)
            with torch.no_grad():
                total = [_sum(before, gradient) for before, gradient in zip(total, gradients, strict=True)]
                loss = loss.detach()
                perf = loss if score is None else score.performance(outputs, loss / share) * share
                measured.append((loss, perf))
        return total, *(torch.stack(values).sum(0) for values in zip(*measured, strict=True))

    in_parts = step_in_parts if parts > 1 else step
    calls, (gradients, loss, perf) = recorded(in_parts, modules, python)
    used = [(p, g) for p, g in zip(trainable, gradients, strict=True) if g is not None]
    if any(gradient.layout != torch.strided for _, gradient in used):
        raise NotCapturable('it has sparse gradients')
    parameters, gradients = ([pair[k] for pair in used] for k in (0, 1))
    return Recording(calls, list(leaves(batch)), parameters, gradients, loss, perf)


def _sum(total: torch.Tensor | None, gradient: torch.Tensor | None) -> torch.Tensor | None:
    """What gradients of parts add up to; None if the loss does not depend on the parameter."""
    if total is None or gradient is None:
        return gradient if total is None else total
    return total + gradient


def recorded(
    step: Callable[[], tuple[Any, ...]], modules: Sequence[torch.nn.Module], python: PythonState
) -> tuple[list[Call], tuple[Any, ...]]:
    """Runs a function and records the operators that it calls.

    Args:
        step: Returns tensors, or sequences of them.
        modules: The model and the criterion that the step runs.
        python: Their Python state, as it is.

    Returns:
        The calls, and what the function returned.

    Raises:
        NotCapturable: It does something that a recording would leave out, or raises an error.
    """
    _check_no_hooks([part for module in modules for part in module.modules()])
    random_states = states_of_other_generators()
    try:
        with _Recorder() as recorder:
            returned = step()
    except (NotCapturable, OUT_OF_MEMORY):
        raise
    except Exception as error:
        raise NotCapturable(f'recording it raised {type(error).__name__}: {error}') from error
    if states_of_other_generators() != random_states:
        raise NotCapturable('it draws random numbers from numpy or `random`')
    check_unchanged(python, caches_too=False)  # what is filled once makes no difference
    calls, resolve = _without_aliases(recorder.calls)
    return calls, resolve(returned)


def _without_aliases(calls: Sequence[Call]) -> tuple[list[Call], Callable[[Any], Any]]:
    """Leaves out calls that only give a tensor another name, or bring back a view that there was before.

    Returns:
        The other calls, and a function that finds which tensor now stands for a given one.
    """
    views: dict[Any, torch.Tensor] = {}
    stand_ins: dict[int, torch.Tensor] = {}
    known: dict[int, Any] = {}  # the calls keep all tensors, so no two have the same id

    def view(tensor: torch.Tensor) -> Any:
        if (view := known.get(id(tensor))) is None:
            view = known[id(tensor)] = _view(tensor)
        return view

    def resolve(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return stand_ins.get(id(value), value)
        if isinstance(value, tuple | list):
            return type(value)(resolve(item) for item in value)
        return value

    kept = []
    for call in calls:
        for tensor in tensors_in([call.args, [*call.kwargs.values()]]):
            views.setdefault(view(tensor), tensor)
        before = views.get(view(call.output)) if isinstance(call.output, torch.Tensor) else None
        if before is not None and not call.has_effect:
            stand_ins[id(call.output)] = before
            continue
        args, kwargs = resolve(call.args), {name: resolve(value) for name, value in call.kwargs.items()}
        kept.append(Call(call.op, args, kwargs, call.output))
        for tensor in tensors_in(call.output):
            views.setdefault(view(tensor), tensor)
            stand_ins.setdefault(id(tensor), views[view(tensor)])
    return kept, resolve


def _view(tensor: torch.Tensor) -> Any:
    """Equal for tensors that show the same memory in the same way."""
    if tensor.layout != torch.strided:
        return id(tensor)
    return (
        tensor.untyped_storage().data_ptr(),
        tensor.storage_offset(),
        tensor.shape,
        tensor.stride(),
        tensor.dtype,
    )


def tensors_in(value: Any) -> list[torch.Tensor]:
    """All tensors in an argument or an output, those in lists included."""
    if not isinstance(value, (tuple, list)):
        return [value] if isinstance(value, torch.Tensor) else []
    tensors = []
    for item in value:
        if isinstance(item, torch.Tensor):
            tensors.append(item)
        elif isinstance(item, (tuple, list)):
            tensors += tensors_in(item)
    return tensors


def _check_no_hooks(modules: Sequence[torch.nn.Module]) -> None:
    for module in modules:
        if isinstance(module, torch.jit.ScriptModule):
            raise NotCapturable('a module is TorchScript, whose attributes may change unseen')
        hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks)
        if any(hooks) or module._backward_pre_hooks:
            raise NotCapturable(f'a module has hooks ({type(module).__name__})')


def python_state_of(*trained: tuple[torch.nn.Module, Objective]) -> PythonState:
    """The Python state that a step with these can change.

    Args:
        trained: Models with what is minimised.

    Raises:
        NotCapturable: It is too much to look at.
    """
    modules = [module for model, objective in trained for module in (model, *objective.modules)]
    roots = [root for model, objective in trained for root in (('model', model), *objective.parts)]
    try:
        return PythonState(roots, tensors_of(*modules))
    except TooManyObjects:
        raise NotCapturable(f'its Python refers to more than {MOST_ENTRIES} objects') from None


def up_to_date(state: PythonState, *trained: tuple[torch.nn.Module, Objective]) -> PythonState:
    """The state itself, if nothing has changed since, or the present one."""
    return python_state_of(*trained) if state.has_changed() else state


def check_unchanged(state: PythonState, caches_too: bool = True) -> None:
    """Raises `NotCapturable` if Python state has changed."""
    if changed := state.changes(caches_too):
        raise NotCapturable(f'its Python changes variables or attributes as it runs ({described(changed)})')
