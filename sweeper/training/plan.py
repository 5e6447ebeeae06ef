"""A training by its plan: batches, learning rates and cycles, and what scores models at their ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch

from ..seeding import run_seed
from .batches import Batches, ShuffledBatches
from .checkpoints.resumable import Resumable
from .data_check import DataCheck
from .length import Length
from .loop import Loop
from .own_loop import OwnLoop
from .schedule import Schedule, learning_rates
from .stream import StreamSplit
from .workspace import Training, Workspace

if TYPE_CHECKING:
    from .engine import RunEngine


@dataclass(frozen=True)
class TrainingPlan:
    """How to train: the tuned hyperparameters, as a trial uses them; `epochs` need not be whole.

    With `patience`, it ends when the objective on a tenth of the training data, which `holdout_seed` draws
    and which is not trained on, has not improved for so many cycles. With a `fraction` below 1, it ends with
    the first cycle after which so much of it is done.
    """

    lr_min: float
    lr_max: float
    batch_size: int
    epochs: float
    cycle_size_epochs: float
    patience: int = 0
    holdout_seed: int = 0
    fraction: float = 1.0


class CycleScorer(Protocol):
    """Scores one model at the end of each cycle."""

    def take_scores(self, epochs: float, engine: RunEngine | None = None) -> Mapping[str, float]:
        """Scores the model after so many epochs; returns what handlers are told, if anything."""
        ...

    @property
    def is_scored(self) -> bool:
        """Whether the model has been scored as it stands."""
        ...

    def has_stalled(self, patience: int) -> bool:
        """Whether the objective has not improved in the last cycles, so many."""
        return False


def shuffled(
    workspace: Workspace, plan: TrainingPlan, among: torch.Tensor | None = None
) -> Callable[[int], ShuffledBatches]:
    """The batches of an epoch, by a run's seed: of all training data, or of what is at these indices."""
    samples = len(workspace.splits.train if among is None else among)
    is_stream = isinstance(workspace.splits.train, StreamSplit)

    def batches(seed: int) -> ShuffledBatches:
        return ShuffledBatches(samples, plan.batch_size, run_seed(seed, 'order', 0), among, is_stream)

    return batches


def train_by_plan(
    training: Training,
    batches: Batches,
    plan: TrainingPlan,
    schedule: Schedule,
    trials: Sequence[CycleScorer] = (),
    resumable: Resumable | None = None,
) -> list[tuple[float, bool]]:
    """Trains by `plan`.

    Args:
        training: What to train.
        batches: Its batches.
        plan: The learning rates, batch size and length of the training.
        schedule: The learning rates in between.
        trials: Of every model, what scores it at the end of each cycle, as long as its loss is finite.
        resumable: Keeps their state at the end of cycles, and puts back what was kept.

    Returns:
        For every model, the epochs done, and whether its loss ceased to be finite.
    """
    length = Length(plan.epochs, plan.cycle_size_epochs, len(batches))
    lrs = learning_rates(schedule, plan.lr_min, plan.lr_max, length.steps, length.cycles)
    lanes = len(training.learners)
    ends: list[tuple[float, bool]] = [(0, False)] * lanes
    last_losses = torch.zeros(lanes)
    last = next(end for end in length.cycle_ends if end >= plan.fraction * length.steps)
    done = 0
    if resumable is not None and (position := resumable.restore(last)) is not None:
        done, ends = position

    def after_chunk(losses: torch.Tensor, _: torch.Tensor) -> bool:
        nonlocal last_losses
        last_losses = losses[-1].reshape(lanes)
        return False

    def at_stop(steps: int) -> bool:
        epochs = length.epochs_after(steps)
        for lane, is_finite in enumerate(torch.isfinite(last_losses).tolist()):
            if not ends[lane][1]:
                ends[lane] = (epochs, not is_finite)
        alive = [lane for lane, (_, diverged) in enumerate(ends) if not diverged]
        if alive and trials and steps in length.cycle_ends:
            training.step.update_models()
            scores = [trials[lane].take_scores(epochs, training.engine) for lane in alive]
            training.step.expect_changes()
            if training.engine is not None and scores[0]:
                training.engine.publish(scores[0])
            if plan.patience and training.agreed(trials[0].has_stalled(plan.patience)):
                return True
            if resumable is not None and steps < length.steps:
                resumable.keep(loop.done, ends, is_end=steps == last)
        return not alive or steps == last

    loop = loop_of(training, lrs.tolist(), after_chunk, done)
    if done < last:
        loop.run(batches, length, at_stop)
    training.step.verify_last()
    training.step.update_models()
    may_end = training.engine is not None or training.own is not None
    if may_end and not ends[0][1]:  # the problem may have ended it, or changed the model
        reached = length.epochs_after(loop.done)
        ends = [(reached, not bool(last_losses.isfinite()))]
        if trials and not ends[0][1] and not trials[0].is_scored:
            trials[0].take_scores(reached)
    return ends


def loop_of(
    training: Training,
    lrs: Sequence[float],
    after_chunk: Callable[[torch.Tensor, torch.Tensor], bool] | None = None,
    done: int = 0,
) -> Loop | OwnLoop:
    """Returns what trains: the problem's own loop, or ours; the arguments are those of `Loop`."""
    if training.own is not None:
        return OwnLoop(*training.own, training.learners[0], lrs, after_chunk)
    return Loop(
        training.step, lrs, after_chunk, DataCheck(training.learners, training.ranks), training.engine, done
    )
