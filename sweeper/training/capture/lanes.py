"""Several models of one architecture trained at once: their parameters stacked, one operator for all.

It pays for networks so small that calling an operator costs more than what it computes. Every model has
its own initialisation and its own order of the data; learning rates and batch sizes are common.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.func import functional_call, grad, vmap

from ..accumulation import forward_in_parts
from ..data import Batch, InMemorySplit, leaves
from ..objects.state import PythonState
from ..steps import CapturedStep, Step, StepResults
from .capture import (
    MOST_SIZES,
    REHEARSAL_LR,
    REHEARSED,
    ModelState,
    check_same,
    rehearsed,
)
from .graphs import GraphBackend
from .learner import Learner
from .making import step_maker
from .recording import NotCapturable, Recording, python_state_of, recorded, up_to_date
from .updates import update_rule
from .verification import Verification

_MOST_PARAMETERS = 50_000
_CONVOLUTIONS = (
    nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d
)  # fmt: skip


class LanesStep(Step):
    """Trains models side by side.

    `run` takes, for every step, indices of shape `(lanes, batch size)`, and returns losses and performances
    of shape `(steps, lanes)`.

    Args:
        stacked: The models' tensors, which are what it trains.
        step: The step that trains them all.
    """

    def __init__(self, stacked: Stacked, step: CapturedStep) -> None:
        self._stacked, self._step = stacked, step

    def run(self, batches: Sequence[torch.Tensor], lrs: Sequence[float]) -> StepResults:
        return self._step.run(batches, lrs)

    def expect_changes(self) -> None:
        self._step.expect_changes()

    def verify_last(self) -> None:
        self._step.verify_last()

    def update_models(self) -> None:
        self._stacked.unstack()

    def state(self) -> dict[str, Any]:
        return self._step.state()

    def restore_state(self, state: Mapping[str, Any]) -> None:
        self._stacked.restack()
        self._step.restore_state(state)


class Stacked:
    """The parameters and buffers of models of one architecture, stacked along a new first dimension.

    Attributes:
        trainable: Parameters to be trained, by name.
        rest: All other parameters and buffers, by name.
    """

    def __init__(self, models: Sequence[torch.nn.Module]) -> None:
        self._tensors = [
            {name: tensor.detach() for name, tensor in (*model.named_parameters(), *model.named_buffers())}
            for model in models
        ]
        frozen = {name for name, p in models[0].named_parameters() if not p.requires_grad}
        names = [name for name, _ in models[0].named_parameters() if name not in frozen]
        try:
            stacked = {
                name: torch.stack([tensors[name] for tensors in self._tensors]) for name in self._tensors[0]
            }
        except (KeyError, RuntimeError) as error:
            raise NotCapturable(f'its initialisations differ in their tensors: {error}') from error
        self.trainable = {name: stacked[name] for name in names}
        self.rest = {name: tensor for name, tensor in stacked.items() if name not in self.trainable}

    def unstack(self) -> None:
        """Writes into the models what is here."""
        for name, stacked in (*self.trainable.items(), *self.rest.items()):
            for tensors, tensor in zip(self._tensors, stacked.unbind(), strict=True):
                tensors[name].copy_(tensor)

    def restack(self) -> None:
        """Writes here what is in the models."""
        for name, stacked in (*self.trainable.items(), *self.rest.items()):
            for tensors, tensor in zip(self._tensors, stacked.unbind(), strict=True):
                tensor.copy_(tensors[name])


def step_in_lanes(
    learners: Sequence[Learner],
    batches: Sequence[Sequence[torch.Tensor]],
    graphs: GraphBackend | None = None,
) -> LanesStep:
    """Captures a step that trains several models at once, and rehearses it.

    Args:
        learners: Of one architecture; left as they were unless this raises.
        batches: For every model, those of an epoch, as indices; all in the same sizes.
        graphs: As for `captured_step`.

    Raises:
        NotCapturable: That cannot be done: the step cannot be captured, draws random numbers, has another
            optimizer than plain SGD, torch's SGD, Adam or AdamW, or does not do the same as the eager one.
    """
    first = learners[0]
    if graphs is None:  # on a device that has them, it is not known what is slower
        _check_worth_it(first.model)
    if not isinstance(first.split, InMemorySplit):
        raise NotCapturable('the training data is not in memory')
    if not first.split.is_resident:
        raise NotCapturable('the training data does not fit on the device')
    if first.objective.autocast is not None:
        raise NotCapturable('bfloat16 is rounded differently in lanes')
    together: dict[int, list[torch.Tensor]] = {}
    for one_of_each in zip(*batches, strict=True):
        together.setdefault(len(one_of_each[0]), []).append(torch.stack(one_of_each))
    if len(together) > MOST_SIZES:
        raise NotCapturable(f'the batches have more than {MOST_SIZES} sizes')
    stacked = Stacked([learner.model for learner in learners])
    states = [ModelState(learner.model, learner.objective) for learner in learners]
    trained = [(learner.model, learner.objective) for learner in learners]
    python = python_state_of(*trained)
    recordings = {}
    for size, (example, *_) in together.items():
        recordings[size] = _record(first, stacked, example, python)
        states[0].restore()
        stacked.restack()
        python = up_to_date(python, *trained)  # what `functools` remembers
    optimizer, by_name = first.make_optimizer(), dict(first.model.named_parameters())
    rules = [update_rule(optimizer, by_name[name]) for name in stacked.trainable]
    known = [rule for rule in rules if rule is not None]
    if len(known) < len(rules):
        raise NotCapturable(f'its optimizer is a {type(optimizer).__name__}')
    parameters = list(stacked.trainable.values())
    make_step = step_maker(recordings, parameters, known, first, graphs, in_lanes=True)
    for examples in together.values():
        examples = examples[:REHEARSED]
        expected = [
            [*learner.eager_step().run(list(order), [REHEARSAL_LR] * len(order)), *state.copies()]
            for learner, state, order in zip(learners, states, zip(*examples, strict=True), strict=True)
        ]
        for state in states:
            state.restore()
        losses, perfs = rehearsed(make_step(), examples)
        stacked.unstack()
        for lane, state in enumerate(states):
            measured = [losses[:, lane], perfs[:, lane] if len(perfs) else perfs]
            check_same([*measured, *state.copies()], expected[lane])
            state.restore()
        stacked.restack()
    step = make_step()
    names = [*stacked.trainable]
    lanes = [learner.lane() for learner in learners]
    step.verify_by(
        Verification(
            step,
            lanes,
            up_to_date(python, *trained),
            [
                [by_name[name] for name in names]
                for by_name in (dict(learner.model.named_parameters()) for learner in learners)
            ],
            known,
            [*stacked.trainable.values(), *stacked.rest.values()],
            stacked.unstack,
        )
    )
    return LanesStep(stacked, step)


def _check_worth_it(model: torch.nn.Module) -> None:
    """Raises `NotCapturable` for models that the CPU trains faster one by one."""
    if any(isinstance(module, _CONVOLUTIONS) for module in model.modules()):
        raise NotCapturable('convolutions are slower in lanes')
    if sum(parameter.numel() for parameter in model.parameters()) > _MOST_PARAMETERS:
        raise NotCapturable(f'it has more than {_MOST_PARAMETERS} parameters, which is slower in lanes')


def _record(learner: Learner, stacked: Stacked, batch: torch.Tensor, python: PythonState) -> Recording:
    """Records one step on a batch of indices of shape `(lanes, batch size)`."""
    measured = _Measured(learner)

    def one_lane(
        trainable: dict[str, torch.Tensor], rest: dict[str, torch.Tensor], batch: Batch
    ) -> tuple[torch.Tensor, Any]:
        tensors = {f'model.{name}': tensor for name, tensor in (*trainable.items(), *rest.items())}
        loss, perf = functional_call(measured, tensors, (batch,))
        return loss, (loss.detach(), perf)

    samples = learner.split.batch(batch)

    def step() -> tuple[Any, ...]:
        vectorized = vmap(grad(one_lane, has_aux=True))  # an error if it draws random numbers
        gradients, (loss, perf) = vectorized(stacked.trainable, stacked.rest, samples)
        return [gradients[name] for name in stacked.trainable], loss, perf

    with warnings.catch_warnings():
        warnings.filterwarnings('error', 'There is a performance drop')  # an operator is done lane by lane
        calls, (gradients, loss, perf) = recorded(step, [learner.model, *learner.objective.modules], python)
    parameters = list(stacked.trainable.values())
    return Recording(calls, list(leaves(samples)), parameters, gradients, loss, perf)


class _Measured(torch.nn.Module):
    """A model with its loss and performance, so that a step sees other tensors whatever of it is called."""

    def __init__(self, learner: Learner) -> None:
        super().__init__()
        self.model, self._learner = learner.model, learner

    def forward(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        if self._learner.parts > 1:
            return self._forward_in_parts(batch)
        loss, outputs = self._learner.objective.forward(self.model, batch)
        if not self._learner.measures_perf:
            return loss, loss.detach()
        return loss, self._learner.score.performance(outputs, loss.detach())

    def _forward_in_parts(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        learner = self._learner
        losses, perfs = [], []
        for loss, outputs, share in forward_in_parts(learner.objective, self.model, batch, learner.parts):
            losses.append(loss)
            if learner.measures_perf:
                perfs.append(learner.score.performance(outputs, loss.detach() / share) * share)
        loss = torch.stack(losses).sum(0)
        return loss, torch.stack(perfs).sum(0) if perfs else loss.detach()
