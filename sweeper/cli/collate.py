"""`sweeper collate`: rebuilds the summaries."""

from __future__ import annotations

from ..text import one_line
from .app import Command, app
from .options import Folder


@app.command(cls=Command)
def collate(folder: Folder) -> None:
    """Rebuild the summaries (CSV files, results.npz, funcres.pt …) from the single results."""
    from ..store.store import Store

    with Store.opened(folder) as store:
        store.rebuild()
        print(f'collated {len(store.records.by_point)} points in {one_line(store.layout.points)}')
