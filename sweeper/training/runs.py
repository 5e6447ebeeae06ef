"""The runs there are: a curve measured along a schedule, a brief training, a full trial."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from ..points import Point, point_key
from ..seeding import model_seed, run_seed, seed_everything
from .data import ShuffledBatches, SizedBatches, Split, as_split, steps_per_epoch
from .loop import Loop, build_optimizer
from .metrics import Criterion, check_loss, evaluate, scorer
from .problem import Problem
from .schedule import triangular

_DIVERGENCE_CHECK_STEPS = 16


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

    def fresh_model(self, point: Point, seed: int) -> tuple[torch.nn.Module, Criterion]:
        """Returns a newly initialised model and its criterion; what they draw later is seeded too."""
        seed_everything(model_seed(seed, point_key(point)))
        model = self.problem.model(point).to(self.device)
        criterion = self.problem.build_criterion()
        if isinstance(criterion, torch.nn.Module):
            criterion = criterion.to(self.device)
        return model, criterion


def measure_curve(
    bench: Bench, point: Point, seed: int, lrs: Sequence[float], batch_sizes: Sequence[int]
) -> dict[str, np.ndarray]:
    """Trains a fresh model one step at each `(lr, batch size)` and measures as it goes.

    Returns:
        `loss` and `perf`, shape `(len(lrs),)`: each step's loss and performance on its own batch before
        the update. From the first loss that is not finite on, loss is infinity and performance 0.
    """
    model, criterion = bench.fresh_model(point, seed)
    optimizer = build_optimizer(bench.problem, model)
    score = scorer(bench.problem.accuracy_style, criterion)
    losses: list[torch.Tensor] = []
    perfs: list[torch.Tensor] = []

    def after_step(loss: torch.Tensor, output: torch.Tensor, target: torch.Tensor) -> bool:
        losses.append(loss)
        perfs.append(score.performance(output, target, loss))
        return len(losses) % _DIVERGENCE_CHECK_STEPS == 0 and not torch.isfinite(loss).item()

    loop = Loop(model, criterion, optimizer, lrs, after_step)
    loop.run(SizedBatches(bench.splits.train, batch_sizes, run_seed(seed, 'order', 0)))
    loss, perf = np.full(len(lrs), np.inf), np.zeros(len(lrs))
    loss[: len(losses)] = torch.stack(losses).double().cpu().numpy()
    perf[: len(perfs)] = torch.stack(perfs).double().cpu().numpy()
    check_loss(loss.min())
    diverged = np.flatnonzero(~np.isfinite(loss))
    if len(diverged):
        loss[diverged[0] :], perf[diverged[0] :] = np.inf, 0.0
    return {'loss': loss, 'perf': perf}


@dataclass(frozen=True)
class TrainingPlan:
    """How to train: the tuned hyperparameters, as a trial uses them."""

    lr_start: float
    lr_end: float
    batch_size: int
    epochs: int
    cycle_size_epochs: int


def train_briefly(bench: Bench, point: Point, seed: int, plan: TrainingPlan) -> dict[str, float]:
    """Trains a fresh model by `plan` and scores it on the training data only.

    Returns:
        `loss` and `perf` on the whole training set; infinity and 0 if it diverged.
    """
    model, criterion = bench.fresh_model(point, seed)
    _train(bench, model, criterion, seed, plan)
    score = evaluate(model, bench.splits.train, criterion, scorer(bench.problem.accuracy_style, criterion))
    return {'loss': score.loss, 'perf': score.perf}


def train_fully(bench: Bench, point: Point, seed: int, plan: TrainingPlan) -> dict[str, Any]:
    """Trains a fresh model by `plan`, scoring it on every split at the end of each cycle.

    Returns:
        `scores`: final `{loss,perf}_{train,val[,test]}`; `diverged`; `epochs` done and `seconds` they
        took; `throughtime`: arrays over the cycles' ends; `model` and `model_init`: the state dicts,
        as bytes that `torch.load(…, weights_only=True)` reads.
    """
    started = time.perf_counter()
    model, criterion = bench.fresh_model(point, seed)
    score = scorer(bench.problem.accuracy_style, criterion)
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

    epochs, diverged = _train(bench, model, criterion, seed, plan, on_epoch)
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
    }


def _train(
    bench: Bench,
    model: torch.nn.Module,
    criterion: Criterion,
    seed: int,
    plan: TrainingPlan,
    on_epoch: Any = None,
) -> tuple[int, bool]:
    """Trains `model` by `plan`; returns the epochs done and whether the loss ceased to be finite."""
    train = bench.splits.train
    batches = ShuffledBatches(train, plan.batch_size, run_seed(seed, 'order', 0))
    steps = plan.epochs * steps_per_epoch(len(train), plan.batch_size)
    lrs = triangular(plan.lr_start, plan.lr_end, steps, plan.epochs // plan.cycle_size_epochs)
    optimizer = build_optimizer(bench.problem, model)
    epochs_done, last_loss = 0, torch.zeros(())

    def after_step(loss: torch.Tensor, *_: torch.Tensor) -> bool:
        nonlocal last_loss
        last_loss = loss
        return False

    def after_epoch(epoch: int) -> bool:
        nonlocal epochs_done
        epochs_done = epoch
        if not torch.isfinite(last_loss).item():
            return True
        if on_epoch is not None:
            on_epoch(epoch)
        return False

    Loop(model, criterion, optimizer, lrs.tolist(), after_step).run(batches, plan.epochs, after_epoch)
    return epochs_done, not bool(torch.isfinite(last_loss).item())


def _state_bytes(model: torch.nn.Module) -> bytes:
    """Returns the state dict, on the CPU, so that it can be loaded anywhere."""
    state = model.state_dict()
    for name, value in state.items():
        state[name] = value.cpu() if isinstance(value, torch.Tensor) else value
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()
