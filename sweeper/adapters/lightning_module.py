"""A Lightning module and its data, as a problem. Lightning itself is imported by the user's module only."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from ..errors import ProblemError
from ..metric import Metric
from .lightning_data import datasets_of
from .lightning_hooks import BATCH_INDEX, check_hooks, lightning_base
from .lightning_logging import NoBatchIndex, logged_values, prepare, reset_metrics
from .lightning_optimizer import SCHEDULER, scaled_optimizer

if TYPE_CHECKING:
    import torch

_RATES = ('lr', 'learning_rate')


class LightningProblem:
    """The names of a problem, made of a Lightning module and its data; see `lightning`.

    Attributes:
        model: Called as the module's class; returns the module, ready to be trained without a `Trainer`.
        accuracy_style: `'inv-loss'`, if nothing is monitored; a problem's file may say something else.
        metrics: What is monitored.
        predict: Its value for a batch.
    """

    def __init__(
        self,
        module: type[Any],
        data: Any,
        val_loss: str = 'val_loss',
        ignored: Collection[str] = (),
        monitor: str | None = None,
        mode: str | None = None,
    ) -> None:
        base = lightning_base(module)
        check_hooks(module, base, ignored)
        self._name, self._data, self._val_loss = module.__name__, data, val_loss
        self._ignores_scheduler = SCHEDULER in ignored
        self._batch_index = 0 if BATCH_INDEX in ignored else NoBatchIndex(module.__name__)
        self._validates = module.validation_step is not base.validation_step
        self._numbered = {name: _takes_index(getattr(module, name)) for name in _STEPS}
        self.model = _builder(module)
        if monitor is None:
            self.accuracy_style = 'inv-loss'
        else:
            self._monitor = monitor
            self.metrics = {_as_name(monitor): Metric(Monitored(), higher=mode == 'max')}
            self.predict = self._monitored

    def dataset(self) -> Any:
        """Returns the datasets of the data module, or what the function returns."""
        return datasets_of(self._data)

    def step(self, model: torch.nn.Module, batch: Any) -> torch.Tensor:
        """Returns the loss of `training_step`; in evaluation mode, of `validation_step` if there is one."""
        if model.training or not self._validates:
            loss = _loss_in(self._call(model, 'training_step', batch))
            reset_metrics(model)
            if loss is None:
                raise ProblemError(
                    f'training_step of {self._name} returned no loss: it must return a tensor, or a dict '
                    f"with the key 'loss'"
                )
            return loss
        with logged_values() as logged:
            returned = self._call(model, 'validation_step', batch)
        name = self._val_loss
        loss = _as_tensor(logged[name], model) if name in logged else _loss_in(returned)
        reset_metrics(model)
        if loss is None:
            names = ', '.join(map(repr, logged)) or 'nothing'
            raise ProblemError(
                f'validation_step of {self._name} neither logs {name!r} nor returns a loss; it logs {names}. '
                f"Say which is the loss: sweeper.adapters.lightning({self._name}, …, val_loss='…')"
            )
        return loss

    def _monitored(self, model: torch.nn.Module, batch: Any) -> tuple[Any, Any]:
        """Returns what `validation_step` logs of a batch, and of how many samples."""
        from ..training.data import leaves

        with logged_values() as logged:
            self._call(model, 'validation_step', batch)
        if self._monitor not in logged:
            names = ', '.join(map(repr, logged)) or 'nothing'
            raise ProblemError(
                f'validation_step of {self._name} does not log {self._monitor!r}, which is monitored; it '
                f'logs {names}'
            )
        value = logged[self._monitor]
        value = deepcopy(value) if hasattr(value, 'compute') else _as_tensor(value, model)
        reset_metrics(model)
        return value, len(next(leaves(batch)))

    def optimizer(self, model: torch.nn.Module, lr: float) -> torch.optim.Optimizer:
        """Returns the module's optimizer: its highest rate is `lr`, those of others are in proportion."""
        return scaled_optimizer(model, self._name, lr, self._ignores_scheduler)

    def _call(self, model: Any, name: str, batch: Any) -> Any:
        arguments = (batch, self._batch_index) if self._numbered[name] else (batch,)
        return getattr(model, name)(*arguments)


_STEPS = ('training_step', 'validation_step')


def lightning(
    module: type[Any],
    data: Any,
    *,
    val_loss: str = 'val_loss',
    ignored: Collection[str] = (),
    monitor: str | None = None,
    mode: str | None = None,
) -> LightningProblem:
    """Returns a Lightning module as a problem, to be written as `problem = …` in a problem's file.

    The arguments of the module's class are the problem's parameters. `training_step` is what training
    minimises, `configure_optimizers` gives the optimizer, whose rate is tuned; there is no `Trainer`.
    Names that the file defines itself, such as `schedule`, `clip_norm`, `accuracy_style` or `predict`, come
    before those given here.

    Args:
        module: The class, of `lightning.pytorch` or `pytorch_lightning`.
        data: A `LightningDataModule`, its class, or a function; the latter two are called without arguments.
            A function may also return `(train, val)` or `(train, val, test)`, datasets or loaders.
        val_loss: The loss among what `validation_step` logs: not negative, lower is better. If it logs no
            such value, the loss that it returns counts; without a `validation_step`, that of `training_step`.
        ignored: What of the module may be left out: names of hooks that it defines, `'lr_scheduler'`,
            and `'batch_idx'`, which is 0 then. Anything else that would be ignored is an error.
        monitor: The metric among what `validation_step` logs by which architectures are compared; by default
            they are by the loss.
        mode: Whether that is better if it is higher (`'max'`) or lower (`'min'`).

    Raises:
        ProblemError: That is no Lightning module, or it does what only a `Trainer` could call.
    """
    if mode not in ((None,) if monitor is None else ('max', 'min')):
        raise ProblemError(
            f'lightning(…, monitor={monitor!r}, mode={mode!r}): say which is better of what is monitored, '
            f"mode='max' or mode='min'"
        )
    return LightningProblem(module, data, val_loss, ignored, monitor, mode)


class Monitored:
    """What is monitored, over a split: the metric of `torchmetrics` of all batches, or the samples' mean."""

    def reset(self) -> None:
        self._values: list[tuple[Any, int]] = []

    def update(self, batch: tuple[Any, int]) -> None:
        self._values.append(batch)

    def compute(self) -> Any:
        first, *others = [value for value, _ in self._values]
        if hasattr(first, 'merge_state'):
            for other in others:
                first.merge_state(other)
            return first.compute()
        sizes = sum(size for _, size in self._values)
        return sum(float(value) * size for value, size in self._values) / sizes


def _as_name(monitor: str) -> str:
    """A name for a metric, of letters, digits and underscores."""
    name = re.sub(r'\W', '_', monitor)
    return name if name.isidentifier() and name != 'loss' else f'monitored_{name}'


def _builder(module: type[Any]) -> Callable[..., torch.nn.Module]:
    signature = inspect.signature(module)

    def model(*arguments: Any, **options: Any) -> torch.nn.Module:
        given = signature.bind(*arguments, **options).arguments
        for name in _RATES:
            if name in given:
                raise ProblemError(
                    f'{name}={given[name]!r} of {module.__name__}: the learning rate is tuned for every '
                    f'architecture, and this value would be ignored. Leave it at its default'
                )
        built: torch.nn.Module = prepare(module(*arguments, **options), module.__name__)
        return built

    model.__signature__ = signature  # type: ignore[attr-defined]
    model.__module__ = module.__module__
    return model


def _takes_index(step: Callable[..., Any]) -> bool:
    """Whether a step takes the number of the batch, too; `self` is its first argument."""
    try:
        inspect.signature(step).bind(None, None, 0)
    except TypeError:
        return False
    return True


def _loss_in(returned: Any) -> torch.Tensor | None:
    """The loss in what a step returned; None if there is none."""
    if isinstance(returned, dict):
        returned = returned.get('loss')
    return returned if hasattr(returned, 'backward') else None


def _as_tensor(value: Any, model: torch.nn.Module) -> torch.Tensor:
    import torch

    if isinstance(value, torch.Tensor):
        return value.reshape(()) if value.numel() == 1 else value
    if hasattr(value, 'compute'):
        value = value.compute()
    return torch.tensor(float(value), device=next(model.parameters()).device)
