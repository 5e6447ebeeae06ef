"""`sweeper collate`: rebuilds the summaries."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import InvalidArgument
from ..text import one_line
from .app import Command, app
from .options import Folder


@app.command(cls=Command)
def collate(
    folder: Folder,
    summaries: Annotated[
        str | None,
        typer.Option(
            metavar='csv|parquet',
            help='As which files, from now on.  \\[default: as before]',
            show_default=False,
        ),
    ] = None,
) -> None:
    """Rebuild the summaries (CSV or Parquet files, results.npz, funcres.pt …) from the single results."""
    from ..store.parquet import check_parquet
    from ..store.store import Store

    if summaries not in (None, 'csv', 'parquet'):
        raise InvalidArgument(f'--summaries {summaries}: valid are csv, parquet')
    if summaries == 'parquet':
        check_parquet()
    with Store.opened(folder) as store:
        store.rebuild(summaries)
        print(f'collated {len(store.records.by_point)} points in {one_line(store.layout.points)}')
