"""Training steps: forward pass, loss, backward pass, update. All kinds compute the same.

`EagerStep` asks torch for one operator after another, as any training script does. The others replay what
was recorded of that, without Python in between (see `capture`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
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
        for (inputs, targets), lr in zip(self._split.batches(batches), lrs, strict=True):
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
        for feed in _feeds(self._split, batches):
            results.append(self._replay(feed, list(lrs[start : start + len(feed.order)])))
            start += len(feed.order)
        if len(results) == 1:
            losses, perfs = results[0]
        else:
            losses, perfs = (torch.cat(parts) for parts in zip(*results, strict=True))
        return StepResults(losses, perfs if self._measures_perf else torch.empty(0))

    def _replay(self, feed: _Feed, lrs: list[float]) -> tuple[torch.Tensor, torch.Tensor]:
        replay = self._replays[_size(feed.order[0])]
        with torch.inference_mode(), torch.enable_grad(), _as_it_is():
            losses, perfs = replay.function(
                replay.tensors, self._states, feed.inputs, feed.targets, feed.order, lrs, self._done
            )
        self._done += len(feed.order)
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
        each = ((feed, batch) for feed in _feeds(self._split, batches) for batch in feed.order)
        for (feed, batch), lr in zip(each, lrs, strict=True):
            replay = self._replays[len(batch)]
            self._lr.set(lr)
            with torch.enable_grad(), _as_it_is():
                gradients, loss, perf = replay.function(replay.tensors, feed.inputs, feed.targets, [batch])
            for parameter, gradient in zip(self._parameters, gradients, strict=True):
                parameter.grad = gradient
            self._optimizer.step()
            losses.append(loss)
            perfs.append(perf)
        return StepResults(torch.stack(losses), torch.stack(perfs) if self._measures_perf else torch.empty(0))


class _Feed(NamedTuple):
    """What one call of a script can do: batches of one size.

    Attributes:
        inputs: Tensors.
        targets: A tensor.
        order: Where in these each batch is.
    """

    inputs: list[torch.Tensor]
    targets: torch.Tensor
    order: list[torch.Tensor]


def _feeds(split: Split, batches: Sequence[torch.Tensor]) -> Iterator[_Feed]:
    if isinstance(split, InMemorySplit):
        inputs, device = list(leaves(split.inputs)), split.targets.device
        for _, alike in groupby(batches, _size):
            yield _Feed(inputs, split.targets, [batch.to(device) for batch in alike])
        return
    for read, targets in split.batches(batches):
        yield _Feed(list(leaves(read)), targets, [torch.arange(len(targets), device=targets.device)])
