"""The optimizer of a problem, and the default one."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable
from typing import Any, Protocol

import torch

from ..problem.problem import Problem
from .objective import Objective


class Optimizer(Protocol):
    """What the loop needs of an optimizer; every `torch.optim.Optimizer` has it."""

    param_groups: list[dict[str, Any]]

    def zero_grad(self) -> None: ...

    def step(self) -> object: ...


class PlainSGD:
    """Stochastic gradient descent without momentum: the default optimizer.

    The same arithmetic as `torch.optim.SGD`, without the bookkeeping that costs a small model's step
    a quarter of its time (see `benchmarks/training_speed.py`).
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


def trained_by(objective: Objective | None) -> list[torch.nn.Parameter]:
    """The parameters of a criterion that are trained with the model's."""
    modules = [] if objective is None else objective.modules
    return [parameter for module in modules for parameter in module.parameters() if parameter.requires_grad]


def trained_parameters(model: torch.nn.Module, objective: Objective) -> list[torch.nn.Parameter]:
    """All parameters that are trained: the model's and the criterion's."""
    return [p for p in model.parameters() if p.requires_grad] + trained_by(objective)


def is_over_others(optimizer: Optimizer, parameters: Iterable[torch.Tensor]) -> bool:
    """Whether an optimizer has none of these parameters."""
    own = {id(parameter) for group in optimizer.param_groups for parameter in group['params']}
    return own.isdisjoint(map(id, parameters))


def check_rates(problem: Problem, model: torch.nn.Module, objective: Objective | None = None) -> None:
    """Raises ValueError unless the rates of all of an optimizer's groups are multiples of the one given.

    And if a scheduler of rates was made with it: nobody would call that.
    """
    if problem.build_optimizer is None:
        return
    groups = [build_optimizer(problem, model, objective, lr).param_groups for lr in (1.0, 0.5)]
    if any('initial_lr' in group for group in groups[0]):
        raise ValueError(
            f'{signature_of(problem)} of {problem.name!r} makes a scheduler of the rate, which would be '
            f"ignored: leave it out, and write a `schedule`, such as 'cosine', 'one-cycle', or a function of "
            f'progress in [0, 1] that returns a factor of the tuned rate'
        )
    once, half = ([float(group['lr']) for group in some] for some in groups)
    for number, (rate, halved) in enumerate(zip(once, half, strict=True)):
        if not math.isclose(rate, 2 * halved, rel_tol=1e-6):
            raise ValueError(
                f'{signature_of(problem)} of {problem.name!r} gives group {number} the learning rate '
                f'{rate:g} for lr=1 and {halved:g} for lr=0.5. The rate of every group must be a multiple of '
                f'lr, which is tuned: pass lr on, or write it as lr * factor'
            )


def needs_closure(optimizer: Optimizer) -> bool:
    """Whether its `step` must be given a closure that computes the loss, as that of `torch.optim.LBFGS`."""
    if isinstance(optimizer, PlainSGD):
        return False
    try:
        parameter = inspect.signature(optimizer.step).parameters.get('closure')
    except (TypeError, ValueError):
        return False
    return parameter is not None and parameter.default is inspect.Parameter.empty


def takes_model(problem: Problem) -> bool:
    """Whether a problem's `optimizer` gets the model, since its first parameter is called so."""
    try:
        names = [*inspect.signature(problem.build_optimizer).parameters]  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return names[:1] == ['model']


def signature_of(problem: Problem) -> str:
    """A problem's `optimizer`, as messages call it."""
    return 'optimizer(model, lr)' if takes_model(problem) else 'optimizer(parameters, lr)'


def build_optimizer(
    problem: Problem, model: torch.nn.Module, objective: Objective | None = None, lr: float = 1.0
) -> Optimizer:
    """Returns the problem's optimizer for `model`, or plain SGD if it names none.

    It is built at a learning rate of 1, so that its groups' rates are their ratios to the loop's. It trains
    the criterion's parameters, too, if that has any.
    """
    if problem.build_optimizer is None:
        return PlainSGD([*model.parameters(), *trained_by(objective)], lr)
    what = model if takes_model(problem) else [*model.parameters(), *trained_by(objective)]
    optimizer = problem.build_optimizer(what, lr)
    if not isinstance(optimizer, torch.optim.Optimizer):
        is_several = isinstance(optimizer, tuple | list | dict)
        hint = '. Return the optimizer alone; what changes its rate is the `schedule`' if is_several else ''
        kind = 'None' if optimizer is None else f'a {type(optimizer).__name__}'
        raise TypeError(
            f'{signature_of(problem)} of {problem.name!r} returned {kind}, not a torch.optim.Optimizer{hint}'
        )
    return optimizer


class LearningRate:
    """The learning rate of an optimizer, whose groups keep the ratios between theirs.

    Args:
        optimizer: Each group's rate now is the factor by which it takes what is set.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self._groups = [(group, group['lr']) for group in optimizer.param_groups]

    def set(self, lr: float) -> None:
        """Sets it."""
        for group, ratio in self._groups:
            group['lr'] = lr * ratio
