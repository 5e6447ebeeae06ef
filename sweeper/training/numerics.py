"""How numbers are computed and laid out, as a problem asks: precision, determinism, memory format."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ..problem.problem import Problem
from .isolation.switches import set_torch_switches, torch_switches

_PRODUCTS = {'tf32': ('high', True), 'float32': ('highest', False)}
"""What torch calls the precision of products, and whether convolutions and recurrent layers use TF32."""

_WORKSPACE = ':4096:8'
"""Of cuBLAS: with a fixed one its products are deterministic (torch's notes on reproducibility)."""


def autocast_of(problem: Problem, device: torch.device) -> str | None:
    """The type of the device where forward passes are autocast to bfloat16; None if they are not."""
    return device.type if problem.precision == 'bf16' else None


@contextmanager
def numerics_of(problem: Problem) -> Iterator[None]:
    """Has torch compute as a problem asks; later it does as before.

    What a problem says nothing of is as torch, or the problem's own code, has set it: by torch's default,
    convolutions on GPUs use TF32, and products do not.
    """
    products = _PRODUCTS.get(problem.precision or '')
    if products is None and not problem.deterministic:
        yield
        return
    before = torch_switches()
    try:
        if products is not None:
            precision, torch.backends.cudnn.allow_tf32 = products
            torch.set_float32_matmul_precision(precision)
        if problem.deterministic:
            os.environ.setdefault('CUBLAS_WORKSPACE_CONFIG', _WORKSPACE)
            torch.use_deterministic_algorithms(True)
            torch.backends.cudnn.benchmark = False
        yield
    finally:
        set_torch_switches(before)
