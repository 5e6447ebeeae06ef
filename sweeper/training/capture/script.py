"""Turns a recorded training step into a loop over steps that runs without Python.

The loop is TorchScript source that calls the recorded operators one by one; torch's interpreter runs it
in inference mode, several steps per call. Source is compiled once per text and process: two models of one
architecture give the same text, since whatever tensors a step uses are passed in.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Sequence
from functools import cache, lru_cache, partial
from typing import Any

import torch

from ...amounts import is_real
from ..average import Averaging
from .recording import Call, NotCapturable, Recording, tensors_in
from .updates import UpdateRule

_LOOP = """\
def steps(
    tensors: List[Tensor], states: List[Tensor], data: List[Tensor], order: List[Tensor],
    lrs: List[float], done: int,
) -> Tuple[Tensor, Tensor]:
    losses: List[Tensor] = []
    perfs: List[Tensor] = []
{prologue}
    for i in range(len(order)):
        lr = lrs[i]
        step = done + i
{body}
    return torch.stack(losses), torch.stack(perfs)
"""
_GRADIENTS = """\
def steps(
    tensors: List[Tensor], data: List[Tensor], order: List[Tensor],
) -> Tuple[List[Tensor], Tensor, Tensor]:
{prologue}
{body}
"""

_INDEX, _INDEX_IN_LANES = 'torch.index_select({0}, 0, {1})', 'torch.ops.aten.index({0}, [{1}])'


class Script:
    """A recorded step as source.

    Attributes:
        source: Defines `steps`.
        tensors: What the step uses besides the batch: parameters, buffers, constants, in the source's order.
    """

    def __init__(
        self,
        recording: Recording,
        rules: Sequence[UpdateRule] | None,
        with_perf: bool,
        in_lanes: bool = False,
        clip_norm: float | None = None,
        averaging: Averaging | None = None,
    ) -> None:
        """Writes the source.

        Args:
            recording: The step.
            rules: How each of its parameters is updated; None to return the gradients instead.
            with_perf: Compute the performance of every batch too; else the loss is in its place.
            in_lanes: The batches' indices have two dimensions, and all tensors one more.
            clip_norm: The largest norm of the gradient; gradients that are returned are as they are.
            averaging: What is averaged after the update, if anything is.
        """
        self.tensors: list[torch.Tensor] = []
        self._names: dict[int, str] = {}
        self._numbers = Numbers()
        results = [*recording.gradients, recording.loss, *([recording.perf] if with_perf else [])]
        calls = _needed(recording.calls, results)
        before, calls = _divided(calls)
        once = [self._statement(call) for call in before]
        used = {id(tensor) for call in calls for tensor in call.inputs} | {id(tensor) for tensor in results}
        data = [(tensor, f'data[{k}]') for k, tensor in enumerate(recording.batch) if id(tensor) in used]
        indices = 'order[i]' if rules is not None else 'order[0]'
        taken = _INDEX_IN_LANES if in_lanes else _INDEX
        body = [f'{self._new_name(tensor)} = {taken.format(name, indices)}' for tensor, name in data]
        body += [self._statement(call) for call in calls]
        loss = self._name(recording.loss)
        perf = self._name(recording.perf) if with_perf else loss
        parameters = [self._name(parameter) for parameter in recording.parameters]
        gradients = [self._name(gradient) for gradient in recording.gradients]
        states = 0
        if rules is not None:
            if clip_norm is not None and gradients:
                sizes = [gradient.ndim for gradient in recording.gradients] if in_lanes else []
                body += _clipping(gradients, clip_norm, sizes)
                gradients = [f'g{k}' for k in range(len(gradients))]
            updates = []
            for tensor, name, gradient, rule in zip(
                recording.parameters, parameters, gradients, rules, strict=True
            ):
                names = [f's{states + k}' for k in range(rule.states)]
                states += rule.states
                updates += rule.lines(name, gradient, names, partial(self._numbers.name, like=tensor))
            if averaging is not None:
                updates += self._average(averaging)
            body += [*self._numbers.in_each_step, *updates]
            body += [f'losses.append({loss})', f'perfs.append({perf})']
        else:
            body.append(f'return [{", ".join(gradients)}], {loss}, {perf}')
        prologue = [f'c{k} = tensors[{k}]' for k in range(len(self.tensors))]
        prologue += [f's{k} = states[{k}]' for k in range(states)]
        prologue += [*self._numbers.once, *once]
        self.source = (_LOOP if rules is not None else _GRADIENTS).format(
            prologue=_indented(prologue, 4),
            body=_indented(body, 8 if rules is not None else 4),
        )

    def _average(self, averaging: Averaging) -> list[str]:
        """Lines that do what `WeightAverage.update` does."""
        averaged, copied = (
            [(self._name(own), self._name(tensor)) for own, tensor in pairs]
            for pairs in (averaging.averaged, averaging.copied)
        )
        return [
            'if step == 0:',
            *(f'    {own}.copy_({tensor})' for own, tensor in averaged),
            'else:',
            *(f'    {own}.lerp_({tensor}, {averaging.weight!r})' for own, tensor in averaged),
            *(f'{own}.copy_({tensor})' for own, tensor in copied),
            f'{self._name(averaging.steps)}.fill_(step + 1)',
        ]

    def _new_name(self, tensor: torch.Tensor) -> str:
        name = self._names[id(tensor)] = f'v{len(self._names)}'
        return name

    def _name(self, tensor: torch.Tensor) -> str:
        """The name of a tensor; one that no call before has given is taken in from outside."""
        if id(tensor) not in self._names:
            self._names[id(tensor)] = f'c{len(self.tensors)}'
            self.tensors.append(tensor.detach())
        return self._names[id(tensor)]

    def _statement(self, call: Call) -> str:
        if (filling := _filling(call)) is not None:
            return f'{self._new_name(call.output)} = {filling}'
        schema = call.op._schema
        types = _types_of_arguments(call.op)
        positional = zip(call.args, types.values(), strict=False)
        arguments = [self._literal(value, kind) for value, kind in positional]
        if _is_of_tensor_and_number(call):
            arguments[1] = self._numbers.name(arguments[1], like=call.args[0])
        if types.get('self') == 'Tensor' and isinstance(call.args[0], int | float):
            arguments[0] = f'torch.tensor({arguments[0]})'
        arguments += [f'{name}={self._literal(v, types[name])}' for name, v in call.kwargs.items()]
        namespace, name = schema.name.split('::')
        name = 'clone' if name == 'lift_fresh' else name  # a constant is taken in once for all steps
        expression = f'torch.ops.{namespace}.{name}({", ".join(arguments)})'
        return f'{targets} = {expression}' if (targets := self._targets(call)) else expression

    def _targets(self, call: Call) -> str:
        """What a call's output is assigned to: nothing if it only gives back what it has written to."""
        output = call.output
        if isinstance(output, torch.Tensor):
            return '' if id(output) in self._names else self._new_name(output)
        if not isinstance(output, tuple | list):
            return ''
        names = [
            self._new_name(item)
            if isinstance(item, torch.Tensor) and id(item) not in self._names
            else f'_{k}'
            for k, item in enumerate(output, len(self._names))
        ]
        return ', '.join(names) + (',' if len(names) == 1 else '')

    def _literal(self, value: Any, kind: str) -> str:
        if isinstance(value, torch.Tensor):
            return self._name(value)
        if isinstance(value, tuple | list):
            inner = kind.removeprefix('Optional[').removeprefix('List[').rstrip(']')
            elements = ', '.join(self._literal(item, inner) for item in value)
            has_none = any(item is None for item in value)
            if value and not has_none:
                return f'[{elements}]'
            if 'Tensor' in inner:
                inner = 'Optional[Tensor]' if has_none else 'Tensor'
            return f'torch.jit.annotate(List[{"int" if inner == "SymInt" else inner}], [{elements}])'
        if isinstance(value, float) and not math.isfinite(value):
            return f"float('{value}')"
        if isinstance(value, torch.device):
            return f"torch.device('{value}')"
        if value is None or isinstance(value, bool | int | float | str | _WRITTEN_AS_THEY_ARE):
            return repr(value)
        raise NotCapturable(f'an operator takes {value!r}, a {type(value).__name__}')


def _clipping(gradients: Sequence[str], most: float, dimensions: Sequence[int]) -> list[str]:
    """Lines that make gradients `g0`, `g1`, … of others, as `torch.nn.utils.clip_grad_norm_` does.

    Args:
        gradients: Their names.
        most: The largest norm of all of them.
        dimensions: Of gradients in lanes, how many each has; those of each lane are clipped by themselves.
    """
    norm, factors = 'torch.linalg.vector_norm', ['k'] * len(gradients)
    total = f'{norm}(torch.stack([{", ".join(f"{norm}({name})" for name in gradients)}]))'
    if dimensions:
        norms = [f'{norm}({name}.reshape([{name}.size(0), -1]), dim=[1])' for name in gradients]
        total = f'{norm}(torch.stack([{", ".join(norms)}]), dim=[0])'
        factors = [f'k.reshape({[-1] + [1] * (size - 1)})' for size in dimensions]
    lines = [f'k = torch.clamp({most!r} / ({total} + 1e-6), max=1.0)']
    return lines + [
        f'g{number} = {name} * {factor}'
        for number, (name, factor) in enumerate(zip(gradients, factors, strict=True))
    ]


class Numbers:
    """Numbers as tensors: an operator takes these in a quarter of the time.

    Attributes:
        once: Lines that make those that are the same in all steps.
        in_each_step: Lines that make the others.
    """

    def __init__(self) -> None:
        self.once: list[str] = []
        self.in_each_step: list[str] = []
        self._names: dict[tuple[str, torch.dtype], str] = {}

    def name(self, expression: str, like: torch.Tensor) -> str:
        """Returns a name for a number that an operator takes together with a tensor, or the number itself.

        Args:
            expression: The number; it may use `lr` and `step`.
            like: The tensor; the result is the same to the last bit.
        """
        if like.dtype not in (torch.float32, torch.float64) or like.device.type != 'cpu':
            return expression
        if (key := (expression, like.dtype)) not in self._names:
            name = self._names[key] = f'n{len(self._names)}'
            lines = self.in_each_step if _CHANGES.search(expression) else self.once
            lines.append(f'{name} = torch.scalar_tensor({expression}, dtype={like.dtype})')
        return self._names[key]


_CHANGES = re.compile(r'\b(lr|step)\b')
_WITH_NUMBERS = ('add', 'sub', 'rsub', 'mul', 'div', 'add_', 'sub_', 'mul_', 'div_')


def _is_of_tensor_and_number(call: Call) -> bool:
    """Whether a call computes with a tensor and a number, in the tensor's data type."""
    name = call.op.overloadpacket.__name__
    if name not in _WITH_NUMBERS or call.op._schema.overload_name not in ('Tensor', 'Scalar') or call.kwargs:
        return False
    tensor, number, *others = call.args
    is_number = is_real(number)
    is_same_type = isinstance(tensor, torch.Tensor) and call.output.dtype == tensor.dtype
    return is_number and is_same_type and not others


def _filling(call: Call) -> str | None:
    """Ones or zeros like a tensor, made without it; None if a call is something else."""
    name, output = call.op.overloadpacket.__name__, call.output
    if name not in ('ones_like', 'zeros_like') or output.layout != torch.strided:
        return None
    if not output.is_contiguous() or output.device.type != 'cpu':
        return None
    return f'torch.{name[:-5]}({list(output.shape)}, dtype={output.dtype})'


def _divided(calls: Sequence[Call]) -> tuple[list[Call], list[Call]]:
    """The calls that give the same in every step, and the others."""
    fixed: set[int] = set()
    same, others = [], []
    for call in calls:
        is_same = _filling(call) is not None or all(id(tensor) in fixed for tensor in call.inputs)
        if is_same and not call.has_effect:
            fixed.update(id(tensor) for tensor in tensors_in(call.output))
            same.append(call)
        else:
            others.append(call)
    memory = {_memory(tensor) for call in same for tensor in tensors_in(call.output)}
    if any(call.op._schema.is_mutable and memory & {*map(_memory, call.inputs)} for call in others):
        return [], list(calls)  # one of them is written to
    return same, others


def _memory(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr() if tensor.layout == torch.strided else 0


@cache
def _types_of_arguments(op: torch._ops.OpOverload) -> dict[str, str]:
    return {argument.name: str(argument.type) for argument in op._schema.arguments}


_WRITTEN_AS_THEY_ARE = torch.dtype | torch.layout | torch.memory_format


def _needed(calls: Sequence[Call], results: Sequence[torch.Tensor]) -> list[Call]:
    """The calls that have an effect or that a result depends on."""
    needed, kept = {id(tensor) for tensor in results}, []
    for call in reversed(calls):
        if call.has_effect or any(id(tensor) in needed for tensor in tensors_in(call.output)):
            kept.append(call)
            needed.update(map(id, call.inputs))
    return kept[::-1]


def _indented(lines: Sequence[str], spaces: int) -> str:
    return '\n'.join(' ' * spaces + line for line in lines)


@lru_cache(maxsize=64)
def compiled(source: str) -> Any:
    """Compiles a script's source; returns its `steps`.

    Raises:
        NotCapturable: Torch's interpreter cannot run it.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', DeprecationWarning)  # of TorchScript, of which this is all we use
            return torch.jit.CompilationUnit(source).steps
    except Exception as error:
        reason = str(error).strip().partition('\n')[0]
        raise NotCapturable(f"torch's interpreter does not take it: {reason}") from error
