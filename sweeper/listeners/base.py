"""Who is told what happens in a sweep."""

from __future__ import annotations

import difflib
import traceback
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ..errors import InvalidArgument, ListenerWarning
from ..events import (
    Event,
    PointFailed,
    PointFlagged,
    PointTuned,
    Status,
    SweepEnded,
    SweepStarted,
    TrialsDone,
)
from ..points import Point
from ..results import PointError, scores_of
from ..text import one_line, printable, users_frames


@runtime_checkable
class Listener(Protocol):
    """Observes a sweep."""

    def handle(self, event: Event) -> None:
        """Takes notice of something that happened.

        Called in the parent process, for one event at a time, between the starts of tasks: what takes long
        here keeps cores idle. The result of each run is published exactly once, as soon as it is safely on
        disk, also when it was found there because the sweep is resumed. `SweepStarted` is the first event,
        `SweepEnded` the last, whatever happens. A listener that raises is reported and no longer called; the
        sweep goes on.
        """


class SweepListener:
    """A listener with a method per kind of event; override those that you want to know.

    When they are called, and what follows if one raises, is as for `Listener.handle`.
    """

    def handle(self, event: Event) -> None:
        """Calls the method for that kind of event."""
        match event:
            case SweepStarted(folder, names):
                self.on_start(folder, list(names))
            case PointTuned(point, tuned):
                self.on_hparams_found(point, tuned.lr_min, tuned.lr_max, tuned.batch_size)
            case TrialsDone(point, trials):
                self.on_trials_completed(point, *scores_of(list(trials.values())))
            case PointFlagged(point, flags):
                self.on_flagged(point, list(flags))
            case PointFailed(point, error):
                self.on_point_failed(point, error)
            case Status():
                self.on_status(event)
            case SweepEnded():
                self.on_end()

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
            perfs_train: Final performance on the training data, shape `(trials,)`: the objective in its own
                unit, with an `accuracy_style` in [0, 1]; of these trials only, not those told before.
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

    def on_status(self, status: Status) -> None:
        """Something changed: a task was started or is done. For displays; told often."""

    def on_end(self) -> None:
        """The sweep is over, or is being interrupted. The last call, made whatever happened."""


_HOOKS = [name for name in vars(SweepListener) if name.startswith('on_')]
_ALIKE = 0.8


def check_hooks(listener: SweepListener) -> None:
    """Checks that no method of a listener has a name that is nearly one of the interface's.

    Raises:
        InvalidArgument: One has, and would never be called.
    """
    kind = type(listener)
    for name in (name for name in dir(kind) if name.startswith('on_') and name not in _HOOKS):
        close = difflib.get_close_matches(name, _HOOKS, n=1, cutoff=_ALIKE)
        if close and callable(getattr(kind, name)):
            raise InvalidArgument(
                f'{kind.__name__}.{name} would never be called; did you mean {close[0]}? '
                f'The methods of a listener are {", ".join(_HOOKS)}'
            )


class Listeners:
    """All who listen to a sweep.

    Args:
        listeners: Called in order; one that raises is reported by a `ListenerWarning` and dropped.
    """

    def __init__(self, listeners: Iterable[Listener]) -> None:
        self._listeners = list(listeners)

    def publish(self, event: Event) -> None:
        """Has everyone handle an event."""
        for listener in list(self._listeners):
            try:
                listener.handle(event)
            except Exception:
                self._listeners = [other for other in self._listeners if other is not listener]
                frames = printable(users_frames(traceback.format_exc()))
                warnings.warn(
                    f'listener {_name(listener)} raised an exception handling '
                    f'{type(event).__name__} and is no longer called:\n{frames}',
                    ListenerWarning,
                    stacklevel=2,
                )


def _name(listener: Listener) -> str:
    try:
        return one_line(repr(listener))
    except Exception:  # it may be as broken as what raised
        return one_line(object.__repr__(listener))


def checked_listeners(listeners: object) -> list[Listener]:
    """Returns the listeners as a list."""
    checked: list[Any] = list(listeners) if isinstance(listeners, Iterable) else [None]
    if any(isinstance(listener, type) or not isinstance(listener, Listener) for listener in checked):
        raise InvalidArgument(f'listeners={listeners!r}: must be a list of SweepListener instances')
    for listener in checked:
        if isinstance(listener, SweepListener):
            check_hooks(listener)
    return checked
