"""A selector on a table: asked and told as in a sweep, while every run is looked up."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sweeper import events
from sweeper.metric import PERFORMANCE
from sweeper.results import ModelCost, TrialResult, Tuned
from sweeper.run.driver import SelectorDriver
from sweeper.store.records import PointRecord

TUNED = Tuned(0.01, 0.1, 16, 1, 1, cost=ModelCost(1, 1, 1), performance=0.5)
NOWHERE = Path('replay')


@dataclass
class History:
    """What a selector did.

    Attributes:
        rows: Of the table, one per proposal that was told, in order.
        values: The means of its trials.
        trained: Trials trained by then, in full trainings; from fractions on, what was trained further.
        trials: All values of full trials, by row.
    """

    rows: list = field(default_factory=list)
    values: list = field(default_factory=list)
    trained: list = field(default_factory=list)
    trials: dict = field(default_factory=dict)

    def picks(self):
        """The row that is picked after each proposal: that of the highest mean of all trials so far."""
        sums, counts, best, picked = {}, {}, None, []
        for row, value in zip(self.rows, self.values, strict=True):
            sums[row], counts[row] = sums.get(row, 0.0) + value, counts.get(row, 0) + 1
            if row == best:  # it may be worse than another now
                best = max(sums, key=lambda other: sums[other] / counts[other])
            elif best is None or sums[row] / counts[row] > sums[best] / counts[best]:
                best = row
            picked.append(best)
        return np.array(picked)


class TableResults(Mapping):
    """What is known of every point that was asked for: all of it, at once.

    Args:
        table: The table.
        draws: The trials.
        cycles: Into how many parts a trial can be cut.
    """

    def __init__(self, table, draws, cycles=None):
        self._table, self._draws, self._cycles = table, draws, cycles
        self._records = {}
        self._lengths = {}
        self.trained = 0.0

    def finish(self, request):
        """Has what is asked for looked up."""
        record = self._records.setdefault(request.point, PointRecord(tuned=TUNED))
        row = self._table.row(request.point)
        trials = record.trials if request.fraction == 1 else record.parts.setdefault(request.fraction, {})
        for index in request.indices:
            cycle, length = None, 1.0
            if self._cycles is not None:
                cycle = int(np.ceil(request.fraction * self._cycles - 1e-9)) - 1
                length = (cycle + 1) / self._cycles
            value = self._draws.trial(row, index, cycle)
            trials[index] = TrialResult(index, length, length, False, value, 1 - value, value, 1 - value)
            before = self._lengths.get((row, index), 0.0)
            self._lengths[row, index] = max(length, before)
            self.trained += max(0.0, length - before)

    def __getitem__(self, point):
        return self._records[point]

    def __iter__(self):
        return iter(self._records)

    def __len__(self):
        return len(self._records)


def replay(selector, table, draws, most=np.inf, cycles=None):
    """Runs a selector until it ends or so many trials are trained; returns the `History`."""
    results, history = TableResults(table, draws, cycles), History()
    driver = SelectorDriver(Told(selector, table, results, history), results, lambda _: None)
    selector.tell(events.SweepStarted(NOWHERE, (), (PERFORMANCE,)))
    while results.trained < most:
        for request in driver.ask():
            results.finish(request)
        if not driver.tell():
            break
    return history


class Told:
    """Passes on what a selector is asked and told, and notes its results."""

    def __init__(self, selector, table, results, history):
        self._selector, self._table, self._results, self._history = selector, table, results, history
        self.adaptive = selector.adaptive

    def ask(self):
        return self._selector.ask()

    def tell(self, event):
        if isinstance(event, events.TrialsDone):
            row, history = self._table.row(event.point), self._history
            values = [trial.perf_val for trial in event.trials.values()]
            if event.fraction == 1:
                history.trials.setdefault(row, []).extend(values)
            history.rows.append(row)
            history.values.append(float(np.mean(values)))
            history.trained.append(self._results.trained)
        self._selector.tell(event)
