"""The optimizer of a Lightning module, at the learning rate that is tuned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import ProblemError

if TYPE_CHECKING:
    import torch

SCHEDULER = 'lr_scheduler'


def scaled_optimizer(model: Any, name: str, lr: float, ignores_scheduler: bool) -> torch.optim.Optimizer:
    """Returns what `configure_optimizers` gives, at another learning rate.

    Args:
        model: The module.
        name: Its class, for messages.
        lr: The highest rate of any group; those of others keep their ratio to it.
        ignores_scheduler: A scheduler of learning rates is left out, rather than an error.

    Raises:
        ProblemError: There is not one optimizer, or a scheduler.
    """
    optimizer: torch.optim.Optimizer
    optimizer, schedulers = _configured(model.configure_optimizers(), name)
    if schedulers and not ignores_scheduler:
        kinds = ', '.join(type(_inner(scheduler, 'scheduler')).__name__ for scheduler in schedulers)
        raise ProblemError(
            f'configure_optimizers of {name} returns a scheduler ({kinds}), which would be ignored: the '
            f"course of the tuned rate is the problem's `schedule` ('cosine', 'one-cycle' …). Write that "
            f"and return the optimizer alone, or say ignored=('{SCHEDULER}',)"
        )
    # A scheduler may have changed the rates as soon as it was made, and noted what they were.
    rates = [float(group.pop('initial_lr', group['lr'])) for group in optimizer.param_groups]
    highest = max(rates)
    if not highest > 0:
        raise ProblemError(
            f'configure_optimizers of {name} returns an optimizer with the rates {rates}: one must be above '
            f'0, since the tuned rate is divided among groups in proportion to theirs'
        )
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group['lr'] = lr * (rate / highest)
    return optimizer


def _inner(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else value


def _configured(returned: Any, name: str) -> tuple[Any, list[Any]]:
    """The one optimizer, and the schedulers, in any of the forms that Lightning takes."""
    schedulers: list[Any] = []
    if (
        isinstance(returned, tuple | list)
        and len(returned) == 2
        and all(isinstance(p, list) for p in returned)
    ):
        returned, schedulers = returned
    optimizers = [*returned] if isinstance(returned, tuple | list) else [returned]
    schedulers = [
        *schedulers,
        *(
            entry[SCHEDULER]
            for entry in optimizers
            if isinstance(entry, dict) and entry.get(SCHEDULER) is not None
        ),
    ]
    optimizers = [_inner(entry, 'optimizer') for entry in optimizers]
    if len(optimizers) != 1 or not hasattr(optimizers[0], 'param_groups'):
        count = len([optimizer for optimizer in optimizers if hasattr(optimizer, 'param_groups')])
        raise ProblemError(
            f'configure_optimizers of {name} must return one torch.optim.Optimizer; it returns {count}. '
            f'Several optimizers in turn need a loop: write a problem by hand, with train(run)'
        )
    return optimizers[0], schedulers
