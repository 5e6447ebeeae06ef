"""The training loop: one ignite engine, one fast step."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import torch
from ignite.engine import Engine, Events

from .metrics import Criterion
from .problem import Problem

_SILENT = logging.getLogger('sweeper.training.engine')
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False


class Optimizer(Protocol):
    """What the loop needs of an optimizer; every `torch.optim.Optimizer` has it."""

    param_groups: list[dict[str, Any]]

    def zero_grad(self) -> None: ...

    def step(self) -> object: ...


class PlainSGD:
    """Stochastic gradient descent without momentum: the default optimizer.

    The same arithmetic as `torch.optim.SGD`, without the bookkeeping that costs a small model's step
    a quarter of its time (see `benchmarks/step.py`).
    """

    def __init__(self, parameters: Iterable[torch.nn.Parameter], lr: float) -> None:
        self._parameters = [p for p in parameters if p.requires_grad]
        if not self._parameters:
            raise ValueError('the model has no trainable parameters')
        self._group: dict[str, Any] = {'params': self._parameters, 'lr': lr}
        self.param_groups = [self._group]

    def zero_grad(self) -> None:
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        used = [p for p in self._parameters if p.grad is not None]
        if used:
            gradients = [p.grad for p in used]
            torch._foreach_add_(used, gradients, alpha=-self._group['lr'])  # type: ignore[arg-type]


def build_optimizer(problem: Problem, model: torch.nn.Module) -> Optimizer:
    """Returns the problem's optimizer for `model`, or plain SGD if it names none.

    It is built at a learning rate of 1, so that its groups' rates are their ratios to the loop's.
    """
    if problem.build_optimizer is None:
        return PlainSGD(model.parameters(), 1.0)
    optimizer = problem.build_optimizer(list(model.parameters()), 1.0)
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise TypeError(
            f'optimizer(parameters, lr) of {problem.name!r} returned {optimizer!r}, '
            f'not a torch.optim.Optimizer'
        )
    return optimizer


class Loop:
    """Trains one model, a known learning rate at every step.

    Args:
        model: Trained in place.
        criterion: Called as `criterion(output, target)`.
        optimizer: Each group's learning rate now is the factor by which it takes those in `lrs`.
        lrs: The learning rate of every step that `run` will take, in order.
        after_step: Called after every step with `(loss, output, target)`, detached, the loss being that
            before the update. Answering True ends the training.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        criterion: Criterion,
        optimizer: Optimizer,
        lrs: Sequence[float],
        after_step: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], bool] | None = None,
    ) -> None:
        self._model, self._criterion, self._optimizer = model, criterion, optimizer
        self._lrs = lrs
        self._groups = [(group, group['lr']) for group in optimizer.param_groups]
        self._after_step = after_step
        self.engine = Engine(self._step)
        self.engine.logger = _SILENT

    def _step(self, engine: Engine, batch: tuple[Any, torch.Tensor]) -> None:
        inputs, targets = batch
        lr = self._lrs[engine.state.iteration - 1]
        for group, ratio in self._groups:
            group['lr'] = lr * ratio
        self._optimizer.zero_grad()
        output = self._model(inputs)
        loss = self._criterion(output, targets)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        if self._after_step is not None and self._after_step(loss.detach(), output.detach(), targets):
            engine.terminate()

    def run(self, batches: Any, epochs: int = 1, on_epoch: Callable[[int], bool] | None = None) -> None:
        """Trains for `epochs` passes over `batches`.

        Args:
            batches: A sized iterable of `(inputs, targets)`, iterated once an epoch.
            epochs: At least 1.
            on_epoch: Called after every epoch with the number of epochs done; True ends the training.
        """
        if on_epoch is not None:
            hook = on_epoch

            @self.engine.on(Events.EPOCH_COMPLETED)
            def _(engine: Engine) -> None:
                if hook(engine.state.epoch):
                    engine.terminate()

        self._model.train()
        self.engine.run(batches, max_epochs=epochs, epoch_length=len(batches))
