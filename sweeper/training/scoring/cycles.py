"""Scores of a model at the end of each cycle of a brief training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..capture.learner import Learner
from ..data import Split
from ..finite import undisturbed
from ..objective import tensors_of
from .evaluation import Score, evaluate

if TYPE_CHECKING:
    from ..engine import RunEngine


class CycleScores:
    """Scores one model of a brief training on some data, at the end of each cycle; see `CycleScorer`.

    Args:
        learner: The model, and how it is scored.
        split: The samples to score on.
        most: How many of them to take at most.
        is_part: As for `evaluate`.
    """

    def __init__(self, learner: Learner, split: Split, most: int, is_part: bool) -> None:
        self._learner, self._split, self._most, self._is_part = learner, split, most, is_part
        self._scores: dict[float, Score] = {}
        self._scored: list[int] = []

    def take_scores(self, epochs: float, engine: RunEngine | None = None) -> dict[str, float]:
        """Scores the model after so many epochs; handlers are told nothing."""
        learner = self._learner
        with undisturbed():
            self._scores[epochs] = evaluate(
                learner.evaluated, self._split, learner.objective, learner.score.of_objective, self._most,
                is_part=self._is_part,
            )  # fmt: skip
        self._scored = self._versions()
        return {}

    @property
    def latest(self) -> Score | None:
        """The scores of the model as it stands; None if these are not known."""
        return [*self._scores.values()][-1] if self._scores and self.is_scored else None

    @property
    def is_scored(self) -> bool:
        """Whether the model has been scored as it stands."""
        return self._scored == self._versions()

    def has_stalled(self, patience: int) -> bool:
        """Whether it is to stop: it is not."""
        return False

    def _versions(self) -> list[int]:
        tensors = tensors_of(self._learner.evaluated)
        return [number for tensor in tensors for number in (id(tensor), tensor._version)]

    def columns(self, cycles: int, is_lost: bool) -> dict[str, np.ndarray]:
        """Returns `losses` and `perfs`, shape `(cycles,)`.

        What was not reached has the scores of a model that diverged, if it did (`is_lost`). If the problem
        ended the training, it has the last scores: so would a longer training.
        """
        scores = [*self._scores.values()]
        last = Score.of_diverged(self._learner.score) if is_lost or not scores else scores[-1]
        scores = [*scores, *[last] * (cycles - len(scores))]
        return {
            'losses': np.array([score.loss for score in scores]),
            'perfs': np.array([score.perf for score in scores]),
        }
