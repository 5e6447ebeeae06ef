"""Imports what a run needs, in less than half of the time that plain imports take."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from ..garbage import uncollected

_SHARDED = 'torch.distributed.optim'


def import_for_runs() -> None:
    """Imports torch, ignite and what trains with them."""
    with uncollected(), _without_sharded_optimizers():
        from ..training import runs  # noqa: F401


class _Sharded(type):
    """The type of a class whose instances are those of another, which need not be loaded."""

    def __instancecheck__(cls, instance: Any) -> bool:
        loaded = getattr(sys.modules.get(_SHARDED), 'ZeroRedundancyOptimizer', None)
        return loaded is not None and isinstance(instance, loaded)


@contextmanager
def _without_sharded_optimizers() -> Iterator[None]:
    """Keeps ignite from loading most of `torch.distributed` to know one class of optimizers."""
    if _SHARDED in sys.modules or 'ignite' in sys.modules:
        yield
        return
    module = ModuleType(_SHARDED)
    module.ZeroRedundancyOptimizer = _Sharded('ZeroRedundancyOptimizer', (), {})  # type: ignore[attr-defined]
    sys.modules[_SHARDED] = module
    try:
        yield
    finally:
        del sys.modules[_SHARDED]
