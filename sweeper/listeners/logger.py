"""What every logger needs: names for a point and its parameters, and how often it was heard of."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from ..events import Event, PointFailed, PointFlagged, PointTuned, SweepEnded, SweepStarted, TrialsDone
from ..points import NamedPoint, Point, by_name, label, point_key, value_to_text
from ..results import PointError
from ..tables import parameter_columns

SCORES = 'perf_train', 'loss_train', 'perf_val', 'loss_val'
_TUNED = 'lr_min', 'lr_max', 'batch_size', 'epochs'

Plain: TypeAlias = bool | int | float | str


class Logger(ABC):
    """Keeps every trial of a sweep, each once, however often the sweep is resumed.

    A resumed sweep publishes everything again, from the beginning: what was kept of a trial before is
    replaced.
    """

    def __init__(self) -> None:
        self.folder = Path()
        self._names: Sequence[str] = ()
        self._tuned: dict[Point, dict[str, Plain]] = {}
        self._trials: dict[Point, dict[int, Mapping[str, float]]] = {}

    def handle(self, event: Event) -> None:
        match event:
            case SweepStarted(folder, names):
                self.folder, self._names = folder.resolve(), names
                self._tuned, self._trials = {}, {}  # of another sweep, or soon told again
                self.start()
            case PointTuned(point, tuned):
                values = tuned.lr_min, tuned.lr_max, tuned.batch_size, tuned.epochs
                self._tuned[point] = dict(zip(_TUNED, values, strict=True))
                self.keep_tuning(point)
            case TrialsDone(point, trials):
                new = {
                    index: {**{name: getattr(trial, name) for name in SCORES}, **trial.metrics}
                    for index, trial in trials.items()
                }
                self._trials.setdefault(point, {}).update(new)
                self.keep_trials(point, new)
            case PointFlagged(point, flags):
                self.keep_flags(point, flags)
            case PointFailed(point, error):
                self.keep_failure(point, error)
            case SweepEnded():
                self.end()

    def start(self) -> None:  # noqa: B027 - not every logger needs it
        """Gets ready to keep what follows, in `folder`'s name."""

    def keep_tuning(self, point: Point) -> None:  # noqa: B027
        """Keeps that a point is tuned."""

    def keep_flags(self, point: Point, flags: Sequence[str]) -> None:  # noqa: B027
        """Keeps all flags that a point has now, if any."""

    @abstractmethod
    def keep_trials(self, point: Point, trials: Mapping[int, Mapping[str, float]]) -> None:
        """Keeps the scores of trials, by their indices."""

    @abstractmethod
    def keep_failure(self, point: Point, error: PointError) -> None:
        """Keeps that a point failed."""

    def end(self) -> None:  # noqa: B027
        """Leaves everything in order; nothing follows."""

    def means(self, point: Point) -> dict[str, float]:
        """Mean scores of the trials heard of so far."""
        trials = [trial for _, trial in sorted(self._trials[point].items())]  # in whatever order they came
        names = [name for name in trials[0] if all(name in trial for trial in trials)]
        return {name: float(np.mean([trial[name] for trial in trials])) for name in names}

    def trials(self, point: Point) -> int:
        """How many trials were heard of."""
        return len(self._trials.get(point, ()))

    def hyperparameters(self, point: Point) -> dict[str, Plain]:
        """Its parameters by name; once it is tuned also `lr_min`, `lr_max`, `batch_size` and `epochs`."""
        parameters = by_name(point, self._names)
        columns = parameter_columns(list(parameters), (*_TUNED, *SCORES))
        plain = {name: _plain(value) for name, value in zip(columns, parameters.values(), strict=True)}
        return plain | self._tuned.get(point, {})

    def title(self, point: Point) -> str:
        """A point for a person: `width=16, kind=relu`."""
        return label(NamedPoint(by_name(point, self._names))) or 'architecture'


def short_key(text: str) -> str:
    """Returns a few letters that tell a text from every other, the same in every process."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def point_id(point: Point) -> str:
    """Returns a few letters that tell a point from every other, the same in every process."""
    return short_key(point_key(point))


def _plain(value: object) -> Plain:
    return value if isinstance(value, bool | int | float) else value_to_text(value)
