"""`sweeper report`: writes the comparison."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..amounts import checked_margin
from ..errors import InvalidArgument
from ..text import one_line, printable, reason
from .app import Command, app
from .options import Folder, Margin, MetricName, path_of

if TYPE_CHECKING:
    from ..store.records import Records


@app.command(cls=Command)
def report(
    folder: Folder,
    format: Annotated[  # noqa: A002
        str,
        typer.Option(
            metavar='html|md|csv|json|methods',
            help='A page, Markdown, data for other programs, or the methods section of a paper.',
        ),
    ] = 'html',
    out: Annotated[
        Path | None,
        typer.Option(
            help='The file.  \\[default: DIR/report.html; else standard output]',
            metavar='FILE',
            parser=path_of,
        ),
    ] = None,
    metric: MetricName = None,
    margin: Margin = None,
    representations: Annotated[
        list[str] | None,
        typer.Option(
            help='Show the activations of an architecture on validation data: best, ID or NAME=VALUE,….',
            metavar='POINT',
        ),
    ] = None,
) -> None:
    """Write the comparison: a page with figures that works offline, or a document."""
    from ..report.document import FORMATS
    from ..report.measure import measure_of
    from ..store.store import Store

    if format != 'html' and format not in FORMATS:
        raise InvalidArgument(f'--format {format}: valid are html, {", ".join(FORMATS)}')
    if representations and format != 'html':
        raise InvalidArgument(f'--representations goes with --format html, not {format}')
    store = Store.read(folder)
    measure_of(store.manifest.metrics, metric)  # or fails before anything is written
    if margin is not None:
        checked_margin(margin)
    if format == 'html':
        out = out or store.layout.page
        _write(out, _page(store, representations or [], metric, margin))
        print(f'wrote {one_line(out)}')
    elif out is None:
        text = FORMATS[format](store, metric, margin)
        print(printable(text) if sys.stdout.isatty() else text, end='')
    else:
        _write(out, FORMATS[format](store, metric, margin))


def _page(store: Records, looked_into: list[str], metric: str | None, margin: float | None) -> str:
    from ..report.figures.chosen import chosen
    from ..report.findings import Findings
    from ..report.page.writing import report_page

    findings = Findings(store, metric, margin)
    if not looked_into:
        return report_page(findings)
    from ..points import label
    from ..report.representations import representations

    if 'best' in looked_into and not findings.compared:
        raise InvalidArgument('--representations best: no architecture has trials yet')
    summaries = [findings.compared[0] if text == 'best' else chosen(findings, text) for text in looked_into]
    seen = representations(store, list(dict.fromkeys(summary.params for summary in summaries)))
    for point, why in seen.failed:
        print(f'cannot look into ({label(point)}): {one_line(why)}', file=sys.stderr)
    return report_page(findings, seen)


def _write(path: Path, text: str) -> None:
    from ..io.files import write_report

    try:
        write_report(path, text.encode(errors='replace'))
    except OSError as error:
        raise InvalidArgument(f'cannot write {path}: {reason(error, path)}') from error
