"""How optimizers update a parameter, as lines of TorchScript that do what their `step` does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch

from ..optimizers import Optimizer, PlainSGD
from .device_updates import AdamOnDevice, DeviceUpdate, SGDOnDevice


class UpdateRule(NamedTuple):
    """The update of one parameter.

    Attributes:
        lines: Called with the names of the parameter, of its gradient and of its state tensors, and with
            what makes the name of a number as a tensor. Both may use `lr`, the loop's learning rate, and
            `step`, the number of steps before this one.
        names: What the optimizer calls the state tensors that it needs, each shaped like the parameter and
            0 at first.
        on_device: The same for graphs; None if there is no update.
    """

    lines: Callable[[str, str, Sequence[str], Callable[[str], str]], list[str]]
    names: tuple[str, ...] = ()
    on_device: DeviceUpdate | None = None

    @property
    def states(self) -> int:
        """How many state tensors there are."""
        return len(self.names)

    def optimizer_state(self, tensors: Sequence[torch.Tensor], done: int) -> dict[str, Any]:
        """The optimizer's own state of the parameter after `done` steps, at least one, as a copy."""
        step = {'step': torch.tensor(float(done))} if 'exp_avg' in self.names else {}
        return step | {name: tensor.clone() for name, tensor in zip(self.names, tensors, strict=True)}


def update_rule(optimizer: Optimizer, parameter: torch.Tensor) -> UpdateRule | None:
    """Returns how `optimizer`, built at a learning rate of 1, updates a parameter, or None if unknown."""
    group = next((g for g in optimizer.param_groups if any(p is parameter for p in g['params'])), None)
    kind = type(optimizer)
    if group is None:
        return UpdateRule(lambda *_: [])  # the optimizer is over other parameters only
    if kind is PlainSGD:
        return _sgd({'lr': group['lr'], 'momentum': 0, 'weight_decay': 0})
    if kind not in (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW) or _is_special(optimizer, group):
        return None
    return _sgd(group) if kind is torch.optim.SGD else _adam(group)


def _is_special(optimizer: Any, group: dict[str, Any]) -> bool:
    options = ('maximize', 'differentiable', 'amsgrad', 'capturable', 'fused')
    hooks = (optimizer._optimizer_step_pre_hooks, optimizer._optimizer_step_post_hooks)
    numbers = ('lr', 'momentum', 'dampening', 'weight_decay', 'eps')
    return (
        any(map(bool, hooks))
        or any(group.get(option) for option in options)
        or any(
            isinstance(value, torch.Tensor) for value in (*map(group.get, numbers), *group.get('betas', ()))
        )
    )


def _lr(group: dict[str, Any]) -> str:
    return 'lr' if group['lr'] == 1 else f'(lr * {float(group["lr"])!r})'


def _sgd(group: dict[str, Any]) -> UpdateRule:
    momentum, decay = float(group['momentum']), float(group['weight_decay'])

    def lines(p: str, g: str, states: Sequence[str], number: Callable[[str], str]) -> list[str]:
        made, d = [], g
        if decay:
            made.append(f'd = torch.add({g}, {p}, alpha={decay!r})')
            d = 'd'
        if momentum:
            m = states[0]
            made += [
                'if step == 0:',
                f'    {m}.copy_({d})',
                'else:',
                f'    {m}.mul_({number(repr(momentum))}).add_({d}, alpha={1 - float(group["dampening"])!r})',
            ]
            if group['nesterov']:
                made.append(f'd = torch.add({d}, {m}, alpha={momentum!r})')
                d = 'd'
            else:
                d = m
        return [*made, f'{p}.add_({d}, alpha=-{_lr(group)})']

    on_device = SGDOnDevice(
        float(group['lr']),
        momentum,
        float(group.get('dampening', 0)),
        bool(group.get('nesterov', False)),
        decay,
    )
    return UpdateRule(lines, ('momentum_buffer',) if momentum else (), on_device)


def _adam(group: dict[str, Any]) -> UpdateRule:
    beta1, beta2 = map(float, group['betas'])
    decay, eps = float(group['weight_decay']), float(group['eps'])
    decoupled = group.get('decoupled_weight_decay', False)
    correction = f'(1 - {beta2!r} ** (step + 1)) ** 0.5'

    def lines(p: str, g: str, states: Sequence[str], number: Callable[[str], str]) -> list[str]:
        m, v = states
        made = []
        if decay and decoupled:
            made.append(f'{p}.mul_({number(f"1 - {_lr(group)} * {decay!r}")})')
        elif decay:
            made.append(f'd = torch.add({g}, {p}, alpha={decay!r})')
            g = 'd'
        return [
            *made,
            f'{m}.lerp_({g}, {1 - beta1!r})',
            f'{v}.mul_({number(repr(beta2))}).addcmul_({g}, {g}, value={1 - beta2!r})',
            f'd = torch.sqrt({v}).div_({number(correction)}).add_({number(repr(eps))})',
            f'{p}.addcdiv_({m}, d, value=-({_lr(group)} / (1 - {beta1!r} ** (step + 1))))',
        ]

    on_device = AdamOnDevice(float(group['lr']), beta1, beta2, eps, decay, decoupled)
    return UpdateRule(lines, ('exp_avg', 'exp_avg_sq'), on_device)
