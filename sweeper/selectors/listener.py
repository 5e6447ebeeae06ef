"""Who wants to know what happens in a sweep."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np

from ..errors import ListenerWarning
from ..points import Point
from ..printing import one_line, printable
from ..store.results import PointError


class Running(Sequence[tuple[Point, str]]):
    """What goes on, as `(point, description)`: found out when it is first looked at, since few look at all.

    Args:
        look: Returns it; may be called from any thread.
    """

    def __init__(self, look: Callable[[], Sequence[tuple[Point, str]]]) -> None:
        self._look = look

    @cached_property
    def _seen(self) -> Sequence[tuple[Point, str]]:
        return self._look()

    @overload
    def __getitem__(self, index: int) -> tuple[Point, str]: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[tuple[Point, str]]: ...

    def __getitem__(self, index: int | slice) -> tuple[Point, str] | Sequence[tuple[Point, str]]:
        return self._seen[index]

    def __len__(self) -> int:
        return len(self._seen)


@dataclass(frozen=True)
class SweepStatus:
    """Where a sweep stands.

    Attributes:
        points: Points proposed so far.
        tuned: Points whose tuning is done.
        failed: Points that failed.
        trials: Trials asked for so far, those left out of points that cannot be tuned.
        trials_done: Trials done or failed.
        running: What goes on, as `(point, description)`, when it is first looked at.
        more_to_come: The selector may propose more.
        cores: Cores that the sweep uses.
        busy: Cores that train right now.
        share: How much of what was asked for so far is done, in [0, 1]: of the work, not of the runs.
        seconds_left: An estimate, from what tunings and trials have taken, of how long the rest of what was
            asked for will take from now on; None as long as nothing is known.
    """

    points: int
    tuned: int
    failed: int
    trials: int
    trials_done: int
    running: Sequence[tuple[Point, str]]
    more_to_come: bool
    cores: int = 1
    busy: int = 0
    share: float = 0.0
    seconds_left: float | None = None


class SweepListener:
    """Observes a sweep; override what you want to know.

    All methods are called in the parent process, one at a time, between the dispatch of tasks: what takes
    long here keeps cores idle. The result of each run is told exactly once, as soon as it is safely on disk,
    also when it was found there because the sweep is resumed. A listener that raises is reported and no
    longer called; the sweep goes on.
    """

    def on_start(self, folder: Path, names: Sequence[str]) -> None:
        """The sweep starts, or is resumed. The first call; selectors are not told.

        Args:
            folder: Where its results are kept.
            names: Of the parameters of points that are tuples, as far as they are known.
        """

    def on_hparams_found(self, values: Point, lr_min: float, lr_max: float, batch_size: int) -> None:
        """A point's tuning is done.

        Args:
            values: The point.
            lr_min: Lowest learning rate of the trials' cycles.
            lr_max: Highest learning rate of the trials' cycles.
            batch_size: Batch size of the trials.
        """

    def on_trials_completed(
        self,
        values: Point,
        perfs_train: np.ndarray,
        losses_train: np.ndarray,
        perfs_val: np.ndarray,
        losses_val: np.ndarray,
    ) -> None:
        """Some trials of a point are done; always after its `on_hparams_found`.

        Args:
            values: The point.
            perfs_train: Final performance on the training data, shape `(trials,)`, in [0, 1]; these
                trials only, not those told before.
            losses_train: Final loss on the training data, the same shape; infinite if diverged.
            perfs_val: Final performance on the validation data.
            losses_val: Final loss on the validation data.
        """

    def on_flagged(self, values: Point, flags: Sequence[str]) -> None:
        """Something about a point is suspicious; always after what it was seen in. Selectors are not told.

        Told once, and again only if that changes: of a point, what was told last holds.

        Args:
            values: The point.
            flags: All its flags: those of its tuning, and what its trials so far show (`report/flags.py`
                says what they mean). Empty if its trials so far do not show any more what fewer did.
        """

    def on_point_failed(self, values: Point, error: PointError) -> None:
        """A run of a point failed, and with it the point; no trials of it will be told any more.

        Args:
            values: The point.
            error: Why: `kind`, `message`, `phase`, `traceback`.
        """

    def on_status(self, status: SweepStatus) -> None:
        """Something changed: a task was started or is done. For displays; told often."""

    def on_end(self) -> None:
        """The sweep is over, or is being interrupted. The last call, made whatever happened."""


class Audience:
    """All who listen to a sweep.

    Args:
        listeners: Told in order; one that raises is reported by a `ListenerWarning` and dropped.
    """

    def __init__(self, listeners: Iterable[SweepListener]) -> None:
        self._listeners = list(listeners)

    def tell(self, method: str, *arguments: Any) -> None:
        """Calls `method` of everyone."""
        for listener in list(self._listeners):
            try:
                getattr(listener, method)(*arguments)
            except Exception:
                self._listeners.remove(listener)
                warnings.warn(
                    f'listener {one_line(repr(listener))} raised in {method} and is no longer called:\n'
                    f'{printable(traceback.format_exc())}',
                    ListenerWarning,
                    stacklevel=2,
                )
