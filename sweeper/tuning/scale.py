"""The tuner's scale: 0 is an untrained model, 1 the best that was seen.

No threshold of the tuner depends on a unit: what it compares is measured in the way from untrained models to
the best that was seen, or in the noise of what untrained models measure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..metric import INVERSE_LOSS, MetricInfo
from ..results import WORSE
from .base import RunResult
from .candidates import Scored
from .constants import CONSTANTS
from .rounds import Round


@dataclass(frozen=True)
class Untrained:
    """What models measure before they are trained; higher is better. NaN where nothing is known.

    Attributes:
        middle: What is usual.
        likely: What is likely better than that.
        sure: What is surely better.
        noise: Standard error of a model's; between models, where only whole models are measured.
    """

    middle: float = math.nan
    likely: float = math.nan
    sure: float = math.nan
    noise: float = 0.0

    @classmethod
    def by_loss(cls, losses: np.ndarray) -> Untrained:
        """Of what each step measured, shape `(models, steps)`.

        Training soon finds the best constant answer, which is about as good as the best of these models: only
        what is better than that one has surely learned.
        """
        if not losses.size:
            return cls()
        means, errors = -losses.mean(axis=1), _deviation(losses, axis=1) / math.sqrt(losses.shape[1])
        best, noise = float(means.max()), float(errors[means.argmax()])
        return cls(float(-np.median(losses)), best, best + CONSTANTS.sure * noise, noise)

    @classmethod
    def by_performance(cls, perfs: np.ndarray) -> Untrained:
        """Of the accuracies of each step, shape `(models, steps)`."""
        if not perfs.size:
            return cls()
        means, middle = perfs.mean(axis=1), float(perfs.mean())
        noise = float(np.median(_deviation(perfs, axis=1))) / math.sqrt(perfs.shape[1])
        error = math.hypot(noise, float(_deviation(means))) / math.sqrt(len(means))
        likely = min(middle + CONSTANTS.likely * error, float(means.max()) + noise)
        return cls(middle, likely, middle + CONSTANTS.sure * noise, noise)

    @classmethod
    def as_wholes(cls, values: np.ndarray) -> Untrained:
        """Of what was measured of whole models, shape `(models,)`."""
        if not values.size:
            return cls()
        best, noise = float(values.max()), float(_deviation(values))
        return cls(float(np.median(values)), best, best + noise, noise)

    def at_least(self, guess: float) -> Untrained:
        """The same where a model that guesses is known, if it is better than what is usual."""
        if self.middle >= guess:
            return self
        return Untrained(guess, guess, float(np.fmax(self.sure, guess)), self.noise)

    def is_exceeded(self, value: float, times: float = 1.0) -> bool:
        """Whether a value is surely better than that of these models.

        Args:
            value: Of a model that was trained.
            times: How many times as far from what is usual as that takes.
        """
        limit = max(self.sure - self.middle, CONSTANTS.rounding * abs(self.middle))
        return value - self.middle > times * limit


def _deviation(values: np.ndarray, axis: int | None = None) -> np.ndarray:
    count = values.size if axis is None else values.shape[axis]
    return values.std(axis=axis, ddof=1) if count > 1 else np.zeros(np.delete(values.shape, axis or 0))


class Scale:
    """Turns values of the objective into shares of the way from an untrained model to the best that was seen.

    An untrained model is one that guesses, if that is known and better. Of an objective that is computed from
    the loss alone, as `1 / (loss + 1)`, the loss is taken: the other depends on the unit of the loss.

    Args:
        objective: What is known of it.
        curves: What the range test measured.

    Attributes:
        is_by_loss: Whether the loss is taken.
    """

    def __init__(self, objective: MetricInfo, curves: Sequence[RunResult]) -> None:
        self._objective = objective
        self.is_by_loss = objective.name == INVERSE_LOSS
        self._losses = Untrained.by_loss(_first_steps(curves, 'loss'))
        self._is_counted = objective.is_share and not any('untrained' in curve for curve in curves)
        self._untrained = self._losses
        if self._is_counted and not self.is_by_loss:
            self._untrained = Untrained.by_performance(_first_steps(curves, 'perf'))
        elif not self.is_by_loss and any('untrained' in curve for curve in curves):
            wholes = np.array([float(curve['untrained']) for curve in curves if 'untrained' in curve])
            self._untrained = Untrained.as_wholes(objective.sign * wholes[np.isfinite(wholes)])
        if objective.chance is not None and not self.is_by_loss:
            self._untrained = self._untrained.at_least(objective.sign * objective.chance)
        self._origin = self._best = self._untrained.middle

    def share(self, objective: float, loss: float) -> float:
        """Where a model is on the scale, in [0, 1]; one that diverged is at 0."""
        return min(self._place(objective, loss), 1.0)

    def _place(self, objective: float, loss: float) -> float:
        """The same, but for no upper limit."""
        value = self._signed(objective, loss)
        return max((value - self._origin) / self._span, 0.0) if math.isfinite(value) else 0.0

    def noted(self, scored: Sequence[Scored]) -> list[Scored]:
        """Takes what candidates came to, which may be better than any before; returns them on the scale.

        And what they came to on the way, at the end of a cycle.
        """
        on_the_way = [
            score._replace(loss=loss, value=value)
            for score in scored
            if score.course is not None
            for loss, value in zip(
                score.course.losses.mean(axis=0), score.course.values.mean(axis=0), strict=True
            )
        ]
        for value in map(self._value, [*scored, *on_the_way]):
            if math.isfinite(value):
                self._best = float(np.fmax(self._best, value))
                if math.isnan(self._origin):
                    self._origin = value
        return [*map(self.placed, scored)]

    def placed(self, score: Scored) -> Scored:
        """A candidate on the scale as it is now."""
        return score._replace(perf=self.share(score.objective, score.loss), value=score.objective)

    def places(self, score: Scored, cycle: int) -> np.ndarray:
        """Where each model of a candidate that has a course was at the end of a cycle, shape `(models,)`.

        At least 0; above 1 where a model did better than the best candidate does on average.
        """
        assert score.course is not None
        column = min(cycle, score.course.losses.shape[1] - 1)
        losses, values = score.course.losses[:, column], score.course.values[:, column]
        return np.array([self._place(value, loss) for value, loss in zip(values, losses, strict=True)])

    def loss_way(self, loss: float) -> float:
        """From a loss up to that of an untrained model; not below 0."""
        return max(-self._losses.middle - loss, 0.0)

    def applied(self, rounds: Sequence[Round]) -> list[Round]:
        """Rounds with their candidates on the scale as it is now."""
        return [replace(done, scored=[*map(self.placed, done.scored)]) for done in rounds]

    def is_learned(self, score: Scored, times: float = 1.0) -> bool:
        """Whether a candidate learned anything: it is surely better than untrained models.

        By the objective or by the loss, where it was scored: what has only learned by heart the samples that
        it was trained on may do so later.

        Args:
            score: The candidate.
            times: How many times as far from untrained models as that takes.
        """
        by_loss = self._losses.is_exceeded(-score.loss, times)
        return by_loss or (self._tells and self._untrained.is_exceeded(self._value(score), times))

    def has_learned(self, scored: Sequence[Scored]) -> bool:
        """Whether any of some candidates, which were scored on the same data, has learned anything.

        One that is better than an untrained model, or one that is better than others, and not by chance;
        others that are worse than an untrained model count as one.
        """
        losses = [score.loss for score in scored if math.isfinite(score.loss)]
        worst = min(max(losses, default=math.inf), -self._losses.middle)
        apart = worst - min(losses, default=math.inf)
        limit = max(CONSTANTS.sure * self._losses.noise, CONSTANTS.rounding * abs(worst))
        return any(map(self.is_learned, scored)) or apart > limit

    def is_fitted(self, score: Scored) -> bool:
        """Whether a candidate learned anything of the data that it was trained on."""
        return self._losses.is_exceeded(-score.fitted_loss)

    def has_objective_learned(self, score: Scored) -> bool:
        """Whether a candidate is likely better than untrained models in the objective, too."""
        return not self._tells or self._value(score) > self._untrained.likely

    def progress(self, scored: Sequence[Scored]) -> list[float]:
        """How far the best of some candidates came from untrained models, by objective and by loss."""
        values = [max(map(self._value, scored)) - self._origin]
        return [*values, max(-score.loss for score in scored) - self._losses.middle]

    def standard_error(self, score: Scored, samples: int) -> float:
        """How far a candidate's place is off by chance, if it was scored on so many samples."""
        if not self._is_counted or self.is_by_loss:
            return math.sqrt(max(score.perf * (1 - score.perf), 0.0) / samples)
        return math.sqrt(max(score.objective * (1 - score.objective), 0.0) / samples) / self._span

    def span(self, score: Scored) -> float:
        """From the objective of untrained models to the best, in its unit: negative if lower is better.

        At least so much that `WORSE` of it is more than noise. Of `1 / (loss + 1)`: such that `WORSE` of it
        below this candidate is where the loss is higher by `WORSE` of its own way.
        """
        noise = self._untrained.noise if self._is_counted else 0.0
        span = max(self._span, noise / WORSE)
        if not self.is_by_loss:
            return self._objective.sign * span
        return (score.objective - 1 / (1 + max(0.0, score.loss) + WORSE * span)) / WORSE

    @property
    def _span(self) -> float:
        """From untrained models to the best that was seen, or to what is no noise; above 0."""
        span = self._best - self._origin
        if not self._best > self._untrained.sure:
            span = max(span, self._untrained.sure - self._origin)
        return span if math.isfinite(span) and span > 0 else 1.0

    @property
    def _tells(self) -> bool:
        """Whether the objective of untrained models tells what is better: if it differs between batches.

        A single model that is measured as a whole says nothing of noise, so what is better at all counts.
        """
        is_whole = not self._is_counted and not math.isnan(self._untrained.sure)
        return not self.is_by_loss and (self._untrained.noise > 0 or is_whole)

    def _value(self, score: Scored) -> float:
        """What candidates are compared by; higher is better."""
        return self._signed(score.objective, score.loss)

    def _signed(self, objective: float, loss: float) -> float:
        return -loss if self.is_by_loss else self._objective.sign * objective


def _first_steps(curves: Sequence[RunResult], name: str) -> np.ndarray:
    """What untrained models measure, shape `(models, steps)`: those whose loss is finite."""
    steps = [np.asarray(curve[name])[: CONSTANTS.warmup_steps + 1] for curve in curves]
    losses = [np.asarray(curve['loss'])[: CONSTANTS.warmup_steps + 1] for curve in curves]
    alive = [step for step, loss in zip(steps, losses, strict=True) if np.isfinite(loss).all()]
    return np.array(alive, dtype=float)
