"""How long a sweep will still take. Pure: told what runs took, it reads no clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..points import Point


@dataclass(slots=True)
class _PointTimes:
    """What is known of a point.

    Attributes:
        left: Trials that are asked for and not done.
        is_tuned: Or needs not be, since it failed.
        tuning: Seconds of cores that its tuning took, if that was seen.
        trials: How many trials were seen.
        trial: Seconds that they took, at the mean.
        length: How long its trials are, in full lengths; 1 while it is not tuned.
    """

    left: int = 0
    is_tuned: bool = False
    tuning: float | None = None
    trials: int = 0
    trial: float = 0.0
    length: float = 1.0


class Estimate:
    """Learns from tunings and trials that are done what those take that are left, each apart.

    A point's trials are expected to take what those took that are done. If none is, they follow from its
    tuning, since every architecture gets the same budget for that, in trials of the full length: how many it
    amounts to in time is learned from the points of which both are known, and so is how long the point's own
    trials are. Of what else is left the mean is expected. What
    was found on disk tells how long trials take, if not how long tunings do; it is never taken for
    instantaneous.

    Every operation is O(1), or O(trials told).

    Args:
        tuning_in_trials: The budget of a tuning, in trials of the full length; the guess at what it takes in
            time, until more is known.
        sweep_cores: How many cores a tuning uses.
        lanes: How many trials a core does at a time.
        full_epochs: Returns the epochs of a trial of the full length; None: it is that of the first point.
    """

    def __init__(
        self,
        tuning_in_trials: float,
        sweep_cores: int = 1,
        lanes: int = 1,
        full_epochs: Callable[[], float | None] = lambda: None,
    ) -> None:
        self._guess, self._sweep_cores, self._lanes = tuning_in_trials, sweep_cores, lanes
        self._full_epochs, self._reference = full_epochs, 0.0
        self._points: dict[Point, _PointTimes] = {}
        self._trials_left = self._untuned = 0
        self._tunings = _Sum()  # of seconds, of tunings that were seen
        self._trials = _Sum()  # of means, of points with trials
        self._full_trials = _Sum()  # of what these would be at full length
        self._lengths = _Sum()  # of points that are tuned
        self._tunings_only = _Sum()  # of seconds, of tunings that were seen, of points without trials
        self._tunings_as_trials = _Sum()  # of the same times the length of their trials
        self._both_tuning, self._both_trial = _Sum(), _Sum()
        self._left_measured = 0.0  # seconds, of points with trials
        self._left_by_tuning = 0.0  # trials times their length and the seconds of the tuning, without trials
        self._left_unknown = 0  # trials

    def request(self, point: Point, trials: int, is_tuned: bool = False) -> bool:
        """More trials of a point are wanted that are not done; and its tuning, unless that is.

        Returns:
            Whether nothing of it was wanted before.
        """
        times = self._points.get(point)
        is_new = times is None
        if times is None:
            times = self._points[point] = _PointTimes(is_tuned=is_tuned)
            self._untuned += not is_tuned
        self._count(times, -1)
        times.left += trials
        self._count(times, 1)
        return is_new

    def has_length(self, point: Point, epochs: float) -> None:
        """A point is tuned: its trials have so many epochs."""
        times = self._points[point]
        self._count(times, -1)
        self._reference = self._reference or self._full_epochs() or epochs
        times.length = epochs / self._reference
        self._lengths.add(times.length)
        self._count(times, 1)

    def tuning_took(self, point: Point, seconds: float | None) -> None:
        """A tuning is done.

        Args:
            point: The point.
            seconds: For how long it kept cores, all together; None if that was not all seen, since it was
                begun before the sweep was interrupted.
        """
        times = self._points[point]
        self._count(times, -1)
        self._untuned -= not times.is_tuned
        times.is_tuned, times.tuning = True, seconds
        self._count(times, 1)
        if seconds is not None:
            self._tunings.add(seconds)

    def trials_took(self, point: Point, seconds: Sequence[float], were_left: bool = True) -> None:
        """Trials of a point took so many seconds of a core each.

        Args:
            point: The point.
            seconds: One number per trial.
            were_left: Whether they were among those left; they were not if they were found on disk.
        """
        if not seconds:
            return
        times = self._points[point]
        self._count(times, -1)
        total = times.trials * times.trial + sum(seconds)
        times.trials += len(seconds)
        times.trial = total / times.trials
        times.left -= len(seconds) * were_left
        self._count(times, 1)

    def trial_failed(self, point: Point) -> None:
        """One trial less is left."""
        self.request(point, -1)

    def tuning_failed(self, point: Point) -> None:
        """Nothing of the point is left."""
        times = self._points[point]
        self._count(times, -1)
        self._untuned -= not times.is_tuned
        times.is_tuned, times.left = True, 0
        self._count(times, 1)

    @property
    def tuning_in_trials(self) -> float:
        """How many trials of the full length a tuning amounts to, in time."""
        if self._both_trial.total > 0 and self._both_tuning.total > 0:
            return self._both_tuning.total / self._both_trial.total
        return self._guess

    def share(self, points: int, trials_done: int, trials: int) -> float:
        """Returns how much of the work is done, in [0, 1], of the tunings of points and of trials.

        Trials are taken to be as long as those of the points that are tuned, at the mean.
        """
        weight = self.tuning_in_trials / (self._lengths.mean or 1.0)
        whole = weight * points + trials
        return (weight * (points - self._untuned) + trials_done) / whole if whole > 0 else 0.0

    def seconds_left(self, cores: int, under_way: float = 0.0) -> float | None:
        """Returns how long the rest will take on so many cores.

        Args:
            cores: At least 1.
            under_way: Seconds of cores that went by already on what is not done.

        Returns:
            None if something is left and nothing is known.
        """
        units = -(-self._trials_left // self._lanes) + self._untuned * self._sweep_cores
        if units == 0:
            return 0.0
        seconds = self._work()
        return None if seconds is None else max(0.0, seconds - under_way) / min(cores, units)

    def _work(self) -> float | None:
        """Seconds of cores that all takes that is left, what of it was done already included."""
        weight = self.tuning_in_trials
        known = self._trials.count + self._tunings_only.count
        if not known:
            return None
        trial = (self._trials.total + self._tunings_as_trials.total / weight) / known
        full = (self._full_trials.total + self._tunings_only.total / weight) / known
        tuning = self._tunings.mean if self._tunings.count else weight * full
        trials = self._left_measured + self._left_by_tuning / weight + self._left_unknown * trial
        return self._untuned * tuning + trials

    def _count(self, times: _PointTimes, sign: int) -> None:
        """Adds a point to what all have in common, or takes it out before anything of it changes."""
        self._trials_left += sign * times.left
        if times.trials:
            self._trials.add(times.trial, sign)
            self._full_trials.add(times.trial / times.length, sign)
            self._left_measured += sign * times.left * times.trial
            if times.tuning is not None:
                self._both_tuning.add(times.tuning, sign)
                self._both_trial.add(times.trial / times.length, sign)
        elif times.tuning is not None:
            self._tunings_only.add(times.tuning, sign)
            self._tunings_as_trials.add(times.tuning * times.length, sign)
            self._left_by_tuning += sign * times.left * times.tuning * times.length
        else:
            self._left_unknown += sign * times.left


class _Sum:
    """A sum, and of how many."""

    def __init__(self) -> None:
        self.count, self.total = 0, 0.0

    @property
    def mean(self) -> float:
        return self.total / self.count if self.count else 0.0

    def add(self, value: float, sign: int = 1) -> None:
        self.count += sign
        self.total = self.total + sign * value if self.count else 0.0
