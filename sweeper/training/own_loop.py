"""A problem's own training loop: `train(run)`, which takes batches and reports losses."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from ..errors import ProblemError
from .attached import Run
from .data import Batch
from .data_check import DataCheck
from .finite import has_finite_parameters
from .length import Length
from .objective import OwnScore

if TYPE_CHECKING:
    from .batches import Batches
    from .capture.learner import Learner

REASON = 'its training loop is its own, train(run)'


@dataclass
class Progress:
    """How far a loop is: what changes from step to step."""

    batches: Iterator[Batch] = field(default_factory=lambda: iter(()))
    lr: float = 0.0
    done: int = 0
    perf: torch.Tensor = field(default_factory=lambda: torch.empty(0))
    loss: torch.Tensor | None = None
    is_stopped: bool = False


@dataclass(frozen=True, kw_only=True)
class TrainingRun(Run):
    """A training that a problem does by itself, as `train(run)` gets it.

    Iterating over it gives the training batches of the whole run, one epoch after another, in the sweep's
    order; the loss of each is to be reported before the next is taken. Models are scored in between.

    Attributes:
        generator: For random draws; seeded by the run's seed, as torch, numpy and `random` are.
    """

    generator: torch.Generator = field(repr=False)
    _progress: Progress = field(repr=False)
    _score: OwnScore | None = field(repr=False)

    @property
    def lr(self) -> float:
        """The learning rate of the present step, by the schedule; of `__next__`'s batch."""
        return self._progress.lr

    @property
    def step(self) -> int:
        """How many steps have been taken."""
        return self._progress.done

    @property
    def progress(self) -> float:
        """How much of the training is done, in [0, 1]."""
        return self._progress.done / self.steps

    def __iter__(self) -> Iterator[Batch]:
        return self._progress.batches

    def report(self, loss: torch.Tensor | float) -> None:
        """Says what the loss of the present batch is, a scalar; one that is not finite ends the training."""
        value = torch.as_tensor(loss).detach()
        if value.numel() != 1:
            raise ProblemError(f'run.report() takes a scalar, the mean loss of the batch; got {loss!r}')
        self._progress.loss = value.reshape(()).to(torch.get_default_dtype())

    def score(self, value: float) -> None:
        """Says how well the model does, where there is no data to tell; the latest counts.

        Args:
            value: The objective in its own unit; in [0, 1] if the problem has no `metrics`.
        """
        if self._score is None:
            raise ProblemError('run.score() is for problems without dataset(); models are scored by the data')
        number = float(value)
        if not self._score.info.is_valid(number):
            valid = 'in [0, 1], such as a share' if self._score.info.is_share else 'that is finite'
            raise ProblemError(f'run.score() takes a performance {valid}; got {value!r}')
        self._score.value = number

    def set_lr(self, *optimizers: torch.optim.Optimizer) -> None:
        """Sets the present learning rate in all groups of optimizers."""
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group['lr'] = self.lr


class OwnLoop:
    """Has a problem train a model by its own loop; the interface is that of `Loop`.

    Args:
        train: The problem's `train`.
        run: What it gets.
        learner: The model, and how it is scored.
        lrs: The learning rate of every step, in order.
        after_chunk: Called after every step with its loss and performance; True ends the training.

    Attributes:
        done: How many steps have been taken.
    """

    def __init__(
        self,
        train: Callable[[Any], object],
        run: TrainingRun,
        learner: Learner,
        lrs: Sequence[float],
        after_chunk: Callable[[torch.Tensor, torch.Tensor], bool] | None = None,
    ) -> None:
        self._train, self._run, self._learner, self._lrs = train, run, learner, lrs
        self._after_chunk, self._data = after_chunk, DataCheck([learner])

    @property
    def done(self) -> int:
        return self._run.step

    def run(
        self, batches: Batches, length: Length | None = None, on_stop: Callable[[int], bool] | None = None
    ) -> None:
        """Trains for so many steps; the arguments are as for `Loop.run`."""
        progress = self._run._progress
        progress.batches = self._batches(batches, length or Length(1, 1, len(batches)), on_stop)
        self._learner.model.train()
        try:
            self._train(self._run)
        except Exception:
            if has_finite_parameters(self._learner.model):
                raise
            progress.loss = torch.tensor(math.nan)  # a criterion raises since outputs are NaN, say
        if progress.loss is not None:  # it ended before it took the next batch
            self._take()
        self._learner.model.train()
        if not progress.done:
            raise ProblemError(
                'train(run) took no batch, or reported no loss: `for batch in run: …; run.report(loss)`'
            )

    def _batches(
        self, batches: Batches, length: Length, on_stop: Callable[[int], bool] | None
    ) -> Iterator[Batch]:
        progress, split, stops = self._run._progress, self._learner.split, set(length.stops)
        for _ in range(length.begun_epochs):
            order = list(batches)[: length.steps - progress.done]
            for indices, batch in zip(order, split.batches(order), strict=True):
                progress.lr, progress.loss = float(self._lrs[progress.done]), None
                progress.perf = self._measured(batch)
                yield batch
                if progress.loss is None:
                    raise ProblemError(
                        f'train(run) took batch {progress.done + 2} and had reported no loss of the one '
                        f'before: call run.report(loss) for each batch'
                    )
                self._data.check([indices], progress.loss.reshape(1))
                if self._take():
                    return
                if progress.done in stops and on_stop is not None and on_stop(progress.done):
                    return

    def _take(self) -> bool:
        """Counts a step as done; returns whether the training is to end."""
        progress = self._run._progress
        assert progress.loss is not None
        losses, progress.loss = progress.loss.reshape(1), None
        progress.done += 1
        perf = progress.perf
        if self._run._score is not None and losses.isfinite():  # the score says what the loss would
            losses = torch.tensor([self._run._score.loss])
            perf = torch.tensor([self._run._score.value or 0.0]) if self._learner.measures_perf else perf
        is_over = self._after_chunk is not None and self._after_chunk(losses, perf.reshape(-1))
        return is_over or progress.is_stopped or not bool(losses.isfinite())

    def _measured(self, batch: Batch) -> torch.Tensor:
        """The performance on a batch before its update, if that is wanted."""
        learner = self._learner
        if not learner.measures_perf or self._run._score is not None:
            return torch.empty(0)
        with torch.no_grad():
            loss, outputs = learner.objective.guarded().forward(learner.model, batch)
            return learner.score.performance(outputs, loss)
