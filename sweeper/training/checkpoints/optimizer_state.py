"""The state of an optimizer, to be put back into another one that is made in the same way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ..objects.reading import package_of
from ..objects.state import PythonState, TooManyObjects, same
from ..optimizers import Optimizer, PlainSGD
from .plain import NotKeepable, are_equal, as_plain

_IN_STATE_DICT = ('state', 'param_groups')


class OptimizerState:
    """What `state_dict` has of an optimizer, provided that nothing else of it changes.

    Args:
        optimizer: As it is before its first step.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self._optimizer = optimizer
        self._is_torchs = package_of(type(optimizer)) == 'torch'
        if not self._is_torchs and not isinstance(optimizer, PlainSGD):
            self._attributes, self._python = self._look()

    def _look(self) -> tuple[dict[str, Any], PythonState | None]:
        attributes = {k: value for k, value in vars(self._optimizer).items() if k not in _IN_STATE_DICT}
        parameters = [p for group in self._optimizer.param_groups for p in group['params']]
        try:
            return attributes, PythonState(attributes.items(), parameters)
        except TooManyObjects:
            return attributes, None

    def state(self) -> dict[str, Any] | None:
        """Returns the state as plain values; None if there is none.

        Raises:
            NotKeepable: There is more to it than `state_dict` has.
        """
        optimizer = self._optimizer
        if isinstance(optimizer, PlainSGD):
            return None
        assert isinstance(optimizer, torch.optim.Optimizer)
        if not self._is_torchs:
            now, before = self._look()[0], self._attributes
            if self._python is None or self._python.opaque or self._python.changes():
                raise NotKeepable('its optimizer has Python state')
            if not same((*now, *now.values()), (*before, *before.values())):
                raise NotKeepable('its optimizer changes attributes')
            if type(optimizer).zero_grad is not torch.optim.Optimizer.zero_grad:
                raise NotKeepable('its optimizer may keep gradients')
        plain: dict[str, Any] = as_plain(optimizer.state_dict())
        return plain

    def restore(self, state: Mapping[str, Any] | None) -> None:
        """Puts back what `state` returned.

        Raises:
            NotKeepable: It does not fit.
        """
        optimizer = self._optimizer
        if state is None:
            return
        assert isinstance(optimizer, torch.optim.Optimizer)
        groups = optimizer.param_groups
        optimizer.load_state_dict(dict(state))
        for group, other in zip(groups, optimizer.param_groups, strict=True):
            group.update({name: value for name, value in other.items() if name != 'params'})
        optimizer.param_groups = groups  # those of which the rates are known
        if not are_equal(as_plain(optimizer.state_dict()), state):
            raise NotKeepable('its optimizer does not take its state back')
