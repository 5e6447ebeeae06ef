"""Every exception that `sweeper` raises on purpose.

SweepError
├── InvalidArgument (also a ValueError)   an argument of sweep(), train() or the command line
│   └── InvalidPoint                      a selector proposed something that cannot be a point
├── ProblemError                          the user's module is not a usable problem
├── FolderError                           the output folder cannot be used for this sweep
├── SelectorError                         a selector broke its contract
├── PointFailed                           a point failed and the caller asked to be told at once
├── TuningFailed                          no learning rate or batch size trains this point
└── MissingExtra (also an ImportError)    something asked for needs a package that is not installed
"""

from __future__ import annotations


class SweepError(Exception):
    """Base of every error that `sweeper` raises on purpose."""


class InvalidArgument(SweepError, ValueError):
    """An argument has a value that it cannot have; the message names the value and what is valid."""


class InvalidPoint(InvalidArgument):
    """A selector proposed parameters or a number of trials that cannot be used."""


class ProblemError(SweepError):
    """The user's module is missing something, or what it gives does not fit together."""


class FolderError(SweepError):
    """The output folder cannot be written, is in use, or holds something else."""


class SelectorError(SweepError):
    """A selector waits for results that can never come, or answers outside its contract."""


class PointFailed(SweepError):
    """A point failed, under `on_error='raise'` or in `train`."""


class TuningFailed(SweepError):
    """Tuning cannot go on: every run of a stage diverged. It costs that point only."""


class MissingExtra(SweepError, ImportError):
    """Something that was asked for needs a package which is not installed; the message says how to get it."""
