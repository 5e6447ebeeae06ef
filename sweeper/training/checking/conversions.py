"""What inputs, outputs or targets may be converted to, and how that is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch

from ..data import map_tensors
from ..described import shape_of

Conversion = Callable[[torch.Tensor], torch.Tensor]

_SHAPES: list[tuple[int, str, Conversion]] = [
    (4, '.permute(0, 3, 1, 2)', lambda t: t.permute(0, 3, 1, 2)),
    (3, '.unsqueeze(1)', lambda t: t.unsqueeze(1)),
    (3, '.transpose(1, 2)', lambda t: t.transpose(1, 2)),
    (2, '.unsqueeze(-1)', lambda t: t.unsqueeze(-1)),
    (2, '.unsqueeze(1)', lambda t: t.unsqueeze(1)),
    (1, '.unsqueeze(-1)', lambda t: t.unsqueeze(-1)),
]


def other_inputs(inputs: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
    """Inputs of another data type or shape, as a model may take them, and how that is written."""
    if inputs.is_floating_point() and torch.equal(inputs, inputs.round()):
        yield '.long()', inputs.long()
    for dimensions, wording, convert in _SHAPES:
        if inputs.ndim == dimensions:
            yield wording, convert(inputs)
    if inputs.ndim > 2:
        yield '.flatten(1)', inputs.flatten(1)


def other_batches(batch: Any, expected: torch.dtype) -> Iterator[tuple[str, Any]]:
    """A batch with tensors of other data types, as a step may take it, and what was converted to what."""
    kinds = {tensor.dtype for tensor in _tensors(batch)}
    floats = sorted(str(k) for k in kinds if k.is_floating_point and k != expected)
    wholes = sorted(
        str(k) for k in kinds if not k.is_floating_point and not k.is_complex and k != torch.int64
    )

    def convert_floats(tensor: torch.Tensor) -> torch.Tensor:
        return tensor.to(expected) if tensor.is_floating_point() else tensor

    def convert_wholes(kind: torch.dtype) -> Conversion:
        return lambda tensor: tensor if tensor.is_floating_point() or tensor.is_complex() else tensor.to(kind)

    if floats:
        yield f'{", ".join(floats)} converted to {expected}', map_tensors(batch, convert_floats)
    if wholes:
        yield f'{", ".join(wholes)} converted to torch.int64', map_tensors(batch, convert_wholes(torch.int64))
    if floats and wholes:
        both = map_tensors(map_tensors(batch, convert_floats), convert_wholes(torch.int64))
        yield f'{", ".join(floats)} converted to {expected}, and {", ".join(wholes)} to torch.int64', both
    if torch.int64 in kinds or wholes:
        yield f'whole numbers converted to {expected}', map_tensors(batch, convert_wholes(expected))


def other_outputs(output: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
    """Outputs as a criterion may take them, and what is to be written for that."""
    if output.ndim > 2:
        yield 'return output.movedim(-1, 1) from the model', output.movedim(-1, 1)
    if output.is_floating_point():
        yield 'return output.sigmoid() from the model, or use a criterion on logits', output.sigmoid()


def other_targets(targets: torch.Tensor, output: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """Targets as a criterion may take them with these outputs, and how that is written."""
    kinds: list[tuple[str, Conversion]] = [
        ('', lambda t: t),
        ('.long()', lambda t: t.long()),
        ('.float()', lambda t: t.float()),
    ]
    same = isinstance(output, torch.Tensor) and output.numel() == targets.numel()
    for wording, convert in kinds:
        converted = convert(targets)
        if converted.dtype != targets.dtype:
            yield f'targets{wording}', converted
        if same and output.shape != converted.shape:
            yield f'targets{wording}.reshape{shape_of(output, batch="-1")}', converted.reshape(output.shape)
        if converted.ndim > 1 and 1 in converted.shape[1:]:
            yield f'targets{wording} without the dimension of size 1', _squeezed(converted)


def _tensors(tree: Any) -> list[torch.Tensor]:
    tensors: list[torch.Tensor] = []
    map_tensors(tree, tensors.append)
    return tensors


def _squeezed(targets: torch.Tensor) -> torch.Tensor:
    return targets.reshape(len(targets), *(size for size in targets.shape[1:] if size != 1))
