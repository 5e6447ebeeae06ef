"""How a folder keeps what a sweep found: of which trials the weights, and in which folders."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..annotations import check_types


@dataclass(frozen=True)
class Storage:
    """What is kept, and how. Results do not depend on it, so most may be changed when a sweep is continued.

    Attributes:
        keep_weights: Whose trained weights, and those they started from, are kept: those of `all` trials, of
            the `best` trial of each point, or of `none`.
        summaries: As which files the summaries are written: `csv`, that is `results.csv` and a `results.npz`
            for each point; or `parquet`, a single `results.parquet`.
        points_per_folder: How many points' folders there are in one folder at most, so that none has very
            many entries; None: all are in one. Of a sweep that has points it cannot be changed.
    """

    keep_weights: Literal['all', 'best', 'none'] = 'all'
    summaries: Literal['csv', 'parquet'] = 'csv'
    points_per_folder: int | None = None

    @classmethod
    def of(cls, chosen: Mapping[str, Any]) -> Storage:
        """Returns what was chosen, with defaults for the rest.

        Raises:
            ValueError: A value cannot be.
            TypeError: There is nothing of such a name to choose.
        """
        check_types(cls, chosen)
        storage = cls(**chosen)
        if storage.points_per_folder is not None and storage.points_per_folder < 1:
            raise ValueError(f'points_per_folder is {storage.points_per_folder!r}')
        return storage


CHOICES = tuple(field.name for field in dataclasses.fields(Storage))
"""What can be chosen, by name."""
