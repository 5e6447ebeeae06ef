"""What every logger needs: names for a point and its parameters, and how often it was heard of."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from ..points import NamedPoint, Point, by_name, label, point_key, value_to_text
from ..selectors.listener import SweepListener
from ..store.results import parameter_columns

SCORES = 'perf_train', 'loss_train', 'perf_val', 'loss_val'
_TUNED = 'lr_min', 'lr_max', 'batch_size'

Plain: TypeAlias = bool | int | float | str


class Logger(SweepListener, ABC):
    """Keeps every trial of a sweep, each once, however often the sweep is resumed.

    A resumed sweep tells everything again, from the beginning: trials are numbered as they are heard of, and
    what was kept of a trial before is replaced.
    """

    def __init__(self) -> None:
        self.folder = Path()
        self._names: Sequence[str] = ()
        self._tuned: dict[Point, dict[str, Plain]] = {}
        self._trials: dict[Point, list[dict[str, float]]] = {}

    def on_start(self, folder: Path, names: Sequence[str]) -> None:
        self.folder, self._names = folder.resolve(), names

    def on_hparams_found(self, values: Point, lr_min: float, lr_max: float, batch_size: int) -> None:
        self._tuned[values] = dict(zip(_TUNED, (lr_min, lr_max, batch_size), strict=True))

    def on_trials_completed(
        self,
        values: Point,
        perfs_train: np.ndarray,
        losses_train: np.ndarray,
        perfs_val: np.ndarray,
        losses_val: np.ndarray,
    ) -> None:
        scores = zip(perfs_train, losses_train, perfs_val, losses_val, strict=True)
        new = [dict(zip(SCORES, map(float, trial), strict=True)) for trial in scores]
        trials = self._trials.setdefault(values, [])
        trials += new
        self.keep(values, dict(enumerate(new, len(trials) - len(new))))

    @abstractmethod
    def keep(self, point: Point, trials: Mapping[int, Mapping[str, float]]) -> None:
        """Keeps the scores of trials that are told of now, by their numbers."""

    def means(self, point: Point) -> dict[str, float]:
        """Mean scores of the trials heard of so far."""
        return {name: float(np.mean([trial[name] for trial in self._trials[point]])) for name in SCORES}

    def trials(self, point: Point) -> int:
        """How many trials were heard of."""
        return len(self._trials.get(point, ()))

    def hyperparameters(self, point: Point) -> dict[str, Plain]:
        """Its parameters by name; once it is tuned also `lr_min`, `lr_max` and `batch_size`."""
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
