"""Sweeps to be logged: one that is interrupted, one of which a point fails."""

import os

import pytest

from sweeper import FixedSweep
from sweeper.listeners.base import SweepListener

os.environ.setdefault('MLFLOW_DISABLE_TELEMETRY', 'true')  # before it is imported
BREAKS = """
def model(width, kind='relu'):
    if width == 9:
        raise ValueError('nine is too many')
    return torch.nn.Sequential(torch.nn.Linear(4, width), torch.nn.ReLU(), torch.nn.Linear(width, 2))
"""


class Interruption(SweepListener):
    """Interrupts a sweep after the first trials, as Ctrl-C would."""

    def on_trials_completed(self, *told):
        raise KeyboardInterrupt


@pytest.fixture
def logged(write_problem, sweep_inline, tmp_path):
    """Runs a sweep of points and trials with a listener, in the same folder every time; returns results."""
    problem = write_problem(model=BREAKS)

    def run(listener, points, interrupted=False, **options):
        listeners = [listener, *([Interruption()] if interrupted else [])]
        return sweep_inline(
            problem.path, FixedSweep(points), tmp_path / 'out', listeners=listeners, **options
        )

    return run
