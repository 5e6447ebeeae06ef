"""The runs there are: a curve measured along a schedule, a brief training, a full trial.

Each is one run, or several of one architecture that are trained side by side ("in lanes").
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch

from ..errors import NotFiniteData, ProblemError
from ..points import Point, point_key
from ..results import joined_flags
from ..seeding import run_seed
from .attached import RunPlan
from .batches import AcrossEpochs, Batches, ShuffledBatches, SizedBatches
from .checkpoints.checkpoint import CheckpointPlan
from .checkpoints.resumable import Resumable
from .cost import model_cost
from .data import Split, SplitPart
from .data_check import DataCheck
from .finite import undisturbed
from .length import Length
from .loop import Loop
from .own_loop import OwnLoop
from .resampling.pool import resampled
from .resampling.resampler import TrialSplit
from .schedule import Schedule, learning_rates
from .scoring.evaluation import evaluate, is_finite_in_training
from .scoring.scorer import Scorer
from .side_by_side import train_side_by_side
from .stream import StreamSplit
from .trial import Trial
from .workspace import Training, Workspace

_MOST_SCORED = 8192

_HELD_OUT = 10
"""One in so many training samples is held out to stop by."""

_STOPS_ALONE = 'each stops when it has stalled itself'
_OWN_SPLIT = 'each has a split of the data of its own'


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


def measure_curve(
    workspace: Workspace, point: Point, seeds: Sequence[int], lrs: Sequence[float], batch_sizes: Sequence[int]
) -> list[dict[str, Any]]:
    """Trains fresh models one step at each `(lr, batch size)` and measures as it goes.

    Returns:
        For every seed, `loss` and `perf`, shape `(len(lrs),)`: each step's loss and performance on its own
        batch before the update. From the first loss that is not finite on, loss is infinity and performance
        0. Where only a whole split can be scored, `perf` is 0, and `untrained` is the objective of the fresh
        model on training data. `step`: a `StepKind`. `cost`: the fields of a `ModelCost` as JSON, so that
        they can be saved as arrays are.
    """
    measures_perf = workspace.problem.accuracy_style is not None

    def batches(seed: int) -> SizedBatches:
        train = workspace.splits.train
        order = run_seed(seed, 'order', 0)
        return SizedBatches(len(train), batch_sizes, order, isinstance(train, StreamSplit))

    def run(training: Training, batches: Batches) -> list[dict[str, Any]]:
        measured: list[tuple[torch.Tensor, torch.Tensor]] = []

        def after_chunk(losses: torch.Tensor, perfs: torch.Tensor) -> bool:
            measured.append((losses, perfs if measures_perf else torch.zeros_like(losses)))
            return not torch.isfinite(losses[-1]).any().item()

        untrained = [] if measures_perf else _untrained(training)
        loop_of(training, lrs, after_chunk).run(batches)
        training.step.verify_last()
        lanes = len(training.learners)
        losses, perfs = (
            torch.cat(parts).reshape(-1, lanes).double().cpu().numpy().T
            for parts in zip(*measured, strict=True)
        )
        first = training.learners[0]
        cost = json.dumps(asdict(model_cost(first.model, workspace.splits.train, first.objective)))
        score = first.score
        results = [
            {**_curve(len(lrs), loss, perf, score), 'step': training.kind, 'cost': cost}
            for loss, perf in zip(losses, perfs, strict=True)
        ]
        for result, value in zip(results, untrained, strict=False):
            result['untrained'] = value
        return results

    about = RunPlan(
        kind='range_test',
        lr_min=min(lrs),
        lr_max=max(lrs),
        batch_size=max(batch_sizes),
        epochs=1,
        steps=len(lrs),
    )
    return train_side_by_side(workspace, point, seeds, batches, run, about, measures_perf)


def _untrained(training: Training) -> list[float]:
    """The objective of models that have not been trained, on training data, of a large set on a part."""
    learners = training.learners
    if learners[0].objective.own_score is not None:
        return []
    with undisturbed():
        scores = [
            evaluate(learner.model, learner.split, learner.objective, learner.score, _MOST_SCORED)
            for learner in learners
        ]
    training.step.expect_changes()
    return [score.perf for score in scores]


def _curve(steps: int, loss: np.ndarray, perf: np.ndarray, score: Scorer) -> dict[str, Any]:
    """A measured curve, made `steps` long and infinite from the first loss that is not finite."""
    score.check_loss(loss.min())
    diverged = np.flatnonzero(~np.isfinite(loss))
    end = diverged[0] if len(diverged) else len(loss)
    curve = {'loss': np.full(steps, np.inf), 'perf': np.zeros(steps)}
    curve['loss'][:end], curve['perf'][:end] = loss[:end], perf[:end]
    return curve


def train_briefly(
    workspace: Workspace,
    point: Point,
    seeds: Sequence[int],
    lr_min: float,
    lr_max: float,
    batch_size: int,
    steps: int,
    holdout_seed: int = 0,
    held_out: int = 0,
) -> list[dict[str, Any]]:
    """Trains fresh models for one learning-rate cycle of so many steps; scores them on training data only.

    Args:
        workspace: The problem and its data.
        point: The architecture.
        seeds: One per run.
        lr_min: Where the cycle begins and ends.
        lr_max: The highest learning rate.
        batch_size: The most samples of a batch.
        steps: How many steps to take.
        holdout_seed: Draws the training samples on which the models are scored and not trained.
        held_out: How many these are; 0 trains and scores on all.

    Returns:
        For every seed, `loss` and `perf` on the training set, of a large one on a part; infinity and 0 if it
        diverged. `step`: a `StepKind`. `flags`, if there are any: as those of a trial.
    """
    plan = TrainingPlan(lr_min, lr_max, batch_size, epochs=1, cycle_size_epochs=1)
    trained, scored = _parts(workspace.splits.train, holdout_seed, held_out)
    shuffled = _shuffled(workspace, plan, trained)

    def batches(seed: int) -> AcrossEpochs:
        return AcrossEpochs(shuffled(seed), steps)

    def run(training: Training, batches: Batches) -> list[dict[str, Any]]:
        ends = _train(training, batches, plan, workspace.problem.schedule)
        results = []
        for learner, (_, lost) in zip(training.learners, ends, strict=True):
            score = evaluate(learner.evaluated, scored, learner.objective, learner.score, _MOST_SCORED)
            is_lost = lost or (
                not score.is_finite
                and not is_finite_in_training(learner.evaluated, scored, learner.objective, _MOST_SCORED)
            )
            flags = joined_flags(is_lost, not score.is_finite, score.is_unsure)
            extra = {'flags': flags} if flags else {}
            results.append({'loss': score.loss, 'perf': score.perf, 'step': training.kind, **extra})
        return results

    about = RunPlan(kind='brief', lr_min=lr_min, lr_max=lr_max, batch_size=batch_size, epochs=1, steps=steps)
    return train_side_by_side(workspace, point, seeds, batches, run, about)


def _parts(train: Split, holdout_seed: int, held_out: int) -> tuple[torch.Tensor | None, Split]:
    """Returns the indices to train on (None: all), and what to score on."""
    if not held_out:
        return None, train
    if isinstance(train, StreamSplit):
        raise ProblemError(
            'the training data is a stream, of which nothing can be held out, as nuisance parameters and '
            "stop='held-out' need it: return a dataset with __getitem__"
        )
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(holdout_seed))
    return order[held_out:].sort().values, SplitPart(train, order[:held_out].sort().values)


def train_fully(
    workspace: Workspace,
    point: Point,
    seeds: Sequence[int],
    plan: TrainingPlan,
    index: int | None = None,
    checkpoints: CheckpointPlan | None = None,
    split: TrialSplit | None = None,
) -> list[dict[str, Any]]:
    """Trains fresh models by `plan`, scoring them on every split at the end of each cycle.

    Args:
        workspace: The problem and its data.
        point: The architecture.
        seeds: One per trial.
        plan: The learning rates, batch size and length of the training.
        index: The first trial's number; those of the others follow.
        checkpoints: Where and how often they keep their state, from which they go on; None: nowhere.
        split: Of the only trial, if it is a resample: which samples it is trained and validated on.

    Returns:
        For every seed, `scores`: final `{loss,perf}_{train,val[,test]}`; `diverged`; `epochs` done (a
        fraction if the training ended within one) and
        `seconds` they took (shared out evenly among models trained side by side); `throughtime`: arrays
        over the cycles' ends; `model` and `model_init`: the state dicts, as bytes that
        `torch.load(…, weights_only=True)` reads; `step`: a `StepKind`; `flags`: as of a `TrialResult`;
        of a resample also `split`.
    """
    if split is None:
        return _train_fully(workspace, point, seeds, plan, index, checkpoints)
    assert len(seeds) == 1, 'each has data of its own'
    own = resampled(workspace, split)
    try:
        (result,) = _train_fully(own, point, seeds, plan, index, checkpoints, split)
    except NotFiniteData as error:
        raise NotFiniteData(f'{error} (samples are counted within the split of this trial)') from error
    step = result['step'].alone(_OWN_SPLIT) if workspace.step == 'lanes' else result['step']
    return [{**result, 'step': step, 'split': {**split.place}}]


def _train_fully(
    workspace: Workspace,
    point: Point,
    seeds: Sequence[int],
    plan: TrainingPlan,
    index: int | None,
    checkpoints: CheckpointPlan | None,
    split: TrialSplit | None = None,
) -> list[dict[str, Any]]:
    """As `train_fully`, on the data of the workspace, which are those of the split."""
    if plan.patience and len(seeds) > 1:
        one_by_one = [
            _train_fully(workspace, point, [seed], plan, None if index is None else index + lane, checkpoints)
            for lane, seed in enumerate(seeds)
        ]
        return [{**result, 'step': result['step'].alone(_STOPS_ALONE)} for (result,) in one_by_one]
    started = time.perf_counter()
    train = workspace.splits.train
    trained, held_out = _parts(train, plan.holdout_seed, -(-len(train) // _HELD_OUT) if plan.patience else 0)

    def run(training: Training, batches: Batches) -> list[dict[str, Any]]:
        scored = held_out if plan.patience else None
        trials = [Trial(workspace, learner, scored) for learner in training.learners]
        resumable = None
        if training.checkpoint is not None:
            resumable = Resumable(workspace, training, trials, training.checkpoint)
        ends = _train(training, batches, plan, workspace.problem.schedule, trials, resumable)
        results = [trial.result(*end) for trial, end in zip(trials, ends, strict=True)]
        seconds = (time.perf_counter() - started) / len(trials)
        return [{**result, 'seconds': seconds, 'step': training.kind} for result in results]

    batches = _shuffled(workspace, plan, trained)
    length = Length(plan.epochs, plan.cycle_size_epochs, len(batches(seeds[0])))
    about = RunPlan(
        kind='trial',
        index=index,
        lr_min=plan.lr_min,
        lr_max=plan.lr_max,
        batch_size=plan.batch_size,
        epochs=plan.epochs,
        steps=length.steps,
    )
    checkpoint = None
    if checkpoints is not None and index is not None:
        whole = asdict(replace(plan, fraction=1.0))  # a longer part goes on from a shorter one
        if split is not None:
            whole['split'] = split.identity()
        checkpoint = partial(checkpoints.of, index, point_key(point), seeds, whole)
    return train_side_by_side(workspace, point, seeds, batches, run, about, checkpoint=checkpoint)


def _shuffled(
    workspace: Workspace, plan: TrainingPlan, among: torch.Tensor | None = None
) -> Callable[[int], ShuffledBatches]:
    """The batches of an epoch, by a run's seed: of all training data, or of what is at these indices."""
    samples = len(workspace.splits.train if among is None else among)
    is_stream = isinstance(workspace.splits.train, StreamSplit)

    def batches(seed: int) -> ShuffledBatches:
        return ShuffledBatches(samples, plan.batch_size, run_seed(seed, 'order', 0), among, is_stream)

    return batches


def _train(
    training: Training,
    batches: Batches,
    plan: TrainingPlan,
    schedule: Schedule,
    trials: Sequence[Trial] = (),
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
            if training.engine is not None:
                training.engine.publish(scores[0])
            if plan.patience and trials[0].has_stalled(plan.patience):
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
    return Loop(training.step, lrs, after_chunk, DataCheck(training.learners), training.engine, done)
