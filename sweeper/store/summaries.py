"""Writes the summaries: what the single results come to, in the files that were chosen for that."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from ..io.files import AtomicWriter
from ..results import TrialResult
from .collation import final_arrays, results_table
from .layout import PointLayout, SweepLayout
from .parquet import write_parquet
from .records import Records
from .storage import Storage


def write_scores(
    layout: PointLayout, writer: AtomicWriter, storage: Storage, trials: Mapping[int, TrialResult]
) -> None:
    """Writes a point's `results.npz`; with Parquet there is none, as the one file has all of it."""
    if storage.summaries == 'csv':
        writer.write_npz(layout.results, final_arrays(trials))
    else:
        writer.remove(layout.results)


def write_tables(layout: SweepLayout, writer: AtomicWriter, records: Records) -> None:
    """Writes `funcres.pt` and the table of all trials; one of the other kind, out of date, is removed."""
    if not records.lookup.has_references:
        writer.write_pickle(layout.funcres, [*map(tuple, records.point_results())])
    if records.manifest.kept.summaries == 'csv':
        header, rows = results_table(records)
        writer.write_csv(layout.results_csv, header, rows)
        writer.remove(layout.results_parquet)
    else:
        writer.write_pieces(layout.results_parquet, partial(write_parquet, records=records))
        writer.remove(layout.results_csv)
