"""What a step trains, and how."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch

from ..average import WeightAverage
from ..data import Split
from ..objective import Objective
from ..objects.state import PythonState
from ..optimizers import Optimizer
from ..scoring.scorer import Scorer
from ..steps import EagerStep
from .verification import Lane


class Learner(NamedTuple):
    """What a step trains, and how.

    Attributes:
        model: Freshly initialised, in training mode.
        objective: What is minimised, and what is scored.
        make_optimizer: Makes the model's optimizer, at a learning rate of 1.
        split: The training data.
        score: Measures the performance.
        measures_perf: Whether the steps are to do so.
        fresh: Makes the model and its objective anew, as they were before they were trained.
        stuck: Of some Python state, names what outlives the model and cannot be put back.
        clip_norm: The largest norm of the gradient; None for any.
        parts: In how many parts a batch is processed before its update.
        average: That of the model's weights, if it is evaluated in its place.
    """

    model: torch.nn.Module
    objective: Objective
    make_optimizer: Callable[[], Optimizer]
    split: Split
    score: Scorer
    measures_perf: bool
    fresh: Callable[[], tuple[torch.nn.Module, Objective]]
    stuck: Callable[[PythonState], list[str]]
    clip_norm: float | None = None
    parts: int = 1
    average: WeightAverage | None = None

    @property
    def evaluated(self) -> torch.nn.Module:
        """The model that is scored and saved: the one that is trained, or the average of its weights."""
        return self.model if self.average is None else self.average.model

    @property
    def averages(self) -> list[torch.Tensor]:
        """What a step changes of the average."""
        return [] if self.average is None else self.average.tensors

    def eager_step(self) -> EagerStep:
        score = self.score if self.measures_perf else None
        objective = self.objective.guarded()
        optimizer = self.make_optimizer()
        return EagerStep(
            self.model, objective, optimizer, self.split, score, self.clip_norm, self.parts, self.average
        )

    def of_gradient_step(self) -> tuple[Optimizer, Split, bool, float | None, WeightAverage | None]:
        """What a `CapturedGradientStep` gets beside its replays and parameters; with a new optimizer."""
        return self.make_optimizer(), self.split, self.measures_perf, self.clip_norm, self.average

    def lane(self) -> Lane:
        return Lane(self.model, self.objective, self.eager_step(), self.averages)
