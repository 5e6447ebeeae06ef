"""What an architecture costs: its parameters, and the operations of one forward pass.

The formulas are those of `torch.utils.flop_counter`. Its counter takes what it has no formula for as free,
a whole LSTM on the CPU among it; here fused kernels are kept from being used, and work that still has
no formula makes the count unknown rather than too low.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch.utils.flop_counter import flop_registry

from ..results import ModelCost
from ..seeding import random_states_kept
from .data import Split
from .dispatch import OperatorMode
from .objective import FORWARD_ONLY, Objective, tensors_of

_aten = torch.ops.aten

# Operators that multiply matrices, convolve, solve or transform, by a part of their names.
_HEAVY = re.compile(
    r"""(^|_)(
        [a-z]*(mm|mv|dot|matmul) | (slow_)?conv(?!ert)[a-z]* | (bi|tri)?linear | rnn | lstm | gru | attention
        | transformer | einsum | fft | stft | linalg | [cp]dist | cholesky[a-z]* | solve | svd | qr | geqrf
        | or[gm]qr | inverse | (log|slog)?det | eigh? | lu | matrix | kron
    )[0-9]?d?(_|$)""",
    re.VERBOSE,
)
_LIGHT = re.compile(r'_thnn_fused_(lstm|gru)_cell|upsample_|linalg_(vector_norm|diagonal|cross)|fft_fftfreq')
_NAMESPACES = ('aten', 'prim', 'prims')


def model_cost(model: torch.nn.Module, split: Split, objective: Objective = FORWARD_ONLY) -> ModelCost:
    """Counts a model's parameters and the floating-point operations of its forward pass on one sample.

    A multiplication and an addition are two operations. Matrix products, convolutions and attention count;
    what is done element by element does not. They are counted in evaluation mode on the first sample of
    `split`: on a single one, or on two of it if the model cannot take a single one.

    Args:
        model: As it is after training, so that lazy modules know their shapes. It is left in evaluation
            mode, with 0 for every NaN, and is not to be used any more. Random states are left as they were.
        split: What it takes.
        objective: How it takes it.

    Returns:
        The counts. One that cannot be told is None; nothing is raised.
    """
    try:
        sizes = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    except Exception as error:  # a lazy module that no sample ever reached
        return ModelCost(None, None, None, f'counting its parameters raised {type(error).__name__}')
    flops, reason = None, None
    try:
        _without_nan(model)
        model.eval()
        with random_states_kept():
            flops, reason = _flops(model, split, objective)
    except Exception as error:  # without its message, which may differ from process to process
        reason = f'a forward pass on one sample raised {type(error).__name__}'
    return ModelCost(
        parameters=sum(size for size, _ in sizes),
        trainable_parameters=sum(size for size, is_trainable in sizes if is_trainable),
        flops=flops,
        reason=reason,
    )


def _without_nan(model: torch.nn.Module) -> None:
    """Removes what a diverged training left, which a model may refuse to work with."""
    with torch.no_grad():
        for tensor in tensors_of(model):
            is_dense = tensor.is_floating_point() and tensor.layout is torch.strided and not tensor.is_meta
            if is_dense and (nan := tensor.isnan()).any():  # else nothing is written: it may be the problem's
                tensor.masked_fill_(nan, 0)


def _flops(model: torch.nn.Module, split: Split, objective: Objective) -> tuple[int | None, str | None]:
    """The operations per sample, or None and why they cannot be told."""
    try:
        counter, samples = _counted(model, split, objective, 1), 1
    except Exception:  # it takes the dimension of a single sample away, say
        counter, samples = _counted(model, split, objective, 2), 2
    if counter.uncounted:
        return None, f'there is no formula for {", ".join(sorted(counter.uncounted))}'
    return round(counter.flops / samples), None


def _counted(model: torch.nn.Module, split: Split, objective: Objective, samples: int) -> _Counter:
    batch = split.batch(torch.zeros(samples, dtype=torch.long))
    counter = _Counter()
    with torch.no_grad(), _nothing_fused(), counter:
        objective.run(model, batch)
    return counter


@contextmanager
def _nothing_fused() -> Iterator[None]:
    """Has torch call the operators that a layer consists of, instead of one for all of it."""
    with ExitStack() as stack:
        if 'torch._dynamo' in sys.modules:
            stack.enter_context(torch.compiler.set_stance('force_eager'))
        for switch in ('mkldnn', 'cudnn'):  # without the warnings of `torch.backends`
            setter = getattr(torch._C, f'_set_{switch}_enabled')
            stack.callback(setter, getattr(torch._C, f'_get_{switch}_enabled')())
            setter(False)
        if (attention := getattr(torch.backends, 'mha', None)) is not None:
            stack.callback(attention.set_fastpath_enabled, attention.get_fastpath_enabled())
            attention.set_fastpath_enabled(False)
        yield


class _Counter(OperatorMode):  # type: ignore[no-untyped-call]
    """Counts the operations of the operators that reach the backend.

    Attributes:
        flops: So far.
        uncounted: Operators that do work of which there is no telling how much.
    """

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0
        self.uncounted: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        formula = _FORMULAS.get(func._overloadpacket)
        if formula is None and _may_be_heavy(func):
            with self:  # it may be made of others that have one
                output = func.decompose(*args, **kwargs)
            if output is not NotImplemented:
                return output
            self.uncounted.add(str(func._overloadpacket))
        output = func(*args, **kwargs)
        if formula is not None:
            self.flops += formula(*args, **kwargs, out_val=output)
        return output


def _may_be_heavy(func: torch._ops.OpOverload) -> bool:
    """Whether an operator may do more than something element by element; one from elsewhere may."""
    name = func._schema.name.partition('::')[2]
    return func.namespace not in _NAMESPACES or (
        _HEAVY.search(name) is not None and _LIGHT.match(name) is None
    )


_FORMULAS: Mapping[Any, Callable[..., int]] = {
    **flop_registry,
    _aten._scaled_dot_product_flash_attention_for_cpu: (
        flop_registry[_aten._scaled_dot_product_flash_attention]
    ),
    _aten.dot: lambda vector, *_, **__: 2 * vector.numel(),
    _aten.vdot: lambda vector, *_, **__: 2 * vector.numel(),
    _aten.mv: lambda matrix, *_, **__: 2 * matrix.numel(),
    _aten.addmv: lambda _, matrix, *__, **___: 2 * matrix.numel(),
}
