"""Sees the operators that reach torch's backend: all that needs its private interface for that is here."""

from __future__ import annotations

from typing import Any

try:
    from torch.utils._python_dispatch import TorchDispatchMode
except ImportError:  # it is private, so a later torch may not have it

    class TorchDispatchMode:  # type: ignore[no-redef]
        """Stands for what is not there."""

        def __init__(self) -> None:
            raise NotImplementedError('this version of torch does not show its operators to Python')


class OperatorMode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """A context within which `__torch_dispatch__(func, types, args, kwargs)` is called for each operator.

    Operators arrive below autograd, those of the backward pass included.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # what torch would do otherwise imports its compiler, a second's work

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise NotImplementedError
