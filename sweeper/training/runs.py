"""The runs there are: a curve measured along a schedule, a brief training, a full trial.

Each is one run, or several of one architecture that are trained side by side ("in lanes").
"""

from __future__ import annotations

import contextvars
import io
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain, islice, repeat
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch

from ..points import Point
from ..results import joined_flags
from ..seeding import run_seed
from .attached import RunPlan
from .capture.capture import Learner
from .capture.recording import NotCapturable
from .cost import model_cost
from .data import ShuffledBatches, SizedBatches, Split, SplitPart
from .data_check import DataCheck
from .loop import Batches, Loop
from .metrics import Score, check_loss, evaluate, is_finite_in_evaluation, is_finite_in_training
from .own_loop import OwnLoop
from .schedule import Schedule, learning_rates
from .workspace import Training, Workspace

if TYPE_CHECKING:
    from .engine import RunEngine

Result = TypeVar('Result')

_MOST_SCORED = 8192


@dataclass(frozen=True)
class TrainingPlan:
    """How to train: the tuned hyperparameters, as a trial uses them."""

    lr_min: float
    lr_max: float
    batch_size: int
    epochs: int
    cycle_size_epochs: int


def measure_curve(
    workspace: Workspace, point: Point, seeds: Sequence[int], lrs: Sequence[float], batch_sizes: Sequence[int]
) -> list[dict[str, Any]]:
    """Trains fresh models one step at each `(lr, batch size)` and measures as it goes.

    Returns:
        For every seed, `loss` and `perf`, shape `(len(lrs),)`: each step's loss and performance on its own
        batch before the update. From the first loss that is not finite on, loss is infinity and performance
        0. `step`: a `StepKind`. `cost`: the fields of a `ModelCost` as JSON, so that they can be saved as
        arrays are.
    """

    def batches(seed: int) -> SizedBatches:
        return SizedBatches(len(workspace.splits.train), batch_sizes, run_seed(seed, 'order', 0))

    def run(training: Training, batches: Batches) -> list[dict[str, Any]]:
        measured: list[tuple[torch.Tensor, torch.Tensor]] = []

        def after_chunk(losses: torch.Tensor, perfs: torch.Tensor) -> bool:
            measured.append((losses, perfs))
            return not torch.isfinite(losses[-1]).any().item()

        _loop(training, lrs, after_chunk).run(batches)
        training.step.verify_last()
        lanes = len(training.learners)
        losses, perfs = (
            torch.cat(parts).reshape(-1, lanes).double().cpu().numpy().T
            for parts in zip(*measured, strict=True)
        )
        first = training.learners[0]
        cost = json.dumps(asdict(model_cost(first.model, workspace.splits.train, first.objective)))
        return [
            {**_curve(len(lrs), loss, perf), 'step': training.kind, 'cost': cost}
            for loss, perf in zip(losses, perfs, strict=True)
        ]

    about = RunPlan(
        kind='range_test',
        lr_min=min(lrs),
        lr_max=max(lrs),
        batch_size=max(batch_sizes),
        epochs=1,
        steps=len(lrs),
    )
    return _train_side_by_side(workspace, point, seeds, batches, run, about, measures_perf=True)


def _curve(steps: int, loss: np.ndarray, perf: np.ndarray) -> dict[str, np.ndarray]:
    """A measured curve, made `steps` long and infinite from the first loss that is not finite."""
    check_loss(loss.min())
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

    def batches(seed: int) -> _AcrossEpochs:
        return _AcrossEpochs(shuffled(seed), steps)

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
    return _train_side_by_side(workspace, point, seeds, batches, run, about)


def _parts(train: Split, holdout_seed: int, held_out: int) -> tuple[torch.Tensor | None, Split]:
    """Returns the indices to train on (None: all), and what to score on."""
    if not held_out:
        return None, train
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(holdout_seed))
    return order[held_out:].sort().values, SplitPart(train, order[:held_out].sort().values)


class _AcrossEpochs:
    """The batches of one epoch after another, up to a number of steps."""

    def __init__(self, batches: ShuffledBatches, steps: int) -> None:
        self._batches, self._steps = batches, steps

    def __len__(self) -> int:
        return self._steps

    def __iter__(self) -> Iterator[torch.Tensor]:
        return islice(chain.from_iterable(repeat(self._batches)), self._steps)


def train_fully(
    workspace: Workspace, point: Point, seeds: Sequence[int], plan: TrainingPlan, index: int | None = None
) -> list[dict[str, Any]]:
    """Trains fresh models by `plan`, scoring them on every split at the end of each cycle.

    Args:
        workspace: The problem and its data.
        point: The architecture.
        seeds: One per trial.
        plan: The learning rates, batch size and length of the training.
        index: The first trial's number; those of the others follow.

    Returns:
        For every seed, `scores`: final `{loss,perf}_{train,val[,test]}`; `diverged`; `epochs` done (a
        fraction if a handler ended the training within one) and
        `seconds` they took (shared out evenly among models trained side by side); `throughtime`: arrays
        over the cycles' ends; `model` and `model_init`: the state dicts, as bytes that
        `torch.load(…, weights_only=True)` reads; `step`: a `StepKind`; `flags`: as of a `TrialResult`.
    """
    started = time.perf_counter()

    def run(training: Training, batches: Batches) -> list[dict[str, Any]]:
        trials = [_Trial(workspace, learner) for learner in training.learners]
        ends = _train(training, batches, plan, workspace.problem.schedule, trials)
        results = [trial.result(*end) for trial, end in zip(trials, ends, strict=True)]
        seconds = (time.perf_counter() - started) / len(trials)
        return [{**result, 'seconds': seconds, 'step': training.kind} for result in results]

    batches = _shuffled(workspace, plan)
    steps = plan.epochs * len(batches(seeds[0]))
    about = RunPlan(
        kind='trial',
        index=index,
        lr_min=plan.lr_min,
        lr_max=plan.lr_max,
        batch_size=plan.batch_size,
        epochs=plan.epochs,
        steps=steps,
    )
    return _train_side_by_side(workspace, point, seeds, batches, run, about)


class _Trial:
    """One model of a full training, and its scores so far."""

    def __init__(self, workspace: Workspace, learner: Learner) -> None:
        self._learner = learner
        self._splits = {'train': workspace.splits.train, 'val': workspace.splits.val}
        self._test = workspace.splits.test
        self._initial = _state_bytes(learner.evaluated)
        self._rows: list[dict[str, float]] = []
        self._last: dict[str, Score] = {}
        self._is_unsure = False
        self._scored: list[int] = []

    def take_scores(self, epochs: float, engine: RunEngine | None = None) -> dict[str, float]:
        """Scores the model after so many epochs; returns the scores by name. An engine calls handlers."""
        if engine is not None:
            engine.begin_scoring()
        watchers = {'val': engine}
        self._last = {
            name: self._score(name, split, watchers.get(name)) for name, split in self._splits.items()
        }
        self._rows = [row for row in self._rows if row['epochs'] != epochs]
        self._rows.append({'epochs': epochs, **_as_row(self._last)})
        self._scored = self._versions()
        return _as_row(self._last)

    @property
    def is_scored(self) -> bool:
        """Whether the model has been scored as it stands."""
        return self._scored == self._versions()

    def _versions(self) -> list[int]:
        model = self._learner.evaluated
        tensors = [*model.parameters(), *model.buffers()]
        return [number for tensor in tensors for number in (id(tensor), tensor._version)]

    def _score(self, name: str, split: Split, engine: RunEngine | None = None) -> Score:
        learner = self._learner
        score = evaluate(
            learner.evaluated, split, learner.objective, learner.score, name=name, watcher=engine
        )
        self._is_unsure = self._is_unsure or score.is_unsure
        return score

    def result(self, epochs: float, lost: bool) -> dict[str, Any]:
        learner, train = self._learner, self._splits['train']
        model, last = _state_bytes(learner.evaluated), self._last
        if lost:  # it has not been scored since
            is_finite = is_finite_in_evaluation(learner.evaluated, train, learner.objective, learner.score)
            in_training, in_evaluation = True, not is_finite
        else:
            if self._test is not None:
                last = {**last, 'test': self._score('test', self._test)}
            in_evaluation = not all(score.is_finite for score in last.values())
            # The last update may have done it.
            in_training = not last['train'].is_finite and not is_finite_in_training(
                learner.evaluated, train, learner.objective
            )
        if in_training:
            names = [*self._splits, *(['test'] if self._test is not None else [])]
            last = dict.fromkeys(names, Score(np.inf, 0.0))
        keys = ('epochs', *(f'{kind}_{name}' for name in self._splits for kind in ('loss', 'perf')))
        return {
            'scores': _as_row(last),
            'diverged': in_training,
            'flags': joined_flags(in_training, in_evaluation, self._is_unsure),
            'epochs': epochs,
            'throughtime': {key: np.array([row[key] for row in self._rows]) for key in keys},
            'model': model,
            'model_init': self._initial,
        }


def _as_row(scores: Mapping[str, Score]) -> dict[str, float]:
    return {
        f'{kind}_{name}': value
        for name, score in scores.items()
        for kind, value in (('loss', score.loss), ('perf', score.perf))
    }


def _shuffled(
    workspace: Workspace, plan: TrainingPlan, among: torch.Tensor | None = None
) -> Callable[[int], ShuffledBatches]:
    """The batches of an epoch, by a run's seed: of all training data, or of what is at these indices."""
    samples = len(workspace.splits.train if among is None else among)

    def batches(seed: int) -> ShuffledBatches:
        return ShuffledBatches(samples, plan.batch_size, run_seed(seed, 'order', 0), among)

    return batches


def _train_side_by_side(
    workspace: Workspace,
    point: Point,
    seeds: Sequence[int],
    batches: Callable[[int], Batches],
    run: Callable[[Training, Batches], list[Result]],
    plan: RunPlan,
    measures_perf: bool = False,
) -> list[Result]:
    """Sets models up and runs them side by side; one after another if that cannot be.

    A run whose captured step is found to differ from the eager one is done again, eagerly.

    Args:
        workspace: The problem and its data.
        point: The architecture.
        seeds: One per run.
        batches: Makes a run's batches from its seed, anew at every call.
        run: Trains and returns every run's result.
        plan: What is known of the run, or of the first of several.
        measures_perf: Whether every step is to measure its performance.
    """

    def alone(lane: int, why_alone: str | None = None) -> list[Result]:
        current: Training | None = None
        seed = seeds[lane]
        own = plan if plan.index is None else replace(plan, index=plan.index + lane)

        def done(training: Training) -> list[Result]:
            kind = training.kind if why_alone is None else training.kind.alone(why_alone)
            return run(training._replace(kind=kind), batches(seed))

        def attempt() -> list[Result]:
            nonlocal current
            current = workspace.set_up(point, seed, list(batches(seed)), plan.epochs, measures_perf, own)
            return done(current)

        try:
            return contextvars.copy_context().run(attempt)
        except NotCapturable as error:
            reason = str(error)
        assert current is not None
        return done(workspace.begin_eagerly(current.start, point, seed, measures_perf, reason, own))

    if len(seeds) == 1:
        return alone(0)
    training = None
    try:
        training = workspace.set_up_lanes(
            point, seeds, [list(batches(seed)) for seed in seeds], measures_perf
        )
        return run(training, _SideBySide([batches(seed) for seed in seeds]))
    except NotCapturable as error:
        if training is not None:
            training.undo()
        reason = str(error)
    return [result for lane in range(len(seeds)) for result in alone(lane, reason)]


class _SideBySide:
    """Several runs' batches, as indices of shape `(runs, batch size)`."""

    def __init__(self, batches: Sequence[Batches]) -> None:
        self._batches = batches

    def __len__(self) -> int:
        return len(self._batches[0])

    def __iter__(self) -> Iterator[torch.Tensor]:
        return map(torch.stack, zip(*self._batches, strict=True))


def _train(
    training: Training,
    batches: Batches,
    plan: TrainingPlan,
    schedule: Schedule,
    trials: Sequence[_Trial] = (),
) -> list[tuple[float, bool]]:
    """Trains by `plan`.

    Args:
        training: What to train.
        batches: Its batches.
        plan: The learning rates, batch size and length of the training.
        schedule: The learning rates in between.
        trials: Of every model, what scores it at the end of each cycle, as long as its loss is finite.

    Returns:
        For every model, the epochs done, and whether its loss ceased to be finite.
    """
    steps, cycles = plan.epochs * len(batches), plan.epochs // plan.cycle_size_epochs
    lrs = learning_rates(schedule, plan.lr_min, plan.lr_max, steps, cycles)
    lanes = len(training.learners)
    ends: list[tuple[float, bool]] = [(0, False)] * lanes
    last_losses = torch.zeros(lanes)

    def after_chunk(losses: torch.Tensor, _: torch.Tensor) -> bool:
        nonlocal last_losses
        last_losses = losses[-1].reshape(lanes)
        return False

    def after_epoch(epoch: int) -> bool:
        for lane, is_finite in enumerate(torch.isfinite(last_losses).tolist()):
            if not ends[lane][1]:
                ends[lane] = (epoch, not is_finite)
        alive = [lane for lane, (_, diverged) in enumerate(ends) if not diverged]
        is_end = epoch % plan.cycle_size_epochs == 0 or epoch == plan.epochs
        if alive and is_end and trials:
            training.step.update_models()
            scores = [trials[lane].take_scores(epoch, training.engine) for lane in alive]
            training.step.expect_changes()
            if training.engine is not None:
                training.engine.publish(scores[0])
        return not alive

    loop = _loop(training, lrs.tolist(), after_chunk)
    loop.run(batches, plan.epochs, after_epoch)
    training.step.verify_last()
    training.step.update_models()
    may_end = training.engine is not None or training.own is not None
    if may_end and not ends[0][1]:  # the problem may have ended it, or changed the model
        epochs, rest = divmod(loop.done, len(batches))
        done = epochs + round(rest / len(batches), 3) if rest else epochs
        ends = [(done, not bool(last_losses.isfinite()))]
        if trials and not ends[0][1] and not trials[0].is_scored:
            trials[0].take_scores(done)
    return ends


def _loop(
    training: Training, lrs: Sequence[float], after_chunk: Callable[[torch.Tensor, torch.Tensor], bool]
) -> Loop | OwnLoop:
    if training.own is not None:
        return OwnLoop(*training.own, training.learners[0], lrs, after_chunk)
    return Loop(training.step, lrs, after_chunk, DataCheck(training.learners), training.engine)


def _state_bytes(model: torch.nn.Module) -> bytes:
    """Returns the state dict, on the CPU, so that it can be loaded anywhere."""
    state = model.state_dict()
    for name, value in state.items():
        state[name] = value.cpu() if isinstance(value, torch.Tensor) else value
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()
