"""Training steps: forward pass, loss, backward pass, update. All kinds compute the same.

`EagerStep` asks torch for one operator after another, as any training script does. The others replay what
was recorded of that, without Python in between (see `capture`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import groupby
from typing import Any, NamedTuple, Protocol, TypeAlias

import torch

from .accumulation import forward_in_parts
from .average import WeightAverage
from .checkpoints.optimizer_state import OptimizerState
from .checkpoints.plain import copy_all
from .data import Batch, InMemorySplit, Split, leaves, taken
from .objective import Objective
from .optimizers import LearningRate, Optimizer, needs_closure, trained_parameters
from .scoring.scorer import Scorer
from .transfer import all_onto


def as_it_is() -> AbstractContextManager[Any]:
    """Within it, scripts are not optimised first, which takes longer than it saves."""
    context: AbstractContextManager[Any] = torch.jit.optimized_execution(False)  # type: ignore[attr-defined]
    return context


class StepResults(NamedTuple):
    """What some steps measured, each on its own batch before its update.

    Attributes:
        losses: Shape `(steps,)`.
        perfs: Performances, the same shape; empty unless the step is one that measures them.
    """

    losses: torch.Tensor
    perfs: torch.Tensor


class Step(Protocol):
    """Trains a model, or several side by side, step by step.

    What is said between steps means nothing to one that has no copies and remembers nothing: the default.
    """

    def run(self, batches: Sequence[torch.Tensor], lrs: Sequence[float]) -> StepResults:
        """Takes as many steps as there are batches, at least one.

        Args:
            batches: For every step, the indices of its samples.
            lrs: For every step, the learning rate.
        """
        ...

    def expect_changes(self) -> None:
        """Says that Python has run that is not the step's: an evaluation, a handler."""
        return

    def verify_last(self) -> None:
        """Has the last batch's step verified once more, in the present state.

        Raises:
            NotCapturable: It does not do any more what the eager step does; what it trained is worthless.
        """
        return

    def update_models(self) -> None:
        """Brings the models up to date with what has been trained."""
        return

    def state(self) -> dict[str, Any]:
        """Returns what decides how it goes on, beside the models, in numbers, texts and tensors.

        Raises:
            NotKeepable: There is something else that does.
        """
        ...

    def restore_state(self, state: Mapping[str, Any]) -> None:
        """Puts back what `state` returned; the models are as they were then."""
        ...


class EagerStep(Step):
    """Trains by asking torch for one operator after another.

    Args:
        model: Trained in place.
        objective: What is minimised.
        optimizer: Each group's learning rate now is the factor by which it takes those given to `run`.
        split: The training data.
        score: Measures the performance on each batch, if given.
        clip_norm: The largest norm of the gradient, if given.
        parts: In how many parts a batch is processed before its update.
        average: Is brought up to date after each step, if given.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        objective: Objective,
        optimizer: Optimizer,
        split: Split,
        score: Scorer | None = None,
        clip_norm: float | None = None,
        parts: int = 1,
        average: WeightAverage | None = None,
    ) -> None:
        self._model, self._objective, self._optimizer = model, objective, optimizer
        self._split, self._score = split, score
        self._lr = LearningRate(optimizer)
        self._clip_norm = clip_norm
        self._clipped = [] if clip_norm is None else trained_parameters(model, objective)
        self._parts, self._needs_closure = parts, needs_closure(optimizer)
        self._average = average
        self._kept = OptimizerState(optimizer)

    def run(self, batches: Sequence[torch.Tensor], lrs: Sequence[float]) -> StepResults:
        losses, perfs = [], []
        for batch, lr in zip(self._split.batches(batches), lrs, strict=True):
            self._lr.set(lr)
            if self._needs_closure:
                loss, *perf = self._update_by_closure(batch)
            else:
                self._optimizer.zero_grad()
                loss, *perf = self.backward(batch)
                self._update()
            if self._average is not None:
                self._average.update()
            losses.append(loss)
            perfs += perf
        return StepResults(torch.stack(losses), torch.stack(perfs) if perfs else torch.empty(0))

    def state(self) -> dict[str, Any]:
        return {'optimizer': self._kept.state()}

    def restore_state(self, state: Mapping[str, Any]) -> None:
        self._kept.restore(state['optimizer'])

    def _update(self) -> None:
        self._clip()
        self._optimizer.step()

    def _clip(self) -> None:
        if self._clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self._clipped, self._clip_norm)

    def _update_by_closure(self, batch: Batch) -> list[torch.Tensor]:
        """Has the optimizer compute gradients as often as it likes; returns what the first time measured."""
        first: list[torch.Tensor] = []

        def closure() -> torch.Tensor:
            self._optimizer.zero_grad()
            measured = self.backward(batch)
            self._clip()
            if not first:
                first.extend(measured)
            return measured[0]

        self._optimizer.step(closure)  # type: ignore[call-arg]
        return first

    def backward(self, batch: Batch) -> list[torch.Tensor]:
        """Computes the gradients of a batch; returns its loss and, if it is measured, performance."""
        if self._parts > 1:
            return self._backward_in_parts(batch)
        loss, outputs = self._objective.forward(self._model, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        measured = [loss.detach()]
        if self._score is not None:
            measured.append(self._score.performance(outputs, measured[0]))
        return measured

    def _backward_in_parts(self, batch: Batch) -> list[torch.Tensor]:
        losses, perfs = [], []
        for loss, outputs, share in forward_in_parts(self._objective, self._model, batch, self._parts):
            loss.backward()  # type: ignore[no-untyped-call]
            losses.append(loss.detach())
            if self._score is not None:
                perfs.append(self._score.performance(outputs, losses[-1] / share) * share)
        return [torch.stack(measured).sum(0) for measured in (losses, perfs) if measured]

    def update(self, lr: float, states: Mapping[torch.Tensor, Mapping[str, Any]]) -> Mapping[Any, Any]:
        """Updates the model by its gradients, the optimizer's state being that given.

        Args:
            lr: The learning rate.
            states: By parameter, as `torch.optim.Optimizer.state`; taken over, and changed.

        Returns:
            The state afterwards; the optimizer itself keeps none.
        """
        self._lr.set(lr)
        state: dict[Any, Any] = getattr(self._optimizer, 'state', {})
        state.update(states)
        self._update()
        if self._average is not None:
            self._average.update()
        after = dict(state)
        state.clear()
        return after


class Replay(NamedTuple):
    """A recorded step at one batch size, ready to be replayed.

    Attributes:
        function: The script's `steps`.
        tensors: Its first argument.
    """

    function: Callable[..., Any]
    tensors: list[torch.Tensor]

    def inference_mode(self) -> AbstractContextManager[Any]:
        """What it is fastest in; sparse tensors cannot be replayed in torch's inference mode."""
        is_dense = all(tensor.layout is torch.strided for tensor in self.tensors)
        return torch.inference_mode() if is_dense else torch.no_grad()


Replays: TypeAlias = Mapping[int, Replay]
"""By batch size."""


class Feed(NamedTuple):
    """What one call of a script can do: batches of one size.

    Attributes:
        data: Samples, as a batch of them all.
        order: Where in these each batch is.
    """

    data: Batch
    order: list[torch.Tensor]

    def part(self, start: int, stop: int) -> Feed:
        return self._replace(order=self.order[start:stop])

    def batch(self, index: int) -> Batch:
        """A batch, as a copy."""
        return taken(self.data, self.order[index])


class Verifier(Protocol):
    """Compares captured steps with the eager one as they train."""

    def expect_changes(self) -> None:
        """Says that Python has run that is not the step's."""
        ...

    def state(self) -> dict[str, Any]:
        """Returns what decides which steps are verified."""
        ...

    def restore_state(self, state: Mapping[str, Any]) -> None:
        """Puts back what `state` returned."""
        ...

    def steps_ahead(self, done: int) -> int:
        """Returns how many steps may be taken before the next is to be verified; 0 if that is to be now."""
        ...

    def verify(self, feed: Feed, done: int, is_last: bool = False) -> None:
        """Takes the step of a single batch both ways, from the present state, and leaves no trace of it.

        Raises:
            NotCapturable: They do not do the same.
        """
        ...


class _Replaying(Step):
    """What steps that replay have in common.

    Args:
        replays: For every batch size that will be needed.
        split: The training data.
        measures_perf: Whether the script does.
    """

    def __init__(self, replays: Replays, split: Split, measures_perf: bool) -> None:
        self._replays, self._split, self.measures_perf = replays, split, measures_perf
        self._done = 0
        self._verifier: Verifier | None = None
        self._last: Feed | None = None

    def verify_by(self, verifier: Verifier) -> None:
        """From now on, has steps verified."""
        self._verifier = verifier

    def expect_changes(self) -> None:
        if self._verifier is not None:
            self._verifier.expect_changes()

    def verify_last(self) -> None:
        if self._verifier is not None and self._last is not None:
            self._verifier.verify(self._last, self._done, is_last=True)

    def state(self) -> dict[str, Any]:
        verified = None if self._verifier is None else self._verifier.state()
        return {'done': self._done, 'verified': verified}

    def restore_state(self, state: Mapping[str, Any]) -> None:
        self._done = state['done']
        if self._verifier is not None:
            self._verifier.restore_state(state['verified'])

    def _parts(self, batches: Sequence[torch.Tensor]) -> Iterator[Feed]:
        """What to replay in one go, verifying steps when it is time to."""
        for feed in _feeds(self._split, batches):
            start, steps = 0, len(feed.order)
            while start < steps:
                stop = steps
                if self._verifier is not None:
                    if not self._verifier.steps_ahead(self._done):
                        self._verifier.verify(feed.part(start, start + 1), self._done)
                    stop = min(steps, start + self._verifier.steps_ahead(self._done))
                yield feed.part(start, stop)
                self._done += stop - start
                start = stop
            self._last = feed.part(steps - 1, steps)


class CapturedStep(_Replaying):
    """Trains by replaying recorded steps, the update among them.

    Args:
        replays: For every batch size that will be needed.
        states: The optimizer's state tensors, as the script numbers them.
        split: The training data.
        measures_perf: Whether the script does.
    """

    def __init__(
        self, replays: Replays, states: list[torch.Tensor], split: Split, measures_perf: bool
    ) -> None:
        super().__init__(replays, split, measures_perf)
        self.states = states

    def state(self) -> dict[str, Any]:
        return {**super().state(), 'states': self.states}

    def restore_state(self, state: Mapping[str, Any]) -> None:
        super().restore_state(state)
        copy_all(state['states'], self.states)

    def run(self, batches: Sequence[torch.Tensor], lrs: Sequence[float]) -> StepResults:
        results, start = [], 0
        for feed in self._parts(batches):
            results.append(self.replay(feed, list(lrs[start : start + len(feed.order)])))
            start += len(feed.order)
        if len(results) == 1:
            losses, perfs = results[0]
        else:
            losses, perfs = (torch.cat(parts) for parts in zip(*results, strict=True))
        return StepResults(losses, perfs if self.measures_perf else torch.empty(0))

    def replay(self, feed: Feed, lrs: list[float]) -> tuple[torch.Tensor, torch.Tensor]:
        """Takes steps; they do not count as done yet."""
        replay = self._replays[_size(feed.order[0])]
        with replay.inference_mode(), torch.enable_grad(), as_it_is():
            losses, perfs = replay.function(
                replay.tensors, self.states, [*leaves(feed.data)], feed.order, lrs, self._done
            )
        return losses, perfs


def _size(batch: torch.Tensor) -> int:
    return batch.shape[-1]


class CapturedGradientStep(_Replaying):
    """Trains by replaying recorded gradients, with an update by the optimizer itself.

    Args:
        replays: For every batch size that will be needed.
        parameters: Those whose gradients the script gives, in its order.
        optimizer: As for `EagerStep`.
        split: The training data.
        measures_perf: Whether the script does.
        clip_norm: As for `EagerStep`.
        average: As for `EagerStep`.
    """

    def __init__(
        self,
        replays: Replays,
        parameters: Sequence[torch.Tensor],
        optimizer: Optimizer,
        split: Split,
        measures_perf: bool,
        clip_norm: float | None = None,
        average: WeightAverage | None = None,
    ) -> None:
        super().__init__(replays, split, measures_perf)
        self._average = average
        self.parameters, self._optimizer, self._clip_norm = parameters, optimizer, clip_norm
        self._lr = LearningRate(optimizer)
        self._kept = OptimizerState(optimizer)

    def state(self) -> dict[str, Any]:
        return {**super().state(), 'optimizer': self._kept.state()}

    def restore_state(self, state: Mapping[str, Any]) -> None:
        super().restore_state(state)
        self._kept.restore(state['optimizer'])

    def run(self, batches: Sequence[torch.Tensor], lrs: Sequence[float]) -> StepResults:
        losses, perfs = [], []
        each = (part.part(k, k + 1) for part in self._parts(batches) for k in range(len(part.order)))
        for feed, lr in zip(each, lrs, strict=True):
            self._lr.set(lr)
            gradients, loss, perf = self.replay(feed)
            for parameter, gradient in zip(self.parameters, gradients, strict=True):
                parameter.grad = gradient
            if self._clip_norm is not None:
                torch.nn.utils.clip_grad_norm_(self.parameters, self._clip_norm)
            self._optimizer.step()
            if self._average is not None:
                self._average.update()
            losses.append(loss)
            perfs.append(perf)
        return StepResults(torch.stack(losses), torch.stack(perfs) if self.measures_perf else torch.empty(0))

    def replay(self, feed: Feed) -> tuple[list[torch.Tensor], torch.Tensor, torch.Tensor]:
        """Returns the gradients, the loss and the performance of a single batch."""
        replay = self._replays[len(feed.order[0])]
        with torch.enable_grad(), as_it_is():
            gradients, loss, perf = replay.function(replay.tensors, [*leaves(feed.data)], feed.order)
        return gradients, loss, perf


def _feeds(split: Split, batches: Sequence[torch.Tensor]) -> Iterator[Feed]:
    if isinstance(split, InMemorySplit) and split.is_resident:
        for _, alike in groupby(batches, _size):
            yield Feed(split.data, [*all_onto([*alike], split.device)])
        return
    for indices, batch in zip(batches, split.batches(batches), strict=True):
        first = next(leaves(batch))
        yield Feed(batch, [torch.arange(len(indices), device=first.device)])
