"""The data of a Lightning module, as datasets."""

from __future__ import annotations

from typing import Any

from ..errors import ProblemError
from .lightning_hooks import check_batch_hooks

_LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


def datasets_of(data: Any) -> Any:
    """Returns what a problem's `dataset()` returns: the loaders of a data module, or what a function returns.

    Args:
        data: A data module, its class, or a function that returns one, or the datasets themselves.

    Raises:
        ProblemError: It is none of these, or a loader is not one.
    """
    module = data if hasattr(data, 'train_dataloader') and not isinstance(data, type) else None
    if module is None:
        if not callable(data):
            raise ProblemError(
                f'the data of sweeper.adapters.lightning must be a LightningDataModule, its class, or a '
                f'function that returns (train, val) or (train, val, test); got {data!r}'
            )
        module = data()
    if not hasattr(module, 'train_dataloader'):
        return module
    check_batch_hooks(module)
    module.prepare_data()
    module.setup('fit')
    names = [name for name in _LOADERS if _is_own(module, name)]
    if 'test_dataloader' in names:
        module.setup('test')
    missing = [name for name in _LOADERS[:2] if name not in names]
    if missing:
        raise ProblemError(f'{type(module).__name__} has no {" and no ".join(missing)}')
    return tuple(_loader(module, name) for name in names)


def _is_own(data: Any, name: str) -> bool:
    """Whether a data module defines a loader: the base class has one that only raises."""
    base = next((base for base in type(data).__mro__ if base.__name__ == 'LightningDataModule'), None)
    return getattr(type(data), name, None) is not getattr(base, name, None)


def _loader(data: Any, name: str) -> Any:
    loader = getattr(data, name)()
    loaders = [*loader] if isinstance(loader, tuple | list) else [loader]
    if len(loaders) != 1 or not hasattr(loaders[0], 'dataset'):
        raise ProblemError(
            f'{name} of {type(data).__name__} must return one DataLoader; it returned '
            f'{type(loader).__name__} ({len(loaders)})'
        )
    return loaders[0]
