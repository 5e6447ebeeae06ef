"""The application that commands are added to, and how it ends."""

from __future__ import annotations

import signal
import sys
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from ..errors import DeclarationError, FolderError, InvalidArgument, MissingExtra, ProblemError, SweepError
from ..pipes import outlive_readers
from ..signals import Terminated
from ..text import printable
from ..version import __version__
from .options import as_options

SOME_POINTS_FAILED, WRONG_INPUT, ENDED_EARLY = 1, 2, 3
_ORDER = ('run', 'status', 'report', 'plot', 'collate', 'params')


class _Help:
    """Has `--help` listed as the switch that it is, without a value."""

    def get_help_option(self, context: Any) -> Any:
        option = super().get_help_option(context)  # type: ignore[misc]
        if option is not None:
            option.metavar = ''
        return option


class Command(_Help, TyperCommand):
    """A command; its errors are shown without a traceback."""

    def invoke(self, context: Any) -> Any:
        try:
            return super().invoke(context)
        except SweepError as error:
            _fail(error)


class _Group(_Help, TyperGroup):
    def list_commands(self, context: Any) -> list[str]:
        return sorted(super().list_commands(context), key=_ORDER.index)


app = typer.Typer(
    cls=_Group,
    add_completion=False,
    no_args_is_help=True,
    help='Compare neural-network architectures fairly: every one tuned, repeated over seeds, '
    'with error bars.',
)


def main() -> None:
    """Runs the command line."""
    if '' not in sys.path:
        sys.path.insert(0, '')  # `sweeper run package.module` finds what `python -m` would
    outlive_readers()
    app()


@app.callback(invoke_without_command=True)
def _all(
    version: Annotated[
        bool, typer.Option('--version', metavar='', help='Show the version, and exit.', is_eager=True)
    ] = False,
) -> None:
    if version:
        print(f'sweeper {__version__}')
        raise typer.Exit


def exit_code(interruption: KeyboardInterrupt) -> int:
    """As a shell has it of a command that a signal ended."""
    return 128 + (interruption.signum if isinstance(interruption, Terminated) else signal.SIGINT)


def _fail(error: SweepError) -> NoReturn:
    from rich.console import Console
    from rich.text import Text

    Console(stderr=True).print(
        Text.assemble(('error: ', 'bold red'), printable(as_options(error))), soft_wrap=True
    )
    of_input = InvalidArgument | ProblemError | FolderError | MissingExtra | DeclarationError
    is_input = isinstance(error, of_input)
    raise typer.Exit(WRONG_INPUT if is_input else ENDED_EARLY)
