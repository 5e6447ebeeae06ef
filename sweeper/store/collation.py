"""The summaries: what the single results come to, as arrays and as a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ..points import value_to_text
from ..results import TRIAL_COLUMNS, TrialResult, Tuned


def final_arrays(trials: Mapping[int, TrialResult]) -> dict[str, np.ndarray]:
    """The content of `results.npz`: the final scores, those on test data only if all trials have them."""
    arrays = {
        f'final_{kind}_{split}': np.array(
            [getattr(trial, f'{kind}_{split}') for _, trial in sorted(trials.items())], dtype=float
        )
        for split in ('train', 'val', 'test')
        for kind in ('loss', 'perf')
    }
    if np.isnan(arrays['final_loss_test']).any() or not len(arrays['final_loss_test']):
        arrays = {name: array for name, array in arrays.items() if not name.endswith('_test')}
    return arrays


class PointRecord(NamedTuple):
    """A point that has results: its id, its parameters as cells, its tuning, and its trials by index."""

    point_id: int
    cells: Sequence[str]
    tuned: Tuned
    trials: Mapping[int, TrialResult]


def results_rows(records: Iterable[PointRecord], nuisance: Sequence[str] = ()) -> Iterator[list[object]]:
    """The rows of `results.csv`: one per trial; a nuisance parameter that a point fixes or lacks is empty."""
    for point_id, cells, tuned, trials in records:
        values, flags = tuned.nuisance, ' '.join(tuned.flags_with(trials.values()))
        hparams: list[object] = [tuned.lr_min, tuned.lr_max, tuned.batch_size]
        hparams += [value_to_text(values[name]) if name in values else '' for name in nuisance]
        for index, trial in sorted(trials.items()):
            row = [getattr(trial, name) for name in TRIAL_COLUMNS]
            yield [point_id, *cells, *hparams, index, *row, flags]
