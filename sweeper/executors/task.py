"""Tasks, and what comes of them: all that an executor is given, and all that it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..points import Point


@dataclass(frozen=True)
class Task:
    """A run, as data: a function of `work.py`, the point, and its other arguments. It takes one core.

    Attributes:
        name: What the run is called within its point, such as 'trial 3' or 'lr_vs_perf 1'; for logs.
        function: The name of a function in `work.FUNCTIONS`.
        point: The point.
        arguments: The function's other arguments, by name.
    """

    name: str
    function: str
    point: Point
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class RunError:
    """Why a run gave no value.

    Attributes:
        kind: The exception's class name, or `WorkerDied` or `TimedOut`.
        message: What it said.
        traceback: The traceback in the process where it happened; may be empty.
        signal: The signal that killed the worker ('SIGSEGV', say), if the run failed by that.
        output: The end of what the run printed (its last attempt, if there were several); empty if it
            printed at the terminal.
    """

    kind: str
    message: str
    traceback: str = field(default='', repr=False)
    signal: str | None = None
    output: str = field(default='', repr=False)


@dataclass(frozen=True)
class Outcome:
    """What came of a task: a value or an error, and the seconds that it took where it ran, if known."""

    value: Any = None
    error: RunError | None = None
    seconds: float = field(default=0.0, compare=False)
