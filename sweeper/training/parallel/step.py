"""A training step that several processes take together, each on its share of the batch, by torch's DDP."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from ...errors import ProblemError
from ..accumulation import parts_of
from ..capture.learner import Learner
from ..data import Batch, Split
from ..objective import Objective, Outputs
from ..steps import EagerStep, StepResults
from .ranks import Ranks


class DataParallelStep(EagerStep):
    """Takes the step that a single process would take: its gradient is that of the mean over the whole batch.

    As with `accumulate`, that holds for criteria that are means over the samples, and for networks that treat
    each sample alone: a batch normalisation in training mode sees the rank's share. Its running statistics
    are those of the first rank, as always with DDP.

    Args:
        learner: The model, which is the same in all ranks, and how it is trained.
        ranks: Those that train it.
    """

    def __init__(self, learner: Learner, ranks: Ranks) -> None:
        objective = learner.objective.guarded()
        self._shares = _Shares(learner.split, ranks)
        super().__init__(
            learner.model,
            objective,
            learner.make_optimizer(),
            self._shares,
            learner.score if learner.measures_perf else None,
            learner.clip_norm,
            learner.parts,
            learner.average,
        )
        self._ranks = ranks
        self._forward = _Forward(learner.model, objective)
        # A parameter that a step does not use has no gradient, as without DDP.
        self._parallel = DistributedDataParallel(self._forward, find_unused_parameters=True)

    def run(self, batches: Sequence[torch.Tensor], lrs: Sequence[float]) -> StepResults:
        results = super().run(batches, lrs)
        if self._needs_closure:  # which has had to know the loss already
            return results
        return StepResults(*map(self._ranks.total, results))

    def backward(self, batch: Batch) -> list[torch.Tensor]:
        """Computes the gradients of the whole batch; returns this rank's part of its loss and performance.

        With an optimizer that looks at the loss, returns the loss itself.
        """
        weight = self._shares.weight
        parts = parts_of(batch, self._parts) if self._parts > 1 else [(batch, 1.0)]
        measured = []
        for number, (part, share) in enumerate(parts, start=1):
            with nullcontext() if number == len(parts) else self._parallel.no_sync():
                loss = self._parallel(part)
                # DDP divides the sum of all ranks by their number.
                (loss * (share * weight * self._ranks.size)).backward()
            values = [loss.detach()]
            if self._score is not None:
                values.append(self._score.performance(self._forward.outputs, values[0]))
            measured.append(torch.stack(values) * (share * weight))
        total = torch.stack(measured).sum(0)
        return list(self._ranks.total(total) if self._needs_closure else total)

    def update_models(self) -> None:
        """Gives all ranks the first one's buffers, and sees that they have the same weights.

        Raises:
            ProblemError: They have not.
        """
        for buffer in self._buffers():
            dist.broadcast(buffer, src=0)
        sums = self._ranks.gathered(_checksum(self._forward))
        if len({*sums}) > 1:
            raise ProblemError(
                f'the {self._ranks.size} processes that train this model together have come to different '
                f'weights. Each must update them alike: an optimizer that draws random numbers does not, nor '
                f'do GPUs of different kinds'
            )

    def _buffers(self) -> Iterator[torch.Tensor]:
        yield from self._forward.buffers()
        if self._average is not None:
            yield from self._average.tensors


class _Shares:
    """This rank's shares of batches.

    Args:
        split: The training data.
        ranks: Those that share them.

    Attributes:
        weight: Of the share that was read last: its part of the batch's samples.
    """

    def __init__(self, split: Split, ranks: Ranks) -> None:
        self._split, self._ranks = split, ranks
        self.weight = 1.0

    def __len__(self) -> int:
        return len(self._split)

    def batch(self, indices: torch.Tensor) -> Batch:
        (batch,) = self.batches([indices])
        return batch

    def batches(self, order: Sequence[torch.Tensor]) -> Iterator[Batch]:
        shares = [self._ranks.share(indices) for indices in order]
        parts = self._split.batches([indices for indices, _ in shares])
        for batch, (_, self.weight) in zip(parts, shares, strict=True):
            yield batch

    def suspect(self, indices: torch.Tensor) -> Batch | None:
        return self._split.suspect(self._ranks.share(indices)[0])

    def places(self, indices: torch.Tensor) -> list[int]:
        return self._split.places(indices)


class _Forward(torch.nn.Module):
    """A forward pass with its loss, as DDP needs it: a problem's own step may call the model as it likes.

    Args:
        model: What is trained.
        objective: The loss; its criterion may be trained, too.

    Attributes:
        outputs: Gives what is to be scored of the last batch.
    """

    outputs: Outputs

    def __init__(self, model: torch.nn.Module, objective: Objective) -> None:
        super().__init__()
        self.model = model
        self.trained = torch.nn.ModuleList(objective.modules)
        self._objective = objective

    def forward(self, batch: Any) -> torch.Tensor:
        loss, self.outputs = self._objective.forward(self.model, batch)
        return loss


def _checksum(module: torch.nn.Module) -> str:
    """A text that is the same for the same weights, NaN or not."""
    sums = [parameter.detach().double().sum() for parameter in module.parameters()]
    return float(torch.stack(sums).sum()).hex() if sums else ''
