"""Verifies captured steps while they train: every now and then the eager step takes the same batch.

Both begin at the same state: parameters, buffers, optimizer state, random numbers. Nothing remains of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from ..seeding import random_states_kept, states_of_other_generators
from .data import Batch
from .metrics import Criterion
from .recording import NotCapturable, check_unchanged, python_state_of
from .steps import CapturedGradientStep, CapturedStep, EagerStep, Feed
from .updates import UpdateRule

RELATIVE_TOLERANCE, ABSOLUTE_TOLERANCE = 1e-4, 1e-6
"""How far results may differ, in proportion to the largest number of a tensor, and beyond that."""

_PLAIN_LR, _LR = 1.0, 0.01
"""Learning rates of verified updates. Without optimizer state, the update itself shows the gradient."""


class Lane:
    """A model that a captured step trains, and how the eager step would do it.

    Args:
        model: The model.
        criterion: Its loss.
        step: Its eager step.
    """

    def __init__(self, model: torch.nn.Module, criterion: Criterion, step: EagerStep) -> None:
        self.model, self.criterion, self.step = model, criterion, step
        modules = [one for one in (model, criterion) if isinstance(one, torch.nn.Module)]
        self.tensors = [t for module in modules for t in (*module.parameters(), *module.buffers())]


class Verification:
    """Verifies a captured step at steps 2, 4, 8, 16, …, when told that something happened, and at the end.

    Args:
        step: The captured step.
        lanes: What it trains: one, or several side by side.
        parameters: By lane, those that the rules are for.
        rules: How they are updated; None if the optimizer itself does that.
        stacked: Of lanes, all stacked tensors, and functions that write them into the models, and one lane's
            part of a batch of all.
    """

    def __init__(
        self,
        step: CapturedStep | CapturedGradientStep,
        lanes: Sequence[Lane],
        parameters: Sequence[Sequence[torch.Tensor]],
        rules: Sequence[UpdateRule] | None,
        stacked: Sequence[torch.Tensor] = (),
        unstack: Callable[[], None] | None = None,
    ) -> None:
        self._step, self._lanes, self._parameters, self._rules = step, lanes, parameters, rules
        self._stacked, self._unstack = stacked, unstack
        self._lr = _LR if rules and any(rule.states for rule in rules) else _PLAIN_LR
        self._python = [python_state_of(lane.model, lane.criterion) for lane in lanes]
        self._is_due = self._python_has_changed = False
        self._verified = 0

    def expect_changes(self) -> None:
        """Says that Python has run that is not the step's, an evaluation: the next step is verified."""
        self._is_due = True

    def steps_ahead(self, done: int) -> int:
        if self._is_due or (done > 1 and done & (done - 1) == 0 and done != self._verified):
            return 0
        return (1 << done.bit_length()) - done if done > 1 else 2 - done

    def verify(self, feed: Feed, done: int) -> None:
        self._is_due, self._verified = False, done
        for k, (lane, python) in enumerate(zip(self._lanes, self._python, strict=True)):
            if python.changes():
                self._python[k] = python_state_of(lane.model, lane.criterion)
                self._python_has_changed = True
        try:
            self._compare(feed, done)
        except NotCapturable as error:
            raise NotCapturable(f'{error}; noticed after {done} steps') from error
        except Exception as error:
            raise NotCapturable(f'verifying it after {done} steps raised {type(error).__name__}') from error

    def _compare(self, feed: Feed, done: int) -> None:
        if self._unstack is not None:
            self._unstack()
        with random_states_kept():
            before = torch.get_rng_state()
            expected = self._eagerly(feed, done)
            after = torch.get_rng_state()
            for python in self._python:
                check_unchanged(python)
            torch.set_rng_state(before)
            found = self._replayed(feed)
            if not torch.equal(after, torch.get_rng_state()) or not all(map(_close, found, expected)):
                raise NotCapturable('the eager step comes to give other numbers')
            if all(map(torch.equal, found, expected)):
                return
            if self._python_has_changed:
                raise NotCapturable('its Python variables or attributes have changed')
            torch.set_rng_state(before)
            check_repeatable(self._eagerly(feed, done), expected)

    def _eagerly(self, feed: Feed, done: int) -> list[torch.Tensor]:
        others = states_of_other_generators()
        found = []
        for k, lane in enumerate(self._lanes):
            kept, gradients = _copies(lane.tensors), [tensor.grad for tensor in lane.tensors]
            try:
                found += self._one_eagerly(k, lane, self._batch(feed, k), done)
                found += _copies(lane.tensors)
            finally:
                _restore(lane.tensors, kept)
                for tensor, gradient in zip(lane.tensors, gradients, strict=True):
                    tensor.grad = gradient
        if states_of_other_generators() != others:
            raise NotCapturable('it draws random numbers from numpy or `random`')
        return found

    def _one_eagerly(self, k: int, lane: Lane, batch: Batch, done: int) -> list[torch.Tensor]:
        for tensor in lane.tensors:
            tensor.grad = None
        measured = lane.step.backward(batch)
        parameters = self._parameters[k]
        if self._rules is None:
            return measured + [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        names = [(p, name) for p, rule in zip(parameters, self._rules, strict=True) for name in rule.names]
        states: dict[torch.Tensor, Any] = {}
        before = iter(self._states(k))
        for parameter, rule in zip(parameters, self._rules, strict=True):
            tensors = [next(before) for _ in rule.names]
            if tensors and done:
                states[parameter] = rule.optimizer_state(tensors, done)
        state = lane.step.update(self._lr, states)
        return measured + [state[p][name] for p, name in names]

    def _states(self, k: int) -> list[torch.Tensor]:
        assert isinstance(self._step, CapturedStep)
        return [state[k] if self._unstack is not None else state for state in self._step.states]

    def _batch(self, feed: Feed, k: int) -> Batch:
        if self._unstack is not None:
            feed = feed._replace(order=[order[k] for order in feed.order])
        return feed.batch(0)

    def _replayed(self, feed: Feed) -> list[torch.Tensor]:
        step = self._step
        if isinstance(step, CapturedGradientStep):
            kept = _copies(self._lanes[0].tensors)
            gradients, loss, perf = step.replay(feed)
            found = [loss, *([perf] if step.measures_perf else []), *gradients]
            found += _copies(self._lanes[0].tensors)
            _restore(self._lanes[0].tensors, kept)
            return found
        trained = [*(self._stacked or self._lanes[0].tensors), *step.states]
        kept = _copies(trained)
        losses, perfs = step.replay(feed, [self._lr])
        if self._unstack is not None:
            self._unstack()
        found = []
        for k, lane in enumerate(self._lanes):
            found += [one[0].reshape(-1)[k] for one in (losses, *([perfs] if step.measures_perf else []))]
            found += [*_copies(self._states(k)), *_copies(lane.tensors)]
        _restore(trained, kept)
        if self._unstack is not None:
            self._unstack()
        return found


def check_repeatable(again: Sequence[torch.Tensor], first: Sequence[torch.Tensor]) -> None:
    """Raises `NotCapturable` unless a step that was repeated gave the same."""
    for one, other in zip(again, first, strict=True):
        if not torch.equal(one, other) and not torch.equal(one.nan_to_num(), other.nan_to_num()):
            raise NotCapturable('it gives other numbers when repeated')


def _close(found: torch.Tensor, expected: torch.Tensor) -> bool:
    if found.shape != expected.shape:
        return False
    if torch.equal(found, expected) or not expected.is_floating_point():
        return torch.equal(found, expected)
    finite = expected[expected.isfinite()].abs()
    scale = float(finite.max()) if finite.numel() else 0.0
    tolerance = ABSOLUTE_TOLERANCE + RELATIVE_TOLERANCE * scale
    return torch.allclose(found, expected, RELATIVE_TOLERANCE, tolerance, equal_nan=True)


def _copies(tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    return [tensor.detach().clone() for tensor in tensors]


@torch.no_grad()
def _restore(tensors: Sequence[torch.Tensor], kept: Sequence[torch.Tensor]) -> None:
    for tensor, one in zip(tensors, kept, strict=True):
        tensor.copy_(one)
