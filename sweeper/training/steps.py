"""Training steps: forward pass, loss, backward pass, update. All kinds compute the same.

`EagerStep` asks torch for one operator after another, as any training script does. The others replay what
was recorded of that, without Python in between (see `capture`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple, Protocol, TypeAlias

import torch

from .data import InMemorySplit, Split, leaves
from .metrics import Criterion, Scorer
from .optimizers import LearningRate, Optimizer

# Without optimising the script first, which takes longer than it saves.
_as_it_is = partial(torch.jit.optimized_execution, False)  # type: ignore[attr-defined]


class StepResults(NamedTuple):
    """What some steps measured, each on its own batch before its update.

    Attributes:
        losses: Shape `(steps,)`.
        perfs: Performances, the same shape; empty unless the step is one that measures them.
    """

    losses: torch.Tensor
    perfs: torch.Tensor


class Step(Protocol):
    """Trains a model, step by step."""

    def run(self, batches: Sequence[torch.Tensor], lrs: Sequence[float]) -> StepResults:
        """Takes as many steps as there are batches, at least one.

        Args:
            batches: For every step, the indices of its samples.
            lrs: For every step, the learning rate.
        """
        ...


class EagerStep:
    """Trains by asking torch for one operator after another.

    Args:
        model: Trained in place.
        criterion: Called as `criterion(output, target)`.
        optimizer: Each group's learning rate now is the factor by which it takes those given to `run`.
        split: The training data.
        score: Measures the performance on each batch, if given.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        criterion: Criterion,
        optimizer: Optimizer,
        split: Split,
        score: Scorer | None = None,
    ) -> None:
        self._model, self._criterion, self._optimizer = model, criterion, optimizer
        self._split, self._score = split, score
        self._lr = LearningRate(optimizer)

    def run(self, batches: Sequence[torch.Tensor], lrs: Sequence[float]) -> StepResults:
        losses, perfs = [], []
        for indices, lr in zip(batches, lrs, strict=True):
            inputs, targets = self._split.batch(indices)
            self._lr.set(lr)
            self._optimizer.zero_grad()
            output = self._model(inputs)
            loss = self._criterion(output, targets)
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()
            losses.append(loss.detach())
            if self._score is not None:
                perfs.append(self._score.performance(output.detach(), targets, losses[-1]))
        return StepResults(torch.stack(losses), torch.stack(perfs) if perfs else torch.empty(0))


class Replay(NamedTuple):
    """A recorded step at one batch size, ready to be replayed.

    Attributes:
        function: The script's `steps`.
        tensors: Its first argument.
    """

    function: Callable[..., Any]
    tensors: list[torch.Tensor]


Replays: TypeAlias = Mapping[int, Replay]
"""By batch size."""


class CapturedStep:
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
        self._replays, self._states, self._split = replays, states, split
        self._measures_perf = measures_perf
        self._done = 0

    def run(self, batches: Sequence[torch.Tensor], lrs: Sequence[float]) -> StepResults:
        results, start = [], 0
        for run in self._runs(batches):
            results.append(self._replay(run, list(lrs[start : start + len(run)])))
            start += len(run)
        if len(results) == 1:
            losses, perfs = results[0]
        else:
            losses, perfs = (torch.cat(parts) for parts in zip(*results, strict=True))
        return StepResults(losses, perfs if self._measures_perf else torch.empty(0))

    def _runs(self, batches: Sequence[torch.Tensor]) -> list[list[torch.Tensor]]:
        """Puts batches together that one call can do."""
        if isinstance(self._split, InMemorySplit):
            return [list(run) for _, run in groupby(batches, _size)]
        return [[batch] for batch in batches]

    def _replay(self, batches: list[torch.Tensor], lrs: list[float]) -> tuple[torch.Tensor, torch.Tensor]:
        replay = self._replays[_size(batches[0])]
        inputs, targets, order = indexed(self._split, batches)
        with torch.inference_mode(), torch.enable_grad(), _as_it_is():
            losses, perfs = replay.function(
                replay.tensors, self._states, inputs, targets, order, lrs, self._done
            )
        self._done += len(batches)
        return losses, perfs


def _size(batch: torch.Tensor) -> int:
    return batch.shape[-1]


class CapturedGradientStep:
    """Trains by replaying recorded gradients, with an update by the optimizer itself.

    Args:
        replays: For every batch size that will be needed.
        parameters: Those whose gradients the script gives, in its order.
        optimizer: As for `EagerStep`.
        split: The training data.
        measures_perf: Whether the script does.
    """

    def __init__(
        self,
        replays: Replays,
        parameters: Sequence[torch.Tensor],
        optimizer: Optimizer,
        split: Split,
        measures_perf: bool,
    ) -> None:
        self._replays, self._parameters, self._optimizer = replays, parameters, optimizer
        self._split, self._measures_perf = split, measures_perf
        self._lr = LearningRate(optimizer)

    def run(self, batches: Sequence[torch.Tensor], lrs: Sequence[float]) -> StepResults:
        losses, perfs = [], []
        for batch, lr in zip(batches, lrs, strict=True):
            replay = self._replays[len(batch)]
            inputs, targets, order = indexed(self._split, [batch])
            self._lr.set(lr)
            with torch.enable_grad(), _as_it_is():
                gradients, loss, perf = replay.function(replay.tensors, inputs, targets, order)
            for parameter, gradient in zip(self._parameters, gradients, strict=True):
                parameter.grad = gradient
            self._optimizer.step()
            losses.append(loss)
            perfs.append(perf)
        return StepResults(torch.stack(losses), torch.stack(perfs) if self._measures_perf else torch.empty(0))


def indexed(
    split: Split, batches: Sequence[torch.Tensor]
) -> tuple[list[torch.Tensor], torch.Tensor, list[torch.Tensor]]:
    """Returns inputs, targets, and where in them the batches are; of a split not in memory only one batch."""
    if isinstance(split, InMemorySplit):
        return (
            list(leaves(split.inputs)),
            split.targets,
            [batch.to(split.targets.device) for batch in batches],
        )
    (batch,) = batches
    inputs, targets = split.batch(batch)
    return list(leaves(inputs)), targets, [torch.arange(len(batch), device=targets.device)]
