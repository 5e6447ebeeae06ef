"""The summaries: what the single results come to, as arrays and as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .results import TrialResult

if TYPE_CHECKING:
    from .store import Store

_SCORES = ('perf_train', 'loss_train', 'perf_val', 'loss_val', 'perf_test', 'loss_test')
_TRIAL_COLUMNS = ('epochs', 'seed', 'seconds', 'diverged', *_SCORES)
_TUNED_COLUMNS = ('lr_start', 'lr_end', 'batch_size')
_RESERVED = {'id', 'trial', 'flags', *_TUNED_COLUMNS, *_TRIAL_COLUMNS}


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


def results_header(parameters: Sequence[str]) -> list[str]:
    """The columns of `results.csv`."""
    columns = [f'param_{name}' if name in _RESERVED else name for name in parameters]
    return ['id', *columns, *_TUNED_COLUMNS, 'trial', *_TRIAL_COLUMNS, 'flags']


def results_rows(store: Store) -> Iterator[list[object]]:
    """The rows of `results.csv`: one per trial, those of failed points left out."""
    for point_id, point in enumerate(store.points):
        tuned = store.tuned(point)
        if tuned is None or store.error(point) is not None:
            continue
        hparams = [getattr(tuned, name) for name in _TUNED_COLUMNS]
        cells, flags = store.parameter_cells(point), ' '.join(tuned.flags)
        for index, trial in store.trials(point).items():
            row = [getattr(trial, name) for name in _TRIAL_COLUMNS]
            yield [point_id, *cells, *hparams, index, *row, flags]
