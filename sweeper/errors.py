"""Every exception that `sweeper` raises on purpose, and every warning that it gives.

SweepError
├── InvalidArgument (also a ValueError)   an argument of sweep(), train() or the command line
│   └── InvalidPoint                      a selector proposed something that cannot be a point
├── ProblemError                          the user's module is not a usable problem
│   └── NotFiniteData                     its data have NaN or infinite values, and so has the loss
├── FolderError                           the output folder cannot be used for this sweep
├── SelectorError                         a selector broke its contract
├── PointFailed                           a point failed and the caller asked to be told at once
├── TuningFailed                          no learning rate or batch size trains this point
│   └── EvaluationDiverged                its loss is finite in training, and not in evaluation
├── DeclarationError (also a ValueError)  parameters declared in code are wrong, or contradict each other
│   ├── SourceError                       a source file or its text cannot be read
│   │   ├── MissingSource (also a FileNotFoundError)
│   │   └── SourceSyntaxError (also a SyntaxError)
│   ├── NotLiteralNameException           a parameter's name is not a literal string
│   ├── NotLiteralEvaluable               a hint is not a literal (as a value: a default that is not)
│   ├── DoubleAssignmentException         a name has two defaults
│   ├── ImpossibleTree                    a name is both a value and a tree
│   └── UnknownParameter (also a KeyError)
└── MissingExtra (also an ImportError)    something asked for needs a package that is not installed

UserWarning
├── ProblemWarning          something about a problem may be a mistake
├── DeclarationWarning      a call may or may not declare a parameter
├── PointFailedWarning      a point failed, and the sweep goes on
├── DamagedFileWarning      a damaged file was set aside
├── ListenerWarning         a listener raised, and is no longer called
└── EqualPointsWarning      two points are equal to Python, and count as one
"""

from __future__ import annotations

from typing import Any, Self

from .text import printable


class SweepError(Exception):
    """Base of every error that `sweeper` raises on purpose; its text is safe to print.

    Attributes:
        arguments: Arguments of `sweep` in the message: `(name, value)` for what it writes as `name=value`, or
            a name alone. The command line writes options in their place.
        command: What the command line says instead of the message; None: nothing else.
    """

    arguments: tuple[tuple[str, Any] | str, ...] = ()
    command: str | None = None

    def naming(self, *arguments: tuple[str, Any] | str) -> Self:
        """Sets `arguments`; returns the error itself."""
        self.arguments = arguments
        return self

    def on_command_line(self, text: str) -> Self:
        """Sets `command`; returns the error itself."""
        self.command = text
        return self

    def __str__(self) -> str:
        return printable(super().__str__())


class InvalidArgument(SweepError, ValueError):
    """An argument has a value that it cannot have; the message names the value and what is valid."""


class InvalidPoint(InvalidArgument):
    """A selector proposed parameters or a number of trials that cannot be used."""


class ProblemError(SweepError):
    """The user's module is missing something, or what it gives does not fit together."""


class NotFiniteData(ProblemError):
    """The data have NaN or infinite values, and so has the loss; the message names split and sample."""


class FolderError(SweepError):
    """The output folder cannot be written, is in use, or holds something else."""


class SelectorError(SweepError):
    """A selector waits for results that can never come, or answers outside its contract."""


class PointFailed(SweepError):
    """A point failed, under `on_error='raise'` or in `train`."""


class TuningFailed(SweepError):
    """Tuning cannot go on: every run of a stage diverged. It affects only that point."""


class EvaluationDiverged(TuningFailed):
    """In every run of a stage the loss was finite in training mode, and not in evaluation mode."""


class DeclarationError(SweepError, ValueError):
    """Parameters declared in code are wrong or contradict each other; the message names the places."""


class SourceError(DeclarationError):
    """A source text cannot be read or is nested too deeply; the message names the file."""


class MissingSource(SourceError, FileNotFoundError):
    """There is no file or folder where sources should be."""


class SourceSyntaxError(SourceError, SyntaxError):
    """A source text is not Python; the message names file and line."""

    __init__ = SyntaxError.__init__  # it has the text that a traceback shows


class NotLiteralNameException(DeclarationError):
    """The name of a parameter is not a literal string, so that only running the code could tell it."""


class NotLiteralEvaluable(DeclarationError):
    """A hint is not a literal.

    As a *value*, an instance stands for a default that only running the code can compute; its text is the
    default's source.
    """


class DoubleAssignmentException(DeclarationError):
    """One name has defaults at two places; the message shows both."""


class ImpossibleTree(DeclarationError):
    """A name has a value and is also the beginning of other names: `a` besides `a.b`.

    Attributes:
        names: The two names, if there are two.
    """

    def __init__(self, message: str = '', names: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.names = names


class UnknownParameter(DeclarationError, KeyError):
    """A parameter has no value: nobody has set it, and no default is known."""

    def __str__(self) -> str:
        return printable(Exception.__str__(self))  # a KeyError would show the message in quotes


class MissingExtra(SweepError, ImportError):
    """Something that was asked for needs a package which is not installed; the message says how to get it."""


class ProblemWarning(UserWarning):
    """Something about a problem may be meant, and may be a mistake."""


class DeclarationWarning(UserWarning):
    """A call looks like a parameter, but it cannot be told for sure that it is one, or that it is none."""


class PointFailedWarning(UserWarning):
    """A point of a sweep failed; the other points have results."""


class DamagedFileWarning(UserWarning):
    """A file of the sweep's folder could not be understood; it is set aside and computed anew."""


class ListenerWarning(UserWarning):
    """A listener raised an exception and is no longer called."""


class EqualPointsWarning(UserWarning):
    """Points that are written differently are equal to Python, as `(1,)` and `(True,)` are: one point."""
