"""`sweeper params`: lists the parameters that source code declares."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .app import Command, app


@app.command(cls=Command)
def params(
    files: Annotated[
        list[Path], typer.Argument(help='Source files and folders. They are not imported.', metavar='FILE')
    ],
    format: Annotated[str, typer.Option(metavar='detail|yaml|json', help='How to list them.')] = 'detail',  # noqa: A002
    manager: Annotated[
        str, typer.Option(help='The name that the code calls to declare parameters.', metavar='NAME')
    ] = '_',
    values: Annotated[
        list[str] | None,
        typer.Option('--set', metavar='NAME=VALUE', help='Show this value instead of the default.'),
    ] = None,
    load: Annotated[
        Path | None, typer.Option(metavar='FILE', help='Show the values of a YAML or JSON file.')
    ] = None,
    save: Annotated[
        Path | None, typer.Option(metavar='FILE', help='Write all values to a YAML or JSON file.')
    ] = None,
) -> None:
    """List the parameters that source code declares, and where. The code is not run."""
    from ..declare.listing import list_sources

    list_sources(files, manager, format, values or [], load, save)
