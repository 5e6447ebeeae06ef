"""A dry run: one training step, and one evaluation on every split, before any training is paid for."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch

from ...errors import ProblemError
from ...points import Point, label, point_key
from ...seeding import model_seed
from ..accumulation import parts_of
from ..attached import RunPlan
from ..capture.learner import Learner
from ..data import InMemorySplit, Split, is_pair, not_finite
from ..described import described
from ..facts import DryRun, Fault
from ..optimizers import LearningRate, check_rates, is_over_others, needs_closure, signature_of, trained_by
from ..own_loop import OwnLoop
from ..scoring.evaluation import evaluate
from ..scoring.split_metrics import SplitMetric, Undefined
from ..stream import spread
from ..workspace import Workspace
from .diagnosis import Certain, Pass, bad_samples, check_classes, check_output
from .explanations import explain_loss, explain_model, explain_prediction, explain_step, explained

_SAMPLES = 32
_BAD_SAMPLES = 4
_SCORED_SAMPLES = 1024
_LR = 1e-4


class _Stopped(Exception):
    """A dry run cannot go on.

    Attributes:
        fault: What is wrong.
    """

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def dry_run(workspace: Workspace, point: Point, seed: int) -> DryRun:
    """Builds a point's model, trains it by one step, and scores it on a batch of every split.

    Args:
        workspace: Where. Its data stays as it is; the model is thrown away.
        point: The architecture; its declared values are in force.
        seed: Seeds all that is drawn, as in any run.

    Returns:
        What went wrong, if anything did.
    """
    messages: list[str] = []
    try:
        with _stage(f'model({label(point)})'):
            learner = workspace.learner(point, seed, measures_perf=True)
            messages += _own_seeds(point, seed)
            _check_own_methods(workspace, learner)
        messages += _train(workspace, learner, point, seed)
        for name, split in zip(('train', 'val', 'test'), workspace.splits, strict=True):
            if split is not None and workspace.problem.load_datasets is not None:
                messages += _evaluate(workspace, learner, split, name)
    except _Stopped as stopped:
        return DryRun(stopped.fault)
    return DryRun(warnings=tuple(messages))


@contextmanager
def _stage(name: str) -> Iterator[None]:
    """Turns what is raised into a fault of that stage."""
    try:
        yield
    except _Stopped:
        raise
    except (Certain, ProblemError) as error:
        raise _Stopped(Fault(name, 'ProblemError', str(error), is_certain=True)) from None
    except (Exception, SystemExit) as error:
        text = ''.join(traceback.format_exception(error))
        notes = ''.join(f' {note}' for note in getattr(error, '__notes__', ()))
        message = f'{type(error).__name__}: {error}{notes}'
        raise _Stopped(Fault(name, type(error).__name__, message, traceback=text)) from error


def _own_seeds(point: Point, seed: int) -> list[str]:
    """What to say if building the model has seeded torch's generator anew."""
    if torch.initial_seed() == model_seed(seed, point_key(point)):
        return []
    return [
        f"model({label(point)}) seeds torch's generator (torch.manual_seed), so that all trials begin with "
        f'the same weights, and show less than how much results vary: leave it out'
    ]


def _check_own_methods(workspace: Workspace, learner: Learner) -> None:
    """Raises `Certain` if the model says itself how it is trained, and nobody would listen."""
    kind, problem = type(learner.model), workspace.problem
    if problem.train is not None:
        return
    has_step = hasattr(kind, 'training_step') and problem.step is None
    has_optimizers = hasattr(kind, 'configure_optimizers')
    if has_step and has_optimizers:
        raise Certain(
            f'the model of {problem.name!r} is a {kind.__name__} with a training_step and '
            f'configure_optimizers, as Lightning has them, which would be ignored: a problem is trained by '
            f'its `loss`. Write `problem = sweeper.adapters.lightning({kind.__name__}, data)` in place of '
            f'model, dataset and loss, or a step(model, batch) or train(run) that calls it'
        )
    if has_step:
        raise Certain(
            f'the model of {problem.name!r} is a {kind.__name__} with a training_step, which would be '
            f'ignored: a problem is trained by its `loss`. Write a step(model, batch) that calls it'
        )
    if has_optimizers and problem.build_optimizer is None:
        raise Certain(
            f'the model of {problem.name!r} is a {kind.__name__} with configure_optimizers, which would be '
            f'ignored: a problem without `optimizer` is trained by plain SGD. Write an optimizer(model, lr) '
            f'that calls it'
        )


def _train(workspace: Workspace, learner: Learner, point: Point, seed: int) -> list[str]:
    """Trains by a step; returns what is doubtful."""
    if workspace.problem.load_datasets is None:
        with _stage('train(run)'):
            _train_by_own_loop(workspace, torch.arange(1), point, seed)
        return []
    done = _forward(workspace, learner, workspace.splits.train, 'train')
    if workspace.problem.train is not None:
        with _stage(f'train(run) on {done.where}'):
            _train_by_own_loop(workspace, done.indices, point, seed)
        return []
    with _stage(f'the loss on {done.where}'):
        messages = [f'{done.where}: {text}' for text in done.suspicions()]
    where = f'the training step on {done.where}'
    with _stage(where):
        if learner.parts > 1:
            try:
                parts_of(done.batch, learner.parts)
            except ValueError as error:
                raise Certain(
                    f'accumulate of {workspace.problem.name!r} is {learner.parts}: {error} in one of '
                    f'{done.where}'
                ) from None
        try:
            check_rates(workspace.problem, learner.model, learner.objective)
        except ValueError as error:
            raise Certain(str(error)) from None
        optimizer = learner.make_optimizer()
        rate = LearningRate(optimizer)
        rate.set(_LR)
        optimizer.zero_grad()
        done.backward()
        trained = [*learner.model.parameters(), *trained_by(learner.objective)]
        before = [parameter.detach().clone() for parameter in trained]
        closure = [lambda: _recomputed_loss(learner, done)] if needs_closure(optimizer) else []
        optimizer.step(*closure)
        if is_over_others(optimizer, trained) and all(map(torch.equal, before, trained)):
            raise Certain(
                f'{signature_of(workspace.problem)} of {workspace.problem.name!r} returned an optimizer of '
                'parameters that are none of the model, which does not change in a step: pass on the '
                'parameters given'
            )
        for name, parameter in learner.model.named_parameters():
            if not torch.isfinite(parameter).all():
                raise FloatingPointError(
                    f'the loss is finite and its gradient is not: after one step the parameter '
                    f'{name!r} has values that are NaN or infinite'
                )
    return messages


def _train_by_own_loop(workspace: Workspace, batch: torch.Tensor, point: Point, seed: int) -> None:
    plan = RunPlan(kind='brief', lr_min=_LR, lr_max=_LR, batch_size=len(batch), epochs=1, steps=1)
    training = workspace.set_up(point, seed, [batch], plan=plan)
    assert training.own is not None
    learner = training.learners[0]
    OwnLoop(*training.own, learner, [_LR]).run([batch])
    if workspace.problem.load_datasets is None:
        evaluate(learner.model, learner.split, learner.objective, learner.score)


def _recomputed_loss(learner: Learner, done: Pass) -> torch.Tensor:
    """Computes the loss and the gradients anew, for optimizers that ask for it."""
    learner.model.zero_grad()
    loss = learner.objective.loss(learner.model, done.batch)
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.detach()


def _evaluate(workspace: Workspace, learner: Learner, split: Split, name: str) -> list[str]:
    """Scores the model on a batch; returns what is doubtful."""
    learner.model.eval()
    with torch.no_grad():
        done = _forward(workspace, learner, split, name)
    learner.model.train()
    if not done.bad:
        return []
    return [
        f'the inputs of {done.where} have values that are NaN or infinite, first in sample {done.bad[0]}; '
        f'the loss is finite nevertheless'
    ]


def _fault_of_targets(where: str, order: torch.Tensor, rows: list[int] | None) -> Fault:
    first = '' if rows is None else f', first in sample {int(order[rows[0]])}'
    message = f'the targets of {where} have values that are NaN or infinite{first}'
    return Fault(f'reading a batch of {where}', 'ProblemError', message, is_certain=True)


def _forward(workspace: Workspace, learner: Learner, split: Split, name: str) -> Pass:
    """Computes output, loss and performance of a batch.

    Raises:
        _Stopped: That cannot be done, or they are not as they must be.
    """
    where = f'the {name} dataset of {workspace.problem.name!r}'
    bad = bad_samples(split)
    count = min(len(split), _SAMPLES)
    order = spread(split, count)
    order = torch.tensor(sorted({*order.tolist(), *bad[:_BAD_SAMPLES]}))
    with _stage(f'reading a batch of {where}'):
        batch = split.batch(order)
    if not isinstance(split, InMemorySplit):  # of others, it is known of what was read
        bad_rows = not_finite(batch, len(order))
        if 'targets' in bad_rows:
            raise _Stopped(_fault_of_targets(where, order, bad_rows['targets']))
        for part in ('inputs', 'items'):
            if part in bad_rows:
                bad = order[bad_rows[part] or slice(None)].tolist()
    done = Pass(learner, split, where, order, batch, bad)
    objective = learner.objective
    if objective.is_own:
        with (
            _stage(f'step(model, batch) on {where}'),
            explained(explain_step, done),
            warnings.catch_warnings(),
        ):
            warnings.filterwarnings('error', 'Using a target size')
            done.loss = objective.loss(learner.model, batch)
    else:
        with _stage(f'reading a batch of {where}'):
            if not is_pair(batch):
                raise Certain(
                    f'a batch of {where} is {described(batch)}, and must be (inputs, targets). Others need a '
                    f"step(model, batch) of the problem's own, and a predict(model, batch) to be scored by"
                )
        with _stage(f'the model on {where}'), explained(explain_model, done), objective.in_precision():
            done.output = learner.model(done.inputs)
        if objective.predict is None:
            with _stage(f'the output on {where}'):
                check_output(done, done.targets)
        with _stage(f'the loss on {where}'), explained(explain_loss, done), objective.in_precision():
            done.compute_loss()
    with _stage(f'the loss on {where}'):
        done.check_loss()
        done.check_no_other_loss()
        learner.score.check_loss(float(done.loss.detach()))
    with _stage(f'the performance on {where}'):
        outputs = _scored(done)
        if learner.score.style is not None:
            learner.score.performance(lambda: outputs, done.loss.detach())
    for metric in learner.score.on_splits:
        with _stage(f'the metric {metric.name!r} on {where}'):
            _try_metric(learner, split, metric, name)
    return done


def _try_metric(learner: Learner, split: Split, metric: SplitMetric, name: str) -> None:
    """Measures a metric on a part of a split; it may need more samples than a batch has."""
    alone = replace(learner.score, style=None, on_splits=(metric,), objective=metric.metric.info)
    try:
        evaluate(learner.model, split, learner.objective, alone, _SCORED_SAMPLES, name)
    except Undefined:
        if len(split) <= _SCORED_SAMPLES:
            raise


def _scored(done: Pass) -> tuple[Any, Any]:
    """Outputs and targets to be scored; checks those that come from a `predict` or an own step."""
    learner = done.learner
    if not learner.score.needs_outputs:
        return None, None
    targets = done.targets if is_pair(done.batch) else None
    if learner.objective.predict is not None or learner.objective.is_own:
        with explained(explain_prediction, done):
            done.output, targets = learner.objective.outputs(learner.model, done.batch)
        check_output(done, targets)
    if isinstance(targets, torch.Tensor):
        check_classes(done, targets)
    return done.output, targets
