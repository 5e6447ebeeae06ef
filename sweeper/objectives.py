"""Objectives: what architectures are compared by when several things count, metrics and costs."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

from .errors import InvalidArgument
from .metric import LOSS, PERFORMANCE, MetricInfo

COSTS: Final = ('parameters', 'flops', 'seconds')
"""What an architecture costs: numbers in its model, floating-point operations of a forward pass per sample,
and seconds of training per epoch, on the machine that trained."""

Objectives: TypeAlias = 'str | Objective | Iterable[str | Objective]'


class Trial(Protocol):
    """A trial's result, as far as objectives look at it."""

    @property
    def epochs(self) -> float:
        """Epochs that were trained."""

    @property
    def seconds(self) -> float:
        """What it took."""

    def score(self, kind: str, split: str) -> float | None:
        """Returns a final score."""


@dataclass(frozen=True)
class Objective:
    """A metric or a cost by which architectures are compared.

    Attributes:
        name: `performance`, which is the metric that the sweep tunes by; the name of any of the problem's
            metrics, or `loss`; or a cost: `parameters`, `flops` (of a forward pass, per sample) or `seconds`
            (of training, per epoch). Metrics are means over trials, on validation data.
        higher: Whether higher values are better. None: as the metric has it; costs are better low.
    """

    name: str
    higher: bool | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise InvalidArgument(f'objective {self.name!r}: must be the name of a metric or of a cost')
        if self.higher not in (None, True, False):
            raise InvalidArgument(f'higher={self.higher!r} of objective {self.name}: must be a bool or None')


def as_objectives(given: Objectives) -> tuple[Objective, ...]:
    """Returns objectives from names, objects, or names in one text with commas between them.

    Raises:
        InvalidArgument: There are none, something is no objective, or one is given twice.
    """
    if isinstance(given, str):
        given = [name.strip() for name in given.split(',')]
    entries = [given] if isinstance(given, Objective) else list(given)
    objectives = tuple(each if isinstance(each, Objective) else Objective(each) for each in entries)
    if not objectives:
        raise InvalidArgument('objectives=(): at least one is needed, such as performance')
    names = [objective.name for objective in objectives]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InvalidArgument(f'objective {twice[0]} is given twice')
    return objectives


class Goals:
    """The objectives of one sweep, with their directions; turns results into values to be maximised.

    Args:
        objectives: What is compared by.
        metrics: The problem's metrics, its objective first.

    Raises:
        InvalidArgument: The problem has no such metric, and there is no such cost.
    """

    def __init__(
        self, objectives: Sequence[Objective], metrics: Sequence[MetricInfo] = (PERFORMANCE,)
    ) -> None:
        known = _infos(metrics)
        self.names = [objective.name for objective in objectives]
        for name in self.names:
            if name not in known:
                raise InvalidArgument(f'there is no objective {name!r}; valid are {", ".join(known)}')
        infos = [known[name] for name in self.names]
        self.higher = [
            info.higher if objective.higher is None else objective.higher
            for objective, info in zip(objectives, infos, strict=True)
        ]
        self._kinds = ['perf' if info is metrics[0] else info.name for info in infos]
        self._costs = {*COSTS} - {metric.name for metric in metrics}

    def gains(self, trials: Collection[Trial], cost: Any = None) -> tuple[float, ...]:
        """Returns an architecture's values, of which higher is better: one per objective.

        Args:
            trials: Its trials.
            cost: Its `ModelCost`, if that is known.

        Returns:
            Minus infinity where a value is unknown or not a number.
        """
        values = (self._value(kind, trials, cost) for kind in self._kinds)
        signed = (value if higher else -value for value, higher in zip(values, self.higher, strict=True))
        return tuple(-math.inf if math.isnan(value) else value for value in signed)

    def natural(self, gains: Sequence[float]) -> list[float]:
        """Returns values as they are measured, from values of which higher is better."""
        return [gain if higher else -gain for gain, higher in zip(gains, self.higher, strict=True)]

    def _value(self, kind: str, trials: Collection[Trial], cost: Any) -> float:
        if kind not in self._costs:
            return _mean([trial.score(kind, 'val') for trial in trials])
        if kind == 'seconds':
            epochs = math.fsum(trial.epochs for trial in trials)
            return math.fsum(trial.seconds for trial in trials) / epochs if epochs else math.nan
        known = getattr(cost, kind, None)
        return math.nan if known is None else float(known)


def _infos(metrics: Sequence[MetricInfo]) -> Mapping[str, MetricInfo]:
    costs = {name: MetricInfo(name, higher=False) for name in COSTS}
    named = {metric.name: metric for metric in metrics}
    return {'performance': metrics[0], **{'loss': LOSS, **costs, **named}}


def _mean(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known and len(known) == len(values) else math.nan
