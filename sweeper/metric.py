"""Metrics: what a problem measures of a model's outputs, in which unit, and which direction is better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

from .amounts import is_real
from .annotations import check_types
from .errors import InvalidArgument


@dataclass(frozen=True)
class MetricInfo:
    """What is known of a metric apart from how it is computed: as `sweep.json` has it.

    Attributes:
        name: What the problem calls it.
        higher: Whether higher values are better.
        best: The best value that there can be; None if there is none, or it is not known.
        chance: The value of a model that guesses; None if it is not known.
        worst: The value of a model that diverged; None for infinitely bad.
    """

    name: str
    higher: bool = True
    best: float | None = None
    chance: float | None = None
    worst: float | None = None

    @property
    def sign(self) -> int:
        """1 if higher values are better, else -1."""
        return 1 if self.higher else -1

    @property
    def diverged(self) -> float:
        """The value of a model that diverged."""
        return -self.sign * math.inf if self.worst is None else self.worst

    @property
    def is_share(self) -> bool:
        """Whether values are in [0, 1], and 1 is best, as of an accuracy."""
        return self.higher and self.best == 1 and self.worst == 0

    def is_valid(self, value: float) -> bool:
        """Whether there can be such a value."""
        return 0 <= value <= 1 if self.is_share else math.isfinite(value) or value == self.diverged

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it; what is not known is left out."""
        return {name: value for name, value in vars(self).items() if value is not None}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> MetricInfo:
        """Returns what `to_dict` was of.

        Raises:
            ValueError, TypeError: It is not that.
        """
        check_types(cls, data)
        return cls(**data)


PERFORMANCE = MetricInfo('performance', best=1.0, worst=0.0)
"""The objective of a sweep that does not say what its is: a share in [0, 1]."""

LOSS = MetricInfo('loss', higher=False)

INVERSE_LOSS = 'inv-loss'
"""The name of the objective `1 / (loss + 1)`, which no metric of a problem's own can have."""


def _share(name: str, chance: float | None = None) -> MetricInfo:
    return replace(PERFORMANCE, name=name, chance=chance)


PREDEFINED: Mapping[str, MetricInfo] = {
    info.name: info
    for info in (
        *map(_share, ('accuracy', 'balanced_accuracy', 'f1', 'iou', 'dice')),
        _share('auc', chance=0.5),
        MetricInfo('r2', best=1.0, chance=0.0),
        MetricInfo('mae', higher=False, best=0.0),
        MetricInfo('mse', higher=False, best=0.0),
        MetricInfo('perplexity', higher=False, best=1.0),
        MetricInfo('bits_per_character', higher=False, best=0.0),
        LOSS,
        *map(_share, ('classification', 'multiclass', 'inv-loss')),
    )
}
"""The metrics that have a name, the three of `accuracy_style` among them."""

OF_LOSS = ('loss', 'inv-loss', 'perplexity', 'bits_per_character')
"""Those that look at the loss alone, which the last two take for a mean cross-entropy, in nats."""

_HIGHER, _LOWER = ('_score', '_accuracy'), ('_error', '_loss', '_deviance', '_distance')


class Metric:
    """A metric of a problem, for its `metrics`.

    Args:
        function: The name of a predefined metric; or a function of outputs and targets of a whole split,
            which are tensors on the CPU, or NumPy arrays if it takes no tensors (targets come first if its
            first parameter is called `y_true`, as those of scikit-learn's are); or a metric of ignite. None
            where `train(run)` gives the value by `run.score(value)`.
        higher: Whether higher values are better. Known of predefined metrics, and of functions whose names
            end as scikit-learn's do: `_score`, `_error`, `_loss` and the like.
        best: The best value that there can be, if there is one.
        chance: The value of a model that guesses, if it is known.
        worst: The value of a model that diverged; by default it is infinitely bad.
        options: Of predefined metrics: `top_k` and `ignore_index` of the accuracy, the `threshold` above
            which an output predicts a label, and what scikit-learn's function takes, such as `average`.

    Attributes:
        function: As given.
        info: What is known of it; the name is that of the function.
        options: As given.

    Raises:
        InvalidArgument: There is no such metric, or its direction is not known.
    """

    def __init__(
        self,
        function: Any,
        higher: bool | None = None,
        best: float | None = None,
        chance: float | None = None,
        worst: float | None = None,
        **options: Any,
    ) -> None:
        name = (
            function if isinstance(function, str) else getattr(function, '__name__', type(function).__name__)
        )
        if isinstance(function, str) and function not in PREDEFINED:
            raise InvalidArgument(
                f'there is no predefined metric {function!r}; valid are {", ".join(PREDEFINED)}, '
                f'or a function of (outputs, targets)'
            )
        if (
            function is not None
            and not isinstance(function, str)
            and not (callable(function) or is_ignite_metric(function))
        ):
            raise InvalidArgument(
                f'Metric({function!r}): must be a name, a function of (outputs, targets), or a metric of '
                f'ignite'
            )
        if options and not isinstance(function, str):
            raise InvalidArgument(
                f'Metric({name}, {", ".join(options)}=…): only predefined metrics take options; write a '
                f'function that passes them on'
            )
        for option, value in (('best', best), ('chance', chance), ('worst', worst)):
            if value is not None and not _is_number(value):
                raise InvalidArgument(f'Metric({name}, {option}={value!r}): must be a finite number, or None')
        known = PREDEFINED[function] if isinstance(function, str) else None
        direction = _direction(name) if known is None else known.higher
        if higher is None:
            higher = direction
        elif known is not None and higher != direction:
            raise InvalidArgument(
                f'Metric({function!r}, higher={higher}): {"higher" if direction else "lower"} values are '
                f'better'
            )
        if not isinstance(higher, bool):
            raise InvalidArgument(
                f'Metric({name}): say whether higher values are better: Metric({name}, higher=True) or '
                f'higher=False'
            )
        info = known or MetricInfo(name, higher)
        self.info = replace(
            info,
            best=info.best if best is None else float(best),
            chance=info.chance if chance is None else float(chance),
            worst=info.worst if worst is None else float(worst),
        )
        self.function, self.options = function, options

    @property
    def needs_outputs(self) -> bool:
        """Whether it looks at more than the loss."""
        return not isinstance(self.function, str) or self.function not in OF_LOSS


def is_ignite_metric(value: object) -> bool:
    """Whether a value has the methods of a metric of ignite."""
    return all(callable(getattr(value, name, None)) for name in ('reset', 'update', 'compute'))


def _direction(name: str) -> bool | None:
    """Whether higher is better, as the name of one of scikit-learn's functions says; None if it does not."""
    if name.endswith(_HIGHER):
        return True
    return False if name.endswith(_LOWER) else None


def _is_number(value: object) -> bool:
    return is_real(value) and math.isfinite(value)


_NAMES_TAKEN = ('perf', 'epochs', 'best')


def metrics_from(given: object) -> dict[str, Metric]:
    """Returns a problem's `metrics` by name, the objective first.

    Args:
        given: Of each name: a `Metric`, or what one is made of, if it needs no more.

    Raises:
        InvalidArgument: It is not that.
    """
    if not isinstance(given, Mapping) or not given:
        raise InvalidArgument(
            f"metrics={given!r}: must be a dict of at least one metric by name, such as {{'auc': 'auc'}}; "
            f'the first is what is compared'
        )
    metrics = {}
    for name, value in given.items():
        if not isinstance(name, str) or not name.isidentifier() or name in _NAMES_TAKEN:
            raise InvalidArgument(
                f'metrics: {name!r} cannot be the name of a metric; a name is a word, other than '
                f'{", ".join(_NAMES_TAKEN)}'
            )
        metric = value if isinstance(value, Metric) else Metric(value)
        if name == 'loss' and metric.function != 'loss':
            raise InvalidArgument("metrics: 'loss' is what training minimises; give the metric another name")
        metrics[name] = metric = copy(metric)
        metric.info = replace(metric.info, name=name)
    return metrics
