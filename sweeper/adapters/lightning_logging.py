"""What a Lightning module may ask of its `Trainer` in a step: to log, and where it is."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..errors import ProblemError

_collecting: list[dict[str, Any]] = []  # the innermost is what `log` writes to; none: it is dropped


class NoTrainer:
    """Stands for the `Trainer` of a module: one process, no logger; all else is an error that says so.

    Without it, Lightning would answer that the epoch and the step are 0, always.

    Args:
        name: The module's class, for messages.
    """

    is_global_zero = True
    global_rank = local_rank = node_rank = 0
    world_size = num_nodes = num_devices = 1
    barebones = sanity_checking = fast_dev_run = False
    logger = progress_bar_callback = None
    loggers = ()

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith('__') or attribute == '_name':
            raise AttributeError(attribute)
        raise ProblemError(
            f"{self._name} asks for the trainer's {attribute}, but is trained without Lightning's Trainer: "
            f'what changes during training is said by `schedule` and `callbacks()`'
        )


class NoBatchIndex:
    """Stands for the number of a batch: a step may pass it on, and gets an error where it looks at it.

    Args:
        name: The module's class, for messages.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def _refuse(self, *_: object) -> Any:
        raise ProblemError(
            f'{self._name} reads batch_idx, but batches are not numbered: each epoch has others, at a batch '
            f"size that is tuned. Leave it out; or, if it does not matter, say ignored=('batch_idx',), which "
            f'makes it 0'
        )

    __index__ = __int__ = __float__ = __bool__ = __hash__ = __str__ = __format__ = _refuse
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __neg__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _refuse
    __mod__ = __rmod__ = __floordiv__ = __rfloordiv__ = __pow__ = __rpow__ = __and__ = __rand__ = _refuse


def prepare(model: Any, name: str) -> Any:
    """Makes a new module ready to be trained without a `Trainer`, and returns it.

    Args:
        model: The module.
        name: Its class, for messages.

    Raises:
        ProblemError: It is one that optimizes by itself.
    """
    if not model.automatic_optimization:
        raise ProblemError(
            f'{name} optimizes by itself (automatic_optimization is False), which needs a loop: write '
            f'a problem by hand, with train(run)'
        )
    trainer = NoTrainer(name)
    for module in model.modules():
        if hasattr(module, '_trainer') and hasattr(module, 'training_step'):
            module._trainer = trainer
            module.log, module.log_dict = _log, _log_all
    configure = getattr(model, 'configure_model', None)
    if configure is not None:
        configure()
    return model


@contextmanager
def logged_values() -> Iterator[dict[str, Any]]:
    """Gives what modules log meanwhile, by name."""
    logged: dict[str, Any] = {}
    _collecting.append(logged)
    try:
        yield logged
    finally:
        _collecting.pop()


def reset_metrics(model: Any) -> None:
    """Empties the metrics in a module, which would otherwise remember all batches of a training."""
    torchmetrics = sys.modules.get('torchmetrics')
    if torchmetrics is not None:
        for module in model.modules():
            if isinstance(module, torchmetrics.Metric) and module.update_called:
                module.reset()


def _log(name: str, value: Any, *_: Any, **__: Any) -> None:
    if _collecting:
        _collecting[-1][name] = value


def _log_all(dictionary: Mapping[str, Any], *_: Any, **__: Any) -> None:
    for name, value in dictionary.items():
        _log(name, value)
