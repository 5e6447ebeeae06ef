"""What the layers of a model make of some samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import torch

from ..seeding import random_states_kept
from .data import leaves

MOST_VALUES = 8192
"""Of a layer that gives more per sample, neighbouring values are averaged."""

Looked = TypeVar('Looked')


@dataclass(frozen=True)
class LayerLook(Generic[Looked]):
    """What was seen of one layer.

    Attributes:
        name: As in `model.named_modules()`; `''` is the model itself.
        kind: The name of its class.
        calls: How often one forward pass calls it.
        shape: Of what it gives for a sample; None if nothing was seen.
        seen: What was made of it; None if nothing was seen.
        reason: Why nothing was seen; None if something was.
    """

    name: str
    kind: str
    calls: int
    shape: tuple[int, ...] | None
    seen: Looked | None
    reason: str | None


def look_into(
    model: torch.nn.Module, inputs: Any, look: Callable[[np.ndarray], Looked]
) -> list[LayerLook[Looked]]:
    """Looks at what the layers of a model give for some samples, in evaluation mode.

    A layer is a module that is called and calls no other. Of one that is called several times in a forward
    pass, what it gives at the last time counts; of what it gives, the first tensor (an LSTM's sequence of
    outputs). Nothing but what `look` returns is kept, so that a large model does not fill the memory.

    Args:
        model: Left in evaluation mode, without the hooks that this takes. Random states are kept.
        inputs: As the model takes them, the sample first.
        look: Called with an array of shape `(samples, values)`.

    Returns:
        The layers, in the order in which they are first called.
    """
    samples = len(next(leaves(inputs)))
    model.eval()
    with torch.no_grad(), random_states_kept():
        calls = _calls(model, inputs)
        return _looks(model, inputs, calls, lambda output: _values(output, samples), look)


def _calls(model: torch.nn.Module, inputs: Any) -> dict[torch.nn.Module, int]:
    """How often each of the layers is called, in the order of their first calls."""
    calls: dict[torch.nn.Module, int] = {}
    within: list[torch.nn.Module] = []
    outer: set[torch.nn.Module] = set()

    def enter(module: torch.nn.Module, _: Any) -> None:
        outer.update(within)
        within.append(module)
        calls[module] = calls.get(module, 0) + 1

    def leave(*_: Any) -> None:
        within.pop()

    with (
        _hooked(model, lambda module: module.register_forward_pre_hook(enter)),
        _hooked(model, lambda module: module.register_forward_hook(leave)),
    ):
        model(inputs)
    return {module: count for module, count in calls.items() if module not in outer}


def _looks(
    model: torch.nn.Module,
    inputs: Any,
    calls: Mapping[torch.nn.Module, int],
    values_of: Callable[[Any], tuple[np.ndarray, tuple[int, ...]]],
    look: Callable[[np.ndarray], Looked],
) -> list[LayerLook[Looked]]:
    left = dict(calls)
    looks: dict[torch.nn.Module, LayerLook[Looked]] = {}
    names = {module: name for name, module in model.named_modules()}

    def take(module: torch.nn.Module, _: Any, output: Any) -> None:
        if module not in calls:
            return
        left[module] -= 1
        if left[module]:
            return
        layer = names[module], type(module).__name__, calls[module]
        try:
            values, shape = values_of(output)
            looks[module] = LayerLook(*layer, shape, look(values), None)
        except _NotSeen as reason:
            looks[module] = LayerLook(*layer, None, None, str(reason))
        except (RuntimeError, TypeError, ValueError, NotImplementedError) as error:  # a nested tensor, say
            looks[module] = LayerLook(*layer, None, None, f'{type(error).__name__} in reading its output')

    with _hooked(model, lambda module: module.register_forward_hook(take)):
        model(inputs)
    return [looks[module] for module in calls if module in looks]


@contextmanager
def _hooked(model: torch.nn.Module, hook: Callable[[torch.nn.Module], Any]) -> Iterator[None]:
    handles = [hook(module) for module in model.modules()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class _NotSeen(Exception):
    """What a layer gives is nothing to look at; says why."""


def _values(output: Any, samples: int) -> tuple[np.ndarray, tuple[int, ...]]:
    """Returns what a layer gives, as an array of shape `(samples, values)`, and its shape for one sample.

    Raises:
        _NotSeen: Where the samples are in it cannot be told.
    """
    tensor = _first_tensor(output)
    if tensor is None:
        raise _NotSeen(f'it returns no tensor but {type(output).__name__}')
    axis = next((axis for axis, size in enumerate(tensor.shape) if size == samples), None)
    if axis is None:
        raise _NotSeen(f'its output, of shape {tuple(tensor.shape)}, is not separate for each sample')
    tensor = tensor.detach().movedim(axis, 0)
    shape = tuple(tensor.shape[1:])
    return rows_of(torch.view_as_real(tensor) if tensor.is_complex() else tensor), shape


def rows_of(tensor: torch.Tensor) -> np.ndarray:
    """Returns a row of numbers per sample, shape `(samples, values)`; at most `MOST_VALUES` of them."""
    rows = tensor.flatten(1) if tensor.ndim > 1 else tensor[:, None]
    rows = rows if rows.dtype == torch.float64 else rows.float()
    if rows.shape[1] > MOST_VALUES:
        rows = torch.nn.functional.adaptive_avg_pool1d(rows, MOST_VALUES)
    return rows.double().cpu().numpy()


def _first_tensor(output: Any) -> torch.Tensor | None:
    if isinstance(output, torch.Tensor):
        return output
    parts = output.values() if isinstance(output, Mapping) else output
    if not isinstance(output, Mapping | tuple | list):
        return None
    return next((tensor for part in parts if (tensor := _first_tensor(part)) is not None), None)
