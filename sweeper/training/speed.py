"""How fast an architecture trains: what a time for each trial is turned into samples by."""

from __future__ import annotations

import time
from dataclasses import dataclass

from ..points import Point
from ..seeding import run_seed
from .attached import RunPlan
from .batches import SizedBatches
from .capture.learner import Learner
from .data import Split
from .length import Length
from .plan import loop_of
from .scoring.evaluation import evaluate
from .stream import StreamSplit
from .workspace import Workspace

_LR = 1e-6
_MOST_STEPS = 2**10
_SECONDS = 1.0
"""For how long steps are timed, at least, unless there are so many."""

_SCORED = 4096
"""Samples of a split whose scoring is timed."""


@dataclass(frozen=True)
class Speed:
    """How fast an architecture trains on one core, about.

    Attributes:
        sample: Seconds that training on a sample takes.
        scoring: Seconds that scoring takes at the end of a cycle, on training and validation data.
    """

    sample: float
    scoring: float


def measure_speed(workspace: Workspace, point: Point, seed: int, batch_size: int) -> Speed:
    """Trains a model for some steps of a batch size and scores it; the model is thrown away."""
    train = workspace.splits.train
    sizes = [min(batch_size, len(train))] * _MOST_STEPS
    order, is_stream = run_seed(seed, 'order', 0), isinstance(train, StreamSplit)
    plan = RunPlan(kind='brief', lr_min=_LR, lr_max=_LR, batch_size=sizes[0], epochs=1, steps=_MOST_STEPS)
    beginning = list(SizedBatches(len(train), sizes, order, is_stream))
    training = workspace.set_up(point, seed, beginning, plan=plan)
    batches = SizedBatches(len(train), sizes, order, is_stream)
    length = Length(1, 1, _MOST_STEPS)
    length.stops = [2**k for k in range(_MOST_STEPS.bit_length())]
    seen: list[tuple[int, float]] = []

    def at_stop(steps: int) -> bool:
        seen.append((steps, time.perf_counter()))
        return training.agreed(seen[-1][1] - seen[0][1] > _SECONDS)

    loop_of(training, [_LR] * _MOST_STEPS).run(batches, length, at_stop)
    training.step.update_models()
    (first, began), (last, ended) = seen[0], seen[-1]
    learner = training.learners[0]
    scoring = _scoring(learner, train) + _scoring(learner, workspace.splits.val)
    return Speed((ended - began) / max(1, last - first) / sizes[0], scoring)


def _scoring(learner: Learner, split: Split) -> float:
    """Seconds that scoring a split takes, judged by some of its samples."""
    some, began = min(len(split), _SCORED), time.perf_counter()
    evaluate(learner.evaluated, split, learner.objective, learner.score, some)
    return (time.perf_counter() - began) * len(split) / some
