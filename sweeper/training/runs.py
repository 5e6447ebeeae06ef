"""The runs there are: a curve measured along a schedule, a brief training, a full trial."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from ..points import Point, point_key
from ..seeding import model_seed, run_seed, seed_everything
from .capture import Subject, captured_step, why_not_worth_it
from .data import ShuffledBatches, SizedBatches, Split, as_split
from .layout import prefers_channels_last
from .loop import Loop
from .metrics import Criterion, check_loss, evaluate, scorer
from .optimizers import build_optimizer
from .problem import Problem
from .recording import NotCapturable
from .schedule import triangular
from .steps import Step


class Splits(NamedTuple):
    """A problem's data, ready to be batched."""

    train: Split
    val: Split
    test: Split | None


def load_splits(problem: Problem, seed: int, device: torch.device) -> Splits:
    """Calls the problem's `dataset()` and takes its splits into memory where that is cheap.

    Random draws in `dataset()` (a random split, say) are seeded, so that every worker has the same data.
    """
    seed_everything(seed)
    train, val, *rest = (as_split(dataset, device) for dataset in problem.load_datasets())
    return Splits(train, val, rest[0] if rest else None)


@dataclass(frozen=True)
class Bench:
    """A problem with its data, on a device: all that a run needs besides its own arguments."""

    problem: Problem
    splits: Splits
    device: torch.device
    step: str = 'auto'

    def set_up(
        self,
        point: Point,
        seed: int,
        batches: Sequence[torch.Tensor],
        epochs: int = 1,
        measures_perf: bool = False,
    ) -> Training:
        """Initialises a model and chooses how its steps are taken; what they draw at random is seeded too.

        Args:
            point: The architecture.
            seed: The run's.
            batches: Those of the first epoch, as indices.
            epochs: How many there will be.
            measures_perf: Whether every step is to measure its performance.
        """
        subject = self._subject(point, seed, measures_perf)
        if self.step == 'eager':
            return Training(subject, subject.eager_step(), 'eager')
        reason = why_not_worth_it(batches, epochs, self.device) if self.step == 'auto' else None
        if reason is None:
            try:
                return Training(subject, captured_step(subject, batches), 'captured')
            except NotCapturable as error:
                if self.step != 'auto':
                    raise
                reason = str(error)
                subject = self._subject(point, seed, measures_perf)
        return Training(subject, subject.eager_step(), f'eager: {reason}')

    def _subject(self, point: Point, seed: int, measures_perf: bool) -> Subject:
        model, criterion = self.fresh_model(point, seed)
        return Subject(
            model,
            criterion,
            lambda: build_optimizer(self.problem, model),
            self.splits.train,
            scorer(self.problem.accuracy_style, criterion),
            measures_perf,
        )

    def fresh_model(self, point: Point, seed: int) -> tuple[torch.nn.Module, Criterion]:
        """Returns a newly initialised model and its criterion; what they draw later is seeded too."""
        seed_everything(model_seed(seed, point_key(point)))
        model = self.problem.model(point).to(self.device)
        if prefers_channels_last(model, self.splits.train, self.device):
            model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        model.train()
        criterion = self.problem.build_criterion()
        if isinstance(criterion, torch.nn.Module):
            criterion = criterion.to(self.device)
        return model, criterion


class Training(NamedTuple):
    """A model set up to be trained.

    Attributes:
        subject: The model, its loss and so on.
        step: Trains it.
        kind: The kind of step; if it is eager where it might not be, the reason.
    """

    subject: Subject
    step: Step
    kind: str


def measure_curve(
    bench: Bench, point: Point, seed: int, lrs: Sequence[float], batch_sizes: Sequence[int]
) -> dict[str, Any]:
    """Trains a fresh model one step at each `(lr, batch size)` and measures as it goes.

    Returns:
        `loss` and `perf`, shape `(len(lrs),)`: each step's loss and performance on its own batch before
        the update. From the first loss that is not finite on, loss is infinity and performance 0.
        `step`: the kind of step.
    """
    seed_of_order = run_seed(seed, 'order', 0)
    batches = list(SizedBatches(len(bench.splits.train), batch_sizes, seed_of_order))
    training = bench.set_up(point, seed, batches, measures_perf=True)
    losses: list[torch.Tensor] = []
    perfs: list[torch.Tensor] = []

    def after_chunk(loss: torch.Tensor, perf: torch.Tensor) -> bool:
        losses.append(loss)
        perfs.append(perf)
        return not torch.isfinite(loss[-1]).item()

    Loop(training.step, lrs, after_chunk).run(batches)
    loss, perf = np.full(len(lrs), np.inf), np.zeros(len(lrs))
    measured = torch.cat(losses).double().cpu().numpy()
    loss[: len(measured)] = measured
    perf[: len(measured)] = torch.cat(perfs).double().cpu().numpy()
    check_loss(loss.min())
    diverged = np.flatnonzero(~np.isfinite(loss))
    if len(diverged):
        loss[diverged[0] :], perf[diverged[0] :] = np.inf, 0.0
    return {'loss': loss, 'perf': perf, 'step': training.kind}


@dataclass(frozen=True)
class TrainingPlan:
    """How to train: the tuned hyperparameters, as a trial uses them."""

    lr_start: float
    lr_end: float
    batch_size: int
    epochs: int
    cycle_size_epochs: int


def train_briefly(bench: Bench, point: Point, seed: int, plan: TrainingPlan) -> dict[str, Any]:
    """Trains a fresh model by `plan` and scores it on the training data only.

    Returns:
        `loss` and `perf` on the whole training set; infinity and 0 if it diverged. `step`: the kind of step.
    """
    training = _set_up(bench, point, seed, plan)
    _train(bench, training, seed, plan)
    model, criterion, score = training.subject.model, training.subject.criterion, training.subject.score
    result = evaluate(model, bench.splits.train, criterion, score)
    return {'loss': result.loss, 'perf': result.perf, 'step': training.kind}


def train_fully(bench: Bench, point: Point, seed: int, plan: TrainingPlan) -> dict[str, Any]:
    """Trains a fresh model by `plan`, scoring it on every split at the end of each cycle.

    Returns:
        `scores`: final `{loss,perf}_{train,val[,test]}`; `diverged`; `epochs` done and `seconds` they
        took; `throughtime`: arrays over the cycles' ends; `model` and `model_init`: the state dicts,
        as bytes that `torch.load(…, weights_only=True)` reads; `step`: the kind of step.
    """
    started = time.perf_counter()
    training = _set_up(bench, point, seed, plan)
    model, criterion, score = training.subject.model, training.subject.criterion, training.subject.score
    initial = _state_bytes(model)
    splits = {'train': bench.splits.train, 'val': bench.splits.val}
    throughtime: list[dict[str, float]] = []

    def on_epoch(epoch: int) -> None:
        if epoch % plan.cycle_size_epochs == 0 or epoch == plan.epochs:
            row: dict[str, float] = {'epochs': epoch}
            for name, split in splits.items():
                result = evaluate(model, split, criterion, score)
                row |= {f'loss_{name}': result.loss, f'perf_{name}': result.perf}
            throughtime.append(row)

    epochs, diverged = _train(bench, training, seed, plan, on_epoch)
    diverged = diverged or not np.isfinite(throughtime[-1]['loss_train'])  # the last update did it
    if diverged:
        names = [*splits, *(['test'] if bench.splits.test is not None else [])]
        last = {f'{kind}_{name}': v for name in names for kind, v in (('loss', np.inf), ('perf', 0.0))}
    else:
        last = {key: value for key, value in throughtime[-1].items() if key != 'epochs'}
        if bench.splits.test is not None:
            test = evaluate(model, bench.splits.test, criterion, score)
            last |= {'loss_test': test.loss, 'perf_test': test.perf}
    return {
        'scores': last,
        'diverged': diverged,
        'epochs': epochs,
        'seconds': time.perf_counter() - started,
        'throughtime': {
            key: np.array([row[key] for row in throughtime])
            for key in ('epochs', *(f'{kind}_{name}' for name in splits for kind in ('loss', 'perf')))
        },
        'model': _state_bytes(model),
        'model_init': initial,
        'step': training.kind,
    }


def _batches(bench: Bench, seed: int, plan: TrainingPlan) -> ShuffledBatches:
    return ShuffledBatches(len(bench.splits.train), plan.batch_size, run_seed(seed, 'order', 0))


def _set_up(bench: Bench, point: Point, seed: int, plan: TrainingPlan) -> Training:
    return bench.set_up(point, seed, list(_batches(bench, seed, plan)), plan.epochs)


def _train(
    bench: Bench,
    training: Training,
    seed: int,
    plan: TrainingPlan,
    on_epoch: Callable[[int], None] | None = None,
) -> tuple[int, bool]:
    """Trains by `plan`; returns the epochs done and whether the loss ceased to be finite."""
    batches = _batches(bench, seed, plan)
    lrs = triangular(
        plan.lr_start, plan.lr_end, plan.epochs * len(batches), plan.epochs // plan.cycle_size_epochs
    )
    epochs_done, last_loss = 0, torch.zeros(())

    def after_chunk(losses: torch.Tensor, _: torch.Tensor) -> bool:
        nonlocal last_loss
        last_loss = losses[-1]
        return False

    def after_epoch(epoch: int) -> bool:
        nonlocal epochs_done
        epochs_done = epoch
        if not torch.isfinite(last_loss).item():
            return True
        if on_epoch is not None:
            on_epoch(epoch)
        return False

    Loop(training.step, lrs.tolist(), after_chunk).run(batches, plan.epochs, after_epoch)
    return epochs_done, not bool(torch.isfinite(last_loss).item())


def _state_bytes(model: torch.nn.Module) -> bytes:
    """Returns the state dict, on the CPU, so that it can be loaded anywhere."""
    state = model.state_dict()
    for name, value in state.items():
        state[name] = value.cpu() if isinstance(value, torch.Tensor) else value
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()
