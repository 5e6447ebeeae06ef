"""Rounds of brief trainings: what they cost, and what they came to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..points import value_to_text
from ..tables import nuisance_columns
from .candidates import Candidate, Scored
from .constants import CONSTANTS
from .effort import Effort
from .lr_range import LRRange

_ABSENT = ''


class Budget:
    """What tuning may cost, and what it has cost, in training samples.

    Attributes:
        trial: What a trial costs.
        whole: What tuning may cost.
    """

    def __init__(self, settings: Effort, train_size: int) -> None:
        self.trial = max(1, round(train_size * settings.trial_epochs(train_size)))
        self.whole = settings.tuning_budget * self.trial
        self._spent = 0

    @property
    def left(self) -> float:
        return self.whole - self._spent

    @property
    def is_exceeded(self) -> bool:
        return self.left < 0

    def spend(self, samples: int) -> None:
        self._spent += samples

    def to_dict(self) -> dict[str, float]:
        """For `misc.json`."""
        return {'samples': self._spent, 'trial_samples': self.trial, 'trials': self._spent / self.trial}


class LadderBase(NamedTuple):
    """From where a ladder of longer trainings goes down.

    Attributes:
        lr: The best learning rate of shorter trainings.
        longer: How many times as long the ladder's are.
        nuisance: The values of nuisance parameters on that ladder.
    """

    lr: float
    longer: float
    nuisance: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class Round:
    """One comparison of candidates.

    Attributes:
        scored: In the order of their runs.
        steps: Of each of them.
        bases: Of the last ladders.
        is_void: Whether it said nothing, and was repeated at lower learning rates.
        flags: Those of each run (see `TrialResult`).
    """

    scored: list[Scored]
    steps: list[int]
    bases: Sequence[LadderBase] = ()
    is_void: bool = False
    flags: Sequence[str] = ()

    @property
    def samples(self) -> int:
        """How many samples one model per candidate was trained on, all together."""
        return sum(
            score.candidate.batch_size * steps for score, steps in zip(self.scored, self.steps, strict=True)
        )

    @property
    def samples_each(self) -> float:
        """How many samples a model was trained on."""
        return self.samples / len(self.scored)

    @property
    def models(self) -> int:
        """How many models each candidate was trained with, if they have a course; else 1."""
        course = self.scored[0].course
        return 1 if course is None else course.models

    @property
    def has_diverged(self) -> bool:
        """Whether no candidate has a finite loss."""
        return not any(math.isfinite(score.loss) for score in self.scored)

    def has_collapsed(self, lr_range: LRRange) -> bool:
        """Whether all candidates came to the same, far below an untrained loss: a constant answer.

        Which the range test found, too: candidates that are better than it are not stuck.
        """
        losses = [score.fitted_loss for score in self.scored]
        alike = CONSTANTS.alike * lr_range.least_deviation
        return (
            lr_range.baseline_loss - min(losses) > CONSTANTS.significant_rise * lr_range.least_deviation
            and max(losses) - min(losses) < alike
            and lr_range.lowest_loss - min(losses) < alike
        )

    def rungs(self, candidate: Candidate) -> list[Scored]:
        """The candidates that differ from one in the learning rate at most, in order."""
        return [score for score in self.scored if score.candidate.is_beside(candidate)]

    def base(self, candidate: Candidate) -> LadderBase | None:
        """The base of the ladder that a candidate is on, if this is a round of such ladders."""
        return next((base for base in self.bases if base.nuisance == candidate.nuisance), None)

    def rows(self) -> list[dict[str, Any]]:
        """A row per candidate, for `misc.json`."""
        return [
            {**score.candidate.to_dict(), 'steps': steps, 'loss': score.loss, 'perf': score.objective}
            for score, steps in zip(self.scored, self.steps, strict=True)
        ]


def table(rounds: Sequence[Round]) -> dict[str, np.ndarray]:
    """Returns all brief trainings, one element each, for `candidates.npz`."""
    rows: list[dict[str, Any]] = []
    for number, done in enumerate(rounds):
        for row, score in zip(done.rows(), done.scored, strict=True):
            nuisance = dict(score.candidate.nuisance)
            columns = zip(nuisance_columns([*nuisance]), nuisance.values(), strict=True)
            rows.append({'round': number, **row, **dict(columns)})
    names = dict.fromkeys(name for row in rows for name in row if name != 'nuisance')
    return {name: _column([row.get(name, _ABSENT) for row in rows]) for name in names}


def _column(values: Sequence[Any]) -> np.ndarray:
    """An array of numbers or truth values; anything else as texts, empty where a value is absent."""
    kinds = {type(value) for value in values}
    if kinds <= {int, float} or kinds == {bool}:
        return np.array(values)
    return np.array(['' if value is _ABSENT else value_to_text(value) for value in values])
