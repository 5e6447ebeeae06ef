"""`sweeper plot`: draws a figure for a paper."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..text import one_line
from .app import Command, app
from .options import Folder, MetricName, Number, path_of


@app.command(cls=Command)
def plot(
    folder: Folder,
    kind: Annotated[
        str,
        typer.Argument(
            help='board, differences, parameter, heatmap, parallel, cost, effects, tuning or training.',
            metavar='KIND',
        ),
    ],
    out: Annotated[Path, typer.Option(help='The file, .pdf, .svg or .png.', metavar='FILE', parser=path_of)],
    x: Annotated[
        str | None,
        typer.Option(
            help='The parameter on the x axis.  \\[default: the one that matters most]', metavar='NAME'
        ),
    ] = None,
    y: Annotated[
        str | None, typer.Option(help='The parameter on the y axis of a heatmap.', metavar='NAME')
    ] = None,
    cost: Annotated[
        str | None,
        typer.Option(
            metavar='parameters|flops|seconds',
            help='What to plot against.  \\[default: the first that is known]',
        ),
    ] = None,
    point: Annotated[
        list[str] | None,
        typer.Option(
            help='Which architectures to show, with tuning and training: ID or NAME=VALUE,….  '
            '\\[default: the best]',
            metavar='POINT',
        ),
    ] = None,
    metric: MetricName = None,
    width: Annotated[
        float | None,
        Number(metavar='INCHES', help='Width of the figure.  \\[default: 3.3, a column, or 6.9, a page]'),
    ] = None,
) -> None:
    """Draw a figure for a paper."""
    from ..report.figures.paper import image_format, save_figure
    from ..report.figures.plotting import plot as draw

    image_format(out)  # or fails before there is anything to lose
    save_figure(draw(folder, kind, x=x, y=y, cost=cost, points=point or (), metric=metric, width=width), out)
    print(f'wrote {one_line(out)}')
