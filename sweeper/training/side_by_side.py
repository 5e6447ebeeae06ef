"""Several runs of an architecture, trained side by side where that can be, else one after another."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import TypeVar

import torch

from ..points import Point
from .attached import RunPlan
from .batches import Batches
from .capture.recording import NotCapturable
from .checkpoints.checkpoint import Checkpoint
from .checkpoints.plain import NotKeepable
from .workspace import Training, Workspace

Result = TypeVar('Result')


def train_side_by_side(
    workspace: Workspace,
    point: Point,
    seeds: Sequence[int],
    batches: Callable[[int], Batches],
    run: Callable[[Training, Batches], list[Result]],
    plan: RunPlan,
    measures_perf: bool = False,
    checkpoint: Callable[[range], Checkpoint] | None = None,
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
        checkpoint: Returns where some of the runs, as indices, keep their state.
    """

    def first(seed: int) -> list[torch.Tensor]:
        return list(islice(batches(seed), plan.steps))

    def alone(lane: int, why_alone: str | None = None) -> list[Result]:
        current: Training | None = None
        seed = seeds[lane]
        own = plan if plan.index is None else replace(plan, index=plan.index + lane)

        def done(training: Training) -> list[Result]:
            if kept is not None:
                kept.kind = training.kind
            kind = training.kind if why_alone is None else training.kind.alone(why_alone)
            return run(training._replace(kind=kind, checkpoint=kept), batches(seed))

        kept = None if checkpoint is None else checkpoint(range(lane, lane + 1))

        def attempt() -> list[Result]:
            nonlocal current
            kind = None if kept is None else kept.kept_kind
            if kind is not None and kind.kind == 'eager':
                current = workspace.set_up_eagerly(point, seed, measures_perf, kind.reason, own)
            else:
                current = workspace.set_up(point, seed, first(seed), max(1, plan.epochs), measures_perf, own)
            return done(current)

        try:
            return _resumed(lambda: contextvars.copy_context().run(attempt))
        except NotCapturable as error:
            reason = str(error)
        assert current is not None
        return done(workspace.begin_eagerly(current.start, point, seed, measures_perf, reason, own))

    if len(seeds) == 1:
        return alone(0)
    training = None
    kept = None if checkpoint is None else checkpoint(range(len(seeds)))

    def together() -> list[Result]:
        nonlocal training
        training = workspace.set_up_lanes(point, seeds, [first(seed) for seed in seeds], measures_perf)
        if kept is not None:
            kept.kind = training.kind
        return run(training._replace(checkpoint=kept), SideBySide([batches(seed) for seed in seeds]))

    try:
        return _resumed(together)
    except NotCapturable as error:
        if training is not None:
            training.undo()
        reason = str(error)
    return [result for lane in range(len(seeds)) for result in alone(lane, reason)]


def _resumed(run: Callable[[], list[Result]]) -> list[Result]:
    """Runs from the state that was kept, or once more from the beginning if that does not fit."""
    try:
        return run()
    except NotKeepable:
        return run()


class SideBySide:
    """Several runs' batches, as indices of shape `(runs, batch size)`."""

    def __init__(self, batches: Sequence[Batches]) -> None:
        self._batches = batches

    def __len__(self) -> int:
        return len(self._batches[0])

    def __iter__(self) -> Iterator[torch.Tensor]:
        return map(torch.stack, zip(*self._batches, strict=True))
