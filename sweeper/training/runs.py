"""The runs there are: a curve measured along a schedule, a brief training, a full trial.

Each is one run, or several of one architecture that are trained side by side ("in lanes").
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np
import torch

from ..errors import NotFiniteData
from ..points import Point, point_key
from ..results import IN_TRAINING, joined_flags
from ..seeding import run_seed
from .attached import RunPlan
from .batches import AcrossEpochs, Batches, SizedBatches
from .capture.learner import Learner
from .checkpoints.checkpoint import CheckpointPlan
from .checkpoints.resumable import Resumable
from .cost import model_cost
from .finite import undisturbed
from .holdout import Holdout, hold_out
from .length import Length
from .plan import TrainingPlan, loop_of, shuffled, train_by_plan
from .resampling.pool import resampled
from .resampling.resampler import TrialSplit
from .schedule import EXTENDABLE
from .scoring.cycles import CycleScores
from .scoring.evaluation import Score, evaluate, is_finite_in_training
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
    holdout_part: int = 0,
    cycles: int = 1,
) -> list[dict[str, Any]]:
    """Trains fresh models for some learning-rate cycles of so many steps; scores them on training data only.

    Args:
        workspace: The problem and its data.
        point: The architecture.
        seeds: One per run.
        lr_min: Where each cycle begins and ends.
        lr_max: The highest learning rate.
        batch_size: The most samples of a batch.
        steps: How many steps to take.
        holdout_seed: Draws the training samples on which the models are scored and not trained.
        held_out: How many these are (of about as many in whole groups, if the problem has `groups()`); 0
            trains and scores on all.
        holdout_part: Which part that is: those of the same seed have no sample in common.
        cycles: How many equal cycles the steps are, at most as many as there are steps.

    Returns:
        For every seed, `loss` and `perf` on the training set, of a large one on a part, or on what is held
        out; infinity and 0 if it diverged. `fit`, if some is held out: the loss on as many of the samples
        that were trained on. With several cycles, and a schedule of which a longer training goes on from a
        shorter one, `losses` and `perfs` at the end of each, shape `(cycles,)`. `step`: a `StepKind`.
        `flags`, if there are any: as those of a trial, or that the objective cannot be computed of what is
        held out, and is that of a model that diverged.
    """
    plan = TrainingPlan(lr_min, lr_max, batch_size, epochs=1, cycle_size_epochs=1 / cycles)
    schedule = workspace.problem.schedule
    data = hold_out(workspace, holdout_seed, held_out, holdout_part)
    is_part = data.trained is not None
    epoch = shuffled(workspace, plan, data.trained)

    def batches(seed: int) -> AcrossEpochs:
        return AcrossEpochs(epoch(seed), steps)

    def run(training: Training, batches: Batches) -> list[dict[str, Any]]:
        curves: list[CycleScores] = []
        if cycles > 1 and schedule in EXTENDABLE:
            curves = [
                CycleScores(learner, data.scored, _MOST_SCORED, is_part) for learner in training.learners
            ]
        ends = train_by_plan(training, batches, plan, schedule, curves)
        results = []
        for lane, (learner, (_, lost)) in enumerate(zip(training.learners, ends, strict=True)):
            curve = curves[lane] if curves else None
            known = None if curve is None or lost else curve.latest
            result = _brief_result(learner, data, lost, known)
            if curve is not None:
                result |= curve.columns(cycles, IN_TRAINING in result.get('flags', ''))
            results.append({**result, 'step': training.kind})
        return results

    about = RunPlan(kind='brief', lr_min=lr_min, lr_max=lr_max, batch_size=batch_size, epochs=1, steps=steps)
    return train_side_by_side(workspace, point, seeds, batches, run, about)


def _brief_result(learner: Learner, data: Holdout, lost: bool, known: Score | None) -> dict[str, Any]:
    """What a brief training came to; `lost` if its loss ceased to be finite, with its scores if `known`."""
    model, objective, scorer = learner.evaluated, learner.objective, learner.score
    score = known or evaluate(
        model, data.scored, objective, scorer.of_objective, _MOST_SCORED, is_part=data.trained is not None
    )
    is_lost = lost or (
        not score.is_finite and not is_finite_in_training(model, data.scored, objective, _MOST_SCORED)
    )
    flags = joined_flags(is_lost, not score.is_finite, score.is_unsure, not score.is_measured)
    result = {'loss': score.loss, 'perf': score.perf, **({'flags': flags} if flags else {})}
    if data.fitted is not None:
        result['fit'] = evaluate(model, data.fitted, objective, scorer.of_loss, _MOST_SCORED).loss
    return result


def train_fully(
    workspace: Workspace,
    point: Point,
    seeds: Sequence[int],
    plan: TrainingPlan,
    index: int | None = None,
    checkpoints: CheckpointPlan | None = None,
    split: TrialSplit | None = None,
    weights: bool = True,
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
        weights: Whether `model` and `model_init` are wanted; else they are None.

    Returns:
        For every seed, `scores`: final `{loss,perf}_{train,val[,test]}`; `diverged`; `epochs` done (a
        fraction if the training ended within one) and
        `seconds` they took (shared out evenly among models trained side by side); `throughtime`: arrays
        over the cycles' ends; `model` and `model_init`: the state dicts, as bytes that
        `torch.load(…, weights_only=True)` reads; `step`: a `StepKind`; `flags`: as of a `TrialResult`;
        of a resample also `split`.
    """
    if split is None:
        return _train_fully(workspace, point, seeds, plan, index, checkpoints, weights=weights)
    assert len(seeds) == 1, 'each has data of its own'
    own = resampled(workspace, split)
    try:
        (result,) = _train_fully(own, point, seeds, plan, index, checkpoints, split, weights)
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
    weights: bool = True,
) -> list[dict[str, Any]]:
    """As `train_fully`, on the data of the workspace, which are those of the split."""
    if plan.patience and len(seeds) > 1:
        numbers = [None if index is None else index + lane for lane in range(len(seeds))]
        one_by_one = [
            _train_fully(workspace, point, [seed], plan, number, checkpoints, weights=weights)
            for number, seed in zip(numbers, seeds, strict=True)
        ]
        return [{**result, 'step': result['step'].alone(_STOPS_ALONE)} for (result,) in one_by_one]
    started = time.perf_counter()
    held_out = -(-len(workspace.splits.train) // _HELD_OUT) if plan.patience else 0
    data = hold_out(workspace, plan.holdout_seed, held_out)

    def run(training: Training, batches: Batches) -> list[dict[str, Any]]:
        scored = data.scored if plan.patience else None
        trials = [Trial(workspace, learner, scored, weights) for learner in training.learners]
        resumable = None
        if training.checkpoint is not None:
            resumable = Resumable(workspace, training, trials, training.checkpoint)
        ends = train_by_plan(training, batches, plan, workspace.problem.schedule, trials, resumable)
        results = [trial.result(*end) for trial, end in zip(trials, ends, strict=True)]
        seconds = (time.perf_counter() - started) / len(trials)
        return [{**result, 'seconds': seconds, 'step': training.kind} for result in results]

    batches = shuffled(workspace, plan, data.trained)
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
