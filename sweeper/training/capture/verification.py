"""Verifies captured steps while they train: every now and then the eager step takes the same batch.

Both begin at the same state: parameters, buffers, optimizer state, random numbers. Nothing remains of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import torch

from ...seeding import RandomStates, states_of_torch
from ..data import Batch
from ..objective import Objective, tensors_of
from ..objects.state import PythonState
from ..steps import CapturedGradientStep, CapturedStep, EagerStep, Feed
from ..transfer import runs_ahead
from .recording import OUT_OF_MEMORY, NotCapturable, check_unchanged, up_to_date
from .updates import UpdateRule

RELATIVE_TOLERANCE, ABSOLUTE_TOLERANCE = 1e-4, 1e-6
"""How far results may differ, in proportion to the largest number of a tensor, and beyond that."""

FIRST = 32
"""The first step that is verified by its number. Shorter runs are verified at their end."""

_GROWTH = 4

_Pair: TypeAlias = tuple[torch.Tensor, torch.Tensor]

_PLAIN_LR, _LR = 1.0, 0.01
"""Learning rates of verified updates. Without optimizer state, the update itself shows the gradient."""


class Lane:
    """A model that a captured step trains, and how the eager step would do it.

    Args:
        model: The model.
        objective: What is minimised.
        step: Its eager step.
        others: What the step changes beside their tensors.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        objective: Objective,
        step: EagerStep,
        others: Sequence[torch.Tensor] = (),
    ) -> None:
        self.model, self.objective, self.step = model, objective, step
        self.tensors = [*tensors_of(model, *objective.modules), *others]


class Verification:
    """Verifies a captured step at steps 32, 128, 512, …, after evaluations, and at the end.

    Its rehearsal has shown the first steps. Of lanes, one takes its turn at these steps; else all.

    Args:
        step: The captured step.
        lanes: What it trains: one, or several side by side.
        python: Their Python state.
        parameters: By lane, those that the rules are for.
        rules: How they are updated; None if the optimizer itself does that.
        stacked: Of lanes, all stacked tensors, and functions that write them into the models, and one lane's
            part of a batch of all.
    """

    def __init__(
        self,
        step: CapturedStep | CapturedGradientStep,
        lanes: Sequence[Lane],
        python: PythonState,
        parameters: Sequence[Sequence[torch.Tensor]],
        rules: Sequence[UpdateRule] | None,
        stacked: Sequence[torch.Tensor] = (),
        unstack: Callable[[], None] | None = None,
    ) -> None:
        self._step, self._lanes, self._parameters, self._rules = step, lanes, parameters, rules
        self._stacked, self._unstack, self._python = stacked, unstack, python
        self._lr = _LR if rules and any(rule.states for rule in rules) else _PLAIN_LR
        self._is_due = self._python_has_changed = False
        self._is_first_evaluation = True
        self._verified = 0

    def expect_changes(self) -> None:
        """Says that Python has run that is not the step's, an evaluation.

        The next step is verified after the first one, and after each that has changed Python state; what
        others might have done shows at the next step that is verified by its number.
        """
        if self._is_first_evaluation or self._python.has_changed():
            self._is_due, self._is_first_evaluation = True, False

    def state(self) -> dict[str, Any]:
        return {
            'is_due': self._is_due,
            'is_first_evaluation': self._is_first_evaluation,
            'verified': self._verified,
        }

    def restore_state(self, state: Mapping[str, Any]) -> None:
        self._is_due, self._is_first_evaluation = state['is_due'], state['is_first_evaluation']
        self._verified = state['verified']

    def steps_ahead(self, done: int) -> int:
        following = FIRST
        while following < done or following == self._verified:
            following *= _GROWTH
        return 0 if self._is_due else following - done

    def verify(self, feed: Feed, done: int, is_last: bool = False) -> None:
        if self._is_due or is_last or self._rules is None:  # Python has run since
            present = up_to_date(self._python, *((lane.model, lane.objective) for lane in self._lanes))
            self._python_has_changed = self._python_has_changed or present is not self._python
            self._python = present
        lanes: Sequence[int] = range(len(self._lanes))
        if not self._is_due and not is_last:
            lanes = [done.bit_length() % len(self._lanes)]
        self._is_due, self._verified = False, done
        try:
            self._compare(feed, done, lanes)
        except NotCapturable as error:
            raise NotCapturable(f'{error}; noticed after {done} steps') from error
        except OUT_OF_MEMORY:
            raise
        except Exception as error:
            raise NotCapturable(f'verifying it after {done} steps raised {type(error).__name__}') from error

    def _compare(self, feed: Feed, done: int, lanes: Sequence[int]) -> None:
        if self._unstack is not None:
            self._unstack()
        before = RandomStates()
        try:
            expected = [tensor for k in lanes for tensor in self._eagerly(k, feed, done)]
            after = states_of_torch()
            if before.others_have_changed():
                raise NotCapturable('it draws random numbers from numpy or `random`')
            check_unchanged(self._python)
            before.restore_torch()
            differing = self._differing(feed, lanes, expected)
            if not all(map(torch.equal, after, states_of_torch())) or not all(
                _close(*pair) for pair in differing
            ):
                raise NotCapturable('the eager step comes to give other numbers')
            if differing:
                if self._python_has_changed:
                    raise NotCapturable('its Python variables or attributes have changed')
                before.restore_torch()
                check_repeatable([tensor for k in lanes for tensor in self._eagerly(k, feed, done)], expected)
            before.restore_torch()
        except Exception:
            before.restore()
            raise

    def _eagerly(self, k: int, feed: Feed, done: int) -> list[torch.Tensor]:
        """What the eager step of a lane gives: measurements, then gradients or states, then its tensors."""
        lane = self._lanes[k]
        kept, gradients = copies(lane.tensors), [tensor.grad for tensor in lane.tensors]
        try:
            for tensor in lane.tensors:
                tensor.grad = None
            return self._one_eagerly(k, self._batch(feed, k), done) + copies(lane.tensors)
        finally:
            restore(lane.tensors, kept)
            for tensor, gradient in zip(lane.tensors, gradients, strict=True):
                tensor.grad = gradient

    def _one_eagerly(self, k: int, batch: Batch, done: int) -> list[torch.Tensor]:
        lane, parameters = self._lanes[k], self._parameters[k]
        measured = lane.step.backward(batch)
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

    def _differing(self, feed: Feed, lanes: Sequence[int], expected: Sequence[torch.Tensor]) -> list[_Pair]:
        """Takes the captured step and takes it back; returns what differs from the eager one's, with that."""
        step = self._step
        states = step.states if isinstance(step, CapturedStep) else []
        gradients: list[torch.Tensor] = []
        trained = [*(self._stacked or self._lanes[0].tensors), *states]
        kept = copies(trained)
        if isinstance(step, CapturedStep):
            losses, perfs = step.replay(feed, [self._lr])
            measured = [
                measure[0].reshape(-1) for measure in ((losses, perfs) if step.measures_perf else (losses,))
            ]
        else:
            gradients, loss, perf = step.replay(feed)
            measured = [measure.reshape(1) for measure in ((loss, perf) if step.measures_perf else (loss,))]
        if self._unstack is not None:
            self._unstack()
        actual = [
            tensor
            for k in lanes
            for tensor in (
                *(measure[k] for measure in measured),
                *(gradients if self._rules is None else self._states(k)),
                *self._lanes[k].tensors,
            )
        ]
        pairs = [pair for pair in zip(actual, expected, strict=True) if not is_equal(*pair)]
        pairs = [(tensor.detach().clone(), other) for tensor, other in pairs]
        restore(trained, kept)
        if self._unstack is not None:
            self._unstack()
        return pairs


def check_repeatable(repeat: Sequence[torch.Tensor], first: Sequence[torch.Tensor]) -> None:
    """Raises `NotCapturable` unless a step that was repeated gave the same.

    On a GPU some operators add up in an order that changes, unless deterministic ones are asked for; there
    the same up to rounding is enough.
    """
    for tensor, other in zip(repeat, first, strict=True):
        if torch.equal(tensor, other) or torch.equal(tensor.nan_to_num(), other.nan_to_num()):
            continue
        is_exact = not runs_ahead(tensor.device) or torch.are_deterministic_algorithms_enabled()
        if is_exact or not _close(tensor, other):
            raise NotCapturable('it gives other numbers when repeated')


def is_equal(actual: torch.Tensor, expected: torch.Tensor) -> bool:
    """Whether two tensors, dense or sparse, have the same values."""
    if actual.layout is torch.sparse_coo:
        return all(map(is_equal, _parts_of(actual), _parts_of(expected)))
    if actual.layout is not torch.strided:
        return False
    return actual.shape == expected.shape and torch.equal(actual, expected)


def _parts_of(sparse: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return sparse._indices(), sparse._values()


def _close(actual: torch.Tensor, expected: torch.Tensor) -> bool:
    if actual.shape != expected.shape or not expected.is_floating_point():
        return False
    finite = expected[expected.isfinite()].abs()
    scale = float(finite.max()) if finite.numel() else 0.0
    tolerance = ABSOLUTE_TOLERANCE + RELATIVE_TOLERANCE * scale
    return torch.allclose(actual, expected, RELATIVE_TOLERANCE, tolerance, equal_nan=True)


@torch.no_grad()
def copies(tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """The present values of tensors."""
    return [tensor.clone() for tensor in tensors]


@torch.no_grad()
def restore(tensors: Sequence[torch.Tensor], kept: Sequence[torch.Tensor]) -> None:
    """Gives tensors back their values; the others, which may be the problem's own, are not written to."""
    for tensor, value in zip(tensors, kept, strict=True):
        if tensor.requires_grad or not is_equal(tensor, value):
            tensor.copy_(value)
