"""What a Lightning module defines that only a `Trainer` would call."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ..errors import ProblemError
from .lightning_optimizer import SCHEDULER

BATCH_INDEX = 'batch_idx'

_INSTEAD = {
    'optimizer_step': 'write a problem by hand, with train(run)',
    'optimizer_zero_grad': 'write a problem by hand, with train(run)',
    'backward': 'write a problem by hand, with train(run)',
    'lr_scheduler_step': 'name a `schedule` in the problem instead',
    'configure_gradient_clipping': 'name the `clip_norm` of the problem instead',
    'configure_callbacks': 'write `callbacks()` or `attach(engine, run)` in the problem instead',
    'on_before_batch_transfer': 'change samples in the dataset instead, or batches in the step',
    'on_after_batch_transfer': 'change samples in the dataset instead, or batches in the step',
    'transfer_batch_to_device': 'return batches whose tensors can be moved one by one',
    'setup': 'do it in __init__ instead',
    'prepare_data': "do it in the data's instead",
    'train_dataloader': 'give the data to sweeper.adapters.lightning(module, data) instead',
    'val_dataloader': 'give the data to sweeper.adapters.lightning(module, data) instead',
    'test_dataloader': 'give the data to sweeper.adapters.lightning(module, data) instead',
    'configure_sharded_model': 'define configure_model instead',
}
_DURING_TRAINING = (
    'on_fit_start', 'on_fit_end', 'on_train_start', 'on_train_end', 'on_train_epoch_start',
    'on_train_epoch_end', 'on_train_batch_start',
    'on_train_batch_end', 'on_before_zero_grad', 'on_before_backward', 'on_after_backward',
    'on_before_optimizer_step',
)  # fmt: skip
_AROUND_VALIDATION = (
    'on_validation_start', 'on_validation_epoch_start', 'on_validation_batch_start',
    'on_validation_batch_end', 'on_validation_epoch_end', 'on_validation_end', 'on_validation_model_eval',
    'on_validation_model_train', 'on_validation_model_zero_grad',
)  # fmt: skip
_BATCHES = ('on_before_batch_transfer', 'on_after_batch_transfer', 'transfer_batch_to_device')


def lightning_base(module: Any) -> Any:
    """Returns the class `LightningModule` that a class is derived from, whichever package it is of.

    Raises:
        ProblemError: There is none.
    """
    bases = module.__mro__ if isinstance(module, type) else ()
    base = next((base for base in bases[1:] if base.__name__ == 'LightningModule'), None)
    if base is None:
        raise ProblemError(
            f'sweeper.adapters.lightning needs the class of a LightningModule (no object); got {module!r}'
        )
    for name in ('training_step', 'configure_optimizers'):
        if getattr(module, name) is getattr(base, name):
            raise ProblemError(f'{module.__name__} has no {name}')
    return base


def check_hooks(module: Any, base: Any, ignored: Collection[str]) -> None:
    """Raises ProblemError if a module's class defines what would be ignored, and is not meant to be."""
    hooks = dict.fromkeys((*_DURING_TRAINING, *_AROUND_VALIDATION), '')
    hooks.update(_INSTEAD)
    valid = (*hooks, SCHEDULER, BATCH_INDEX)
    if isinstance(ignored, str) or not {*ignored} <= {*valid}:
        raise ProblemError(f'ignored={ignored!r}: valid are some of {", ".join(valid)}')
    check_overridden(module, base, [name for name in hooks if name not in ignored])


def check_batch_hooks(data: Any) -> None:
    """Raises ProblemError if a data module changes batches in hooks."""
    kind = type(data)
    base = next((base for base in kind.__mro__[1:] if base.__name__ == 'LightningDataModule'), None)
    if base is not None:
        check_overridden(kind, base, _BATCHES)


def check_overridden(kind: Any, base: Any, names: Collection[str]) -> None:
    """Raises ProblemError if a class defines one of these hooks anew."""
    for name in names:
        own = getattr(kind, name, None)
        if own is not None and own is not getattr(base, name, None):
            instead = _INSTEAD.get(name) or 'use `callbacks()` in the problem instead'
            raise ProblemError(
                f"{kind.__name__} defines {name}, which only Lightning's Trainer would call, so that it "
                f"would be ignored: {instead}. If it does not matter, say so: ignored=('{name}',)"
            )
